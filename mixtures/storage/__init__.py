"""How a mixture is stored, and whether it is intact."""
