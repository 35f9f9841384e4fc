"""The model that trains."""
