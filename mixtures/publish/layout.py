"""What a published repository holds besides the mixture itself."""

RECIPE = "recipe.yaml"
LICENCES = "LICENSE.md"
CROISSANT = "croissant.json"
IMAGES = "images"
"""Folder of the records with their images."""
BESIDE = {RECIPE, LICENCES, CROISSANT, IMAGES}
