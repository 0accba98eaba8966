"""What an evaluation knows beyond its scores, for its page: pictures, model, machine, time, the other splits."""

import logging
import os
import platform
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from goldenpair.data.decoding import decode
from goldenpair.data.duplicates import duplicates
from goldenpair.data.table import PATH_COLUMNS, Layout, PairTable, part_pictures, read_table
from goldenpair.deployment import sha256
from goldenpair.errors import DataError, InputError
from goldenpair.heatmaps import Heatmaps, heated, level_told
from goldenpair.progress import progress_bar
from goldenpair.quality.robustness import Robustness
from goldenpair.quality.suspects import MOST_COMPARED, BetterGoldens, OddGoldens, better_goldens, odd_goldens
from goldenpair.reporting.context import Context, Latency, Shared, Split
from goldenpair.reporting.tiles import Show, Shown, read_small
from goldenpair.run import Run
from goldenpair.specs.segment import ListedPairs
from goldenpair.storage.uris import is_uri

if TYPE_CHECKING:
    from goldenpair.inspection import Inspector

log = logging.getLogger(__name__)
_TIMED, _WARM_UP, _PATIENCE = 30, 3, 3.0  # pairs, pairs, seconds
_PACKAGES = ("torch", "numpy", "onnxruntime")


def run_context(
    run: Run,
    inspector: "Inspector",
    table: PairTable,
    throughput: float,
    heatmaps: Heatmaps | None,
    robustness: Robustness | None,
) -> Context:
    """`throughput` is how many pairs a second the whole table took."""
    tables, splits = _splits(run, table)
    layout = Layout.of(run.spec.pairs)
    odd, better = _goldens(table, layout)
    return Context(
        title=f"{run.spec.title} evaluation: {Path(table.source).name}",
        show=show_parts(inspector, table, heatmaps.scale if heatmaps else None),
        heatmaps=heatmaps is not None,
        lights=layout.lights,
        facts=[*_model(run, inspector), *_machine(inspector)],
        splits=splits,
        shared=_shared(tables, layout),
        odd_goldens=odd,
        better_goldens=better,
        robustness=robustness,
        latency=_latency(inspector, table, throughput),
    )


def show_parts(inspector: "Inspector", table: PairTable, heatmap_scale: float | None) -> Show:
    """The pictures of a table's rows; of several goldens the one that matches best. With a scale also heatmaps."""
    parts = part_pictures(table, Layout.of(inspector.spec.pairs))

    def files(part: NDArray[np.int64]) -> list[str]:
        return [parts.paths[number] for number in part.tolist()]

    def show(row: int, height: int) -> Shown:
        goldens, sample = parts.chosen[parts.golden_id[row]], files(parts.sample[row])
        best = inspector.closest_golden(sample, [files(golden) for golden in goldens])
        golden, shown = ([read_small(path, height) for path in part] for part in (files(goldens[best]), sample))
        if heatmap_scale is None:
            return Shown(golden, shown)
        return Shown(golden, shown, *_heatmap(inspector, table, row, heatmap_scale))

    return show


def _heatmap(
    inspector: "Inspector", table: PairTable, row: int, scale: float
) -> tuple[list[NDArray[np.uint8]], list[str]]:
    """What the network sees in each light, over the sample as the network has it, and how hot that is in words."""
    (part,) = inspector.explain_rows(table, [row], scale)
    pictures = [np.asarray(heated(one, heat)) for one, heat in zip(part.sample, part.heatmap.heat, strict=True)]
    return pictures, [level_told(float(heat.max())) for heat in part.heatmap.heat]


def _splits(run: Run, table: PairTable) -> tuple[dict[str, PairTable], list[Split]]:
    """The tables of the spec that can be read, in the order train, validation, test."""
    pairs = run.spec.pairs
    tables = {}
    if not isinstance(pairs, ListedPairs):
        for name in ("train_dataset", "validation_dataset"):
            files = getattr(pairs, name)
            if is_uri(files.csv_path):
                log.info(
                    "%s is not looked for parts that the test has too: it is remote, and not fetched for it.", name
                )
                continue
            try:
                found = read_table(files.csv_path, files.images_dir) if files.given else None
            except InputError as error:
                log.debug("%s is not compared with: %s", name, error)
                continue
            if found and not found.absent(PATH_COLUMNS):
                tables[name.removesuffix("_dataset")] = found
    tables["test"] = table
    return tables, [_split(name, one) for name, one in tables.items()]


def _split(name: str, table: PairTable) -> Split:
    defects = int(table.is_defect.sum()) if "label" in table.cells else 0
    return Split(name, table.source, len(table), defects, sha256(Path(table.source)))


def _shared(tables: Mapping[str, PairTable], layout: Layout) -> Shared | None:
    """What the splits have in common; None where there is one only, or too many pictures."""
    if len(tables) < 2 or sum(map(len, tables.values())) > MOST_COMPARED:
        return None
    with progress_bar("Comparing pictures of splits") as progress:
        return Shared(duplicates(tables, layout, progress), tables)


def _goldens(table: PairTable, layout: Layout) -> tuple[OddGoldens | None, BetterGoldens | None]:
    if len(table) > MOST_COMPARED:
        return None, None
    with progress_bar("Looking at goldens") as progress:
        return odd_goldens(table, layout, progress), better_goldens(table, layout, progress)


def _latency(inspector: "Inspector", table: PairTable, throughput: float) -> Latency | None:
    """Of the first pairs that can be read, one at a time; None where none can."""
    layout = Layout.of(inspector.spec.pairs)
    parts = part_pictures(table, layout)
    kinds = inspector.policy.kinds_of(table.cells, table.source)
    seconds: list[float] = []
    began = time.perf_counter()
    for row in range(min(len(table), _TIMED + _WARM_UP)):
        if len(seconds) > _WARM_UP and time.perf_counter() - began > _PATIENCE:
            break
        goldens = parts.chosen[parts.golden_id[row]]
        try:
            sample, *each = (_decoded(parts.paths, part, layout) for part in (parts.sample[row], *goldens))
        except DataError:
            continue
        start = time.perf_counter()
        inspector.inspect(sample, each if len(each) > 1 else each[0], kinds[row] if kinds else "")
        seconds.append(time.perf_counter() - start)
    timed = seconds[_WARM_UP:]
    if not timed:
        return None
    p50, p95, p99 = np.percentile(timed, [50, 95, 99]).tolist()
    return Latency(len(timed), p50, p95, p99, throughput)


def _decoded(paths: Sequence[str], part: NDArray[np.int64], layout: Layout) -> NDArray[np.uint8]:
    """uint8 [L, H, W, 3] of a part's picture numbers, int64 [L]."""
    return np.stack([decode(paths[number], layout.height, layout.width).transpose(1, 2, 0) for number in part.tolist()])


def _model(run: Run, inspector: "Inspector") -> list[tuple[str, str]]:
    spec = inspector.spec
    file = Path(run.spec.evaluate.checkpoint)
    if file.is_dir():  # an exported model
        file = next(iter(sorted(file.glob("*.onnx"))), file)
    return [
        ("network", spec.title),
        ("checkpoint", str(file)),
        ("SHA-256 of the checkpoint", sha256(file)),
        ("seed of training, as the spec says", str(spec.train.seed)),
    ]


def _machine(inspector: "Inspector") -> list[tuple[str, str]]:
    found = {name: version for name in _PACKAGES if (version := _version(name))}
    return [
        ("versions", ", ".join(f"{name} {version}" for name, version in found.items())),
        ("ran on", inspector.device),
        ("processor", f"{_processor()}, {os.cpu_count()} logical cores"),
        ("system", platform.platform()),
    ]


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    """The processor's name as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()
