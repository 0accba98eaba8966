"""Where the good scores of each component type end, as far as so few of them can tell.

The level is a high quantile of the good scores. A type's own one is mixed with that of its package, and that with the
one of all parts: own weight n / (n + k), where n is its number of good parts. k is estimated from the data, as in the
credibility estimators of Bühlmann and Straub (1970): the variance of a quantile from one good part, over the variance
of true quantiles between types. Types that do not differ by more than chance get k = infinity and share one level.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST = 20
"""A type or a package of fewer good parts has no quantile of its own."""
LEAST_DEFECTS = 5
"""A type of fewer defects has no level above that of all parts: its good scores alone, a few of which may be defects
with the wrong label, must not make room for defects that nobody has seen."""
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Level:
    """A type's level, with its numbers of good parts and defects, and the weight, 0..1, of its own quantile in it.
    It is `capped` where that of all parts took the place of a higher one."""

    value: float
    goods: int
    defects: int
    weight: float
    capped: bool


@dataclass(frozen=True)
class _Group:
    """Good parts of a type or a package: their quantile, and n times its variance."""

    goods: int
    quantile: float
    variance: float
    above: str
    """The package of a type."""

    @classmethod
    def of(cls, score: Scores, share: float, above: str) -> "_Group":
        """The variance by the order statistics one standard error of the share away on both sides (Woodruff, 1952)."""
        n, at = len(score), 1 - share
        off = math.sqrt(share * at / n)
        low, middle, high = np.quantile(score, [max(0.0, at - off), at, min(1.0, at + off)]).tolist()
        return cls(n, middle, n * ((high - low) / 2) ** 2, above)


def levels(
    score: Scores, kinds: Sequence[str], defects: Mapping[str, int], package_of: Mapping[str, str], share: float
) -> tuple[float, dict[str, Level]]:
    """The level of all good parts and of each type of `package_of`; a `share` of the good parts is above.

    `score` [G] and `kinds` are those of the good parts; a kind may be "", which has no level of its own. `defects` are
    numbers by type; fewer than LEAST_DEFECTS leave a type no level above that of all parts.
    """
    rows: dict[str, list[int]] = {kind: [] for kind in package_of}
    for row, kind in enumerate(kinds):
        if kind:
            rows[kind].append(row)
    of_package: dict[str, list[int]] = {package: [] for package in package_of.values()}
    for kind, package in package_of.items():
        of_package[package] += rows[kind]
    overall = float(np.quantile(score, 1 - share))
    types = {kind: _Group.of(score[own], share, package_of[kind]) for kind, own in rows.items() if len(own) >= LEAST}
    packages = {name: _Group.of(score[own], share, "") for name, own in of_package.items() if len(own) >= LEAST}
    k_type, k_package = credibility(list(types.values())), credibility(list(packages.values()))
    of_class = {
        name: _mixed(packages[name], k_package, overall)[0] if name in packages else overall for name in of_package
    }
    found = {}
    for kind, package in package_of.items():
        value, weight = of_class[package], 0.0
        if kind in types:
            value, weight = _mixed(types[kind], k_type, value)
        capped = value > overall and defects.get(kind, 0) < LEAST_DEFECTS
        found[kind] = Level(overall if capped else value, len(rows[kind]), defects.get(kind, 0), weight, capped)
    return overall, found


def _mixed(group: _Group, k: float, above: float) -> tuple[float, float]:
    weight = group.goods / (group.goods + k)
    return weight * group.quantile + (1 - weight) * above, weight


def credibility(groups: Sequence[_Group]) -> float:
    """k: with how many good parts the own quantile of a group counts half; infinity if groups do not differ."""
    if len(groups) <= len({one.above for one in groups}):
        return math.inf  # none has a sibling to differ from
    n = np.array([one.goods for one in groups], np.float64)
    quantile, variance = (np.array([getattr(one, name) for one in groups]) for name in ("quantile", "variance"))
    _, above = np.unique([one.above for one in groups], return_inverse=True)
    of_above = np.bincount(above, n)
    within = float((n * variance).sum() / n.sum())
    spread = float((n * (quantile - (np.bincount(above, n * quantile) / of_above)[above]) ** 2).sum())
    by_chance = (len(groups) - len(of_above)) * within
    between = (spread - by_chance) / float(n.sum() - (np.bincount(above, n**2) / of_above).sum())
    return within / between if between > 0 else math.inf
