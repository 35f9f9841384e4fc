"""Addresses in place of paths: which are known as such, and what commands that write locally say of them."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from mix665k.cli import mix, train
from mix665k.schemas.addresses import address_of

PAIR = ["--mixture", "m", "--images", "i"]


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("s3://bucket/runs/1", "s3://bucket/runs/1"),
        (Path("s3://bucket/runs/1"), "s3://bucket/runs/1"),
        (Path("GS://bucket"), "gs://bucket"),
        ("hf://datasets/me/mine@v1", "hf://datasets/me/mine@v1"),
        ("s3:", None),
        ("C:/data", None),
        ("/s3:/bucket", None),
        ("runs/s3://1", None),
        ("a:b/c", None),
    ],
)
def test_an_address_is_known_with_one_slash_or_two(given: str | Path, address: str | None) -> None:
    assert address_of(given) == address


@pytest.mark.parametrize(
    ("app", "arguments", "option"),
    [
        (mix, ["fetch", "--raw", "r", "--images"], "--images"),
        (mix, ["fetch", "--raw"], "--raw"),
        (mix, ["images", "m", "--images", "i", "--write-list"], "--write-list"),
        (mix, ["inspect", "m", "--html"], "--html"),
        (mix, ["synth", "--scale", "1", "--out"], "--out"),
        (train, ["pretrain", *PAIR, "--out"], "--out"),
        (train, ["finetune", *PAIR, "--from", "x", "--out"], "--out"),
        (train, ["plan", "--mixture", "m", "--tokenizer", "tiny", "--ranks", "1", "--png"], "--png"),
        (train, ["export", "run", "--out"], "--out"),
        (train, ["score", "gqa", "--data", "d", "--answers", "a", "--out"], "--out"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_written_on_this_machine_only_refuses_an_address_and_makes_no_folder(
    app: typer.Typer, arguments: list[str], option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(app, [*arguments, "gs://bucket/x"])
    assert shown.exit_code == 1, shown.output
    assert shown.stderr.startswith(f"error: {option} gs://bucket/x: an address, expected a path on this machine; ")
    assert shown.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
