"""Fetching raw files and images from their publishers: whole or not at all, and never what nobody asked for."""
