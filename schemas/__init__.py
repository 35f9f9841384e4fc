"""What crosses a boundary: records, recipes, manifests, templates and errors; imports nothing of ours."""
