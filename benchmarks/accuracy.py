"""Accuracy on real boards, over seeds: SiameseOI with and without relative jitter or synthetic defects, and others.

    GOLDENPAIR_DATA=FOLDER python benchmarks/accuracy.py OUT [--sets deeppcb_oi lookout_oi] [--seeds 1 2 3]
        [--networks siamese siamese-jitter fan_tiny-learnable ...]

Every run is a line in OUT/runs.jsonl; a run that is there already is not repeated. The table at the end is what
benchmarks/README.md shows.
"""

import argparse
import csv
import json
import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

import numpy as np

from goldenpair import default_spec, evaluate, train
from goldenpair.specs.common import NetworkSpec


@dataclass(frozen=True)
class Boards:
    """A set: the side of its pictures, its light, epochs, and where it is tested."""

    size: int
    light: str
    epochs: int
    tests: tuple[tuple[str, str], ...]
    folder: str = ""
    """Of the set, if it is not its name."""
    real: int | None = None
    """How many of the real defects training has, drawn by the seed; None: all."""


SETS = {
    "deeppcb_oi": Boards(100, "SolderLight", 5, (("deeppcb_oi", "test"), ("deeppcb_oi_shifted", "test"))),
    "lookout_oi": Boards(128, "WhiteLight", 20, (("lookout_oi", "val"),)),
    "lookout_oi-3": Boards(128, "WhiteLight", 20, (("lookout_oi", "val"),), "lookout_oi", 3),
}
KEYS = ("auroc", "ap", "fpr100", "fpr99", "fpr97")
STEPS = ("random_flip", "random_rotate", "random_color")


@dataclass(frozen=True)
class Network:
    """A network with its options. `side` is what pictures are resized to, where it is not the set's own."""

    name: str
    options: tuple[str, ...]
    augment: bool = False
    side: int | None = None


def changenet(backbone: str, *options: str, learnable: bool = True, augment: bool = False, side: int) -> Network:
    head = "learnable ce" if learnable else "euclidean contrastive"
    module, loss = head.split()
    chosen = ["task=classify", f"model.backbone.type={backbone}", f"model.classify.difference_module={module}"]
    chosen += [f"train.classify.loss={loss}", "dataset.classify.batch_size=16", "dataset.classify.fpratio_sampling=0.2"]
    return Network("visual_changenet", (*chosen, *options), augment, side)


SMALL = ("model.decode_head.decoder_params.embed_dim=32", "train.optim.lr=0.0005")
IMAGENET = (
    "model.backbone.pretrained_backbone_path=imagenet",
    "dataset.classify.augmentation_config.rgb_input_mean=[0.5,0.5,0.5]",
    "dataset.classify.augmentation_config.rgb_input_std=[0.5,0.5,0.5]",
)
SYNTHETIC = (
    "dataset.synthetic_defects.enable=true",
    # what the set calls defects: parts turned by 180 degrees or a little askew are PASS in it
    "dataset.synthetic_defects.kinds=[missing,bridge,excess,scratch,contamination,solder_ball]",
)
NETWORKS = {
    "siamese": Network("optical_inspection", ()),
    "siamese-jitter": Network("optical_inspection", (), augment=True),
    "siamese-64": Network("optical_inspection", (), side=64),
    "siamese-64-synthetic": Network("optical_inspection", SYNTHETIC, side=64),
    "efficientnet-learnable": changenet("tf_efficientnet_lite0", *IMAGENET, *SMALL, side=128),
    "efficientnet-euclidean": changenet("tf_efficientnet_lite0", *IMAGENET, learnable=False, side=128),
    "mobilenetv4-learnable": changenet("mobilenetv4_conv_small", *SMALL, side=128),
    "fan_small-learnable": changenet("fan_small_12_p4_hybrid", side=64),
    "fan_tiny-learnable": changenet("fan_tiny_8_p4_hybrid", side=64),
    "fan_tiny-euclidean": changenet("fan_tiny_8_p4_hybrid", learnable=False, side=64),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    given = parser.parse_args()
    data = Path(os.environ["GOLDENPAIR_DATA"])
    given.out.mkdir(parents=True, exist_ok=True)
    runs = given.out / "runs.jsonl"
    done = [json.loads(line) for line in runs.read_text().splitlines()] if runs.exists() else []
    for seed in given.seeds:
        for name in given.sets:
            for network in given.networks:
                if not any((r["set"], r["seed"], r["network"]) == (name, seed, network) for r in done):
                    found = one_run(data, given.out, name, seed, network)
                    done += found
                    with runs.open("a") as file:
                        file.writelines(json.dumps(line) + "\n" for line in found)
    print(table(done))


def one_run(data: Path, out: Path, name: str, seed: int, network: str) -> list[dict[str, object]]:
    folder = out / f"{name}-{network}-{seed}"
    train(spec_of(data, folder, name, *SETS[name].tests[0], seed, network))
    found = []
    for tested, split in SETS[name].tests:
        metrics = evaluate(spec_of(data, folder, name, tested, split, seed, network)).metrics
        rates = {f"fpr{at.target * 100:g}": at.point.false_calls.value for at in metrics.at_capture if at.point}
        line = {"set": name, "tested": f"{tested} {split}", "seed": seed, "network": network}
        counts = {"n": metrics.parts, "defects": metrics.defects}
        found.append({**line, **counts, "auroc": metrics.auroc, "ap": metrics.average_precision, **rates})
        print(json.dumps(found[-1]), flush=True)
    return found


def spec_of(data: Path, folder: Path, trained: str, tested: str, split: str, seed: int, network: str) -> NetworkSpec:
    boards, wish = SETS[trained], NETWORKS[network]
    of = boards.folder or trained
    pairs, latest = "dataset", "oi_model_latest.pth"
    if wish.name == "visual_changenet":
        pairs, latest = "dataset.classify", "changenet_model_classify_latest.pth"
    augment, side = f"{pairs}.augmentation_config", wish.side or boards.size

    def files(section: str, name: str, table: str) -> list[str]:
        images = next(p for p in (data / name / "images", data / name / "images_dir") if p.is_dir())
        return [f"{pairs}.{section}.csv_path={data / name / f'{table}.csv'}", f"{pairs}.{section}.images_dir={images}"]

    return default_spec(
        wish.name,
        [
            f"results_dir={folder}",
            *files("train_dataset", of, "train"),
            *([f"{pairs}.train_dataset.csv_path={thinned(data, folder, boards, seed)}"] if boards.real else []),
            *files("validation_dataset", of, "val"),
            *files("test_dataset", tested, split),
            f"{pairs}.image_ext=.jpg",
            f"{pairs}.num_input=1",
            f"{pairs}.input_map={{{boards.light}: 0}}",
            f"{pairs}.image_width={side}",
            f"{pairs}.image_height={side}",
            f"{augment}.augment={str(wish.augment).lower()}",
            f"{augment}.relative_jitter.enable={str(wish.augment).lower()}",
            *(f"{augment}.{step}.enable=false" for step in STEPS),
            f"{augment}.with_random_blur=false",
            f"{augment}.with_random_crop=false",
            f"train.seed={seed}",
            f"train.num_epochs={boards.epochs}",
            f"train.checkpoint_interval={boards.epochs}",
            f"train.validation_interval={boards.epochs // 2}",
            f"evaluate.checkpoint={folder / 'train' / latest}",
            *wish.options,
        ],
    )


def thinned(data: Path, folder: Path, boards: Boards, seed: int) -> Path:
    """The training table with `boards.real` of its defects, as a file in `folder`."""
    path = folder / "train.csv"
    with (data / boards.folder / "train.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    label = header.index("label")
    defects = [place for place, row in enumerate(rows) if row[label] != "PASS"]
    left = set(np.random.default_rng(seed).choice(defects, boards.real, replace=False).tolist())
    folder.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        kept = [row for place, row in enumerate(rows) if row[label] == "PASS" or place in left]
        csv.writer(file).writerows([header, *kept])
    return path


def table(runs: list[dict[str, object]]) -> str:
    cells = defaultdict(list)
    for run in runs:
        cells[run["set"], run["tested"], run["network"], run["n"], run["defects"]].append(run)
    lines = ["| trained on | tested on | n (defects) | network | seeds | " + " | ".join(KEYS) + " |"]
    lines.append("|" + "---|" * (5 + len(KEYS)))
    for (trained, tested, network, n, defects), found in cells.items():
        values = [spread([run[key] for run in found], percent=key.startswith("fpr")) for key in KEYS]
        head = f"| {trained} | {tested} | {n} ({defects}) | {network} | {len(found)} | "
        lines.append(head + " | ".join(values) + " |")
    return "\n".join(lines)


def spread(values: list[float], percent: bool) -> str:
    scale, digits = (100, 1) if percent else (1, 3)
    scaled = np.array(values) * scale
    around = f" ± {stdev(scaled):.{digits}f}" if len(values) > 1 else ""
    return f"{mean(scaled):.{digits}f}{around}"


if __name__ == "__main__":
    main()
