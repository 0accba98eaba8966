"""Speed of SiameseOI's training on this machine, beside the limits it cannot pass: all ratios are of one run.

    python benchmarks/speed.py [--lights 1 4] [--pairs 3000] [--rounds 3]

Pairs are 100 x 100 crops of noise, each with a golden of its own. The limits: the network alone on preloaded
tensors, as TAO does it (two passes, plain Adam) and as we do it.
"""

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from PIL import Image

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as goldenpair's train does
SIZE, BATCH, STEPS = 100, 32, 40
# prints when the first training step is done; patches the module as soon as it is imported
_FIRST_STEP = """
import sys, threading, time
def watch():
    while "goldenpair.training" not in sys.modules or not hasattr(sys.modules["goldenpair.training"], "fit"):
        time.sleep(0.005)
    module = sys.modules["goldenpair.training"].PairModule
    def done(self, outputs, batch, index):
        if index == 0:
            print("FIRST STEP", time.time(), flush=True)
            self.trainer.should_stop = True
    module.on_train_batch_end = done
threading.Thread(target=watch, daemon=True).start()
from goldenpair.cli import main
main(sys.argv[1:])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lights", nargs="+", type=int, default=[1, 4])
    parser.add_argument("--pairs", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["GOLDENPAIR_CACHE"] = str(Path(temporary) / "cache")
        for lights in given.lights:
            folder = Path(temporary) / str(lights)
            overrides = make_set(folder, lights, given.pairs)
            print(f"\n## {lights} light(s), joined {lights * SIZE} x {SIZE}, batch {BATCH}\n")
            train_speed(folder, overrides, lights, given.rounds)
            first_step(folder, overrides)


def make_set(folder: Path, lights: int, pairs: int) -> list[str]:
    """A set of noise with a drawn defect in every tenth pair; returns the overrides that describe it."""
    rng = np.random.default_rng(0)
    names = [f"Light{i}" for i in range(lights)]
    rows = []
    for i in range(pairs):
        rows.append([f"b{i % 50}", f"golden/b{i % 50}", "PASS" if i % 10 else "DEFECT", f"P{i}"])
        base = rng.integers(40, 200, (SIZE // 4, SIZE // 4, 3), np.uint8)
        for name in names:
            golden = np.kron(base, np.ones((4, 4, 1), np.uint8))
            for path in (f"b{i % 50}", f"golden/b{i % 50}"):
                target = folder / "images" / path / f"P{i}_{name}.jpg"
                target.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(golden).save(target, quality=90)
    for split, part in (("train", rows), ("val", rows[:320])):
        with (folder / f"{split}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([["input_path", "golden_path", "label", "object_name"], *part])
    splits = (("train", "train"), ("validation", "val"), ("test", "train"))
    return [
        f"results_dir={folder / 'results'}",
        *(f"dataset.{name}_dataset.csv_path={folder / f'{table}.csv'}" for name, table in splits),
        *(f"dataset.{name}_dataset.images_dir={folder / 'images'}" for name, _ in splits),
        f"dataset.num_input={lights}",
        "dataset.input_map={" + ", ".join(f"{name}: {i}" for i, name in enumerate(names)) + "}",
        f"dataset.image_width={SIZE}",
        f"dataset.image_height={SIZE}",
        f"dataset.batch_size={BATCH}",
        "dataset.workers=2",
        "train.num_epochs=2",
        "train.validation_interval=2",
        "train.checkpoint_interval=2",
    ]


def train_speed(folder: Path, overrides: list[str], lights: int, rounds: int) -> None:
    """Median of alternating rounds, so that a slow minute of the machine hits all three alike."""
    import torch
    from torch import nn

    from goldenpair import default_spec
    from goldenpair.models.losses import contrastive_loss, pair_distance
    from goldenpair.models.siamese import Siamese

    def limit(as_tao: bool) -> float:
        torch.manual_seed(0)
        model = Siamese("Siamese_3", lights * SIZE, SIZE, 5).train()
        for norm in model.modules() if as_tao else ():
            if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
                norm.__class__ = type(norm).__base__  # which takes the pictures of one pass for one batch
        optimizer = torch.optim.Adam(model.parameters(), lr=5e-4, fused=not as_tao)
        sample, golden = torch.randn(2, BATCH, 3, lights * SIZE, SIZE).unbind()
        label = (torch.arange(BATCH) % 10 == 0).float()

        def step() -> None:
            pair = (model.embed(sample), model.embed(golden)) if as_tao else model(sample, golden)
            loss = contrastive_loss(pair_distance(*pair), label, 2.0)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        return BATCH / timed(step, STEPS // 2)

    def ours() -> float:
        target = folder / f"results-{perf_counter()}"
        small = [f"dataset.train_dataset.csv_path={shortened(folder, STEPS * BATCH)}", f"results_dir={target}"]
        spec = default_spec("optical_inspection", [*overrides, *small])
        from goldenpair import train

        train(spec)
        lines = [json.loads(line) for line in (target / "train" / "status.json").read_text().splitlines()]
        first = next(line for line in lines if line["message"] == "Training loop in progress")
        hours, minutes, seconds = first["time_per_step"].split(":")
        for file in (target / "train").glob("*.pth"):
            file.unlink()
        return BATCH / (int(hours) * 3600 + int(minutes) * 60 + float(seconds))

    found = [(limit(True), limit(False), ours()) for _ in range(rounds)]
    tao, best, got = (median(values) for values in zip(*found, strict=True))
    print("| training, pairs/s | | |\n|---|---|---|")
    print(f"| limit as TAO has it: two passes, plain Adam | {tao:.1f} | |")
    print(f"| our limit: one pass, fused Adam | {best:.1f} | {best / tao:.2f} x TAO's limit |")
    print(f"| `train` (Lightning, loader, metrics) | {got:.1f} | {got / best:.3f} of our limit |", flush=True)


def shortened(folder: Path, rows: int) -> Path:
    path = folder / "short.csv"
    path.write_text("\n".join((folder / "train.csv").read_text().splitlines()[: rows + 1]) + "\n")
    return path


def first_step(folder: Path, overrides: list[str]) -> None:
    """A process of its own, from its start to the end of the first step; pictures not in the cache, then in it."""
    import time

    print("\n| time to the first step | seconds | peak memory, GB |\n|---|---|---|")
    os.environ["GOLDENPAIR_CACHE"] = str(folder / "fresh")
    spec = folder / "empty.yaml"
    spec.write_text("{}\n")
    for name in ("pictures decoded first", "pictures in the cache"):
        words = ["optical_inspection", "train", "-e", str(spec), *overrides, f"train.results_dir={folder / name}"]
        began = time.time()
        done = subprocess.run([sys.executable, "-c", _FIRST_STEP, *words], capture_output=True, text=True)
        line = next(line for line in done.stdout.splitlines() if line.startswith("FIRST STEP"))
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
        print(f"| {name} | {float(line.split()[-1]) - began:.1f} | {peak:.2f} |", flush=True)


def timed(work: Callable[[], object], repeats: int, warm: int = 2) -> float:
    """Median seconds of one call."""
    for _ in range(warm):
        work()
    spent = []
    for _ in range(repeats):
        began = perf_counter()
        work()
        spent.append(perf_counter() - began)
    return median(spent)


if __name__ == "__main__":
    main()
