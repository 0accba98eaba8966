"""Sets of drawn boards: a whole line's pictures, tables and export, drawn board by board.

<out>/images/<project>/AOI_T/<capture>/PerComponent/<refdes>@<panel>_<Light><ext>   samples, a capture for each board
<out>/images/golden/images/<project>TOP/<refdes>@<panel>_<Light><ext>   goldens, one for each place of a design
<out>/masks/<project>/AOI_T/<capture>/PerComponent/<refdes>@<panel>.png   where a defect is, 0 or 255
<out>/train.csv, validation.csv, test.csv   splits by board
<out>/spec.yaml                          ready for optical_inspection
<out>/export/train, val, test, all, golden   the same as an AOI machine exports it
<out>/segment/A, B, label, list          on demand: samples, goldens and masks of one light
<out>/boards/<serial>_<Light>.jpg        on demand: whole boards
<out>/simulation.json                    the options, and whether all is there; the same options go on
"""

import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from goldenpair import __version__
from goldenpair.errors import DataError, writing_to
from goldenpair.progress import Progress
from goldenpair.run import alone_in
from goldenpair.simulation.plan import SPLITS, Board, Plan, plan
from goldenpair.simulation.ready_spec import spec_text
from goldenpair.simulation.tables import COLUMNS, csv_text, label_of, rows
from goldenpair.simulation.workers import draw_all
from goldenpair.simulation.writing import EXPORT_FOLDERS, mask_file, segment_name, write_whole
from goldenpair.specs.simulate import SimulateSpec

_STATE, _LOCK = "simulation.json", ".lock"


@dataclass(frozen=True)
class SimulatedSet:
    """`counts` says how many samples of each label each split has."""

    out: Path
    train_csv: Path
    validation_csv: Path
    test_csv: Path
    images_dir: Path
    masks_dir: Path
    spec_path: Path
    counts: dict[str, dict[str, int]]


def simulate(out: Path, spec: SimulateSpec, progress: Progress | None = None) -> SimulatedSet:
    """Draw a set into `out`, or go on with one that was stopped. `progress` is told how many parts of how many are
    drawn.

    Raises DataError where `out` holds a complete set, one of other options or anything else, or may not be written;
    RunError where the disk is full or a process was killed. What is complete stays, and the same call goes on.
    """
    made = not out.exists()
    _refuse(out, spec)
    line = plan(spec)
    try:
        with writing_to(out):
            out.mkdir(parents=True, exist_ok=True)
            with alone_in(out, str(out), "another folder"):
                _draw(out, line, progress)
    finally:
        if made and out.is_dir() and not any(out.iterdir()):
            out.rmdir()  # not even the options could be written
    return SimulatedSet(
        out=out,
        train_csv=out / "train.csv",
        validation_csv=out / "validation.csv",
        test_csv=out / "test.csv",
        images_dir=out / "images",
        masks_dir=out / "masks",
        spec_path=out / "spec.yaml",
        counts={split: _counts(line, split) for split in SPLITS},
    )


def _draw(out: Path, line: Plan, progress: Progress | None) -> None:
    try:
        if not (out / _STATE).exists():
            _write_state(out, line.spec, complete=False)
        draw_all(out, line, progress)
        _finish(out, line)
        _write_state(out, line.spec, complete=True)
    finally:
        with suppress(OSError):  # Windows keeps it while it is held
            (out / _LOCK).unlink()


def _refuse(out: Path, spec: SimulateSpec) -> None:
    """Raises DataError if `out` holds anything but a set of these options that is to be gone on with."""
    if not out.exists() or (out.is_dir() and {path.name for path in out.iterdir()} <= {_LOCK, f".{_STATE}.tmp"}):
        return
    other = "remove it or name another folder"
    try:
        state = json.loads((out / _STATE).read_text(encoding="utf-8"))
        was, version, complete = state["options"], state["goldenpair"], state["complete"]
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(f"{out} exists and is not an empty folder; {other}") from None
    now = _options(spec)
    if complete:
        raise DataError(f"{out} exists and is not an empty folder: it holds a complete set; {other}")
    changed = [f"{key} was {was.get(key)!r} and is {now.get(key)!r}" for key in now if was.get(key) != now[key]]
    if changed:
        raise DataError(
            f"{out} holds a part of a set with other options ({'; '.join(changed)}); give the same ones to go on, or "
            f"{other}"
        )
    if version != __version__:
        raise DataError(
            f"{out} was begun by goldenpair {version}, and this is {__version__}; go on with it, or {other}"
        )


def _options(spec: SimulateSpec) -> dict[str, Any]:
    """Those that the files depend on."""
    return spec.model_dump(mode="json", exclude={"workers"})


def _write_state(out: Path, spec: SimulateSpec, complete: bool) -> None:
    state = {"goldenpair": __version__, "options": _options(spec), "complete": complete}
    write_whole(out / _STATE, (json.dumps(state, indent=2) + "\n").encode())


def _finish(out: Path, line: Plan) -> None:
    """What tells of all boards."""
    for split in SPLITS:
        boards = [board for board in line.boards if board.split == split]
        text = csv_text(COLUMNS, (row for board in boards for row in rows(board, _boxes(out, board))))
        write_whole(out / f"{split}.csv", text.encode())
        if line.spec.segment:
            ext = line.spec.image_ext
            names = [f"{segment_name(board, name)}{ext}\n" for board in boards for name in _names(board)]
            write_whole(out / "segment" / "list" / f"{EXPORT_FOLDERS[split]}.txt", "".join(names).encode())
    write_whole(out / "spec.yaml", spec_text(out, line.spec).encode())


def _boxes(out: Path, board: Board) -> dict[int, str]:
    """Around the masks of its bad parts: x0 y0 x1 y1, the last two beyond."""
    boxes = {}
    for place in board.defects:
        with Image.open(mask_file(out, board, place)) as mask:
            box = mask.getbbox()
        boxes[place] = " ".join(map(str, box)) if box else ""
    return boxes


def _names(board: Board) -> list[str]:
    return [board.design.name(place) for place in range(len(board.design.places))]


def _counts(line: Plan, split: str) -> dict[str, int]:
    found = Counter(
        label_of(board.defects.get(place))
        for board in line.boards
        if board.split == split
        for place in range(len(board.design.places))
    )
    return dict(sorted(found.items()))
