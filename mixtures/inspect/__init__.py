"""What is in a mixture."""
