"""Tokenizer folders that are damaged, or bring code of their own."""

import json
import shutil
import tempfile
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from mix665k.schemas.tokenizer import TINY
from tests.campaign.case import Case, Kind, Verdict
from tests.campaign.commands import said
from tests.campaign.damage import mutate_bytes
from tests.campaign.structure import change_json
from tests.mixtures.small import build_small

TRACE = "code-ran"
_AUTO = ("AutoTokenizer", "AutoConfig", "AutoProcessor", "AutoModelForCausalLM")


@cache
def _sound() -> Path:
    return build_small(Path(tempfile.mkdtemp(prefix="campaign-mixture-")))


def make(number: int, seed: int, folder: Path) -> Case:
    """A copy of the tiny tokenizer, changed, and `mix inspect --tokenizer`, to which somebody types y."""
    rng = Random(f"tokenizers/{seed}/{number}")
    tokenizer = Path(shutil.copytree(TINY, folder / "tokenizer"))
    config = tokenizer / "tokenizer_config.json"
    if number % 3 == 0:
        group, what = "code of its own", _with_code(rng, tokenizer, folder / TRACE)
    else:
        changed = rng.choice([config, tokenizer / "tokenizer.json"])
        content = changed.read_bytes()
        mutation = change_json(rng, content) if number % 3 == 1 else mutate_bytes(rng, content)
        group, what = ("structure" if number % 3 == 1 else "bytes"), f"{changed.name}: {mutation.what}"
        changed.write_bytes(mutation.content)
    return Case(group, what, lambda: _judged(tokenizer, folder / TRACE))


def _with_code(rng: Random, tokenizer: Path, trace: Path) -> str:
    (tokenizer / "evil.py").write_text(f"open({str(trace)!r}, 'w')\nclass Evil:\n    pass\n")
    name = rng.choice(("evil.Evil", "tokenizer--evil.Evil", "../tokenizer/evil.Evil"))
    changes: dict[str, Any] = {"auto_map": {auto: rng.choice([name, [name, name], [None, name]]) for auto in _AUTO}}
    if rng.random() < 0.5:
        changes["tokenizer_class"] = rng.choice(["Evil", "evil.Evil", None])
    if rng.random() < 0.3:
        (tokenizer / "config.json").write_text(json.dumps({"model_type": "evil", **changes}))
    if rng.random() < 0.3:
        (tokenizer / "chat_template.jinja").write_text("{{ ''.__class__.__mro__[1].__subclasses__() }}")
    config = tokenizer / "tokenizer_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | changes))
    return json.dumps(changes)[:100]


def _judged(tokenizer: Path, trace: Path) -> Verdict:
    verdict = said("inspect", _sound(), "--tokenizer", tokenizer, given="y\n" * 9).verdict(names=[tokenizer.name])
    return Verdict(verdict.result, "outside", "code of the folder ran") if trace.exists() else verdict


KIND = Kind(
    name="tokenizers",
    about="tokenizer folders with other values and bytes, and with code of their own (`auto_map`) with input of "
    "`y`, given to `mix inspect --tokenizer`",
    cases=1_500,
    make=make,
    limit_s=20.0,
    prepare=lambda: said("inspect", _sound(), "--tokenizer", "tiny"),
)
