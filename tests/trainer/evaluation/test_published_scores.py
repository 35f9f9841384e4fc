"""The authors' own outputs give the published figures; the partial sets give what an independent program gave."""

import json
from pathlib import Path
from typing import Any

import pytest

from mix665k.schemas.errors import EvaluationError
from mix665k.trainer.evaluation.answers import official_vqa_score
from mix665k.trainer.evaluation.registry import Request, by_name
from mix665k.trainer.evaluation.score import Scored, incomparable, score_answers
from tests.builders.building import SHARED
from tests.trainer.evaluation.cases import scored as made_up
from tests.trainer.evaluation.test_spreadsheet import rows_of

EVAL = SHARED / "eval"
pytestmark = pytest.mark.skipif(not EVAL.is_dir(), reason="the shared evaluation data is not there")
EXPECTED: dict[str, Any] = json.loads((EVAL / "expected.json").read_text()) if EVAL.is_dir() else {}


def scored(name: str, data: Path, *answers: str, **options: str) -> Scored:
    return score_answers(by_name(name), data=data, answers=[EVAL / one for one in answers], request=Request(**options))


def figures(of: Scored) -> dict[str, float]:
    assert of.score is not None
    return dict(of.score.figures)


def written(folder: Path, name: str, content: Any) -> Path:
    (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder / name


def test_scienceqa_13b_prints_the_line_of_llavas_script_with_the_published_numbers() -> None:
    found = scored("scienceqa", EVAL, "scienceqa/answers_llava-v1.5-13b.jsonl")
    assert found.score is not None
    assert found.score.lines == ("Total: 4241, Correct: 3155, Accuracy: 74.39%, IMG-Accuracy: 71.64%",)
    assert found.score.unread == EXPECTED["scienceqa"]["failed"]
    assert incomparable(found) is None
    assert figures(found)["TXT-accuracy"] == pytest.approx(EXPECTED["scienceqa"]["txt_acc"], abs=0.005)


def test_mme_13b() -> None:
    found = figures(scored("mme", EVAL / "mme", "mme/answers_llava-v1.5-13b.jsonl"))
    assert found == pytest.approx(EXPECTED["mme"], abs=0.0001)
    assert (f"{found['perception']:.2f}", f"{found['cognition']:.2f}") == ("1531.32", "295.36")


def test_pope_13b() -> None:
    found = figures(scored("pope", EVAL, "pope/answers_llava-v1.5-13b.jsonl"))
    for name in ("random", "popular", "adversarial"):
        expected = EXPECTED["pope"][name]
        for ours, theirs in (("F1", "f1"), ("accuracy", "accuracy"), ("precision", "precision"), ("recall", "recall")):
            assert found[f"{ours} {name}"] == pytest.approx(100 * expected[theirs], abs=0.0001)
        assert found[f"yes ratio {name}"] == pytest.approx(100 * expected["yes_ratio"], abs=0.0001)
    assert found["mean F1"] == pytest.approx(EXPECTED["pope"]["mean_f1"], abs=0.0001)


def mmbench_table(folder: Path) -> Path:
    """The table as it is published, made of the upload file, which has its columns but the picture."""
    from mix665k.trainer.evaluation.spreadsheet import read_spreadsheet

    columns = ("index", "question", "A", "B", "C", "D", "answer", "split")
    rows = read_spreadsheet(EVAL / "mmbench/llava-v1.5-13b.xlsx")
    quoted = ["\t".join('"' + str(row[name]).replace('"', '""') + '"' for name in columns) for row in rows]
    (folder / "mmbench_dev_20230712.tsv").write_text("\n".join(["\t".join(columns), *quoted]), encoding="utf-8")
    return folder


def test_mmbench_13b_and_its_upload_cell_by_cell(tmp_path: Path) -> None:
    found = scored("mmbench", mmbench_table(tmp_path), "mmbench/llava-v1.5-13b.xlsx")
    assert found.counts["asked"] == EXPECTED["mmbench"]["rows"]
    assert figures(found)["circular"] == pytest.approx(EXPECTED["mmbench"]["circular"], abs=0.0001)
    assert figures(found)["single"] == pytest.approx(EXPECTED["mmbench"]["single"], abs=0.0001)
    assert rows_of(found.outputs[0].content) == rows_of((EVAL / "mmbench/llava-v1.5-13b.xlsx").read_bytes())


def test_vizwiz_upload_is_the_authors_byte_for_byte(tmp_path: Path) -> None:
    (tmp_path / "test.json").symlink_to(EVAL / "vizwiz/test.first4000.json")
    found = scored("vizwiz", tmp_path, "vizwiz/answers_llava-v1.5-13b.first4000.jsonl", split="test")
    assert found.score is None
    upload = (EVAL / "vizwiz/upload_llava-v1.5-13b.first4000.json").read_bytes()
    assert found.outputs[0].content == upload


def test_llava_bench_13b_mean_of_three_reviews() -> None:
    reviews = [f"llava_bench/reviews_llava-v1.5-13b-eval{run}.jsonl" for run in (1, 2, 3)]
    assert round(figures(scored("llava_bench", EVAL, *reviews))["all"], 2) == EXPECTED["llava_bench"]["mean_all"]
    for review, expected in zip(reviews, EXPECTED["llava_bench"]["runs"], strict=True):
        assert figures(scored("llava_bench", EVAL, review)) == {name: row[0] for name, row in expected.items()}


def test_mm_vet_7b_mean_of_three_runs_and_of_each_combination() -> None:
    found = scored("mm_vet", EVAL / "mm_vet", "mm_vet/results_llava-v1.5-7b_gpt-4-grade-3runs.json")
    expected = EXPECTED["mm_vet"]
    shown = {name: round(value, 1) for name, value in figures(found).items()}
    assert {name: shown[name] for name in (*["rec", "ocr", "know", "gen", "spat", "math", "total"],)} == {
        name: expected[name] for name in (*["rec", "ocr", "know", "gen", "spat", "math", "total"],)
    }
    assert found.score is not None
    assert found.score.notes == ("runs: 31.2, 30.8, 31.2; standard deviation 0.2",)
    table = (EVAL / "mm_vet/results_llava-v1.5-7b_gpt-4-cap-int-score-3runs.csv").read_text().splitlines()
    official = dict(zip(table[0].split(",")[1:17], map(float, table[1].split(",")[1:17]), strict=True))
    combined = {"_".join(sorted(name.split("_"))): value for name, value in official.items()}
    ours = {"_".join(sorted(name.split("+"))): value for name, value in shown.items() if "+" in name}
    assert ours.items() <= combined.items()


def test_textvqa_13b_first_1000(tmp_path: Path) -> None:
    (tmp_path / "TextVQA_0.5.1_val.json").symlink_to(EVAL / "textvqa/TextVQA_0.5.1_val.first1000.json")
    found = scored("textvqa", tmp_path, "textvqa/answers_llava-v1.5-13b.first1000.jsonl")
    assert round(figures(found)["accuracy"], 4) == EXPECTED["textvqa"]["evalai"]


def test_gqa_13b_on_the_questions_at_hand(tmp_path: Path) -> None:
    answers = "gqa/answers_llava-v1.5-13b.1398.jsonl"
    asked = json.loads((SHARED / "raw/gqa/testdev_balanced_questions.json").read_text())
    names = [str(json.loads(line)["question_id"]) for line in (EVAL / answers).read_text().splitlines()]
    written(tmp_path, "testdev_balanced_questions.json", {name: asked[name] for name in names})
    found = figures(scored("gqa", tmp_path, answers))
    for ours in ("accuracy", "binary", "open"):
        assert found[ours] == pytest.approx(EXPECTED["gqa"][ours], abs=0.0001)
    for kind, (_, share) in EXPECTED["gqa"]["structural"].items():
        assert found[f"structural {kind}"] == pytest.approx(share, abs=0.0001)


def test_seed_bench_13b_first_2000(tmp_path: Path) -> None:
    key = json.loads((EVAL / "seed/answers_key.first2000.json").read_text())
    made_up = {"question": "?", "choice_a": "1", "choice_b": "2", "choice_c": "3", "choice_d": "4", "data_id": "x"}
    asked = [
        made_up | {"question_id": name, "answer": answer, "data_type": "image", "question_type_id": 1}
        for name, answer in key.items()
    ]
    written(tmp_path, "SEED-Bench.json", {"questions": asked})
    found = scored("seed_bench", tmp_path, "seed/upload_llava-v1.5-13b.first2000.jsonl")
    assert figures(found)["accuracy"] == pytest.approx(EXPECTED["seed_first2000"])


def test_answers_to_other_questions_of_seed_are_refused(tmp_path: Path) -> None:
    (tmp_path / "SEED-Bench.json").symlink_to(EVAL / "seed/SEED-Bench.sample.json")
    with pytest.raises(EvaluationError, match="answers are to no question of seed_bench"):
        scored("seed_bench", tmp_path, "seed/upload_llava-v1.5-13b.first2000.jsonl")


def test_2_popes_later_random_file_is_refused_for_answers_to_the_papers(tmp_path: Path) -> None:
    (tmp_path / "coco_pope_random.json").symlink_to(EVAL / "pope/coco_pope_random.v2.json")
    answers = [json.loads(line) for line in (EVAL / "pope/answers_llava-v1.5-13b.jsonl").read_text().splitlines()]
    of_random = [one for one in answers if one["category"] == "random"]
    with pytest.raises(EvaluationError, match=r"of 2,910 answers are to no question of pope"):
        made_up("pope", tmp_path, of_random, split="random")
    by_id = [{"question_id": one["question_id"], "prompt": one["question"], "text": one["text"]} for one in of_random]
    with pytest.raises(EvaluationError, match="of the same version"):
        made_up("pope", tmp_path, by_id, split="random")


def vizwiz_answers() -> dict[str, list[dict[str, str]]]:
    asked = json.loads((EVAL / "vizwiz/val.first1000.json").read_text())
    people = [{"image": one["image"], "text": one["answers"][i % 10]["answer"]} for i, one in enumerate(asked)]
    return {
        'always "unanswerable"': [{"image": one["image"], "text": "unanswerable"} for one in asked],
        "person i % 10's answer": people,
        "the same, capitalised, with a period": [one | {"text": one["text"].capitalize() + "."} for one in people],
    }


@pytest.mark.parametrize("name", vizwiz_answers() if EVAL.is_dir() else [])
def test_vizwiz_val_first_1000(name: str, tmp_path: Path) -> None:
    (tmp_path / "val.json").symlink_to(EVAL / "vizwiz/val.first1000.json")
    expected = EXPECTED["vizwiz_val_first1000"][name]
    found = figures(made_up("vizwiz", tmp_path, vizwiz_answers()[name]))
    assert round(found["accuracy"], 4) == expected["official"]
    for kind, (_, share) in expected["official_by_type"].items():
        assert found[f"accuracy {kind}"] == pytest.approx(share, abs=0.0001)
    lmms_eval = figures(made_up("vizwiz", tmp_path, vizwiz_answers()[name], rule="lmms-eval"))
    assert round(lmms_eval["accuracy"], 4) == expected["evalai"]


def test_vqav2_made_predictions_raw_uploaded_and_always_normalised(tmp_path: Path) -> None:
    raw = SHARED / "raw/vqav2"
    labels = json.loads((raw / "v2_mscoco_train2014_annotations.json").read_text())["annotations"][:3000]
    asked = {
        one["question_id"]: one
        for one in json.loads((raw / "v2_OpenEnded_mscoco_train2014_questions.json").read_text())["questions"]
    }
    written(tmp_path, "v2_mscoco_val2014_annotations.json", {"annotations": labels})
    questions = [asked[one["question_id"]] for one in labels]
    written(tmp_path, "v2_OpenEnded_mscoco_val2014_questions.json", {"questions": questions})
    answers = []
    for one in labels:
        number = one["question_id"]
        text = one["answers"][number % 10]["answer"]
        text = text[:1].upper() + text[1:] if number % 3 == 0 else text
        text += "." if number % 5 == 0 else ""
        answers.append({"question_id": number, "text": f"The {text}" if number % 7 == 0 else text})
    expected = EXPECTED["vqav2_made_first3000"]
    raw_text = made_up("vqav2", tmp_path, answers)
    assert figures(raw_text)["accuracy"] == pytest.approx(expected["official"], abs=0.0001)
    always = figures(made_up("vqav2", tmp_path, answers, rule="lmms-eval"))
    assert always["accuracy"] == pytest.approx(expected["always"], abs=0.0001)
    upload = json.loads(raw_text.outputs[0].content)
    found = figures(made_up("vqav2", tmp_path, upload))
    assert found["accuracy"] == pytest.approx(expected["uploaded"], abs=0.0001)
    for kind, share in expected["uploaded_by_type"].items():
        assert found[f"accuracy {kind}"] == pytest.approx(share, abs=0.0001)


def test_3_textvqa_by_vqav2s_rule_on_raw_text() -> None:
    asked = json.loads((EVAL / "textvqa/TextVQA_0.5.1_val.first1000.json").read_text())["data"]
    answers = (EVAL / "textvqa/answers_llava-v1.5-13b.first1000.jsonl").read_text().splitlines()
    scores = [
        official_vqa_score(json.loads(text)["text"], one["answers"]) for text, one in zip(answers, asked, strict=True)
    ]
    assert round(100 * sum(scores) / len(scores), 2) == EXPECTED["textvqa"]["vqa_official"]
