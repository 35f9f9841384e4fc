"""Casing, white space and final periods of short texts."""


def upper_first(text: str) -> str:
    """The text with its first letter in upper case, the rest untouched ("yes" becomes "Yes")."""
    return text[:1].upper() + text[1:]


def fold(text: str) -> str:
    """The text with white space around it removed and runs of it inside made single spaces."""
    return " ".join(text.split())


def with_period(text: str) -> str:
    """The text with a final period, unless it ends in `.`, `!` or `?`."""
    return text if text.endswith((".", "!", "?")) else f"{text}."
