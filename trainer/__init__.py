"""Training on a mixture: knows its files, not what wrote them.

README.md says what flows through, in which order, and where to change what.

From the bottom: `batching` plans epochs, `data` makes tensors of rows, `model` composes and prepares models, `run`
trains; above them a module for each command, and `commands` with their options. None imports one above it.
"""
