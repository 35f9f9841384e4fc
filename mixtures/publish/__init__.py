"""Publishing a mixture: its card, its Croissant description, its images, and the way to the Hub."""
