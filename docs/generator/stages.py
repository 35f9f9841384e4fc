"""The stage reference: every field, what it means, and its values in the paper's two stages."""

import msgspec

from docs.generator.tables import block, table
from mix665k.trainer.run.stage_fields import fields, meaning_of, value_of
from mix665k.trainer.run.stage_files import FOLDER, load_stage

PAPERS = ("pretrain", "finetune")
SHIPPED = (*PAPERS, "llava-exact-pretrain", "llava-exact-finetune")


def stage_table(what: str) -> str:
    """`values`: all fields with their meaning and values; a stage's name: its file, verbatim."""
    if what != "values":
        path = FOLDER / f"{what}.yaml"
        return block("yaml", path.read_text(encoding="utf-8"), title=f"trainer/stages/{path.name}")
    stages = [msgspec.to_builtins(load_stage(name)) for name in PAPERS]
    rows = [
        [
            f"`{field.name}`",
            meaning_of(field),
            field.kind,
            *(value_of(stage, field.name) for stage in stages),
        ]
        for field in fields()
    ]
    return table(["field", "meaning", "value", *PAPERS], rows)
