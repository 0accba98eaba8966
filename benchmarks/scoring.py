"""Speed of scoring with a checkpoint and with the exported model, beside the limits; all ratios are of one run.

    python benchmarks/scoring.py [--lights 1 4] [--pairs 2000] [--rounds 3]

One light is 100 x 100, several are 128 x 128 each. Pictures are JPEGs of noise. Goldens are either one for each pair,
or shared by 50 pairs, as by 50 boards of one design. The limits: the network alone on preloaded tensors, as TAO does it
(PyTorch, two passes); decoding alone.
"""

import argparse
import csv
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from PIL import Image

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as goldenpair does
BATCH, BOARDS = 32, 50
TAO = {1: (267, 382), 4: (26, None)}  # evaluate's pairs/s of TAO 7.3 on such a machine, and its network alone


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lights", nargs="+", type=int, default=[1, 4])
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    for lights in given.lights:
        with tempfile.TemporaryDirectory() as temporary:
            measure(Path(temporary), lights, given.pairs if lights == 1 else given.pairs // 4, given.rounds)


def measure(folder: Path, lights: int, pairs: int, rounds: int) -> None:
    import torch

    from goldenpair import Inspector, default_spec, export
    from goldenpair.checkpoint import save, stamp
    from goldenpair.data.cache import Pictures
    from goldenpair.data.table import Layout, part_pictures, read_table
    from goldenpair.tasks import create_task

    size = 100 if lights == 1 else 128
    spec = default_spec("optical_inspection", make_set(folder, lights, size, pairs))
    task = create_task(spec)
    save({"state_dict": {f"model.{k}": v for k, v in task.model.state_dict().items()}, **stamp(spec)}, folder / "m.pth")
    export(spec)
    task.model.eval()
    layout = Layout.of(spec.pairs)
    tables = {kind: read_table(folder / f"{kind}.csv", folder / "images") for kind in ("own", "shared")}
    parts = part_pictures(tables["own"], layout)
    pictures = Pictures(parts.paths[:2000], size, size, workers=2)
    half = torch.randn(BATCH, 3, layout.joined_height, layout.joined_width)

    def alone() -> None:
        with torch.inference_mode():
            for _ in range(2):
                task.model.embed(half)

    def seconds(work: Callable[[], object]) -> float:
        began = perf_counter()
        work()
        return perf_counter() - began

    inspectors = {"checkpoint": Inspector(folder / "m.pth"), "exported": Inspector(folder / "out")}
    alone()
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, inspector in inspectors.items():
            limit = BATCH / median([seconds(alone) for _ in range(5)])
            found.setdefault("limit", []).append(limit)
            for kind, table in tables.items():
                rate = len(table) / seconds(lambda one=inspector, rows=table: one.verdicts(rows))
                found.setdefault(f"{name}, {kind}", []).append(rate)
                found.setdefault(f"{name}, {kind}, ratio", []).append(rate / limit)
        found.setdefault("decoding", []).append(
            len(pictures) / seconds(lambda: pictures.read(np.arange(len(pictures))))
        )
    mid = {name: median(values) for name, values in found.items()}
    theirs, network = TAO.get(lights, (None, None))
    print(f"\n## {lights} light(s) of {size} x {size}, batch {BATCH}, {pairs} pairs\n")
    print("| scoring from JPEG files | pairs/s | of TAO's network limit in this run |\n|---|---|---|")
    print(f"| limit as TAO has it: network alone, two passes | {mid['limit']:.0f} | 1 |")
    print(f"| limit: decoding alone, 2 threads, pictures/s | {mid['decoding']:.0f} | |")
    for name in inspectors:
        for kind, words in (("own", "a golden each"), ("shared", "50 pairs share a golden")):
            key = f"{name}, {kind}"
            print(f"| {name}, {words} | {mid[key]:.0f} | {mid[f'{key}, ratio']:.2f} |")
    if theirs and network:
        print(f"\nTAO's evaluate: {theirs} pairs/s, {theirs / network:.2f} of its network limit ({network}) that day.")
    elif theirs:
        print(f"\nTAO's evaluate: {theirs} pairs/s, on another day of such a machine.")


def make_set(folder: Path, lights: int, size: int, pairs: int) -> list[str]:
    """Boards of `pairs / BOARDS` parts each, with goldens of their own and with shared ones."""
    rng = np.random.default_rng(0)
    names = [f"Light{i}" for i in range(lights)]
    rows: dict[str, list[list[str]]] = {"own": [], "shared": []}
    for i in range(pairs):
        part, board = f"P{i // BOARDS}", f"b{i % BOARDS}"
        rows["own"].append([board, f"golden/{board}", "PASS", part])
        rows["shared"].append([board, "golden/b0", "PASS", part])
        for name in names:
            for path in (board, f"golden/{board}"):
                target = folder / "images" / path / f"{part}_{name}.jpg"
                target.parent.mkdir(parents=True, exist_ok=True)
                small = rng.integers(40, 200, (size // 4, size // 4, 3), np.uint8)
                Image.fromarray(np.kron(small, np.ones((4, 4, 1), np.uint8))).save(target, quality=90)
    for kind, table in rows.items():
        with (folder / f"{kind}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([["input_path", "golden_path", "label", "object_name"], *table])
    return [
        f"results_dir={folder / 'results'}",
        f"dataset.test_dataset.csv_path={folder / 'own.csv'}",
        f"dataset.test_dataset.images_dir={folder / 'images'}",
        f"dataset.num_input={lights}",
        "dataset.input_map={" + ", ".join(f"{name}: {i}" for i, name in enumerate(names)) + "}",
        f"dataset.image_width={size}",
        f"dataset.image_height={size}",
        f"dataset.batch_size={BATCH}",
        "dataset.workers=2",
        f"export.checkpoint={folder / 'm.pth'}",
        f"export.onnx_file={folder / 'out' / 'model.onnx'}",
    ]


if __name__ == "__main__":
    main()
