"""Sources: each turns the raw files of one dataset into conversations."""
