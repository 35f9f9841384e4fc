"""Models, before and while they train.

`compose` makes one of a language model and a vision tower, `trainable` prepares it for a stage: parts unfrozen,
`adapters`, `activation_checkpointing`, the kind of `attention`. `hooks` tell it where images go and where its head
runs. `cost` knows memory and operations without a GPU.
"""
