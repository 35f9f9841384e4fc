"""Checking a mixture by itself, against the raw files it was built from, and against a published file."""
