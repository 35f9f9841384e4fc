"""What others' scorers got wrong, each in a few made-up answers, numbered as in the evaluation's list of traps."""

import json
import math
from pathlib import Path

import pytest

from mix665k.schemas.errors import EvaluationError
from mix665k.trainer.evaluation.answers import official_vqa_score, soft_accuracy, vizwiz_score, vqa_normalised
from mix665k.trainer.evaluation.benchmarks.mme import COGNITION, PERCEPTION
from mix665k.trainer.evaluation.readers import option_letter, scienceqa_letter
from tests.trainer.evaluation.cases import figures, lines, mmbench, pope, scienceqa, scored, textvqa, vqav2, write


def test_1_two_questions_on_one_image_each_keep_their_answer(tmp_path: Path) -> None:
    textvqa(tmp_path, {"question": "Is it?"}, {"question": "who is it?", "answers": ["bob"] * 10})
    answers = [
        {"question_id": "i", "prompt": "Is it?\nReference OCR token: x", "text": "yes"},
        {"question_id": "i", "prompt": "Who is it?\nReference OCR token: ", "text": "Bob"},
    ]
    assert figures(scored("textvqa", tmp_path, answers)) == {"accuracy": 100.0}


def test_1_mmes_pairs_keep_both_answers(tmp_path: Path) -> None:
    asked = "1.jpg\tIs it A?\tYes\n1.jpg\tIs it B? Please answer yes or no.\tNo\n"
    write(tmp_path, {f"Your_Results/{subtask}.txt": asked for subtask in (*PERCEPTION, *COGNITION)})
    answers = [
        {"question_id": f"{name}/1.jpg", "prompt": f"Is it {letter}?", "text": text}
        for name in (*PERCEPTION, *COGNITION)
        for letter, text in (("B", "No"), ("A", "Yes" if name != "count" else "not sure"))
    ]
    found = figures(scored("mme", tmp_path, answers))
    assert (found["perception"], found["cognition"], found["count"]) == (1850.0, 800.0, 50.0)


def test_2_popes_labels_are_those_of_the_question_in_whatever_order(tmp_path: Path) -> None:
    pope(tmp_path, random=[("Is there a cat?", "no"), ("Is there a dog?", "yes")])
    asked = {"category": "random", "image": "a.jpg"}
    answers = [
        asked | {"question": "Is there a dog?", "text": "Yes"},
        asked | {"question": "Is there a cat?", "text": "No"},
    ]
    assert figures(scored("pope", tmp_path, answers, split="random"))["F1 random"] == pytest.approx(100)


def test_2_popes_ids_of_another_version_are_an_error(tmp_path: Path) -> None:
    pope(tmp_path, random=[("Is there a cat?", "no")])
    answers = [{"question_id": 10_000_001, "prompt": "Is there a dog?\nAnswer", "text": "Yes"}]
    with pytest.raises(EvaluationError, match=r"asks 'Is there a cat\?'; are --answers and --data of the same version"):
        scored("pope", tmp_path, answers, split="random")


def test_3_and_4_where_all_ten_agree_nothing_is_normalised_but_by_lmms_evals_rule(tmp_path: Path) -> None:
    vqav2(tmp_path, ["yes"] * 10, ["the cat"] * 5 + ["cat"] * 5)
    answers = [{"question_id": 0, "text": "Yes"}, {"question_id": 1, "text": "The cat."}]
    assert figures(scored("vqav2", tmp_path, answers))["accuracy"] == 50.0
    assert figures(scored("vqav2", tmp_path, answers, rule="lmms-eval"))["accuracy"] == 100.0
    assert official_vqa_score(" yes\n", ["yes "] * 10) == 1.0
    upload = scored("vqav2", tmp_path, answers).outputs[0].content
    assert upload == b'[{"question_id": 0, "answer": "yes"}, {"question_id": 1, "answer": "cat"}]'


def test_5_and_6_a_person_is_left_out_by_position(tmp_path: Path) -> None:
    expected = [0.0, 0.3, 0.6, 0.9, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    for matches in range(11):
        people = ["a"] * matches + ["b"] * (10 - matches)
        by_hand = sum(min(1, (people[:i] + people[i + 1 :]).count("a") / 3) for i in range(10)) / 10
        assert math.isclose(soft_accuracy("a", people), by_hand)
        assert math.isclose(by_hand, expected[matches])


def test_vizwiz_normalises_the_prediction_only() -> None:
    assert vizwiz_score("The cat.", ["cat"] * 10) == 1.0
    assert vizwiz_score("The cat.", ["the cat"] * 10) == 0.0


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("B", 1),
        ("B. that", 1),
        ("It flies. The answer is B.", 1),
        ("The answer is A. The answer is B.", None),
        ("b", None),
        ("B is the run-on sentence.", None),
        ("C", None),
        ("", None),
    ],
)
def test_7_and_8_scienceqa_reads_llavas_way_and_guesses_nothing(text: str, read: int | None) -> None:
    assert scienceqa_letter(text, num_choices=2) == read


def test_8_what_cannot_be_read_is_wrong_and_counted(tmp_path: Path) -> None:
    scienceqa(
        tmp_path, problem := {"question": "?", "choices": ["x", "y"], "answer": 0, "hint": "", "image": None}, problem
    )
    answers = [{"question_id": "0", "text": "A"}, {"question_id": "1", "text": "perhaps"}]
    found = scored("scienceqa", tmp_path, answers)
    assert figures(found)["accuracy"] == 50.0
    assert found.score is not None
    assert found.score.unread == 1


OPTIONS = {"A": "red fox", "B": "blue"}


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("A", "A"),
        ("(B)", "B"),
        ("I would say: B.", "B"),
        ("A is not what one sees in this picture", None),
        ("answer is **B**, not the A that some see here in it, is it", "B"),
        ("a Red Fox", "A"),
        ("red fox or blue", None),
        ("red fox, which is an animal that lives in forests of the north", None),
        ("C", None),
    ],
)
def test_8_mmbenchs_letter_is_inferred_without_a_judge_and_never_guessed(text: str, read: str | None) -> None:
    assert option_letter(text, OPTIONS) == read


def test_9_a_question_is_right_only_if_all_its_turns_are(tmp_path: Path) -> None:
    rows = [
        (7, "Q?", "", "x", "y", "", "", "A"),
        (1_000_007, "Q?", "", "y", "x", "", "", "B"),
        (8, "R?", "h", "x", "y", "nan", "", "B"),
    ]
    mmbench(tmp_path, *rows)
    answers = [
        {"index": 7, "prediction": "A"},
        {"index": 1_000_007, "prediction": "A"},
        {"index": 8, "prediction": "B"},
    ]
    found = figures(scored("mmbench", tmp_path, answers))
    assert (found["circular"], found["single"]) == (50.0, 100.0)


def test_10_llava_bench_is_the_ratio_of_means_and_leaves_out_what_the_judge_did_not_score(tmp_path: Path) -> None:
    write(tmp_path, {"questions.jsonl": lines([{"question_id": n, "text": "?", "image": "i"} for n in range(22)])})
    pairs = [[10, 5], [2, 2], *[[6, 3]] * 19, [-1, -1]]
    reviews = [{"question_id": n, "category": "c", "tuple": pair} for n, pair in enumerate(pairs)]
    found = scored("llava_bench", tmp_path, reviews)
    assert figures(found) == {"all": 50.8, "c": 50.8}
    assert found.score is not None
    assert found.score.unread == 1


def test_11_textvqas_prompt_has_the_ocr_tokens_and_the_figure_says_which_prompt(tmp_path: Path) -> None:
    from mix665k.trainer.evaluation.data_files import data_of
    from mix665k.trainer.evaluation.registry import Request, by_name

    textvqa(tmp_path, {"question": "what is it?"})
    write(tmp_path, {"TextVQA_Rosetta_OCR_v0.2_val.json": {"data": [{"image_id": "i", "ocr_tokens": ["A", "b"]}]}})
    benchmark = by_name("textvqa")
    texts = [
        benchmark.questions(data_of(tmp_path, benchmark.files), Request(prompt=prompt))[0].text
        for prompt in ("ocr", "no-ocr")
    ]
    short = "\nAnswer the question using a single word or phrase."
    assert texts == [f"What is it?\nReference OCR token: A, b{short}", f"What is it?{short}"]


def test_1_the_id_that_two_questions_of_seed_share_takes_both_answers_in_order(tmp_path: Path) -> None:
    choices = {f"choice_{letter}": letter for letter in "abcd"}
    asked = [
        {
            "question": "?",
            "data_id": "x",
            "data_type": "image",
            "question_id": "49914",
            "question_type_id": 1,
            "answer": answer,
        }
        | choices
        for answer in "AB"
    ]
    write(tmp_path, {"SEED-Bench.json": {"questions": asked}})
    answers = [{"question_id": 49914, "text": "A"}, {"question_id": 49914, "text": "B. b"}]
    found = scored("seed_bench", tmp_path, answers)
    assert figures(found)["accuracy"] == 100.0
    assert found.score is not None
    assert found.score.notes == ("LLaVA's reading, the whole text is the letter: 50.00",)


def test_vqav2s_upload_has_every_question_of_test2015(tmp_path: Path) -> None:
    asked = [{"image_id": 1, "question": "What?", "question_id": number} for number in (3, 1, 2)]
    write(tmp_path, {"v2_OpenEnded_mscoco_test-dev2015_questions.json": {"questions": asked[1:2]}})
    write(tmp_path, {"v2_OpenEnded_mscoco_test2015_questions.json": {"questions": asked}})
    found = scored("vqav2", tmp_path, [{"question_id": 1, "text": "The women's shoes."}], split="test-dev")
    assert found.score is None
    expected = [
        {"question_id": 3, "answer": ""},
        {"question_id": 1, "answer": "women 's shoes"},
        {"question_id": 2, "answer": ""},
    ]
    assert json.loads(found.outputs[0].content) == expected


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("1,000 dollars", "1000 dollars"),
        ("a.5", "a.5"),
        (".5", ".5"),
        ("3.", "3"),
        ("two-thirds", "2 thirds"),
        ("yes - no", "yes no"),
        ("The  Dont", "don't"),
        ("none", "0"),
        (33 * "a." + "b", 32 * "a" + "a.b"),
    ],
)
def test_the_vqa_normalisation(text: str, normalised: str) -> None:
    assert vqa_normalised(text) == normalised


def test_gqas_answer_is_exact_but_for_periods_and_case(tmp_path: Path) -> None:
    types = {"structural": "query", "semantic": "attr"}
    asked = {name: {"imageId": "n", "question": "?", "answer": "red", "types": types} for name in "abc"}
    write(tmp_path, {"testdev_balanced_questions.json": asked})
    answers = [
        {"question_id": "a", "text": "Red."},
        {"questionId": "b", "prediction": "red"},
        {"question_id": "c", "text": "red car"},
    ]
    assert figures(scored("gqa", tmp_path, answers))["open"] == pytest.approx(200 / 3)


def test_mm_vets_runs_are_averaged_and_deviate_as_a_population(tmp_path: Path) -> None:
    asked = {"imagename": "i", "question": "?", "answer": "x"}
    write(
        tmp_path,
        {"mm-vet.json": {"v1_0": asked | {"capability": ["ocr"]}, "v1_1": asked | {"capability": ["rec", "ocr"]}}},
    )
    found = scored("mm_vet", tmp_path, json.dumps({"v1_0": {"score": [1.0, 0.5]}, "v1_1": {"score": [0.0, 0.5]}}))
    assert figures(found) == {"total": 50.0, "ocr": 50.0, "rec": 25.0, "ocr+rec": 25.0}
    with pytest.raises(EvaluationError, match="grade 2, expected a number from 0 to 1"):
        scored("mm_vet", tmp_path, json.dumps({"v1_0": {"score": [2]}, "v1_1": {"score": [0]}}))


def test_aokvqas_letter_and_okvqas_ten_answers(tmp_path: Path) -> None:
    one = {"question_id": "q", "image_id": 1, "question": "?", "choices": list("wxyz"), "correct_choice_idx": 3}
    write(tmp_path, {"aokvqa_v1p0_val.json": [one]})
    assert figures(scored("aokvqa", tmp_path, [{"question_id": "q", "text": "D. z"}])) == {"accuracy": 100.0}
    vqav2(tmp_path, ["a cat", *["cat"] * 3, *["dog"] * 6])
    for kind, named in (("v2_OpenEnded_mscoco", "OpenEnded_mscoco"), ("v2_mscoco", "mscoco")):
        end = "questions" if "Open" in kind else "annotations"
        (tmp_path / f"{kind}_val2014_{end}.json").rename(tmp_path / f"{named}_val2014_{end}.json")
    assert figures(scored("okvqa", tmp_path, [{"question_id": 0, "text": "Cat"}]))["accuracy"] == 100.0


def test_mmes_release_is_read_in_both_of_its_layouts(tmp_path: Path) -> None:
    root = tmp_path / "mme/MME_Benchmark_release_version"
    for subtask in (*PERCEPTION, *COGNITION):
        nested = subtask in ("artwork", "celebrity", "landmark", "posters", "scene")
        folder = root / subtask / ("questions_answers_YN" if nested else "")
        write(folder, {"1.txt": "Is it A?\tYes\nIs it B?  Please answer yes or no.\tNo\n"})
    images = [f"{name}/images/1.png" if name in ("scene",) else f"{name}/1.png" for name in (*PERCEPTION, *COGNITION)]
    answers = [{"question_id": image, "prompt": f"Is it {of}?", "text": "Yes"} for image in images for of in "AB"]
    assert figures(scored("mme", tmp_path, answers))["perception"] == 500.0
