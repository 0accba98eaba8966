"""How long `goldenpair report` takes, in how much memory, and how large its page is.

    python benchmarks/report.py --parts 1000000

Scores are drawn: boards of about 200 parts, one defect in 570 parts, a score for each; nothing else is in the file.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

LABELS = ("MISSING", "SHIFT", "BRIDGE", "TOMBSTONE")


def draw(path: Path, parts: int, defects: int, boards: int, seed: int = 0) -> None:
    """Write a table as TAO's inference does."""
    random = np.random.default_rng(seed)
    is_defect = np.zeros(parts, bool)
    is_defect[random.choice(parts, defects, replace=False)] = True
    score = np.where(is_defect, random.gamma(6, 0.25, parts), random.gamma(1.2, 0.05, parts)).astype(np.float32)
    board = np.sort(random.integers(boards, size=parts))
    label = np.where(is_defect, np.array(LABELS)[random.integers(len(LABELS), size=parts)], "PASS")
    kind = np.array(["R", "C", "U", "LED", "J"])[random.integers(5, size=parts)]
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("input_path,golden_path,label,object_name,siamese_score\n")
        for row in range(parts):
            file.write(f"board_{board[row]:05d},golden,{label[row]},{kind[row]}{row % 500 + 1},{score[row]}\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parts", type=int, default=1_000_000)
    parser.add_argument("--defects", type=int, help="default: as many as 37 are of 21,148")
    parser.add_argument("--boards", type=int, help="default: one for 201 parts")
    parser.add_argument("--out", type=Path, help="folder to keep the table and its report in")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.out or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        table = folder / "inference.csv"
        draw(table, given.parts, given.defects or round(given.parts * 37 / 21_148), given.boards or given.parts // 201)
        words = [
            sys.executable,
            "-m",
            "goldenpair",
            "report",
            str(table),
            "--cutoff",
            "0.4",
            "--target-capture",
            "0.97",
        ]
        began = time.perf_counter()
        subprocess.run(words, check=True)
        seconds = time.perf_counter() - began
        page = folder / "inference_report" / "report.html"
        print(f"{given.parts:,} parts ({table.stat().st_size / 1e6:.0f} MB): {seconds:.1f} s, {_peak()}", end="")
        print(f"; the page has {page.stat().st_size / 1e6:.2f} MB")


def _peak() -> str:
    """The most memory that the finished command held."""
    try:
        import resource
    except ImportError:  # Windows
        return "memory not measured"
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return f"{peak / (1e9 if sys.platform == 'darwin' else 1e6):.2f} GB at most"


if __name__ == "__main__":
    main()
