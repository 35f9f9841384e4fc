"""Checking the images that a mixture names: each is there, decodes, and is what its name says."""
