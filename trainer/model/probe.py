"""The proof that whoever asks a model through its processor gives it what training gave: token ids and pixels."""

from collections.abc import Callable
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from mix665k.schemas.conversation import IMAGE_TOKEN
from mix665k.schemas.errors import ModelError, one_line
from mix665k.trainer.data.encode import IGNORED
from mix665k.trainer.data.mixture import Row

if TYPE_CHECKING:
    from torch import Tensor

    from mix665k.trainer.data.encode import Encoder

_TURNS = [("What is it?", "A kettle, blue."), ("  And\nthe café 你?", "No."), ("USER: 1?", "7")]
"""Questions whose tokens depend on what is before them: spaces, a line break, letters of several bytes, a role."""
_CONVERSATIONS = [(shown, _TURNS[:count]) for shown in (False, True) for count in range(1, len(_TURNS) + 1)]
_SHAPES = ((90, 60), (40, 100), (1, 30))
"""Wide, high and very narrow: width and height in pixels."""


def require_same_prompts(processor: Any, encoder: "Encoder", *, where: str) -> None:
    """Refuse a processor whose prompts are not those of training: with and without a picture, of one and more turns.

    `where` is what the processor belongs to.

    Raises:
        ModelError: with the first difference.
    """
    for shown, turns in _CONVERSATIONS:
        expected = encoder.prompt_ids(_row(turns, shown=shown)).tolist()
        found = ask(processor, turns, picture=_drawn(*_SHAPES[0]) if shown else None, where=where)["input_ids"]
        if found != expected:
            what = f"{len(turns)} turn(s) {'with' if shown else 'without'} a picture"
            raise ModelError(
                f"{where}: its processor's prompt of {what} is not that of training: {_difference(found, expected)}"
            )


def mask_fault(processor: Any, encoder: "Encoder") -> str | None:
    """Where the mask of answers that a processor or its tokenizer gives of a conversation is not what training learns.

    None where `return_assistant_tokens_mask` gives exactly the labels that the loss of training sees.
    """
    for shown, turns in _CONVERSATIONS:
        messages = _messages(turns, picture=_drawn(*_SHAPES[0]) if shown else None)
        ids, labels = encoder.labelled(_row(turns, shown=shown))
        expected = (labels != IGNORED).astype(int).tolist()
        how = {"tokenize": True, "return_dict": True, "return_assistant_tokens_mask": True}
        given = processor.apply_chat_template(messages, **how)
        found = {"processor": (given["input_ids"][0], given["assistant_masks"][0])}
        if not shown:
            given = processor.tokenizer.apply_chat_template(messages, chat_template=processor.chat_template, **how)
            skipped = len(expected) - len(given["input_ids"])  # it leaves the first token out that it puts there itself
            found["tokenizer"] = (ids[:skipped].tolist() + given["input_ids"], [0] * skipped + given["assistant_masks"])
        for name, (its_ids, mask) in found.items():
            if mask != expected or its_ids != ids.tolist():
                what = f"{len(turns)} turn(s) {'with' if shown else 'without'} a picture"
                return f"its {name}'s mask of {what} is not that of training: {_difference(mask, expected)}"
    return None


def require_same_pixels(image_processor: Any, prepare: "Callable[[Image.Image], Tensor]", *, where: str) -> None:
    """Refuse an image processor whose pixels are not those of training: `prepare` gives those, [3, S, S].

    Raises:
        ModelError: with the first picture that differs, and by how much.
    """
    for (width, height), mode in product(_SHAPES, ("RGB", "L", "CMYK")):
        picture = _drawn(width, height).convert(mode)
        expected = prepare(picture.convert("RGB")).numpy()
        found = np.asarray(image_processor(picture, return_tensors="np")["pixel_values"][0])
        if found.shape != expected.shape or not np.array_equal(found, expected):
            by = f"by up to {np.abs(found - expected).max():.3g}" if found.shape == expected.shape else "in size"
            what = f"a {mode} picture of {width} x {height} px"
            raise ModelError(f"{where}: its processor's pixels of {what} differ from training's {by}")


def ask(processor: Any, turns: list[tuple[str, str]], *, picture: Image.Image | None, where: str) -> dict[str, Any]:
    """What a processor makes of a conversation that ends with its last question: `input_ids` and `pixel_values`.

    Raises:
        ModelError: when it fails.
    """
    from jinja2 import TemplateError

    messages = _messages(turns, picture=picture)
    try:
        given = processor.apply_chat_template(
            messages[:-1], add_generation_prompt=True, tokenize=True, return_dict=True
        )
    except (TemplateError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f"{where}: its processor fails on a conversation: {one_line(error)[:200]}") from None
    return {name: given[name][0] for name in ("input_ids", "pixel_values") if name in given}


def _row(turns: list[tuple[str, str]], *, shown: bool) -> Row:
    """What training has of these turns."""
    first = (f"{IMAGE_TOKEN}\n{turns[0][0]}" if shown else turns[0][0], turns[0][1])
    return Row(id="probe", source="probe", image="probe.png" if shown else None, pairs=[first, *turns[1:]])


def _messages(turns: list[tuple[str, str]], *, picture: Image.Image | None) -> list[dict[str, Any]]:
    """What a processor has of them."""
    messages: list[dict[str, Any]] = []
    for question, answer in turns:
        messages.append({"role": "user", "content": [{"type": "text", "text": question}]})
        messages.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
    if picture is not None:
        messages[0]["content"].insert(0, {"type": "image", "image": picture})
    return messages


def _drawn(width: int, height: int) -> Image.Image:
    """A picture without two equal quarters."""
    rows, columns = np.mgrid[:height, :width]
    values = np.stack([rows * 5 % 256, columns * 7 % 256, (rows * columns) % 256], axis=2)
    return Image.fromarray(values.astype(np.uint8))


def _difference(found: list[int], expected: list[int]) -> str:
    at = next((i for i, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b), None)
    if at is None:
        return f"{len(found)} tokens, expected {len(expected)}"
    return f"token {at} is {found[at]}, expected {expected[at]}"
