"""Overlap of a mixture with evaluation sets: the same images, questions or pictures, and a mixture without them."""
