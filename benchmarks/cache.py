"""What the cache of decoded pictures costs and gains: epochs without it, with an empty one, and with a full one.

    GOLDENPAIR_DATA=FOLDER python benchmarks/cache.py [--rounds 3] [--pairs 96]

Each round does all three in turn, and medians are shown. Seconds are of the processor, over all threads, so that what
else the machine does counts less; ratios of the clock's stand behind them. Loading
is an epoch of batches that nobody uses, over a whole training table; training is an epoch over its first `--pairs`.
`deeppcb_oi` (100 x 100, one light) is left out where GOLDENPAIR_DATA does not lead to it; the drawn boards have four
lights of 128 x 128.
"""

import argparse
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import torch

from goldenpair import default_spec, load_spec
from goldenpair.data.cache import Pictures, decode_once
from goldenpair.data.pairs import PairSet, TrainingLoader
from goldenpair.data.table import Layout, PairTable, part_pictures, read_table
from goldenpair.simulation.line import simulate
from goldenpair.specs.common import Cache, NetworkSpec
from goldenpair.specs.load import load_section
from goldenpair.specs.simulate import SimulateSpec
from goldenpair.tasks import Task, create_task

WAYS = ("no cache", "empty cache", "full cache")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=96, help="of training")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        for name, spec in sets(Path(temporary)).items():
            print(
                f"\n| {name} | "
                + " | ".join(f"{way}, s" for way in WAYS)
                + " | empty / none | full / none | by clock |"
            )
            print("|---|---|---|---|---|---|---|", flush=True)
            task = create_task(spec)
            for what, network, limit in (("loading", None, None), ("training", task, given.pairs)):
                rounds = [one_round(spec, Path(temporary), network, limit) for _ in range(given.rounds)]
                processor = np.median([[one[0] for one in ways] for ways in rounds], axis=0)
                clock = np.median([[one[1] / ways[0][1] for one in ways] for ways in rounds], axis=0)
                told = " | ".join(f"{value:.2f}" for value in (*processor, *processor[1:] / processor[0]))
                by_clock = f"{clock[1]:.2f}, {clock[2]:.2f}"
                print(f"| {what}, {limit or len(table_of(spec, None))} pairs | {told} | {by_clock} |", flush=True)


def sets(folder: Path) -> dict[str, NetworkSpec]:
    found: dict[str, NetworkSpec] = {}
    if data := os.environ.get("GOLDENPAIR_DATA"):
        root = Path(data) / "deeppcb_oi"
        found["deeppcb_oi, 100 x 100, one light"] = default_spec(
            "optical_inspection",
            [
                f"dataset.train_dataset.csv_path={root / 'train.csv'}",
                f"dataset.train_dataset.images_dir={root / 'images_dir'}",
                "dataset.num_input=1",
                "dataset.input_map={SolderLight: 0}",
                "dataset.image_width=100",
                "dataset.image_height=100",
                "dataset.workers=2",
            ],
        )
    boards = simulate(folder / "boards", load_section(SimulateSpec, ["boards=40", "parts_per_board=40", "size=128"]))
    wish = ["dataset.image_width=128", "dataset.image_height=128", "dataset.batch_size=32", "dataset.workers=2"]
    found["drawn boards, 128 x 128, four lights"] = load_spec("optical_inspection", boards.spec_path, wish)
    return found


def table_of(spec: NetworkSpec, limit: int | None) -> PairTable:
    files = spec.pairs.train_dataset
    table = read_table(files.csv_path, files.images_dir)
    return replace(table, cells={name: cells[:limit] for name, cells in table.cells.items()})


def one_round(spec: NetworkSpec, folder: Path, task: Task | None, limit: int | None) -> list[tuple[float, float]]:
    """Seconds of each way, by the processor and by the clock, with the finding and decoding of the pictures."""
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        kept = Cache(dir=fresh)
        return [seconds(spec, cache, task, limit) for cache in (Cache(enable=False), kept, kept)]


def seconds(spec: NetworkSpec, cache: Cache, task: Task | None, limit: int | None) -> tuple[float, float]:
    table, layout = table_of(spec, limit), Layout.of(spec.pairs)
    began, spent = perf_counter(), process_time()
    parts = part_pictures(table, layout)
    pictures = Pictures(parts.paths, layout.height, layout.width, spec.pairs.workers)
    pairs = PairSet(parts, decode_once(pictures, cache), table.is_defect)
    optimizer = task.optimizer() if task else None
    for batch in TrainingLoader(pairs, spec.pairs.batch_size, spec.pairs.fpratio_sampling, 1, lambda: 0):
        if task and optimizer:
            sample, golden = task.augment(batch.sample, batch.golden, torch.Generator().manual_seed(0))
            loss, _ = task.loss(task.prepare(sample), task.prepare(golden), batch.label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return process_time() - spent, perf_counter() - began


if __name__ == "__main__":
    main()
