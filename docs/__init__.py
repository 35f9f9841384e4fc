"""The documentation; `generator` makes what of it comes from the code."""
