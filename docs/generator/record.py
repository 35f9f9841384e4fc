"""Records the outputs of commands that take too long for every build of the site: `make recordings`.

They are kept in `docs/recorded/`, the command in the first line.
"""

import json
import shutil
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from docs.generator.memory import seven_billion
from docs.generator.recordings import RECORDED, execute, folder, trimmed, typed

SHAPES = {"llm": "vicuna-7b", "vision": "clip-336"}
_DATA = "--mixture mixture --images raw/images"
_MODELS = "--llm models/llm --vision models/vision"
_SMALL = "--set global_batch=16 --set per_device_batch=8 --set bf16=false --set workers=0 --max-steps 12"
COMMANDS = {
    "train-check": f"train check {_DATA} {_MODELS}",
    "train-check-lora": (
        f"train check {_DATA} --llm vicuna-7b --vision clip-336 --without-weights "
        "--set lora.r=128 --set zero=0 --set per_device_batch=8 --set batching=padding_free"
    ),
    "train-check-8": f"train check {_DATA} {_MODELS} --ranks 8",
    "train-plan": (
        "train plan --mixture mixture --tokenizer models/llm --ranks 8 --global-batch 16 --per-device-batch 2"
    ),
    "train-pretrain": f"train pretrain {_DATA} {_MODELS} --out stage1 {_SMALL}",
    "train-finetune": f"train finetune {_DATA} --from stage1 --out stage2 {_SMALL}",
    "train-export": "train export stage2 --out model",
    "train-publish": "train publish model me/llava --dry-run",
    "train-generate": (
        'train generate model --prompt "What is this?" --image raw/images/gqa/images/1014520.jpg --max-new-tokens 16'
    ),
    "train-eval": ("train eval model pope --split random --data eval --images raw/images/gqa/images --out results"),
    "mix-doctor": "mix doctor | grep -v -e libraries -e '^   '",
}
"""Each can use what those before it wrote."""


def main(names: Sequence[str]) -> None:
    """Run all commands, or those named, and keep what they print."""
    where = folder()
    execute(f"{sys.executable} -m mix665k.trainer.tiny models --tokenizer tiny", where)
    _write_shapes(where)
    _write_questions(where / "eval", pictures=sorted((where / "raw/images/gqa/images").iterdir())[:3])
    for name in names or COMMANDS:
        command = COMMANDS[name]
        done = execute(command, where)
        shown = trimmed(done.stderr + done.stdout).replace(f"{where}/", "").replace(str(where), "/home/me/llava")
        (RECORDED / f"{name}.txt").write_text(f"{typed(command)}\n{shown}\n", encoding="utf-8")
        print(f"recorded {name}")


def _write_questions(folder: Path, *, pictures: Sequence[Path]) -> None:
    """A few questions in POPE's form."""
    folder.mkdir()
    lines = []
    for number, (picture, thing) in enumerate(product(pictures, ("cat", "car"))):
        one = {"question_id": number, "image": picture.name, "text": f"Is there a {thing} in the image?"}
        lines.append(json.dumps(one | {"label": "yes" if number % 2 else "no"}) + "\n")
    (folder / "coco_pope_random.json").write_text("".join(lines), encoding="utf-8")


def _write_shapes(where: Path) -> None:
    """The real models as far as `train check` reads them: configurations, no weights; words of the demo's tokenizer."""
    from transformers import CLIPImageProcessorPil

    for name in ("llm", "vision"):
        shutil.copytree(where / "models" / name, where / SHAPES[name], ignore=shutil.ignore_patterns("*.safetensors"))
    config = seven_billion()
    config.text_config.save_pretrained(where / SHAPES["llm"])
    config.vision_config.save_pretrained(where / SHAPES["vision"])
    px = config.vision_config.image_size
    square = {"height": px, "width": px}
    CLIPImageProcessorPil(size={"shortest_edge": px}, crop_size=square).save_pretrained(where / SHAPES["vision"])


if __name__ == "__main__":
    main(sys.argv[1:])
