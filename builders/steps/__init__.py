"""Steps: conversations in, conversations out."""
