"""Steps: conversations in, conversations out; importing this package registers all of them."""

from mix665k.builders.steps import drop, merge, prompt, sample, split, truncate  # noqa: F401
