"""Asks an exported model through lmms-eval: `python ask.py MODEL TASKS OUT.json`; runs where lmms-eval is."""

import json
import pathlib
import sys
from importlib import import_module

model, tasks, out = sys.argv[1:]
found = import_module("lmms_eval.evaluator").simple_evaluate(
    model="llava_hf",
    model_args=f"pretrained={model},device_map=cpu,attn_implementation=eager",
    tasks=["made_up"],
    task_manager=import_module("lmms_eval.tasks").TaskManager(include_path=tasks, include_defaults=False),
    batch_size=1,
    log_samples=True,
    device="cpu",
)
with pathlib.Path(out).open("w", encoding="utf-8") as file:
    json.dump([sample["filtered_resps"][0] for sample in found["samples"]["made_up"]], file)
