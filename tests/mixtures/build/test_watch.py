"""What a build says was left out."""

from mix665k.mixtures.build.display import left_out
from mix665k.schemas.manifest import Flow, FunnelStep, SourceEntry


def entry(*steps: FunnelStep) -> SourceEntry:
    """A source with this funnel."""
    return SourceEntry("mine", "llava_json", "", [], {}, [], [*steps], 0, 0, [])


def test_what_two_steps_leave_out_for_one_reason_is_added_up() -> None:
    found = left_out(
        entry(
            FunnelStep("drop", Flow(9, 7, {"too long": -2}), Flow(20, 14, {"too long": -5, "odd": -1})),
            FunnelStep("drop", Flow(7, 4, {"too long": -3}), Flow(14, 10, {"too long": -4})),
        )
    )
    assert found == {"too long": (5, 9), "odd": (0, 1)}


def test_what_is_merged_repeated_or_not_drawn_is_not_left_out() -> None:
    changes = {"merged": -3, "not drawn": -2, "copied": 4}
    assert left_out(entry(FunnelStep("steps", Flow(9, 8, changes), Flow(9, 9)))) == {}
