"""How much of each source a balanced mixture has."""

from collections.abc import Mapping
from fractions import Fraction

from mix665k.schemas.errors import MixtureError, RecipeError, did_you_mean
from mix665k.schemas.recipe import Balance


def weights_of(asked: Balance, sizes: Mapping[str, int]) -> dict[str, Fraction]:
    """The weight of each source that has records; only their ratios count.

    Raises:
        RecipeError: for a source without a weight.
    """
    there = {name: size for name, size in sizes.items() if size}
    if asked.weights:
        for name in there:
            if name not in asked.weights:
                raise RecipeError(f"balance: weights: none for {name!r}{did_you_mean(name, asked.weights)}")
        return {name: Fraction(asked.weights[name]) for name in there}
    if asked.temperature is not None:  # rounded, as powers may differ in the last bit from machine to machine
        return {name: Fraction(round(size ** (1 / asked.temperature), 6)) for name, size in there.items()}
    return {name: Fraction(1 if asked.equal else size) for name, size in there.items()}


def amounts(
    weights: Mapping[str, Fraction], sizes: Mapping[str, int], budget: int | None, *, at_most: bool = False
) -> dict[str, int]:
    """How much of each source: by weight, together the budget, or without one as much as the weights allow.

    What a source has not, the others give, by their weights. With `at_most` a budget may be larger than all.

    Raises:
        MixtureError: for a budget that is larger than all sources together.
    """
    if budget is None:
        scale = min((Fraction(sizes[name]) / weight for name, weight in weights.items()), default=Fraction(0))
        return {name: int(weight * scale) for name, weight in weights.items()}
    if at_most:
        budget = min(budget, sum(sizes[name] for name in weights))
    if budget > (there := sum(sizes[name] for name in weights)):
        raise MixtureError(f"balance: budget of {budget:,}, the sources have {there:,}; lower it")
    found: dict[str, int] = {}
    left, open_ = budget, dict(weights)
    while open_:
        scale = Fraction(left) / sum(open_.values())
        full = [name for name, weight in open_.items() if weight * scale >= sizes[name]]
        if not full:
            return found | _rounded({name: weight * scale for name, weight in open_.items()}, left)
        for name in full:
            found[name] = sizes[name]
            left -= sizes[name]
            del open_[name]
    return found


def _rounded(exact: Mapping[str, Fraction], total: int) -> dict[str, int]:
    """Whole numbers with this sum: those with the largest fractions are rounded up."""
    found = {name: int(amount) for name, amount in exact.items()}
    by_fraction = sorted(exact, key=lambda name: (found[name] - exact[name], name))
    for name in by_fraction[: total - sum(found.values())]:
        found[name] += 1
    return found
