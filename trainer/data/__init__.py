"""From the rows of a mixture to the tensors of a micro-batch."""
