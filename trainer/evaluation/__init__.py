"""Benchmarks: what they ask, how answers are read and scored; imports neither torch nor transformers."""
