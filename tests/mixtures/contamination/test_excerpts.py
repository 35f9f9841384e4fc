"""The real excerpts as evaluation sets of the mixture that is made of them: all is shared."""

from pathlib import Path

import pytest

from mix665k.mixtures.build.plan import Options, make_plan
from mix665k.mixtures.build.run import build
from mix665k.mixtures.contamination.findings import Kind
from tests.builders.building import ROOT, SHARED
from tests.conftest import SilentWatcher
from tests.mixtures.contamination.contaminated import look, only

RAW = SHARED / "raw"
SETS = {
    "vqav2": ("vqav2/v2_OpenEnded_mscoco_train2014_questions.json", 12_000, 10_798),
    "okvqa": ("okvqa/OpenEnded_mscoco_train2014_questions.json", 9_009, 8_998),
    "gqa": ("gqa/testdev_balanced_questions.json", 2_796, 388),
    "aokvqa": ("aokvqa/aokvqa_v1p0_val.json", 1_145, 1_122),
}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not RAW.is_dir(), reason=f"the real excerpts are not at {RAW}"),
]


@pytest.fixture(scope="module")
def excerpt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mixture of the excerpts that are evaluation sets too."""
    out = tmp_path_factory.mktemp("excerpt") / "mixture"
    options = Options(RAW, out, sources=(*SETS, "refcoco"))
    plan = make_plan(str(ROOT / "tests" / "recipes" / "excerpt.yaml"), options)
    build(plan, jobs=2, overwrite=False, listener=SilentWatcher())
    return out


@pytest.mark.parametrize("name", SETS)
def test_a_source_shares_all_with_its_own_file(excerpt: Path, name: str) -> None:
    file, questions, images = SETS[name]
    one = only(look(excerpt, RAW / file))
    [own] = [shared for shared in one.sources if shared.source == name]
    assert (own.pairs, own.images) == (questions, images)
    assert (one.total.pairs, one.total.images, one.total.text) == (questions, images, 0)
    assert [one.share(kind) for kind in list(Kind)[:3]] == [1.0, 1.0, 0.0]


def test_textvqas_questions_are_shared_as_text_only(excerpt: Path) -> None:
    one = only(look(excerpt, RAW / "textcaps" / "TextVQA_0.5.1_train.json"))
    assert (one.layout, one.questions, one.images) == ("textvqa", 5, 3)
    assert (one.total.images, one.total.pairs, one.total.text) == (0, 0, 1)


def test_refcocos_test_images_are_in_the_mixture_that_took_them(excerpt: Path) -> None:
    found = look(excerpt, RAW / "refcoco" / "refcoco" / "refs(unc).p", raw=RAW)
    one = only(found)
    assert (one.layout, one.left_out, one.total.pairs) == ("refcoco", 1, one.questions)
    assert [(split.name, split.images, split.in_mixture) for split in found.splits] == [("refcoco testA", 5, 5)]
