"""Where the hottest pixel of a heatmap lies: on the defect, or elsewhere. SiameseOI, on real and on drawn boards.

    GOLDENPAIR_DATA=FOLDER python benchmarks/heatmaps.py OUT [--sets deeppcb_oi boards]

Networks are trained into OUT where they are not there yet. `deeppcb_oi` needs PCBData beside it, whose boxes say where
the defects are; drawn boards have masks.
"""

import argparse
import csv
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from goldenpair import Inspector, default_spec, train
from goldenpair.data.audit import audit
from goldenpair.data.table import Layout, PairTable
from goldenpair.metrics import above
from goldenpair.simulation.line import simulate
from goldenpair.specs.common import NetworkSpec, SplitFiles
from goldenpair.specs.load import load_section
from goldenpair.specs.simulate import SimulateSpec

FALSE_CALLS = 0.05
NEAR = 0.05  # of the side of a picture: how far from the defect a hit may still be
Truth = Callable[[PairTable, int], NDArray[np.bool_]]
"""Which pixels of a row's sample are of its defect, bool [H, W] in pixels of the file."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--sets", nargs="+", default=["deeppcb_oi", "boards"], choices=["deeppcb_oi", "boards"])
    given = parser.parse_args()
    for name in given.sets:
        spec, truth = (deeppcb if name == "deeppcb_oi" else boards)(given.out / name)
        checkpoint = given.out / name / "train" / spec.latest_checkpoint
        print(report(name, Inspector(checkpoint if checkpoint.is_file() else train(spec).checkpoint), truth))


def spec_of(out: Path, root: Path, tables: dict[str, Path], lights: list[str], side: int, epochs: int) -> NetworkSpec:
    files = [
        f"dataset.{split}_dataset.{key}={value}"
        for split, path in tables.items()
        for key, value in (("csv_path", path), ("images_dir", root))
    ]
    places = ",".join(f"{light}: {place}" for place, light in enumerate(lights))
    options = [f"dataset.num_input={len(lights)}", f"dataset.input_map={{{places}}}", "dataset.image_ext=.jpg"]
    options += [f"dataset.image_{way}={side}" for way in ("width", "height")]
    options += ["dataset.fpratio_sampling=0.5", f"train.num_epochs={epochs}", f"results_dir={out}"]
    return default_spec("optical_inspection", [*files, *options])


def deeppcb(out: Path) -> tuple[NetworkSpec, Truth]:
    data = Path(os.environ["GOLDENPAIR_DATA"])
    folder = data / "deeppcb_oi"
    tables = {f"{split}": folder / f"{short}.csv" for split, short in
              (("train", "train"), ("validation", "val"), ("test", "test"))}  # fmt: skip
    with (folder / "meta.csv").open(newline="") as file:
        crops = {(row["board"], row["object_name"]): row for row in csv.DictReader(file)}

    def truth(table: PairTable, row: int) -> NDArray[np.bool_]:
        crop = crops[table.cells["input_path"][row], table.cells["object_name"][row]]
        left, top, size = int(crop["test_x"]), int(crop["test_y"]), int(crop["size"])
        found = np.zeros((size, size), np.bool_)
        number = crop["group"].removeprefix("group")
        boxes = data / "PCBData" / crop["group"] / f"{number}_not" / f"{crop['pair']}.txt"
        for line in boxes.read_text().splitlines():
            x1, y1, x2, y2, _ = map(int, line.replace(",", " ").split())
            found[max(0, y1 - top) : max(0, y2 - top), max(0, x1 - left) : max(0, x2 - left)] = True
        return found

    return spec_of(out, folder / "images_dir", tables, ["SolderLight"], 64, 4), truth


def boards(out: Path) -> tuple[NetworkSpec, Truth]:
    wish = load_section(SimulateSpec, ["boards=60", "parts_per_board=12", "size=32", "defect_rate=0.3"])
    made = simulate(out / "set", wish)
    tables = {"train": made.train_csv, "validation": made.validation_csv, "test": made.test_csv}

    def truth(table: PairTable, row: int) -> NDArray[np.bool_]:
        folder, name = table.cells["input_path"][row], table.cells["object_name"][row]
        with Image.open(out / "set" / "masks" / folder / f"{name}.png") as mask:
            return np.asarray(mask.convert("L")) > 0

    return spec_of(out, made.images_dir, tables, list(wish.lights), 32, 12), truth


def report(name: str, inspector: Inspector, truth: Truth) -> str:
    """A line of the table in benchmarks/README.md."""
    layout = Layout.of(inspector.spec.pairs)
    splits = {split: checked(getattr(inspector.spec.pairs, split), layout) for split in
              ("validation_dataset", "test_dataset")}  # fmt: skip
    table = splits["test_dataset"]
    score = np.array([np.nan if one.score is None else one.score for one in inspector.verdicts(table)])
    cutoff = float(np.quantile(score[~table.is_defect], 1 - FALSE_CALLS))
    found = np.flatnonzero(above(score, cutoff) & table.is_defect).tolist()
    good = np.flatnonzero(~table.is_defect)[:40].tolist()
    scale = inspector.heatmap_scale(splits["validation_dataset"])
    began = time.perf_counter()
    parts = list(inspector.explain_rows(table, found, scale.level))
    seconds = (time.perf_counter() - began) / len(parts)
    hits, chances = [], []
    for part in parts:
        where = truth(table, part.row)
        heat = part.heatmap.combined
        y, x = np.unravel_index(int(heat.argmax()), heat.shape)
        ratio = np.array(where.shape) / heat.shape
        near = grown(where, round(NEAR * len(where)))
        place = tuple(((np.array([y, x]) + 0.5) * ratio).astype(int))
        hits.append([where[place], near[place]])
        chances.append([where.mean(), near.mean()])
    inside, close = np.mean(hits, axis=0)
    by_chance, close_by_chance = np.mean(chances, axis=0)
    bright = np.mean([part.heatmap.peak > 1 for part in parts])
    dark = np.mean([part.heatmap.peak <= 1 for part in inspector.explain_rows(table, good, scale.level)])
    return (
        f"| {name} | {len(parts)} of {int(table.is_defect.sum())} | {inside:.0%} ({by_chance:.0%}) | "
        f"{close:.0%} ({close_by_chance:.0%}) | {bright:.0%} | {dark:.0%} | {seconds:.2f} |"
    )


def checked(files: SplitFiles, layout: Layout) -> PairTable:
    tables, faults = audit({"test_dataset": files}, layout)
    faults.refuse()
    return tables["test_dataset"]


def grown(where: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """With all pixels that are at most so far away, in either direction."""
    rows, columns = np.nonzero(where)
    near = np.zeros_like(where)
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        near[max(0, row - by) : row + by + 1, max(0, column - by) : column + by + 1] = True
    return near


if __name__ == "__main__":
    main()
