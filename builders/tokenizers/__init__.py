"""The tokenizer that the demo and the tests use, and what makes it."""
