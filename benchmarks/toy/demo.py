"""`make demo`: raw files, a mixture of them, and a model that learns from scratch to answer questions about pictures.

`python -m benchmarks.toy.demo` writes everything into `demo/`.
"""

import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.toy.commands import Commands
from benchmarks.toy.held_out import (
    NAME,
    Question,
    Tally,
    majority_answers,
    read_answers,
    read_questions,
    tallies,
    write_benchmark,
)
from benchmarks.toy.show import print_picture, save_picture

HERE = Path(__file__).parent
IMAGE_PX, HIDDEN = 84, 128
MODEL = ("--tokenizer", "tiny", "--image-px", str(IMAGE_PX), "--hidden", str(HIDDEN), "--spread", "0.088")
COLOR = "what color is the"
NUM_ASKED = 400


def main(out: Path) -> None:
    """Go the way from raw files to a score, in a folder that is emptied first."""
    shutil.rmtree(out, ignore_errors=True)
    console = Console()
    commands = Commands(console, parts=6)
    make_mixture(commands, out)
    train(commands, out)
    questions = ask(commands, out)
    show(console, out, questions)
    console.print(f"all of it took {commands.seconds:.0f} s", highlight=False)


def make_mixture(commands: Commands, out: Path) -> None:
    """Raw files of every source and the mixture of them; then more of two sources, to learn from."""
    raw = out / "raw"
    commands.part("raw files and pictures of every source")
    commands.run("mix", "synth", "--out", raw, "--scale", "0.01", "--draw-images")
    commands.part("LLaVA-1.5's mixture, built from them")
    commands.run("mix", "build", "tiny", "--raw", raw, "--out", out / "mixture", "--images", raw / "images")
    commands.run("mix", "inspect", out / "mixture", "--tokenizer", "tiny", "--source", "aokvqa", "--sample", "1")
    commands.part("captions and questions to learn from")
    more, unseen = ("--draw-images", "--source", "vqav2"), out / "unseen"
    commands.run("mix", "synth", "--out", out / "more", "--scale", "0.05", *more, quiet=True)
    commands.run("mix", "synth", "--out", unseen, "--seed", "1", "--scale", "0.001", *more, quiet=True)
    for recipe, files in (("captions", raw), ("questions", out / "more")):
        given = ("--raw", files, "--images", files / "images", "--out", out / recipe)
        commands.run("mix", "build", HERE / f"{recipe}.yaml", *given, quiet=True)


def train(commands: Commands, out: Path) -> None:
    """A random model, one that has hardly begun, for comparison, and the two stages."""
    commands.part("a language model and a vision tower of random weights")
    commands.run("python", "-m", "mix665k.trainer.tiny", out / "models", *MODEL)
    commands.part("stage 1, captions, and stage 2, questions")
    parts = ("--llm", out / "models" / "llm", "--vision", out / "models" / "vision", "--report-to", "none")
    captions = ("--mixture", out / "captions", "--images", out / "raw" / "images", *parts)
    questions = ("--mixture", out / "questions", "--images", out / "more" / "images", "--report-to", "none")
    first = ("--stage", HERE / "pretrain.yaml")
    commands.run("train", "pretrain", *captions, *first, "--out", out / "stage1")
    second = ("--stage", HERE / "finetune.yaml", "--from", out / "stage1")
    commands.run("train", "finetune", *questions, *second, "--out", out / "stage2")
    commands.run("train", "export", out / "stage2", "--out", out / "model", quiet=True)


def ask(commands: Commands, out: Path) -> list[Question]:
    """Ask both models about pictures of another seed, which none of them has seen."""
    commands.part("unseen pictures, before and after training")
    questions = read_questions(out / "unseen")[:NUM_ASKED]
    benchmark = write_benchmark(out / "eval", questions)
    given = (benchmark, "--data", out / "eval", "--images", out / "unseen" / "images")
    one_step = ("--max-steps", "1", "--report-to", "none")  # the first step of a warm-up has a rate of 0
    start = (
        "--llm",
        out / "models" / "llm",
        "--vision",
        out / "models" / "vision",
        "--images",
        out / "more" / "images",
    )
    stage = ("--stage", HERE / "finetune.yaml", "--mixture", out / "questions")
    commands.run("train", "pretrain", *start, *stage, *one_step, "--out", out / "untrained", quiet=True)
    commands.run("train", "eval", out / "untrained", *given, "--out", out / "before", quiet=True)
    commands.run("train", "eval", out / "model", *given, "--out", out / "after")
    return questions


def show(console: Console, out: Path, questions: Sequence[Question]) -> None:
    """A picture with the answers to its questions, and the score beside what needs no learning."""
    trained_on = read_questions(out / "more")
    before, after = read_answers(out / "before"), read_answers(out / "after")
    about = first_picture(questions)
    image = out / "unseen" / "images" / about[0].image
    lines = [
        f"{one.text} {after[one.id]}" + ("" if after[one.id] == one.answer else f" (no: {one.answer})") for one in about
    ]
    console.rule("[bold]a picture that it has not seen", align="left")
    print_picture(console, image)
    for line in lines:
        console.print(line, markup=False, highlight=False)
    save_picture(out / "answers.png", image, lines)
    console.print(f"the same as a picture: {out / 'answers.png'}", highlight=False)
    majority = majority_answers(trained_on, questions)
    columns = {
        name: tallies(questions, answers)
        for name, answers in (("before", before), ("majority", majority), ("after", after))
    }
    console.print(score_table(columns))
    command = shlex.join(["train", "generate", str(out / "model"), "--image", str(image), "--prompt", about[0].text])
    console.print(f"ask it yourself: .venv/bin/{command}", markup=False, highlight=False, soft_wrap=True)


def first_picture(questions: Sequence[Question]) -> list[Question]:
    """Three questions about the first picture that is asked for the colour of its ground and of a shape."""
    for image in dict.fromkeys(one.image for one in questions):
        about = [one for one in questions if one.image == image]
        colors = [one for one in about if one.kind == COLOR]
        grounds = [one for one in colors if "background" in one.text]
        if grounds and len(colors) > 1 and len(about) > 2:
            shown = [grounds[0], next(one for one in colors if one is not grounds[0])]
            return [*shown, next(one for one in about if one not in shown)]
    raise AssertionError("no picture with questions about the colours of its ground and of a shape")


def score_table(columns: dict[str, dict[str, Tally]]) -> Table:
    """The share of right answers, a row for each kind of question."""
    table = Table("questions", "asked", title=f"right answers, % ({NAME} of another seed)")
    for name in columns:
        table.add_column(name, justify="right")
    first = next(iter(columns.values()))
    for kind, tally in first.items():
        shares = (100 * column[kind].right / column[kind].asked for column in columns.values())
        table.add_row(f"{kind} …" if kind != "all" else kind, str(tally.asked), *(f"{share:.0f}" for share in shares))
    return table


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("demo"))
