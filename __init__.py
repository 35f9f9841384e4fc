"""Rebuild LLaVA-1.5's instruction-tuning mixture from the raw datasets, prove it, change it, and train on it."""
