"""Which examples share a step: numbers only, no tensors and no files.

`epoch` plans one, by `grouped`, `padding_free`, `shared_images` or `llava` as the stage's `batching` says, over the
records of `types`; `sampler` gives a rank its micro-batches. `simulate` compares the costs of all. A new way of
batching is a planner in `epoch.PLANNERS` and a mode in `types` and `schemas/stage`.
"""
