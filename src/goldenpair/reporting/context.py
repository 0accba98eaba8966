"""What only the run that made the scores knows; every field may be absent, and what is absent is told on the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from goldenpair.data.duplicates import Duplicates
from goldenpair.data.table import PairTable
from goldenpair.quality.cfx import LabelMap
from goldenpair.quality.robustness import Robustness
from goldenpair.quality.suspects import BetterGoldens, OddGoldens
from goldenpair.reporting.tiles import Show


@dataclass(frozen=True)
class Split:
    """A table of the run: `sha256` is that of the file."""

    name: str
    source: str
    parts: int
    defects: int
    sha256: str


@dataclass(frozen=True)
class Shared:
    """What the splits of the run have in common, whose rows are those of `tables`."""

    found: Duplicates
    tables: Mapping[str, PairTable]


@dataclass(frozen=True)
class Latency:
    """Seconds from two decoded pictures to a verdict, one pair at a time, of so many pairs; and pairs/s in the run."""

    pairs: int
    p50: float
    p95: float
    p99: float
    throughput: float


@dataclass(frozen=True)
class Context:
    """`facts` are names and values of whatever else is known: model, checkpoint, seed, versions, hardware."""

    title: str = ""
    show: Show | None = None
    heatmaps: bool = False
    """Whether `show` gives them."""
    lights: Sequence[str] = ()
    facts: Sequence[tuple[str, str]] = ()
    splits: Sequence[Split] = ()
    shared: Shared | None = None
    odd_goldens: OddGoldens | None = None
    better_goldens: BetterGoldens | None = None
    latency: Latency | None = None
    robustness: Robustness | None = None
    problems: Sequence[str] = ()
    """What stands first on the page, as something is wrong with what was given."""
    cost_ratios: Sequence[float] = (10, 100, 1000)
    """What an escape may cost, in false calls."""
    names: LabelMap | None = None
    """Of IPC-CFX for the defects."""
