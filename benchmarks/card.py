"""SiameseOI on drawn boards of the model card's scale: false calls at full and at 97 % capture, beside the card's.

python benchmarks/simulate.py --whole OUT    # draws them
python benchmarks/card.py OUT RESULTS        # trains and evaluates

Training sees every defect of the training boards and some of their good parts, as all of them for ten epochs would
take two cores most of a day. The test is whole.
"""

import argparse
import csv
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from goldenpair import evaluate, load_spec, train
from goldenpair.metrics import Interval
from goldenpair.quality.figures import Figures
from goldenpair.specs.common import NetworkSpec

CARD = {1.0: "0.97 %", 0.97: "0.11 %"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("boards", type=Path, help="the folder that simulate.py --whole wrote")
    parser.add_argument("results", type=Path)
    parser.add_argument("--good", type=int, default=6000, help="good parts to train on (default: 6000)")
    parser.add_argument("--side", type=int, default=48, help="pixels that pictures are resized to (default: 48)")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    given.results.mkdir(parents=True, exist_ok=True)
    table = given.results / "train.csv"
    thin(given.boards / "train.csv", table, given.good, given.seed)
    spec = spec_of(given, table)
    began = time.perf_counter()
    train(spec)
    trained = time.perf_counter()
    result = evaluate(spec)
    print(f"trained in {(trained - began) / 60:.1f} min, evaluated in {(time.perf_counter() - trained) / 60:.1f} min")
    print(told(result.metrics))
    print(by_severity(result.folder / "evaluate.csv"))


def thin(source: Path, target: Path, good: int, seed: int) -> None:
    """Every defect and `good` of the other rows, drawn by the seed, in their order."""
    with source.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    label = header.index("label")
    fine = [place for place, row in enumerate(rows) if row[label] == "PASS"]
    drawn = set(np.random.default_rng(seed).choice(fine, min(good, len(fine)), replace=False).tolist())
    with target.open("w", newline="", encoding="utf-8") as file:
        kept = [row for place, row in enumerate(rows) if row[label] != "PASS" or place in drawn]
        csv.writer(file).writerows([header, *kept])


def spec_of(given: argparse.Namespace, table: Path) -> NetworkSpec:
    return load_spec(
        "optical_inspection",
        given.boards / "spec.yaml",
        [
            f"results_dir={given.results}",
            f"dataset.train_dataset.csv_path={table}",
            f"dataset.image_width={given.side}",
            f"dataset.image_height={given.side}",
            "dataset.batch_size=32",
            f"train.seed={given.seed}",
            f"train.num_epochs={given.epochs}",
            f"train.checkpoint_interval={given.epochs}",
            f"train.validation_interval={given.epochs}",
        ],
    )


def told(found: Figures) -> str:
    """The rows of the table in benchmarks/README.md."""
    lines = [f"| parts (defects) tested | 21,148 (37) | {found.parts:,} ({found.defects}) |"]
    lines.append(f"| AUROC | not told | {found.auroc or 0:.4f}{around(found.auroc_boards, 1, 4)} |")
    for at in found.at_capture:
        if at.target in CARD and at.point:
            rate = at.point.false_calls
            inner = around(at.false_calls or rate.boards, 100, 2)
            share = "-" if rate.value is None else f"{100 * rate.value:.2f} %{inner}"
            lines.append(f"| false calls at {100 * at.target:g} % capture | {CARD[at.target]} | {share} |")
    return "\n".join(lines)


def by_severity(path: Path) -> str:
    """How well defects of three ranges of severity are told from good parts."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    good = [float(row["siamese_score"]) for row in rows if row["label"] == "PASS"]
    bad = [(float(row["severity"]), float(row["siamese_score"])) for row in rows if row["label"] != "PASS"]
    lines = []
    for low, high in ((0.0, 1 / 3), (1 / 3, 2 / 3), (2 / 3, 1.01)):
        found = [score for severity, score in bad if low <= severity < high]
        if found:
            auroc = roc_auc_score([0] * len(good) + [1] * len(found), good + found)
            lines.append(
                f"| AUROC, {len(found)} defects of severity {low:.2f} to {min(high, 1):.2f} | - | {auroc:.3f} |"
            )
    return "\n".join(lines)


def around(found: Interval | None, factor: float, digits: int) -> str:
    return f" ({factor * found.low:.{digits}f} to {factor * found.high:.{digits}f})" if found else ""


if __name__ == "__main__":
    main()
