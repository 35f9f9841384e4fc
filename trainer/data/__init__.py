"""From the rows of a mixture to the tensors of a micro-batch.

`mixture` maps the rows, `encode` turns one into tokens and labels (`chat` where the tokenizer's own template is used),
`images` and `pixels` load its image, `dataset` puts both together, `collate` makes a batch and shifts its labels.
`lengths` measures all rows for batching; it and `mixture` keep their files by `cache`.
"""
