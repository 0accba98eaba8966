"""What `goldenpair audit --deep` finds of faults planted in drawn boards, and what it suspects without reason.

Planted are 5 dark, 5 blurred and 5 goldens with swapped lights, 3 with the files of another place, 2 that are
exchanged, and 5 labels: 3 defects called PASS and 2 good parts called a defect. Everything that is drawn and planted
stands in `draw` and `plant`. `--only SPEC` audits a set as it is and prints what is suspected.
"""

import argparse
import csv
import random
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageFilter

SPLITS = ("train", "validation", "test")
_GOLDENS = {"dark": 5, "blurred": 5, "lights_swapped": 5, "duplicate": 3, "of_another": 2}
_LABELS = {"label_pass_doubted": 3, "label_defect_doubted": 2}
Row = dict[str, str]
Place = tuple[str, str]
"""Of a golden its folder and object_name; names alone are those of several designs."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boards", type=int, default=24)
    parser.add_argument("--parts", type=int, default=60, help="on each board")
    parser.add_argument("--seeds", type=int, nargs="*", default=(1, 2, 3))
    parser.add_argument("--only", metavar="SPEC", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        if given.only:
            found, seconds = _audit(given.only, Path(temporary))
            print(f"{seconds:.0f} s of processor time: {dict(Counter(one['what'] for one in found))}")
            return
        planted, right, wrong = Counter[str](), Counter[str](), Counter[str]()
        for seed in given.seeds:
            folder = Path(temporary) / str(seed)
            spec = draw(folder, given.boards, given.parts, seed)
            faults = plant(folder, seed)
            found, seconds = _audit(spec, folder / "results")
            told = {(one["what"], _place(one)) for one in found}
            planted.update(what for what, _ in faults)
            right.update(what for what, _ in told & faults)
            wrong.update(what for what, _ in told - faults)
            cells = {_sample(row): row for split in SPLITS for row in _rows(folder / f"{split}.csv")}
            for what, place in sorted(told - faults):
                row = cells.get(place, {})
                print(f"seed {seed}, without reason: {what} {place} {row.get('label', '')} {row.get('severity', '')}")
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3
            print(f"seed {seed}: {seconds:.0f} s of processor time, peak {peak:.0f} MB", flush=True)
    print("| what | planted | found | suspected without reason |\n|---|---|---|---|")
    for what in dict.fromkeys([*planted, *wrong]):
        print(f"| {what} | {planted[what]} | {right[what]} | {wrong[what]} |")


def draw(folder: Path, boards: int, parts: int, seed: int) -> Path:
    """Drawn boards with four lights and their tables; returns their spec."""
    wish = ["--boards", str(boards), "--parts-per-board", str(parts), "--size", "96", "--seed", str(seed)]
    _run("simulate", str(folder), *wish)
    return folder / "spec.yaml"


def plant(folder: Path, seed: int) -> set[tuple[str, str]]:
    """Spoil goldens and labels; returns what was done, as code and place."""
    rng = random.Random(seed)
    tables = {split: _rows(folder / f"{split}.csv") for split in SPLITS}
    every = [row for rows in tables.values() for row in rows]
    kind = {_golden(row): row["component_type"] for row in every}
    places = sorted(kind)
    rng.shuffle(places)
    chosen = iter(places)
    todo = {what: [next(chosen) for _ in range(count)] for what, count in _GOLDENS.items() if what != "of_another"}
    rest = list(chosen)
    other = next(place for place in rest if kind[place] != kind[rest[0]])
    todo["of_another"] = [rest[0], other]
    fine = set(rest) - {rest[0], other}
    files = {place: sorted((folder / "images" / place[0]).glob(f"{place[1]}_*.jpg")) for place in places}
    for what, some in todo.items():
        for place in some:
            if what == "dark":
                _change(files[place], lambda image: image.point(lambda value: int(0.4 * value)))
            elif what == "blurred":
                _change(files[place], lambda image: image.filter(ImageFilter.GaussianBlur(1.5)))
            elif what == "lights_swapped":
                _exchange(files[place][1], files[place][3])
            elif what == "duplicate":
                source = next(one for one in sorted(fine) if kind[one] != kind[place])
                for mine, theirs in zip(files[place], files[source], strict=True):
                    mine.write_bytes(theirs.read_bytes())
    for mine, theirs in zip(files[rest[0]], files[other], strict=True):
        _exchange(mine, theirs)
    bad = [row for row in every if row["label"] != "PASS" and _golden(row) in fine]
    good = [row for row in every if row["label"] == "PASS" and _golden(row) in fine]
    hidden = rng.sample(bad, _LABELS["label_pass_doubted"])
    slandered = rng.sample(good, _LABELS["label_defect_doubted"])
    for row in hidden:
        row["label"] = "PASS"
    for row in slandered:
        row["label"] = "MISSING"
    for split, rows in tables.items():
        with (folder / f"{split}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    goldens = {(f"golden_{what}", "/".join(place)) for what, some in todo.items() for place in some}
    labels = {("label_pass_doubted", _sample(row)) for row in hidden}
    return goldens | labels | {("label_defect_doubted", _sample(row)) for row in slandered}


def _audit(spec: Path, out: Path) -> tuple[list[Row], float]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _run("audit", "--deep", "-e", str(spec), f"results_dir={out}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return _rows(out / "audit" / "suggested_actions.csv"), seconds


def _run(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "goldenpair", *words], check=True, stdout=subprocess.DEVNULL)


def _rows(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _place(one: Row) -> str:
    return "/".join(_golden(one)) if one["what"].startswith("golden_") else _sample(one)


def _golden(row: Row) -> Place:
    return row["golden_path"], row["object_name"]


def _sample(row: Row) -> str:
    return f"{row['input_path']}/{row['object_name']}"


def _change(files: list[Path], how: Callable[[Image.Image], Image.Image]) -> None:
    for path in files:
        with Image.open(path) as image:
            changed = how(image.convert("RGB"))
        changed.save(path, quality=92)


def _exchange(one: Path, other: Path) -> None:
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


if __name__ == "__main__":
    main()
