"""`mix build` at full size against what Python needs merely to read the same files.

The rival is `json.load` (`pickle.load` for RefCOCO), a fresh process per file. Both read made-up files of the real size
(`mix synth --scale 1`) from a warm page cache.
"""

import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import msgspec
import yaml

import mix665k.builders  # noqa: F401, registers the sources
from benchmarks.measure import Cost, read_seconds, run
from benchmarks.results import write_section
from mix665k.builders.registry import SOURCES

HERE = Path(__file__).parent
WORK = HERE / "work"
RAW = WORK / "raw"
RECIPE = HERE.parent / "mixtures" / "recipes" / "llava-v1.5-mix665k.yaml"
MIX = str(Path(sys.executable).with_name("mix"))
MEMORY_LIMIT_GB = 4
GOALS = {"without tokenisation": 0.5, "with tokenisation": 1.0}


class Row(NamedTuple):
    """A source on its own: what reading its files takes, and what building it takes."""

    name: str
    num_bytes: int
    read_s: float
    built: Cost


def main() -> None:
    """Make the files if they are missing, measure both sides, write the table."""
    if not (RAW / "MADE-UP.txt").is_file():
        run([MIX, "synth", "--out", str(RAW), "--scale", "1"])
    tokenizer = real_tokenizer()
    plain = _without_truncation()
    names = [block["source"] for block in yaml.safe_load(RECIPE.read_text())["sources"]]
    rows = [_measure(name, RECIPE, tokenizer) for name in names]
    wholes = {
        "without tokenisation": _build(plain, tokenizer, []),
        "with tokenisation": _build(RECIPE, tokenizer, []),
    }
    _write(rows, wholes)


def _files(name: str) -> list[Path]:
    return sorted({RAW / file.path for file in SOURCES[name].about.files})


def _measure(name: str, recipe: Path, tokenizer: Path) -> Row:
    files = _files(name)
    read_s = sum(read_seconds(path) for path in files)
    print(f"{name}: read in {read_s:.1f} s", file=sys.stderr)
    return Row(name, sum(path.stat().st_size for path in files), read_s, _build(recipe, tokenizer, ["--source", name]))


def _build(recipe: Path, tokenizer: Path, options: list[str]) -> Cost:
    out = WORK / "mixture"
    shutil.rmtree(out, ignore_errors=True)
    cost = run(
        [MIX, "build", str(recipe), "--raw", str(RAW), "--out", str(out), "--tokenizer", str(tokenizer), *options]
    )
    shutil.rmtree(out)
    return cost


def real_tokenizer() -> Path:
    """A folder with mistral-common's 32,000-piece SentencePiece model, as large as Vicuna's."""
    import mistral_common

    folder = WORK / "tokenizer"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(mistral_common.__file__).parent / "data" / "tokenizer.model.v1", folder / "tokenizer.model")
    config = {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "legacy": False}
    config |= {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_bytes(msgspec.json.encode(config))
    return folder


def _without_truncation() -> Path:
    recipe = yaml.safe_load(RECIPE.read_text())
    for block in recipe["sources"]:
        for step in block.get("steps", []):
            if "sample" in step:
                step["sample"].pop("surviving", None)
    path = WORK / "without-truncation.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    return path


def _write(rows: list[Row], wholes: dict[str, Cost]) -> None:
    read_s = sum(row.read_s for row in rows)
    num_bytes = sum(row.num_bytes for row in rows)
    slowest = max(rows, key=lambda row: row.built.seconds)
    lines = [
        (__doc__ or "").partition("\n\n")[2].strip(),
        "",
        "| whole recipe | reading alone, s | `mix build`, s | ratio | goal | MB/s | peak memory, GB |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, cost in wholes.items():
        goal = f"≤ {GOALS[name]}"
        lines.append(f"| {name} | {read_s:.1f} {_cells(cost, read_s, num_bytes, goal=goal)}")
    lines += [
        "",
        f"Memory is summed over all processes (PSS); the limit is {MEMORY_LIMIT_GB} GB.",
        "",
        "Each source on its own, start of Python and imports included:",
        "",
        "| source | raw MB | reading alone, s | `mix build --source`, s | ratio | MB/s | peak memory, GB |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        cells = _cells(row.built, row.read_s, row.num_bytes)
        lines.append(f"| {row.name} | {row.num_bytes / 1e6:,.0f} | {row.read_s:.1f} {cells}")
    lines += ["", f"The slowest source is {slowest.name}. {_BOUND.get(slowest.name, '')}"]
    libraries = ("msgspec", "pyarrow", "tokenizers")
    write_section("Building the mixture", lines, libraries=libraries, command="python -m benchmarks.build")


_BOUND = {
    "sharegpt": "What bounds it is the tokenizer: it encodes each drawn conversation up to the limit, on all cores.",
    "vg": "What bounds it is Python: a rank for each of 5.4 million regions and a text for each box.",
}


def _cells(cost: Cost, read_s: float, num_bytes: int, *, goal: str | None = None) -> str:
    cells = [f"{cost.seconds:.1f}", f"{cost.seconds / read_s:.2f}", *([goal] if goal else [])]
    cells += [f"{num_bytes / 1e6 / cost.seconds:,.0f}", f"{cost.peak_bytes / 1e9:.2f}"]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
