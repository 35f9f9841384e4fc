"""The apps `mix` and `train`, and what becomes of an error: one line for a user's, exit codes 0, 1, 2."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from mix665k.mixtures import command
from mix665k.mixtures.build.command import build
from mix665k.mixtures.contamination.command import contamination
from mix665k.mixtures.diff.command import diff
from mix665k.mixtures.export.command import export
from mix665k.mixtures.fetch.command import fetch
from mix665k.mixtures.images.command import images
from mix665k.mixtures.inspect.command import inspect
from mix665k.mixtures.publish.command import publish
from mix665k.mixtures.select.command import select
from mix665k.mixtures.trace.command import trace
from mix665k.mixtures.verify.command import verify
from mix665k.schemas.addresses import Takes, local_paths
from mix665k.schemas.errors import UserError, brief_line, exhausted, os_reason
from mix665k.schemas.install import install
from mix665k.schemas.interrupts import EndingAtOnce
from mix665k.schemas.processes import require_limits
from mix665k.trainer import commands as training
from mix665k.trainer import evaluation_commands as evaluating

_FOR_TRAINING = ("accelerate", "deepspeed", "matplotlib", "peft", "tensorboard", "torch")
"""What the extra `train` brings."""
_TAKES = {
    build: Takes(as_is=("raw", "images"), recipes=("recipe",), out="out", keeps=True),
    contamination: Takes(as_is=("images",), mixtures=("mixture",), out="drop_to"),
    diff: Takes(mixtures=("a", "b")),
    export: Takes(as_is=("images",), mixtures=("mixture", "of"), out="out"),
    fetch: Takes(mixtures=("mixture",)),
    images: Takes(as_is=("folder",), mixtures=("mixture",)),
    inspect: Takes(as_is=("images",), mixtures=("mixture",)),
    publish: Takes(as_is=("with_images",), mixtures=("mixture",), out="out"),
    select: Takes(mixtures=("mixture", "published"), out="out"),
    trace: Takes(mixtures=("mixture",)),
    verify: Takes(mixtures=("mixture", "against")),
}
"""The paths of each command of `mix` that may be an address; all others are on this machine."""
_TRAINING = Takes(as_is=("images",), mixtures=("mixture", "eval_mixture"))


class OneLine(TyperGroup):
    """Commands whose user errors are one line on stderr and exit code 1."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse what is not UTF-8: no manifest and no JSON could hold it."""
        _escape_what_cannot_be_shown()
        for arg in args:
            if any("\ud800" <= char <= "\udfff" for char in arg):
                raise typer.BadParameter(f"{arg!r} is not UTF-8; rename it")
        with _one_line_errors():  # --help and --version print here
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        with _one_line_errors():
            if not {"-h", "--help"} & set(ctx.args):
                require_limits()
            return super().invoke(ctx)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except UserError as error:
        why = str(error)
    except ModuleNotFoundError as error:
        if error.name not in _FOR_TRAINING:
            raise
        why = f"{error.name} is not installed; {install('train')}"
    except (MemoryError, ImportError, RuntimeError) as error:
        if (exhaustion := exhausted(error)) is None:
            raise
        why = exhaustion
    except KeyboardInterrupt as stop:
        typer.secho(f"interrupted {stop}".rstrip(), err=True)
        raise typer.Exit(130) from None
    except OSError as error:  # a full disk, a folder that cannot be written, a reader of our output that has left
        why = _system_fault(error)
    else:
        return
    if why:
        typer.secho(f"error: {brief_line(why)}", fg=typer.colors.RED, err=True)
    raise typer.Exit(1)


def _escape_what_cannot_be_shown() -> None:
    """Write `\\u4e2d` for what the terminal's encoding does not have, as Python itself does on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="backslashreplace")


def _system_fault(error: OSError) -> str:
    """The line for an error of the operating system; empty where whoever read our output has closed it."""
    if error.filename is not None:
        return f"{error.filename}: {os_reason(error)}"
    try:
        print(flush=True)
    except OSError as stuck:
        # nothing more can be written there, and Python would try it once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return "" if isinstance(stuck, BrokenPipeError) else f"standard output: {os_reason(stuck)}"
    return os_reason(error)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mix665k {version('mix665k')}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options of the apps themselves."""


class _App(typer.Typer):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with EndingAtOnce():
            command = get_command(self)
        return command(*args, **kwargs)


def _app(name: str, text: str) -> typer.Typer:
    app = _App(
        name=name,
        help=text,
        cls=OneLine,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    return app


mix = _app("mix", "Rebuild LLaVA-1.5's instruction mixture from the raw datasets, and check the result.")
for _command in (
    build,
    inspect,
    contamination,
    diff,
    command.doctor,
    export,
    fetch,
    images,
    publish,
    select,
    command.sources,
    command.steps,
    command.synth,
    trace,
    verify,
):
    mix.command()(local_paths(_command, _TAKES.get(_command, Takes())))

train = _app("train", "Train LLaVA-1.5's two stages on a mixture.")
train.command()(local_paths(training.pretrain, _TRAINING))
train.command()(local_paths(training.finetune, _TRAINING))
train.command("check")(local_paths(training.check_run, _TRAINING))
train.command()(local_paths(training.plan, _TRAINING))
train.command()(local_paths(training.stages))
train.command("export")(local_paths(training.export_run))
train.command()(local_paths(training.publish))
train.command("generate")(local_paths(training.generate_answer))
train.command()(local_paths(evaluating.benchmarks))
train.command("eval")(local_paths(evaluating.evaluate_model, _TRAINING))
train.command()(local_paths(evaluating.score))
train.command()(local_paths(evaluating.compare))
