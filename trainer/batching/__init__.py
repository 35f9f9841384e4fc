"""Which examples share a step."""
