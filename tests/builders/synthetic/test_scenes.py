"""Raw files with scenes: what they say is what a reader of the drawn pixels sees, without asking who drew them."""

import json
import pickle
import re
from collections import Counter
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from mix665k.builders.synthetic import draw_images, scenes, write_raw
from mix665k.builders.synthetic.images import draw_picture
from mix665k.builders.synthetic.pictures import Cover, Picture
from mix665k.builders.synthetic.scenes import make_scene
from tests.builders.synthetic.test_synthetic import form, hashes

SCALE, SEED = 0.0005, 3
SEEN_AS = {**scenes.COLORS, "grey": scenes.GREYS["grey"]}
NAMES = list(SEEN_AS)
COLOR = "|".join(SEEN_AS)
KIND = "circle|square|triangle"
REFS = {"refcoco": "refs(unc).p", "refcoco+": "refs(unc).p", "refcocog": "refs(umd).p"}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("scenes")
    write_raw(root, scale=SCALE, seed=SEED, scenes=True)
    draw_images(root, root / "images", seed=SEED, long_side_px=200, quality=95)
    return root


def loaded(raw: Path, name: str) -> Any:
    path = raw / name
    return pickle.loads(path.read_bytes(), encoding="latin1") if path.suffix == ".p" else json.loads(path.read_bytes())


class Found(NamedTuple):
    """A shape that was found in pixels, and the middle of its extent."""

    color: str
    kind: str
    x: float
    y: float


class Look(NamedTuple):
    """What pixels show."""

    ground: str
    shapes: list[Found]
    width: int


@cache
def colors_of(path: Path) -> np.ndarray[Any, Any]:
    """The number in `NAMES` of the nearest colour for each pixel: [height, width]."""
    pixels = np.asarray(Image.open(path).convert("RGB"), dtype=np.int32)
    distances = [((pixels - np.array(rgb, dtype=np.int32)) ** 2).sum(-1) for rgb in SEEN_AS.values()]
    return np.asarray(np.argmin(distances, axis=0))


@cache
def look(path: Path, *, written: bool) -> Look:
    """Ground: the colour of most corners. A shape: an area of another colour, its kind by how much of its box it fills.

    Edges, where colours mix, are left out: a pixel counts where all its neighbours have its colour. So does the
    strip with the word.
    """
    numbers = colors_of(path)
    ground = NAMES[Counter(int(numbers[y, x]) for y in (1, -2) for x in (1, -2)).most_common(1)[0][0]]
    numbers = numbers[: round(len(numbers) * 0.75)] if written else numbers
    shapes = []
    for number, color in enumerate(NAMES):
        mask = np.pad(numbers == number, 1)
        if color == ground or mask.sum() < 100:
            continue
        inner = np.logical_and.reduce([np.roll(mask, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)])
        if inner.sum() > 60:
            (top, bottom), (left, right) = ((lines.min(), lines.max()) for lines in inner.nonzero())
            filled = inner.sum() / ((bottom - top + 1) * (right - left + 1))
            kind = "triangle" if filled < 0.64 else "circle" if filled < 0.9 else "square"
            shapes.append(Found(color, kind, (left + right) / 2 - 1, (top + bottom) / 2 - 1))
    return Look(ground, shapes, numbers.shape[1])


def coco(raw: Path, image_id: int) -> Look:
    written = bool(scenes.coco_scene(image_id, seed=SEED).word)
    return look(raw / f"images/coco/train2017/{image_id:012d}.jpg", written=written)


def vg(raw: Path, image_id: int) -> Look:
    written = bool(scenes.vg_scene(image_id, seed=SEED).word)
    return look(next((raw / "images/gqa").rglob(f"{image_id}.jpg")), written=written)


def of_kind(seen: Look, kind: str) -> list[Found]:
    return [shape for shape in seen.shapes if shape.kind == kind]


def named(seen: Look, color: str, kind: str) -> Found:
    [found] = [shape for shape in seen.shapes if (shape.color, shape.kind) == (color, kind)]
    return found


def color_of(seen: Look, thing: str) -> str:
    if thing == "background":
        return seen.ground
    [shape] = of_kind(seen, thing)
    return shape.color


def end(seen: Look, where: str) -> str:
    along = {"left": lambda s: s.x, "right": lambda s: -s.x, "top": lambda s: s.y, "bottom": lambda s: -s.y}[where]
    return min(seen.shapes, key=along).color


def place(seen: Look, color: str, kind: str) -> str:
    across = named(seen, color, kind).x / seen.width
    return "left" if across < 0.425 else "middle" if across < 0.575 else "right"


def side(seen: Look, names: tuple[str, ...]) -> str:
    (color, kind, other_color, other_kind) = names
    one, other = named(seen, color, kind), named(seen, other_color, other_kind)
    return "left" if one.x < other.x else "right"


def height(seen: Look, names: tuple[str, ...]) -> str:
    (color, kind, other_color, other_kind) = names
    one, other = named(seen, color, kind), named(seen, other_color, other_kind)
    return "above" if one.y < other.y else "below"


def yes(truth: bool) -> str:
    return "yes" if truth else "no"


ANSWERS: dict[str, Any] = {
    rf"What color is the (background|{KIND})\?": lambda seen, thing: color_of(seen, thing),
    r"What color is the shape (?:on|at) the (\w+)\?": end,
    r"What is the shape in the picture\?": lambda seen: seen.shapes[0].kind,
    rf"What is the ({COLOR}) shape\?": lambda seen, color: next(s.kind for s in seen.shapes if s.color == color),
    r"How many shapes are there\?": lambda seen: str(len(seen.shapes)),
    rf"How many ({KIND})s are there\?": lambda seen, kind: str(len(of_kind(seen, kind))),
    rf"Is there a ({COLOR}) ({KIND}) in the picture\?": lambda seen, color, kind: yes(
        any((shape.color, shape.kind) == (color, kind) for shape in seen.shapes)
    ),
    rf"Is the (background|{KIND}) ({COLOR})\?": lambda seen, thing, color: yes(color_of(seen, thing) == color),
    rf"Where is the ({COLOR}) ({KIND})\?": place,
    rf"Is the ({COLOR}) ({KIND}) left or right of the ({COLOR}) ({KIND})\?": lambda seen, *names: side(seen, names),
    rf"Is the ({COLOR}) ({KIND}) to the right or to the left of the ({COLOR}) ({KIND})\?": lambda seen, *names: side(
        seen, names
    ),
    rf"Is the ({COLOR}) ({KIND}) above or below the ({COLOR}) ({KIND})\?": lambda seen, *names: height(seen, names),
}


def answer(seen: Look, question: str) -> str:
    """What somebody answers who knows the pixels only."""
    for pattern, find in ANSWERS.items():
        if match := re.fullmatch(pattern, question):
            return str(find(seen, *match.groups()))
    raise AssertionError(f"nobody knows how to check {question!r}")


def test_vqav2_is_answered_as_the_pixels_have_it(raw: Path) -> None:
    questions = loaded(raw, "vqav2/v2_OpenEnded_mscoco_train2014_questions.json")["questions"]
    annotations = loaded(raw, "vqav2/v2_mscoco_train2014_annotations.json")["annotations"]
    right = {one["question_id"]: one for one in annotations}
    checked = Counter[str]()
    for one in questions:
        if one["question"] != "What is the word in the picture?":
            votes = Counter(vote["answer"] for vote in right[one["question_id"]]["answers"])
            expected = answer(coco(raw, one["image_id"]), one["question"])
            assert right[one["question_id"]]["multiple_choice_answer"] == expected, one
            assert votes[expected] >= 6, one
            checked[right[one["question_id"]]["answer_type"]] += 1
    assert min(checked[kind] for kind in ("yes/no", "number", "other")) > 10


def test_gqa_is_answered_as_the_pixels_have_it(raw: Path) -> None:
    questions = loaded(raw, "gqa/train_balanced_questions.json").values()
    for one in questions:
        assert one["answer"] == answer(vg(raw, int(one["imageId"])), one["question"]), one
    assert {one["types"]["structural"] for one in questions} == {"query", "verify", "choose"}


def middle_color(raw: Path, path: str, *, box: tuple[float, ...], size: tuple[int, int]) -> str:
    numbers = colors_of(raw / "images" / path)
    x, y, width, height = (side * 200 / max(size) for side in box)
    return NAMES[int(numbers[int(y + height / 2), int(x + width / 2)])]


def test_a_region_of_visual_genome_has_its_phrases_colour_in_the_middle(raw: Path) -> None:
    images = {one["image_id"]: one for one in loaded(raw, "vg/image_data.json")}
    checked = Counter[str]()
    for described in loaded(raw, "vg/region_descriptions.json"):
        image = images[described["id"]]
        path, size = "/".join(("vg", *image["url"].split("/")[-2:])), (image["width"], image["height"])
        for region in described["regions"]:
            box = tuple(region[side] for side in ("x", "y", "width", "height"))
            if said := re.search(rf"\b({COLOR})\b", region["phrase"].lower()):
                assert middle_color(raw, path, box=box, size=size) == said[1], region
                checked[said[1]] += 1
            else:
                assert re.fullmatch(r"edge of the picture|the picture|the word \w+|", region["phrase"].strip())
    assert len(checked) >= 6


@pytest.mark.parametrize("dataset", REFS)
def test_a_box_of_refcoco_has_its_sentences_colour_in_the_middle(raw: Path, dataset: str) -> None:
    instances = loaded(raw, f"refcoco/{dataset}/instances.json")
    boxes = {one["id"]: one["bbox"] for one in instances["annotations"]}
    sizes = {one["id"]: (one["width"], one["height"]) for one in instances["images"]}
    checked = 0
    for ref in loaded(raw, f"refcoco/{dataset}/{REFS[dataset]}"):
        path = f"coco/train2017/{ref['image_id']:012d}.jpg"
        color = middle_color(raw, path, box=boxes[ref["ann_id"]], size=sizes[ref["image_id"]])
        seen = coco(raw, ref["image_id"])
        for said in ref["sentences"]:
            if match := re.match(rf"(?:the )?({COLOR})\b", said["sent"]):
                assert match[1] == color, said
            elif match := re.match(rf"the ({KIND})\b", said["sent"]):
                assert color_of(seen, match[1]) == color, said
            else:
                match = re.match(r"shape on the (left|right|top|bottom)\b", said["sent"])
                assert match, said
                assert end(seen, match[1]) == color, said
            checked += 1
    assert checked > 30


def test_a_sentence_of_llava_instruct_about_a_colour_is_right(raw: Path) -> None:
    checked = Counter[str]()
    for record in loaded(raw, "llava_instruct/llava_instruct_150k.json"):
        seen = coco(raw, int(record["id"]))
        shapes = {(shape.color, shape.kind) for shape in seen.shapes}
        for turn in record["conversations"][1::2]:
            assert turn["value"].endswith((".", '."')), turn
            for ground in re.findall(rf"(?:on a ({COLOR}) background|background is ({COLOR}))", turn["value"]):
                assert "".join(ground) == seen.ground, turn
                checked["ground"] += 1
            for shape in re.findall(rf"({COLOR}) ({KIND})\b", turn["value"]):
                assert shape in shapes, turn
                checked["shape"] += 1
    assert min(checked.values()) > 40


def test_a_caption_of_lcs_names_what_is_drawn(raw: Path) -> None:
    for record in loaded(raw, "lcs558k/blip_laion_cc_sbu_558k.json")[:60]:
        said = record["conversations"][1]["value"]
        written = bool(scenes.web_scene(record["image"], seed=SEED).word)
        seen = look(raw / "images" / record["image"], written=written)
        assert re.search(rf"on a ({COLOR}) background", said)[1] == seen.ground  # type: ignore[index]
        named_shapes = set(re.findall(rf"({COLOR}) ({KIND})", said))
        assert named_shapes
        assert named_shapes <= {(shape.color, shape.kind) for shape in seen.shapes}


def test_captions_and_ocr_of_textcaps_have_the_word_that_is_drawn(raw: Path) -> None:
    read = {one["image_id"]: one for one in loaded(raw, "textcaps/TextVQA_Rosetta_OCR_v0.2_train.json")["data"]}
    for row in loaded(raw, "textcaps/TextCaps_0.1_train.json")["data"]:
        scene = scenes.textcaps_scene(row["image_id"], (row["image_width"], row["image_height"]), seed=SEED)
        assert all(str(scene.word).upper() in said for said in row["reference_strs"])
        if tokens := read.get(row["image_id"], {"ocr_tokens": []})["ocr_tokens"]:
            assert tokens == [str(scene.word).upper()]
            box = read[row["image_id"]]["ocr_info"][0]["bounding_box"]
            numbers = colors_of(raw / f"images/textvqa/train_images/{row['image_id']}.jpg")
            top, left = round(box["top_left_y"] * len(numbers)), round(box["top_left_x"] * numbers.shape[1])
            strip = numbers[top:, left : left + round(box["width"] * numbers.shape[1])]
            ink = strip != NAMES.index(scene.ground)
            assert 0.03 < ink.mean() < 0.6, row["image_id"]  # and ground around it


def test_a_choice_of_aokvqa_and_an_answer_of_okvqa_follow_from_the_shapes(raw: Path) -> None:
    corners = {"circle": "none", "triangle": "three", "square": "four"}
    asked = {
        one["question_id"]: one for one in loaded(raw, "okvqa/OpenEnded_mscoco_train2014_questions.json")["questions"]
    }
    chosen = [
        (one["image_id"], one["question"], one["choices"][one["correct_choice_idx"]])
        for one in loaded(raw, "aokvqa/aokvqa_v1p0_train.json")
    ]
    for one in loaded(raw, "okvqa/mscoco_train2014_annotations.json")["annotations"]:
        said = Counter(vote["raw_answer"] for vote in one["answers"] if vote["raw_answer"])
        chosen.append((one["image_id"], asked[one["question_id"]]["question"], said.most_common(1)[0][0]))
    foods = {"chili": "red", "cucumber": "green", "blueberry": "blue", "banana": "yellow", "plum": "purple"}
    foods |= {"onion": "white", "oyster": "grey", "olive": "black"}
    for image_id, question, right in chosen:
        seen = coco(raw, image_id)
        if match := re.fullmatch(r"How many corners does the (\w+) shape have\?", question):
            assert right == corners[next(s.kind for s in seen.shapes if s.color == match[1])], question
        elif match := re.fullmatch(r"Which food has the color of the (\w+)\?", question):
            assert foods[right] == color_of(seen, match[1]), question
        else:
            assert right == answer(seen, question), question


def _covers(tmp_path: Path, *covers: Cover) -> list[np.ndarray[Any, Any]]:
    pixels = []
    for number, cover in enumerate(covers):
        path = tmp_path / f"{number}.png"
        draw_picture(path, Picture("a", (400, 500), scene="", cover=cover), seed=0, long_side_px=250, quality=95)
        pixels.append(np.asarray(Image.open(path), dtype=int))
    return pixels


def test_a_cover_has_its_title_above_its_author_below_and_a_look_for_each_genre(tmp_path: Path) -> None:
    plain = Cover(title="The rusty oar", author="Suvi Wray", year="", genre="Maps")
    first, titled, written, other = _covers(
        tmp_path,
        plain,
        plain._replace(title="My oar"),
        plain._replace(author="Bram Quist"),
        plain._replace(genre="Tide Tables"),
    )
    changed = [np.abs(image - first).max(axis=(1, 2)).nonzero()[0] / 250 for image in (titled, written)]
    assert changed[0].max() < 0.55
    assert changed[1].min() > 0.75
    assert np.abs(other - first).mean() > 30


def test_oddities_and_forms_are_those_of_files_without_scenes(raw: Path, tmp_path: Path) -> None:
    write_raw(tmp_path, scale=SCALE, seed=SEED)
    assert hashes(tmp_path).keys() <= hashes(raw).keys()
    for name in hashes(tmp_path):
        plain, told = loaded(tmp_path, name), loaded(raw, name)
        assert {path for path, _ in form(told)} == {path for path, _ in form(plain)}, name
        assert len(told) == len(plain), name


def test_scenes_need_no_other_source_and_follow_from_the_seed(raw: Path, tmp_path: Path) -> None:
    for folder, seed in (("same", SEED), ("other", SEED + 1)):
        write_raw(tmp_path / folder, scale=SCALE, seed=seed, only=["okvqa"], scenes=True)
        draw_images(tmp_path / folder, tmp_path / folder / "images", seed=seed, long_side_px=200, quality=95)
    whole, same, other = (hashes(folder) for folder in (raw, tmp_path / "same", tmp_path / "other"))
    assert same == {name: whole[name] for name in same}
    assert not set(same.values()) & set(other.values())


@pytest.mark.parametrize("name", ["coco/1", "vg/77", "textcaps/0f", "web/00001/1.jpg"])
def test_shapes_are_inside_apart_and_of_different_colours(name: str) -> None:
    for seed in range(200):
        rng = Random(f"{seed}{name}")
        size = (rng.randint(300, 1_000), rng.randint(300, 1_000))
        scene = make_scene(name, size, seed=seed)
        assert len({scene.ground, *(shape.color for shape in scene.shapes)}) == len(scene.shapes) + 1
        floor = scene.word_box[1] if scene.word else size[1]
        for shape in scene.shapes:
            x, y, width, height = shape.box
            assert min(x, y) >= 0
            assert x + width <= size[0]
            assert y + height <= floor + 1
        for one, other in zip(scene.shapes, scene.shapes[1:], strict=False):
            axis = 0 if scene.row else 1
            assert one.box[axis] + one.box[axis + 2] <= other.box[axis] + 1


def test_a_third_of_scenes_have_several_shapes_and_a_few_are_grey() -> None:
    made = [make_scene(f"coco/{number}", (640, 480), seed=0) for number in range(2_000)]
    assert Counter(len(scene.shapes) for scene in made)[3] > 200
    assert sum(scene.grey for scene in made) / 2_000 == pytest.approx(1 / scenes.GREY_ONE_IN, abs=0.012)
    assert all((scene.palette is scenes.GREYS) == scene.grey for scene in made)
