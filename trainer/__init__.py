"""Training on a mixture: knows its files, not what wrote them."""
