"""A model small enough to learn on a laptop's processor, in a world of coloured shapes: `make demo`."""
