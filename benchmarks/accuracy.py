"""Accuracy of SiameseOI on real boards, over seeds, with and without relative jitter.

    GOLDENPAIR_DATA=FOLDER python benchmarks/accuracy.py OUT [--sets deeppcb_oi lookout_oi] [--seeds 1 2 3]
        [--jitter off on]

Every run is a line in OUT/runs.jsonl; a run that is there already is not repeated. The table at the end is what
benchmarks/README.md shows.
"""

import argparse
import json
import os
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev

import numpy as np

from goldenpair import default_spec, evaluate, train
from goldenpair.specs.common import NetworkSpec

# set: picture size, light, epochs, where it is tested
SETS = {
    "deeppcb_oi": (100, "SolderLight", 5, (("deeppcb_oi", "test"), ("deeppcb_oi_shifted", "test"))),
    "lookout_oi": (128, "WhiteLight", 20, (("lookout_oi", "val"),)),
}
KEYS = ("auroc", "ap", "fpr100", "fpr99", "fpr97")
AUGMENT = "dataset.augmentation_config"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--jitter", nargs="+", default=["off", "on"], choices=["off", "on"])
    given = parser.parse_args()
    data = Path(os.environ["GOLDENPAIR_DATA"])
    given.out.mkdir(parents=True, exist_ok=True)
    runs = given.out / "runs.jsonl"
    done = [json.loads(line) for line in runs.read_text().splitlines()] if runs.exists() else []
    for seed in given.seeds:
        for name in given.sets:
            for jitter in [wish == "on" for wish in given.jitter]:
                if not any((r["set"], r["seed"], r["jitter"]) == (name, seed, jitter) for r in done):
                    found = one_run(data, given.out, name, seed, jitter)
                    done += found
                    with runs.open("a") as file:
                        file.writelines(json.dumps(line) + "\n" for line in found)
    print(table(done))


def one_run(data: Path, out: Path, name: str, seed: int, jitter: bool) -> list[dict[str, object]]:
    folder = out / f"{name}-{'jitter' if jitter else 'plain'}-{seed}"
    train(spec_of(data, folder, name, name, "val", seed, jitter))
    found = []
    for tested, split in SETS[name][3]:
        spec = spec_of(data, folder, name, tested, split, seed, jitter)
        metrics = evaluate(spec).metrics
        rates = {f"fpr{at.target * 100:.0f}": at.point.false_calls.value for at in metrics.at_capture if at.point}
        line = {"set": name, "tested": f"{tested} {split}", "seed": seed, "jitter": jitter}
        counts = {"n": metrics.parts, "defects": metrics.defects}
        found.append({**line, **counts, "auroc": metrics.auroc, "ap": metrics.average_precision, **rates})
        print(json.dumps(found[-1]), flush=True)
    return found


def spec_of(data: Path, folder: Path, trained: str, tested: str, split: str, seed: int, jitter: bool) -> NetworkSpec:
    size, light, epochs, _ = SETS[trained]

    def files(section: str, name: str, table: str) -> list[str]:
        images = next(p for p in (data / name / "images", data / name / "images_dir") if p.is_dir())
        return [f"dataset.{section}.csv_path={data / name / f'{table}.csv'}", f"dataset.{section}.images_dir={images}"]

    return default_spec(
        "optical_inspection",
        [
            f"results_dir={folder}",
            *files("train_dataset", trained, "train"),
            *files("validation_dataset", trained, "val"),
            *files("test_dataset", tested, split),
            "dataset.num_input=1",
            f"dataset.input_map={{{light}: 0}}",
            f"dataset.image_width={size}",
            f"dataset.image_height={size}",
            f"{AUGMENT}.augment={str(jitter).lower()}",
            f"{AUGMENT}.relative_jitter.enable={str(jitter).lower()}",
            *(f"{AUGMENT}.{step}.enable=false" for step in ("random_flip", "random_rotate", "random_color")),
            f"{AUGMENT}.with_random_blur=false",
            f"{AUGMENT}.with_random_crop=false",
            f"train.seed={seed}",
            f"train.num_epochs={epochs}",
            f"train.checkpoint_interval={epochs}",
            f"train.validation_interval={epochs // 2}",
            f"evaluate.checkpoint={folder / 'train' / 'oi_model_latest.pth'}",
        ],
    )


def table(runs: list[dict[str, object]]) -> str:
    cells = defaultdict(list)
    for run in runs:
        cells[run["set"], run["tested"], run["jitter"], run["n"], run["defects"]].append(run)
    lines = ["| trained on | tested on | n (defects) | relative jitter | seeds | " + " | ".join(KEYS) + " |"]
    lines.append("|" + "---|" * (5 + len(KEYS)))
    for (trained, tested, jitter, n, defects), found in cells.items():
        values = [spread([run[key] for run in found], percent=key.startswith("fpr")) for key in KEYS]
        head = f"| {trained} | {tested} | {n} ({defects}) | {'on' if jitter else 'off'} | {len(found)} | "
        lines.append(head + " | ".join(values) + " |")
    return "\n".join(lines)


def spread(values: list[float], percent: bool) -> str:
    scale, digits = (100, 1) if percent else (1, 3)
    scaled = np.array(values) * scale
    around = f" ± {stdev(scaled):.{digits}f}" if len(values) > 1 else ""
    return f"{mean(scaled):.{digits}f}{around}"


if __name__ == "__main__":
    main()
