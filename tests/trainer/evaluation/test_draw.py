"""A fixed draw of questions."""

from mix665k.trainer.evaluation.draw import draw
from mix665k.trainer.evaluation.registry import Question, by_name

ASKED = [Question((("id", str(n)),), text="", image=f"{n // 4}.jpg", bare="", record=None) for n in range(40)]


def test_a_draw_is_the_same_each_time_and_holds_smaller_ones() -> None:
    pope = by_name("pope")
    drawn = draw(pope, ASKED, count=15, seed=3)
    assert drawn == draw(pope, list(reversed(ASKED)), count=15, seed=3)[::-1]
    assert len(drawn) == 15
    assert set(draw(pope, ASKED, count=6, seed=3)) < set(drawn)
    assert draw(pope, ASKED, count=15, seed=4) != drawn
    assert draw(by_name("gqa"), ASKED, count=15, seed=3) != drawn
    assert draw(pope, ASKED, count=99, seed=3) == ASKED


def test_questions_that_are_scored_together_are_drawn_together() -> None:
    mme = by_name("mme")
    for count, expected in ((15, 12), (12, 12), (3, 4), (40, 40)):
        drawn = draw(mme, ASKED, count=count, seed=1)
        assert len(drawn) == expected
        pictures = [question.image for question in drawn]
        assert all(pictures.count(picture) == 4 for picture in pictures)
