"""What the named parameters of each source change, on the fixtures."""

from pathlib import Path
from typing import Any

import pytest

from mix665k.builders.answers import most_common
from mix665k.schemas.errors import RecipeError
from mix665k.schemas.sentences import fold, upper_first, with_period
from tests.builders.building import build, write_raw


def _answers(source: str, **params: Any) -> list[str]:
    return [answer for _, answer, _ in build(source, params=params).pairs]


def test_answers_can_keep_their_first_letter() -> None:
    assert _answers("vqav2", capitalize=False) == ["yes", "3", "paper kite", "NO", "émeraude"]
    assert _answers("gqa", capitalize=False) == ["yes", "left of Odo", "rice paper", "no"]
    assert _answers("okvqa", capitalize=False) == ["gravel tracks", "bakers", "north wind"]


def test_okvqa_can_answer_in_the_stemmed_form() -> None:
    assert _answers("okvqa", answer="answer") == ["Gravel track", "Baker", "North wind"]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["a", "b", "b"], "b"),
        (["a", "b", "b", "a"], "a"),
        (["", " ", "", "b"], "b"),
        ([" a", "b", "a "], "a"),
        (["", " \n"], None),
        ([], None),
    ],
)
def test_the_most_common_answer_is_not_empty_and_the_earlier_of_equals(
    answers: list[str], expected: str | None
) -> None:
    assert most_common(answers) == expected


def test_ocrvqa_can_take_other_splits() -> None:
    assert [c.id for c in build("ocrvqa", params={"splits": [2, 3]}).conversations] == ["158234"]


@pytest.mark.parametrize(
    ("ocr_line", "lines"),
    [
        ("always", ["HALT, HALT, !, c,d", "", "OIL, 0lL", ""]),
        ("where_tokens", ["HALT, HALT, !, c,d", None, "OIL, 0lL", None]),
        ("never", [None, None, None, None]),
    ],
)
def test_the_ocr_line_is_a_parameter(ocr_line: str, lines: list[str | None]) -> None:
    questions = [question for question, *_ in build("textcaps", params={"ocr_line": ocr_line, "prompt": "Say."}).pairs]

    assert questions == ["Say." if line is None else f"Say.\nReference OCR token: {line}" for line in lines]


def test_a_drawn_caption_does_not_depend_on_the_order_of_the_file(tmp_path: Path) -> None:
    captions = [{"image_id": f"i{k % 4}", "caption_id": k, "caption_str": f"caption {k}"} for k in range(20)]
    there = write_raw(tmp_path / "a", "textcaps", captions={"data": captions}, ocr={"data": []})
    back = write_raw(tmp_path / "b", "textcaps", captions={"data": captions[::-1]}, ocr={"data": []})

    drawn = build("textcaps", raw=there, params={"caption": "drawn"}).pairs

    assert sorted(drawn) == sorted(build("textcaps", raw=back, params={"caption": "drawn"}).pairs)
    assert [origin for *_, origin in drawn] == ["12", "5", "18", "15"]
    assert [origin for *_, origin in build("textcaps", raw=there).pairs] == ["0", "1", "2", "3"]


def test_refcoco_can_take_the_raw_sentences_and_other_splits() -> None:
    raw = build("refcoco", params={"sentence": "raw", "splits": ["val"]}).pairs

    assert [origin for *_, origin in raw] == ["refcoco/7"]
    assert raw[0][0].endswith(": WHOLE YARD.")


def test_refcoco_can_leave_out_images_that_another_split_has_too() -> None:
    whole, apart = build("refcoco"), build("refcoco", params={"exclude_images_of": ["val", "test"]})
    val = {c.image for c in build("refcoco", params={"splits": ["val", "test"]}).conversations}
    shared = [c for c in whole.conversations if c.image in val]

    assert {c.image for c in apart.conversations} == {c.image for c in whole.conversations} - val
    left_out = sum(len(c.pairs) for c in shared)
    assert left_out > 0
    assert apart.funnel[0].pairs.changes["image of an excluded split"] == -left_out - 1  # a blank one


@pytest.mark.parametrize("source", ["vg", "refcoco"])
def test_prompts_about_regions_can_be_other_ones(source: str) -> None:
    usual = build(source)
    other = build(source, params={"describe": "What is at {box}", "locate": "Where is {sentence}"})

    asked = {pair[0].split(" ")[0] for pair in other.pairs}
    assert asked <= {"What", "Where"}
    assert [pair[1:] for pair in usual.pairs] == [pair[1:] for pair in other.pairs]
    with pytest.raises(RecipeError, match=r"describe: got 'box', expected text with \{box\} in it"):
        build(source, params={"describe": "box"})


def test_refcoco_shuffles_the_same_whatever_the_order_of_its_files() -> None:
    sets = {"refcoco": "unc", "refcoco+": "unc", "refcocog": "umd"}
    files = {
        f"{name}/{part}": f"refcoco/{name}/{f'refs({by}).p' if part == 'refs' else 'instances.json'}"
        for name, by in reversed(sets.items())
        for part in ("images", "annotations", "refs")
    }

    assert build("refcoco", files=files).pairs == build("refcoco").pairs


def test_llava_json_puts_a_folder_before_image_names() -> None:
    result = build("llava_json", params={"image_folder": "mine"})

    assert [c.image for c in result.conversations] == [
        "mine/gqa/images/2327.jpg",
        None,
        None,
        "mine/vg/VG_100K/2326.jpg",
        None,
    ]


def test_sharegpt_can_keep_boilerplate_and_duplicates() -> None:
    kept = build("sharegpt", params={"boilerplate": "keep", "duplicates": "keep"})

    assert [c.id for c in kept.conversations] == [
        "mIll01a_0",
        "mIll01a_7",
        "kItE22b_0",
        "kItE22b_4",
        "mIll01a_0",
        "oAr33c_0",
    ]
    assert all(c.several for c in kept.conversations)


def _shared(folder: Path, *turns: str, **params: Any) -> Any:
    roles = ("human", "gpt")
    said = [{"from": roles[i % 2], "value": value} for i, value in enumerate(turns)]
    raw = write_raw(folder, "sharegpt", conversations=[{"id": "a_0", "conversations": said}])
    return build("sharegpt", raw=raw, params=params)


def test_html_can_become_markdown_and_code_stays(tmp_path: Path) -> None:
    value = "<p>Take <b>rye</b> &amp; oats</p>\n```html\n<b>code</b>\n```"

    [(_, kept, _)] = _shared(tmp_path, "q", value).pairs
    [(_, text, _)] = _shared(tmp_path, "q", value, html="to_text").pairs

    assert kept == value
    assert text.strip() == "Take **rye** & oats\n```html\n<b>code</b>\n```"


@pytest.mark.parametrize(
    ("value", "reason"),
    [("<br><div> </div>", "empty turn"), ("<i>a</i> &lt;image&gt;", "holds the image placeholder")],
)
def test_what_only_markdown_shows_is_dropped_too(tmp_path: Path, value: str, reason: str) -> None:
    assert len(_shared(tmp_path, "q", value).pairs) == 1

    result = _shared(tmp_path, "q", value, html="to_text")

    assert result.conversations == []
    assert result.funnel[0].conversations.changes == {reason: -1}


@pytest.mark.parametrize(
    "text",
    [
        "line\r\nline",
        "tab\tand  spaces ",
        "مرحبا 👩‍🌾 e\u0301",
        "\u200bzero",
        "a\x00b",
        "\u2028",
        "<s>[INST]</s>",
        "x" * 100_000,
    ],
)
def test_text_passes_verbatim(tmp_path: Path, text: str) -> None:
    question = f"Q {text} Q"

    [(asked, answer, _)] = _shared(tmp_path, question, text + ".").pairs
    assert (asked, answer) == (question, text + ".")


def test_ids_with_slashes_and_digits_stay_what_they_are(tmp_path: Path) -> None:
    questions = {"a/b#1": {"question": "Dry?", "imageId": "00/7", "answer": "yes"}}

    [built] = build("gqa", raw=write_raw(tmp_path, "gqa", questions=questions)).conversations

    assert (built.id, built.image) == ("00/7", "gqa/images/00/7.jpg")
    assert built.pairs[0].origin == "a/b#1"


@pytest.mark.parametrize(
    ("text", "changed"),
    [("yes", "Yes"), ("YES", "YES"), ("élan", "Élan"), ("3 cats", "3 cats"), ("", ""), ("日本", "日本"), ("a", "A")],
)
def test_only_the_first_letter_is_upper_cased(text: str, changed: str) -> None:
    assert upper_first(text) == changed


@pytest.mark.parametrize(("text", "folded"), [("  a \n b\t\u00a0c ", "a b c"), ("", ""), (" \n", ""), ("a", "a")])
def test_white_space_is_folded(text: str, folded: str) -> None:
    assert fold(text) == folded


@pytest.mark.parametrize(
    ("text", "ended"),
    [("a", "a."), ("a.", "a."), ("a!", "a!"), ("a?", "a?"), ("a...", "a..."), ('"a"', '"a".'), ("a,", "a,.")],
)
def test_a_period_is_added_only_where_a_sentence_has_no_end(text: str, ended: str) -> None:
    assert with_period(text) == ended
