"""The model that is asked, with what turns questions and pictures into what it was trained on."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mix665k.schemas.conversation import IMAGE_TOKEN
from mix665k.schemas.errors import EvaluationError
from mix665k.trainer.data.mixture import Row
from mix665k.trainer.evaluation.batches import Prompt
from mix665k.trainer.evaluation.registry import Question

if TYPE_CHECKING:
    from mix665k.trainer.data.encode import Encoder
    from mix665k.trainer.data.images import ImageLoader

_ANSWER = "x"
"""In the place of the answer: a template writes a prompt up to it as it is trained, whatever the answer is."""


class Subject(NamedTuple):
    """A model to ask; `load` gives it with its weights, on the device of a rank.

    `loader` gives the pictures in a folder as the model was trained on them, blank where they cannot be used. `ends`
    are the tokens at which an answer ends. `weights` hashes the files of the weights, which takes a while; `facts` are
    what else an answer depends on, by name, and `notes` what a reader of figures should know.
    """

    name: str
    load: Callable[[int], Any]
    tokenizer: Any
    encoder: "Encoder"
    loader: "Callable[[Path], ImageLoader]"
    ends: frozenset[int]
    pad_id: int
    weights: Callable[[], str]
    facts: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    def prompts(self, questions: Sequence[Question]) -> list[Prompt]:
        """The questions as token ids, by the code that encodes training's conversations.

        Raises:
            EvaluationError: for a question that holds the image token.
        """
        return [self._prompt(number, question) for number, question in enumerate(questions)]

    def _prompt(self, number: int, question: Question) -> Prompt:
        if IMAGE_TOKEN in question.text:
            raise EvaluationError(
                f"question {' '.join(question.keys[0][1:])}: its text holds {IMAGE_TOKEN}, which is put in front of it "
                "where there is a picture; fix the file"
            )
        text = question.text if question.image is None else f"{IMAGE_TOKEN}\n{question.text}"
        row = Row(id=str(number), source="evaluation", image=question.image, pairs=[(text, _ANSWER)])
        return Prompt(number, tuple(self.encoder.prompt_ids(row).tolist()), question.image)

    def text(self, ids: Sequence[int]) -> str:
        """An answer's text, without special tokens, stripped."""
        text: str = self.tokenizer.decode(np.asarray(ids), skip_special_tokens=True)
        return text.strip()
