"""A run, from the command line to its last checkpoint.

`job` is what was asked, with a stage from `stage_files`. `launch` checks it, makes the `start_model` and starts
`ranks`. Each runs `rank_main`: `training_data` opened, `arguments` for Trainer, `loop` with `metrics` and `callbacks`,
saved and resumed by `checkpoint`. `weights` reads what a checkpoint learned.
"""
