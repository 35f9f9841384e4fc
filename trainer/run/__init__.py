"""A run, from the command line to its last checkpoint."""
