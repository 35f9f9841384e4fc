"""The card of a mixture."""
