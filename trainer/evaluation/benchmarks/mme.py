"""MME: two yes-or-no questions on each of 1,187 pictures, in 14 subtasks."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from mix665k.schemas.errors import EvaluationError
from mix665k.schemas.files import fault
from mix665k.trainer.evaluation.answer_files import Answer
from mix665k.trainer.evaluation.data_files import FIX, Data, DataFile, read_bytes
from mix665k.trainer.evaluation.parts import Part
from mix665k.trainer.evaluation.readers import mme_reading
from mix665k.trainer.evaluation.registry import (
    SHORT,
    Benchmark,
    Key,
    Output,
    Question,
    Request,
    Score,
    prompt_text,
    register,
    score_of,
)

PERCEPTION = ["existence", "count", "position", "color", "posters", "celebrity", "scene", "landmark", "artwork", "OCR"]
COGNITION = ["commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning"]
_WITH_IMAGES_FOLDER = {"artwork", "celebrity", "landmark", "posters", "scene"}
_PHRASE = "Please answer yes or no."
_PLACE = "https://github.com/BradyFU/Awesome-Multimodal-Large-Language-Models, branch Evaluation"


class Asked(NamedTuple):
    """A question of the release."""

    subtask: str
    image: str
    question: str
    answer: str


def _questions(data: Data, request: Request) -> list[Question]:
    added = prompt_text(MME, request)
    questions = []
    for asked in _release(data):
        text = asked.question.replace(_PHRASE, "").strip()
        folder = f"{asked.subtask}/images" if asked.subtask in _WITH_IMAGES_FOLDER else asked.subtask
        key = _key(asked.subtask, PurePosixPath(asked.image).stem, asked.question)
        questions.append(Question((key,), text=text + added, image=f"{folder}/{asked.image}", bare=text, record=asked))
    return questions


def _key(subtask: str, stem: str, question: str) -> Key:
    return "question", subtask, stem, " ".join(question.replace(_PHRASE, "").split())


def _release(data: Data) -> Iterator[Asked]:
    if (release := data.find("MME_Benchmark_release_version")) is None:
        release = None
    results = data.find("Your_Results")
    if release is None and results is None:
        data.require("MME_Benchmark_release_version")
    for subtask in (*PERCEPTION, *COGNITION):
        if release is not None:
            folder = release / subtask
            pictures = folder / "images" if subtask in _WITH_IMAGES_FOLDER else folder
            texts = folder / "questions_answers_YN" if subtask in _WITH_IMAGES_FOLDER else folder
            found = sorted(texts.glob("*.txt"))
            if not found:
                raise EvaluationError(f"{texts}: no questions of {subtask}, expected a .txt for each picture; {FIX}")
            for path in found:
                image = next(
                    (f"{path.stem}{end}" for end in (".jpg", ".png") if (pictures / (path.stem + end)).exists()), None
                )
                for question, answer in _lines(path, columns=2):
                    yield Asked(subtask, image=image or f"{path.stem}.jpg", question=question, answer=answer)
        else:
            assert results is not None
            for image, question, answer in _lines(results / f"{subtask}.txt", columns=3):
                yield Asked(subtask, image=image, question=question, answer=answer)


def _lines(path: Path, *, columns: int) -> Iterator[list[str]]:
    try:
        lines = read_bytes(path).decode().splitlines()
    except UnicodeDecodeError as error:
        raise EvaluationError(f"{path}: {fault(error)[1]}") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) != columns or cells[-1] not in ("Yes", "No"):
            raise EvaluationError(
                f"{path}: line {number}: expected {columns} columns between tabs, the last Yes or No; {FIX}"
            )
        yield cells


def _keys(answer: Answer) -> list[Key]:
    fields = answer.fields
    name = str(fields.get("question_id") or fields.get("image") or "")
    asked = fields.get("prompt") or fields.get("question") or fields.get("input")
    parts = PurePosixPath(name).parts
    if len(parts) < 2 or not isinstance(asked, str):
        return []
    question = asked.removeprefix("<image>\n").removesuffix(SHORT).replace("\n", " ")
    return [_key(parts[0], PurePosixPath(name).stem, question)]


def _score(questions: Sequence[Question], texts: Sequence[str | None], _: Request) -> Score:
    subtasks: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    unread = 0
    for question, text in zip(questions, texts, strict=True):
        read = mme_reading(text) if text is not None else "other"
        unread += read == "other" and text is not None
        asked = question.record
        subtasks[asked.subtask][question.picture].append(read == asked.answer.lower())
    parts = {name: _subtask_parts(pictures, name=name) for name, pictures in subtasks.items()}
    sums = {
        kind: tuple(part for name in names for part in parts.get(name, ()))
        for kind, names in (("perception", PERCEPTION), ("cognition", COGNITION))
    }
    return score_of(sums | parts, unread=unread)


def _subtask_parts(pictures: Mapping[str, Sequence[bool]], *, name: str) -> tuple[Part, ...]:
    """Accuracy, and the share of pictures with both answers right, in per cent."""
    each = [(picture, one) for picture, right in pictures.items() for one in right]
    accuracy = Part([picture for picture, _ in each], [float(one) for _, one in each], stratum=name)
    both = Part(list(pictures), [float(all(right)) for right in pictures.values()], stratum=name)
    return accuracy, both


def _outputs(_: Data, questions: Sequence[Question], texts: Sequence[str | None]) -> list[Output]:
    """What the official tool reads; it dies on an answer with a tab or a newline."""
    lines: dict[str, list[str]] = defaultdict(list)
    for question, text in zip(questions, texts, strict=True):
        asked = question.record
        said = " ".join((text or "").split())
        lines[asked.subtask].append("\t".join((asked.image, asked.question, asked.answer, said)) + "\n")
    return [Output(f"{name}.txt", "".join(of).encode()) for name, of in lines.items()]


MME = register(
    Benchmark(
        name="mme",
        title="MME",
        place=_PLACE,
        licence="no licence file; research use",
        num_questions="2,374 on 1,187 pictures",
        metric="perception, of 2,000",
        files=(
            DataFile("mme/MME_Benchmark_release_version", place=_PLACE, llava="MME/MME_Benchmark_release_version"),
            DataFile(
                "mme/eval_tool/Your_Results",
                place=f"{_PLACE}, tools/eval_tool.zip",
                llava="MME/eval_tool/Your_Results",
                optional=True,
            ),
        ),
        prompts={"short": SHORT},
        rule=(
            "In lower case, yes or no where one of them is in the first four characters, yes before no; anything else "
            "is wrong. A subtask gives 100 times accuracy plus 100 times the share of pictures with both answers right."
        ),
        form="`NAME.txt` beside each picture: two lines of question, tab, `Yes` or `No`.",
        traps=(
            "Two questions share a picture and LLaVA's question id: a dict by id loses half.",
            "`not sure` is read as no and `unknown` as nothing, as the official program does.",
            "The official program dies on an answer with a tab or a newline.",
        ),
        evidence="The authors' outputs of LLaVA-1.5-13B give the published 1531.3, and 295.36 for cognition.",
        image_folders=(
            "mme/MME_Benchmark_release_version",
            "MME/MME_Benchmark_release_version",
            "MME_Benchmark_release_version",
        ),
        scored_together=True,
        questions=_questions,
        keys=_keys,
        score=_score,
        outputs=_outputs,
        published_on={"": 2374},
        published={"perception": (1510.7, 1531.3)},
    )
)
