"""A mixture in the forms that other trainers read."""
