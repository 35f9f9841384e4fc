"""Each general step on literals."""

from typing import Any

import pytest

from mix665k.schemas.conversation import Conversation, values
from mix665k.schemas.errors import RecipeError
from mix665k.schemas.prompts import RESPONSE_FORMATS
from tests.builders.building import bound_step, build, flow, run_step, talk


def _pairs(conversation: Conversation) -> list[tuple[str, str, str]]:
    return [(pair.question, pair.answer, pair.origin) for pair in conversation.pairs]


def test_merge_by_image_joins_in_order_of_first_appearance() -> None:
    result = run_step(
        "merge_by_image",
        [
            talk("7", ("q1", "a1"), image="b.jpg", several=True),
            talk("8", ("q2", "a2"), image="a.jpg", several=True),
            talk("7", ("q3", "a3"), ("q4", "a4"), image="b.jpg", several=True),
        ],
    )

    first, second = result.conversations
    assert [pair.question for pair in first.pairs] == ["q1", "q3", "q4"]
    assert (first.id, first.image, first.several, first.history) == ("7", "b.jpg", False, ("merged 2",))
    assert (second.id, second.several, second.history) == ("8", False, ())
    assert result.funnel[0].conversations == flow(3, 2, merged=-1)
    assert result.funnel[0].pairs == flow(4, 4)


def test_merge_by_image_leaves_text_only_conversations_apart() -> None:
    talks = [talk("a", ("q", "a"), several=True), talk("a", ("q", "a"), several=True), talk("b", ("q", "a"))]

    assert run_step("merge_by_image", talks).conversations == talks
    assert [talk.several for talk in talks] == [True, True, False]


def test_merge_by_image_keeps_images_apart_that_share_an_id() -> None:
    talks = [talk("1", ("q", "a"), image=image, several=True) for image in ("x.jpg", "y.jpg", "x.jpg")]

    result = run_step("merge_by_image", talks)

    assert [(c.image, c.several) for c in result.conversations] == [("x.jpg", True), ("y.jpg", True)]


@pytest.mark.parametrize("question", ["<image>\nWho?", "Who?\n<image>", "<image>Who?"])
def test_merge_by_image_leaves_one_image_token(question: str) -> None:
    talks = [talk("1", ("<image>\nWhat?", "A."), image="x.jpg"), talk("1", (question, "B."), image="x.jpg")]

    [merged] = run_step("merge_by_image", talks).conversations

    assert list(values(merged)) == ["<image>\nWhat?", "A.", "Who?", "B."]


def test_add_prompt_stands_behind_the_first_question_only() -> None:
    [prompted] = run_step("add_prompt", [talk("1", ("q1", "a1"), ("q2", "a2"))], text="Be brief.").conversations

    assert _pairs(prompted) == [("q1\nBe brief.", "a1", "1/0"), ("q2", "a2", "1/1")]
    assert prompted.history == ("prompt added",)


@pytest.mark.parametrize("prompt", sorted(RESPONSE_FORMATS))
def test_a_named_prompt_adds_its_text(prompt: str) -> None:
    named = run_step("add_prompt", [talk("1", ("q", "a"))], prompt=prompt)
    written = run_step("add_prompt", [talk("1", ("q", "a"))], text=RESPONSE_FORMATS[prompt])

    assert named == written
    assert named.pairs[0][0] == f"q\n{RESPONSE_FORMATS[prompt]}"


def test_a_recipe_names_a_prompt_without_braces() -> None:
    [short] = build("okvqa", steps=[{"add_prompt": "short_answer"}], limit=1).conversations
    [long] = build("okvqa", steps=[{"add_prompt": {"prompt": "short_answer"}}], limit=1).conversations

    assert short == long
    assert short.pairs[0].question.endswith("?\nAnswer the question using a single word or phrase.")


def test_add_prompt_can_stand_behind_all_questions() -> None:
    talks = [talk("1", ("q1", "a1"), ("q2", "a2"))]

    [prompted] = run_step("add_prompt", talks, text="Be brief.", questions="all").conversations

    assert [pair.question for pair in prompted.pairs] == ["q1\nBe brief.", "q2\nBe brief."]
    assert prompted.history == ("prompts added",)


@pytest.mark.parametrize(
    ("questions", "first", "second"),
    [("all", "Q: q1 A:", "Q: {q2} A:"), ("first", "Q: q1 A:", "{q2}")],
)
def test_a_template_is_put_around_questions(questions: str, first: str, second: str) -> None:
    talks = [talk("1", ("q1", "a1"), ("{q2}", "a2"))]

    [formatted] = run_step("format_question", talks, template="Q: {question} A:", questions=questions).conversations

    assert _pairs(formatted) == [(first, "a1", "1/0"), (second, "a2", "1/1")]
    assert formatted.history == ("question formatted" if questions == "first" else "questions formatted",)


@pytest.mark.parametrize("question", ["<image>\nWho?", "Who?\n<image>", "Who?", "<image>\n<image>\nWho?\n<image>"])
def test_the_image_stays_outside_of_a_template(question: str) -> None:
    talks = [talk("1", (question, "a"), image="x.jpg")]

    [formatted] = run_step("format_question", talks, template="({{}} {question})").conversations

    assert formatted.pairs[0].question == question.replace("Who?", "({} Who?)")


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("Q: {quesiton}", "template: {quesiton} is not known, expected {question}; write {{ and }} for braces"),
        ("Q: {}", "template: {} is not known, expected {question}; write {{ and }} for braces"),
        ("{question:>5}", "template: {question} is not known"),
        ("{question!r}", "template: {question} is not known"),
        ("{question.__class__}", "template: {question.__class__} is not known"),
        ("Q: {question", "template: expected '}' before end of string; write {{ and }} for braces"),
        ("Q: A:", "template: no {question} in it, so that every question would be the same"),
    ],
)
def test_a_template_that_cannot_be_filled_in_is_refused(template: str, why: str) -> None:
    with pytest.raises(RecipeError) as raised:
        run_step("format_question", [], template=template)
    assert str(raised.value).startswith(why)


def test_repeat_gives_each_conversation_with_its_copies_behind_it() -> None:
    result = run_step("repeat", [talk("a", ("q", "a")), talk("b", ("q", "a"), ("r", "b"))], times=2)

    assert [(c.id, c.several, c.history) for c in result.conversations] == [
        ("a", True, ("copy 0",)),
        ("a", True, ("copy 1",)),
        ("b", True, ("copy 0",)),
        ("b", True, ("copy 1",)),
    ]
    assert result.funnel[0].conversations == flow(2, 4, repeated=2)
    assert result.funnel[0].pairs == flow(3, 6, repeated=3)


def test_changing_a_repeated_conversation_leaves_its_copies_alone() -> None:
    [one, other] = run_step("repeat", [talk("a", ("q", "a"))], times=2).conversations
    one.pairs[0].question = "changed"

    assert other.pairs[0].question == "q"


def test_split_cuts_into_segments_in_order() -> None:
    result = run_step("split", [talk("a", *[(f"q{i}", "a") for i in range(5)], image="x.jpg")], max_pairs=2)

    assert [[pair.question for pair in c.pairs] for c in result.conversations] == [["q0", "q1"], ["q2", "q3"], ["q4"]]
    assert [c.history for c in result.conversations] == [("pairs 0-1",), ("pairs 2-3",), ("pairs 4-4",)]
    assert all(c.several for c in result.conversations)
    assert [next(values(c)) for c in result.conversations] == ["<image>\nq0", "<image>\nq2", "<image>\nq4"]
    assert result.funnel[0].conversations == flow(1, 3, split=2)


@pytest.mark.parametrize(
    ("params", "kept", "reason"),
    [
        ({"min_pairs": 2}, ["two"], "under 2 pairs"),
        ({"max_pairs": 1}, ["one"], "over 1 pairs"),
        ({"min_chars": 9}, ["two"], "under 9 characters"),
        ({"max_chars": 8}, ["one"], "over 8 characters"),
        ({"min_pairs": 1, "max_pairs": 2, "min_chars": 8, "max_chars": 12}, ["one", "two"], None),
    ],
)
def test_drop_by_length_counts_pairs_and_characters(
    params: dict[str, Any], kept: list[str], reason: str | None
) -> None:
    talks = [talk("one", ("1234", "5678")), talk("two", ("123", "456"), ("789", "abc"))]

    result = run_step("drop_by_length", talks, **params)

    assert [c.id for c in result.conversations] == kept
    assert set(result.funnel[0].conversations.changes) == ({reason} if reason else set())


@pytest.mark.parametrize(("field", "kept"), [("question", ["a"]), ("answer", ["q"]), ("any", [])])
def test_drop_by_pattern_looks_where_it_is_told(field: str, kept: list[str]) -> None:
    talks = [talk("q", ("x1", "y"), ("x", "y")), talk("a", ("x", "y"), ("x", "y22"))]

    result = run_step("drop_by_pattern", talks, pattern=r"\d+$", field=field)

    assert [c.id for c in result.conversations] == kept
    assert result.funnel[0].conversations.changes == {r"matches '\\d+$'": len(kept) - 2}


def test_drop_by_pattern_refuses_what_is_no_regular_expression() -> None:
    with pytest.raises(RecipeError, match=r"^pattern: '\[' is not a regular expression: unterminated character set"):
        run_step("drop_by_pattern", [], pattern="[")


def test_a_step_that_gives_more_cannot_run_inside_a_sample() -> None:
    talks = [talk(name, ("q", "a"), ("r", "b")) for name in "abc"]
    message = (
        "surviving: 4 conversations made of 2, expected at most as many; put steps that give more after the sample"
    )

    with pytest.raises(RecipeError, match=message):
        run_step("sample", talks, seed=1, count=2, surviving=[bound_step("split", max_pairs=1)])
