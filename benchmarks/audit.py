"""How long an audit takes, and how much memory, at 1,000, 100,000 and 1,000,000 rows, each in a fresh process.

Every row has pictures of its own: real files, hard links to one picture in each folder. `--parts` of them share a
folder, and all boards are compared with the same goldens. With `--goldens` it is visual_changenet with so many
goldens for each sample, in a folder for each part that holds twice as many.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

ROWS = (1_000, 100_000, 1_000_000)
_AUDIT = """
import sys, time
began = time.perf_counter()
from goldenpair.cli import main
code = main(sys.argv[1:])
print("TOOK", time.perf_counter() - began)
sys.exit(code)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lights", type=int, default=1)
    parser.add_argument("--parts", type=int, default=1_000, help="in a folder")
    parser.add_argument("--goldens", type=int, default=1, help="of each sample")
    parser.add_argument("--rows", type=int, nargs="*", default=ROWS)
    given = parser.parse_args()
    print("| rows | pictures | seconds | peak memory, MB |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        for rows in given.rows:
            lights, several = [f"Light{i}" for i in range(given.lights)], given.goldens > 1
            spec = make_set(Path(temporary), rows, given.parts, lights, given.goldens)
            pictures = (rows + given.parts * (2 * given.goldens if several else 1)) * given.lights
            network = "visual_changenet" if several else "optical_inspection"
            words = [sys.executable, "-c", _AUDIT, "audit", "--network", network, "-e", str(spec)]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            took = next(line for line in done.stdout.splitlines() if line.startswith("TOOK")).split()[1]
            # the largest child so far: the sets grow
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3
            print(f"| {rows:,} | {pictures:,} | {float(took):.1f} | {peak:.0f} |", flush=True)


def make_set(folder: Path, rows: int, parts: int, lights: list[str], goldens: int) -> Path:
    """A table of `rows` parts with their pictures; returns its spec. Folders that are there already are used again."""
    images = folder / "images"
    rng = np.random.default_rng(0)
    boards = [f"board_{i:06d}" for i in range(rows // parts)]
    for board in ["golden", *boards]:
        place = images / board
        if place.exists():
            continue
        place.mkdir(parents=True)
        for light in lights:  # a file may have some ten thousand links
            first = place / f"R0_{light}.png"
            Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(first)
            for i in range(1, parts):
                os.link(first, place / f"R{i}_{light}.png")
    several = goldens > 1
    for place in (images / "goldens" / f"R{i}" for i in range(parts if several else 0)):
        if not place.exists():
            place.mkdir(parents=True)
            for light in lights:
                for number in range(2 * goldens):
                    os.link(images / "golden" / f"R0_{light}.png", place / f"{number}_{light}.png")
    table = folder / f"{rows}.csv"
    with table.open("w") as file:
        file.write("input_path,golden_path,label,object_name\n")
        for board in boards:
            for i in range(parts):
                golden, label = f"goldens/R{i}" if several else "golden", "PASS" if i % 50 else "MISSING"
                file.write(f"{board},{golden},{label},R{i}\n")
    spec = folder / f"{rows}.json"
    split = {"csv_path": str(table), "images_dir": str(images)}
    named = {light: place for place, light in enumerate(lights)}
    dataset = {"test_dataset": split, "num_input": len(lights), "input_map": named, "image_ext": ".png"}
    given = {"task": "classify", "dataset": {"classify": {**dataset, "num_golden": goldens}}}
    spec.write_text(json.dumps(given if several else {"dataset": dataset}))
    return spec


if __name__ == "__main__":
    main()
