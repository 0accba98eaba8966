"""Goldens that are dark, bright, pale, blurred, misframed, flat, with wrong lights, or unlike their own samples."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from goldenpair.data.goldens import evenly
from goldenpair.data.table import Layout
from goldenpair.data.thumbnails import Album
from goldenpair.deep_audit.joined import Joined
from goldenpair.deep_audit.measured import STATISTICS, Measured
from goldenpair.deep_audit.suspicion import CERTAIN, Suspicion
from goldenpair.quality.suspects import FAR, FEWEST, SAMPLES, odd_goldens, robust_z

OWN = 3
"""Good samples of its own from which on a golden is judged by them; with fewer by its kind."""
_FLAT = 2.0  # grey levels
# What a picture of the same part may differ by and still be of use, as logarithms: a quarter in brightness, half of the
# contrast, 30 % of its sharpness. Beyond that the spread of this set decides, see FAR.
_BRIGHT, _PALE, _BLURRED = np.log(1.25), np.log(2), -np.log(0.7)
_EXPLAINED = 0.3  # of the difference, which moving has to take away
_MISFRAMED, _AGREED = 2 / 64, 1.5 / 64  # shares of the crop: what is an error of framing, how far samples may disagree
_UNLIKE = 0.5  # distance below which two pictures are alike to the eye
_APART, _CLEARLY, _MANY = 2 / 64, 0.5, 0.25  # framed apart: a quarter of the good pairs, half of whose difference goes


@dataclass(frozen=True)
class Golden:
    """A golden that rows are compared with: its pictures, those rows, and the good samples among them."""

    numbers: tuple[int, ...]
    rows: NDArray[np.int64]
    good: NDArray[np.int64]

    @property
    def row(self) -> int:
        """The row to show it with."""
        return int(self.good[0] if len(self.good) else self.rows[0])


def goldens_of(joined: Joined, measured: Measured) -> list[Golden]:
    """All goldens whose pictures could be read, with at most SAMPLES good samples each, evenly spread."""
    numbers, inverse = np.unique(measured.golden, axis=0, return_inverse=True)
    order = np.argsort(inverse.reshape(-1), kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(inverse.reshape(-1)))[:-1])
    fine, bad = measured.read, joined.bad
    found = []
    for golden, rows in zip(numbers.tolist(), groups, strict=True):
        if np.isfinite(measured.looks[golden]).all():
            good = rows[fine[rows] & ~bad[rows]]
            found.append(Golden(tuple(golden), rows, good[evenly(len(good), SAMPLES)]))
    return found


def odd_looks(
    joined: Joined, measured: Measured, goldens: Sequence[Golden], lights: Sequence[str], digests: Sequence[str]
) -> list[Suspicion]:
    """What is wrong with each golden, one suspicion a golden: the first of these that holds, as it explains the rest.

    `digests` are those of all pictures' contents.
    """
    if not goldens:
        return []
    strays = _Strays.of(joined, measured, goldens)
    unlike = _unlike(goldens, measured)
    found = []
    for place, golden in enumerate(goldens):
        one = (
            _flat(joined, golden, measured, lights)
            or _same_lights(golden, lights, digests)
            or _swapped(golden, measured, lights)
            or _misframed(golden, measured)
            or strays.suspicion(place, golden, lights)
            or unlike.get(place)
        )
        found += [one] if one else []
    return found


def _named(lights: Sequence[str], places: Iterable[int]) -> str:
    """Lights in words; "" where there is one without a name."""
    return ", ".join(lights[place] for place in places) if lights else ""


def _under(lights: Sequence[str], place: int) -> str:
    return f"under {lights[place]}"


def _flat(joined: Joined, golden: Golden, measured: Measured, lights: Sequence[str]) -> Suspicion | None:
    contrast = measured.looks[:, STATISTICS.index("contrast")]
    if not len(golden.good):
        return None  # it may be a plain place, with a defect on it
    own = contrast[list(golden.numbers)]
    usual = np.median(contrast[joined.parts.sample[golden.good]], axis=0)
    light = int(np.where(usual > 2 * _FLAT, own, np.inf).argmin())
    if own[light] >= _FLAT or usual[light] <= 2 * _FLAT:
        return None
    where = f" {_under(lights, light)}" if lights else ""
    why = f"varies by {own[light]:.1f} grey levels{where}, its good samples by {usual[light]:.1f}"
    return Suspicion("golden_flat", golden.row, why, float(own[light]), float(usual[light] / (2 * _FLAT)))


def _same_lights(golden: Golden, lights: Sequence[str], digests: Sequence[str]) -> Suspicion | None:
    first: dict[str, int] = {}
    for place, number in enumerate(golden.numbers):
        other = first.setdefault(digests[number], place)
        if other != place:
            why = f"{_named(lights, (other, place))} are the same file"
            return Suspicion("golden_lights_same", golden.row, why, 0.0, CERTAIN)
    return None


def _swapped(golden: Golden, measured: Measured, lights: Sequence[str]) -> Suspicion | None:
    """Most good samples see the same other order of lights. Of one or two samples nobody knows whose lights it are."""
    orders = Counter(map(tuple, measured.order[golden.good].tolist()))
    straight = tuple(range(len(golden.numbers)))
    if not orders:
        return None
    order, count = orders.most_common(1)[0]
    if order == straight or 2 * count <= len(golden.good):
        return None
    said = ", ".join(f"{lights[i]} of the sample looks like {lights[j]}" for i, j in enumerate(order) if i != j)
    share = count / len(golden.good)
    sure = 2 * share if len(golden.good) >= OWN else 1.0
    doubt = "" if len(golden.good) >= OWN else "; perhaps the sample's are"
    return Suspicion(
        "golden_lights_swapped", golden.row, f"{said} in {count} of {len(golden.good)} good samples{doubt}", share, sure
    )


def _misframed(golden: Golden, measured: Measured) -> Suspicion | None:
    """Content that lies aside of that of most of its good samples, by about the same in all of them."""
    if len(golden.good) < OWN:
        return None
    told = measured.gain[golden.good] >= _EXPLAINED
    moves = measured.move[golden.good[told]]
    if 2 * len(moves) <= len(golden.good):
        return None
    middle = np.median(moves, axis=0)
    far = float(np.abs(middle).max())
    agreed = np.median(np.abs(moves - middle).max(axis=1))
    if far < _MISFRAMED or agreed > _AGREED:
        return None
    why = f"{middle[1]:+.0%} to the right, {middle[0]:+.0%} down of {len(moves)} of {len(golden.good)} good samples"
    return Suspicion("golden_misframed", golden.row, why, far, far / _MISFRAMED)


def _unlike(goldens: Sequence[Golden], measured: Measured) -> dict[int, Suspicion]:
    """Goldens that are farther from their good samples than those of this set usually are."""
    places = [place for place, one in enumerate(goldens) if len(one.good) >= OWN]
    if len(places) < FEWEST:
        return {}
    distance = np.array([np.median(measured.features[goldens[one].good, :, 0].mean(axis=1)) for one in places])
    z = robust_z(np.log(np.maximum(distance, 1e-3)))
    usual = float(np.median(distance))
    found = {}
    for i in np.flatnonzero((z > FAR) & (distance > _UNLIKE)).tolist():
        why = f"distance {distance[i]:.2f} from its {len(goldens[places[i]].good)} good samples, usually {usual:.2f}"
        found[places[i]] = Suspicion(
            "golden_unlike", goldens[places[i]].row, why, float(distance[i]), float(z[i] / FAR)
        )
    return found


@dataclass(frozen=True)
class _Strays:
    """By how much goldens stray in brightness, contrast and sharpness from what they are judged by, as logarithms:
    float64 [K, L, 3]; `z` is the same in robust standard deviations. `judged` says by what."""

    stray: NDArray[np.float64]
    z: NDArray[np.float64]
    judged: Sequence[str]

    @classmethod
    def of(cls, joined: Joined, measured: Measured, goldens: Sequence[Golden]) -> "_Strays":
        """By their own good samples, where there are OWN; else by the other goldens of their kind, and then only where
        the sample is nearer to those: of a pair that differs somebody has to say which of the two is odd."""
        value = _logarithms(measured.looks)
        golden = np.array([value[list(one.numbers)] for one in goldens])
        # without a good sample own is the golden itself, which strays from nothing: a defect may change all
        samples = [value[joined.parts.sample[one.good]] for one in goldens]
        own = np.array([np.median(one, axis=0) if len(one) else g for one, g in zip(samples, golden, strict=True)])
        many = np.array([len(one.good) >= OWN for one in goldens])
        names = joined.pairs.cells["object_name"]
        usual = _of_kind([[column[one.row] for one in goldens] for column in (joined.kind, names)], golden)
        residues = [one - np.median(one, axis=0) for one, is_many in zip(samples, many, strict=True) if is_many]
        spread = _spread(np.concatenate(residues)) if residues else np.zeros(golden.shape[1:])
        stray, z = golden - own, np.zeros_like(golden)
        z[many] = _deviations(stray[many], spread)
        few = ~many
        by_kind = golden[few] - usual[few]
        nearer = np.abs(by_kind) > np.abs(own[few] - usual[few])
        z[few] = np.where(nearer, _smaller(_deviations(stray[few]), _deviations(by_kind)), 0)
        stray[few] = _smaller(stray[few], by_kind)
        told = [f"its {len(one.good)} good samples" if len(one.good) >= OWN else "its kind" for one in goldens]
        return cls(stray, z, told)

    def suspicion(self, place: int, golden: Golden, lights: Sequence[str]) -> Suspicion | None:
        """Of a golden the worst of what is beyond both its limits."""
        stray, z = self.stray[place], self.z[place]
        ways = (
            ("golden_dark", "brightness", -stray[:, 0], -z[:, 0], _BRIGHT),
            ("golden_bright", "brightness", stray[:, 0], z[:, 0], _BRIGHT),
            ("golden_pale", "contrast", -stray[:, 1], -z[:, 1], _PALE),
            ("golden_blurred", "sharpness", -stray[:, 2], -z[:, 2], _BLURRED),
        )
        found = []
        for what, name, far, deviations, least in ways:
            odd = np.flatnonzero((far > least) & (deviations > FAR))
            if not len(odd):
                continue
            worst = int(odd[far[odd].argmax()])
            times = float(np.exp(far[worst] if what == "golden_bright" else -far[worst]))
            where = f" ({_named(lights, odd.tolist())})" if len(lights) > 1 else ""
            why = f"{name} {times:.2f} times that of {self.judged[place]}{where}"
            found.append(
                Suspicion(what, golden.row, why, times, float(min(far[worst] / least, deviations[worst] / FAR)))
            )
        return max(found, key=lambda one: one.sure, default=None)


def _deviations(values: NDArray[np.float64], spread: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """From their middle in robust standard deviations, those of `spread` where that is more; zeros where there are too
    few values to know either."""
    if len(values) >= FEWEST:
        wide = _spread(values) if spread is None else np.maximum(_spread(values), spread)
        return np.asarray((values - np.median(values, axis=0)) / np.maximum(wide, _LEAST))
    if spread is None or not spread.any():
        return np.zeros_like(values)
    return np.asarray(values / np.maximum(spread, _LEAST))


def _smaller(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """The smaller of two deviations where they go the same way, else none."""
    found: NDArray[np.float64] = np.sign(one) * np.minimum(np.abs(one), np.abs(other))
    return np.where(np.sign(one) == np.sign(other), found, 0)


_LEAST = 0.02  # of a logarithm: pictures that agree to 2 % agree as well as can be told


def _logarithms(looks: NDArray[np.float32]) -> NDArray[np.float64]:
    """float64 [P, 3]: of brightness, of contrast for that brightness, of sharpness."""
    bright, contrast, sharp = np.log(np.maximum(looks.astype(np.float64), 1e-3)).T
    return np.stack([bright, contrast - bright, sharp], axis=1)


def _spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Robust standard deviations along the first axis."""
    found: NDArray[np.float64] = 1.4826 * np.median(np.abs(values - np.median(values, axis=0)), axis=0)
    return found


def _of_kind(groups: Sequence[Sequence[str]], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each golden the median of its group, by the last of these groupings in which it has FEWEST others; else of
    all goldens."""
    found = np.broadcast_to(np.median(values, axis=0), values.shape).copy()
    for names in map(np.array, groups):
        for name in np.unique(names):
            same = names == name
            if same.sum() > FEWEST:
                found[same] = np.median(values[same], axis=0)
    return found


def framed_apart(joined: Joined, measured: Measured) -> list[Suspicion]:
    """Whether samples and goldens of this set usually lie apart: many of the good pairs, clearly.

    One that is moved is told of its golden; where many are, it is how the pictures were cut out.
    """
    good = np.flatnonzero(measured.read & ~joined.bad)
    if not len(good):
        return []
    far = np.abs(measured.move[good]).max(axis=1)
    apart = (far >= _APART) & (measured.gain[good] >= _CLEARLY)
    share = float(apart.mean())
    if share < _MANY:
        return []
    usual = float(np.median(far[apart]))
    row = int(good[apart][np.argsort(-measured.gain[good][apart], kind="stable")[0]])
    why = f"{int(apart.sum()):,} of {len(good):,} good pairs lie apart, typically by {usual:.1%} of the crop"
    return [Suspicion("pairs_misframed", row, why, share, share / _MANY)]


def unlike_kind(joined: Joined, layout: Layout, goldens: Sequence[Golden], album: Album) -> list[Suspicion]:
    """Goldens with few samples of their own that are unlike others of their name, light by light the worst."""
    by_path = {joined.parts.paths[number]: one for one in goldens for number in one.numbers}
    found = []
    for odd in odd_goldens(joined.pairs, layout, read=album, most=len(joined.parts.paths)).listed:
        golden = by_path.get(odd.path)
        if golden is not None and len(golden.good) < OWN:
            why = f"{'; '.join(odd.reasons)}, against {odd.siblings:,} others ({Path(odd.path).name})"
            found.append(Suspicion("golden_unlike", golden.row, why, odd.z, odd.z / FAR))
    return found
