"""Sets of drawn boards: golden pairs with known defects, for demo, tests and docs.

<out>/images/golden/<refdes>_<Light><ext>      one golden for each place on the board, shared by all boards
<out>/images/<board>/<refdes>_<Light><ext>     samples
<out>/masks/<board>/<refdes>.png               where the defect is, 0 or 255; PASS samples have no mask
<out>/train.csv, validation.csv, test.csv      splits by board
<out>/spec.yaml                                ready for optical_inspection
"""

import csv
import json
import os
import shutil
from collections import Counter
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from goldenpair.data.drawing import (
    CAPACITOR,
    IC,
    RESISTOR,
    RGB,
    Bridge,
    Design,
    State,
    build_surface,
    pads,
    photograph,
)
from goldenpair.data.table import PASS
from goldenpair.errors import DataError, writing_to
from goldenpair.progress import Progress
from goldenpair.specs.simulate import SimulateSpec

DEFECTS = ("MISSING", "SHIFTED", "ROTATED", "TOMBSTONE", "BRIDGE", "INSUFFICIENT")
SPLITS = ("train", "validation", "test")
COLUMNS = ("input_path", "golden_path", "label", "object_name", "board", "component_type")

_BOARD_LOTS: tuple[RGB, ...] = ((0.05, 0.29, 0.13), (0.04, 0.22, 0.1), (0.1, 0.33, 0.11), (0.04, 0.27, 0.2))
_DESIGN, _LOT, _STATE, _CAMERA, _SPLIT = range(5)  # streams of random numbers, independent of one another
_GOLDEN = 0  # in place of a board's number, which counts from 1


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


@dataclass(frozen=True)
class _Sample:
    board: int
    part: int
    label: str


def simulate(out: Path, spec: SimulateSpec, progress: Progress | None = None) -> SimulatedSet:
    """Draw a set into `out`, which appears when it is complete. `progress` is told how many parts of how many are
    drawn. Raises DataError where `out` holds anything already or may not be written, RunError where the disk is full.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out} exists and is not an empty folder; remove it or name another folder")
    designs = [_design(spec, part) for part in range(spec.parts_per_board)]
    splits = {split: _samples(spec, designs, split) for split in SPLITS}
    building = out.absolute().with_name(f".{out.absolute().name}.{os.getpid()}.partial")
    try:
        with writing_to(out):
            building.mkdir(parents=True)
            _write_pictures(building, spec, designs, [s for samples in splits.values() for s in samples], progress)
            for split, samples in splits.items():
                _write_table(building / f"{split}.csv", designs, samples)
            (building / "spec.yaml").write_text(_spec_text(out, spec), encoding="utf-8", newline="\n")
            if out.exists():
                out.rmdir()  # Windows does not rename onto a folder, not even onto an empty one
            building.rename(out)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    return SimulatedSet(
        out=out,
        train_csv=out / "train.csv",
        validation_csv=out / "validation.csv",
        test_csv=out / "test.csv",
        images_dir=out / "images",
        masks_dir=out / "masks",
        spec_path=out / "spec.yaml",
        counts={split: dict(sorted(Counter(s.label for s in found).items())) for split, found in splits.items()},
    )


def _rng(spec: SimulateSpec, stream: int, board: int = 0, part: int = 0) -> np.random.Generator:
    return np.random.default_rng([spec.seed, stream, board, part])


def _board_name(board: int) -> str:
    return f"board_{board:03d}"


def _samples(spec: SimulateSpec, designs: list[Design], split: str) -> list[_Sample]:
    """The samples of a split, board by board, with exactly the asked share of defects, each kind equally often."""
    order = _rng(spec, _SPLIT).permutation(np.arange(1, spec.boards + 1))
    validation, test = (max(1, round(share * spec.boards)) for share in (0.15, 0.25))
    parts = np.split(order, [spec.boards - validation - test, spec.boards - test])
    boards = np.sort(parts[SPLITS.index(split)])
    places = [(int(board), part) for board in boards for part in range(spec.parts_per_board)]
    rng = _rng(spec, _SPLIT, 1 + SPLITS.index(split))
    first = int(rng.integers(len(DEFECTS)))
    chosen = rng.permutation(len(places))[: round(spec.defect_share * len(places))]
    labels = [PASS] * len(places)
    for count, place in enumerate(chosen.tolist()):
        label = DEFECTS[(first + count) % len(DEFECTS)]
        # an IC does not stand up; bridges are what ICs are prone to
        stands = designs[places[place][1]].package is not IC
        labels[place] = label if stands or label != "TOMBSTONE" else "BRIDGE"
    return [_Sample(board, part, label) for (board, part), label in zip(places, labels, strict=True)]


def _design(spec: SimulateSpec, part: int) -> Design:
    """What is at a place of the board: of 20 parts 8 resistors, 7 capacitors and 5 ICs, mixed."""
    rng = _rng(spec, _DESIGN, 0, part)
    kinds = (RESISTOR, CAPACITOR, IC, RESISTOR, CAPACITOR, RESISTOR, IC, CAPACITOR)
    package = kinds[part % len(kinds)]
    number = 1 + sum(kinds[earlier % len(kinds)] is package for earlier in range(part))
    side = int(rng.choice([-1, 1]))
    digits = rng.integers(1, 10, 3)
    chip = f"{digits[0]}{digits[1]}{digits[2] % 6}"
    return Design(
        refdes=f"{package.prefix}{number}",
        package=package,
        scale=float(rng.uniform(0.9, 1.12) if package is not IC else rng.uniform(0.92, 1.04)),
        turns=int(rng.integers(2)),
        side=side,
        via=(float(rng.uniform(8, 24)), -side * float(rng.uniform(23, 27))),
        code=chip if package is not IC else f"{rng.choice(['LM', 'TL', 'AD', 'MC'])}{chip}",
    )


def _golden(design: Design) -> State:
    package = design.package
    return State(
        board=_BOARD_LOTS[0],
        body=package.bodies[0],
        marking=(design.code, "2401") if package is IC else (design.code,),
        solder=(1.0,) * len(pads(package)),
        grain=0,
    )


def _good(spec: SimulateSpec, design: Design, board: int, part: int) -> State:
    """A good part: within tolerance, of whatever lots this board was made from."""
    package = design.package
    lot = _rng(spec, _LOT, board, (RESISTOR, CAPACITOR, IC).index(package))
    body = _tinted(package.bodies[int(lot.integers(len(package.bodies)))], lot)
    week = f"{lot.integers(22, 26)}{lot.integers(1, 53):02d}"
    long_code = f"{design.code[:2]}0{int(design.code[-1]) - 1}" if design.code[-1] != "0" else design.code
    of_board = _rng(spec, _LOT, board, 3)
    mask = _tinted(_BOARD_LOTS[int(of_board.integers(len(_BOARD_LOTS)))], of_board)
    rng = _rng(spec, _STATE, board, part)
    return State(
        board=mask,
        body=body,
        marking=(design.code, week) if package is IC else (long_code if lot.random() < 0.4 else design.code,),
        solder=tuple(rng.uniform(0.85, 1.15, len(pads(package))).tolist()),
        grain=int(rng.integers(1, 2**32)),
        ink=float(rng.uniform(0.6, 1)),
        shift=(
            float(rng.uniform(-package.play, package.play)),
            float(rng.uniform(-package.play, package.play)),
        ),
        angle=float(rng.uniform(-2, 2)),
    )


def _tinted(colour: RGB, rng: np.random.Generator) -> RGB:
    red, green, blue = (np.asarray(colour) * rng.uniform(0.88, 1.12) * rng.uniform(0.95, 1.05, 3)).tolist()
    return red, green, blue


def _spoilt(good: State, label: str, design: Design, rng: np.random.Generator) -> State:
    """The same part with a defect, from plain to subtle, but always beyond what good parts do."""
    package = design.package
    is_ic = package is IC
    sign = float(rng.choice([-1, 1]))
    match label:
        case "MISSING":
            return replace(good, missing=True)
        case "SHIFTED":
            far = sign * package.play * rng.uniform(2.8, 5)
            near = float(rng.uniform(-package.play, package.play))
            return replace(good, shift=(float(far), near) if rng.random() < 0.5 else (near, float(far)))
        case "ROTATED":
            return replace(good, angle=float(sign * (rng.uniform(6, 13) if is_ic else rng.uniform(7, 25))))
        case "TOMBSTONE":
            return replace(good, lean=float(sign * rng.uniform(55, 85)))
        case "BRIDGE":
            return replace(good, bridge=_bridge(design, sign, rng))
        case "INSUFFICIENT":
            solder = np.array(good.solder)
            poor = rng.permutation(len(solder))[: int(rng.integers(1, 1 + max(1, len(solder) // 2)))]
            solder[poor] = rng.uniform(0.05, 0.5, len(poor))
            return replace(good, solder=tuple(solder.tolist()))
    raise ValueError(f"no defect is called {label!r}")


def _bridge(design: Design, sign: float, rng: np.random.Generator) -> Bridge:
    """Solder from one lead to the next on an IC, from the pad to the neighbour's land beside a chip."""
    package = design.package
    begin, end = package.pads
    x = float(sign * rng.uniform(begin + 3, end - 3))
    if package is IC:
        lower = int(rng.integers(len(package.rows) - 1))
        ends = (package.rows[lower], package.rows[lower + 1])
        return Bridge((x, ends[0]), (x, ends[1]), float(rng.uniform(4.5, 8)))
    edge = design.side * package.pad_width / 2
    return Bridge((x, edge - design.side * 2), (x, edge + design.side * 8), float(rng.uniform(5, 11)))


def _state(spec: SimulateSpec, design: Design, sample: _Sample) -> tuple[State, State]:
    """The sample's part as it is, and as it would be without its defect."""
    good = _good(spec, design, sample.board, sample.part)
    if sample.label == PASS:
        return good, good
    rng = _rng(spec, _STATE, sample.board, spec.parts_per_board + sample.part)
    return _spoilt(good, sample.label, design, rng), good


def _defect_mask(design: Design, spoilt: State, good: State, size: int) -> NDArray[np.uint8]:
    """255 where the surface differs from that of the part without its defect, and all over a part that is not where
    it should be: [size, size]."""
    bad, fine = build_surface(design, spoilt, size), build_surface(design, good, size)
    changed = (np.abs(bad.height - fine.height) > 0.5) | (np.abs(bad.colour - fine.colour).max(axis=0) > 0.1)
    if not np.array_equal(bad.part, fine.part):
        changed |= np.maximum(bad.part, fine.part) > 0.5
    closed = ndimage.binary_closing(changed, iterations=1 + size // 64) | changed
    mask: NDArray[np.uint8] = ndimage.binary_fill_holes(closed).astype(np.uint8) * np.uint8(255)
    return mask


def _write_pictures(
    root: Path,
    spec: SimulateSpec,
    designs: list[Design],
    samples: list[_Sample],
    progress: Progress | None,
) -> None:
    goldens = [_Sample(_GOLDEN, part, PASS) for part in range(len(designs))]
    for folder in {"golden", *(_board_name(sample.board) for sample in samples)}:
        (root / "images" / folder).mkdir(parents=True)
    (root / "masks").mkdir()
    for count, sample in enumerate(goldens + samples, 1):
        design = designs[sample.part]
        is_golden = sample.board == _GOLDEN
        state, good = (_golden(design),) * 2 if is_golden else _state(spec, design, sample)
        name = "golden" if is_golden else _board_name(sample.board)
        camera = None if is_golden else _rng(spec, _CAMERA, sample.board, sample.part)
        # drawn at twice the size, so that edges are smooth
        pictures = photograph(build_surface(design, state, 2 * spec.size), tuple(spec.lights), spec.size, camera)
        for light, picture in zip(spec.lights, pictures, strict=True):
            _save(root / "images" / name / f"{design.refdes}_{light}{spec.image_ext}", picture)
        if sample.label != PASS:
            (root / "masks" / name).mkdir(exist_ok=True)
            _save(root / "masks" / name / f"{design.refdes}.png", _defect_mask(design, state, good, spec.size))
        if progress is not None:
            progress(count, len(goldens) + len(samples))


def _save(path: Path, picture: NDArray[np.uint8]) -> None:
    content = BytesIO()  # Pillow's JPEG writer does not tell that a disk is full
    if path.suffix == ".jpg":
        Image.fromarray(picture).save(content, "JPEG", quality=92, subsampling=0)
    else:
        Image.fromarray(picture).save(content, "PNG", compress_level=3)
    path.write_bytes(content.getbuffer())


def _write_table(path: Path, designs: list[Design], samples: list[_Sample]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for sample in samples:
            design, board = designs[sample.part], _board_name(sample.board)
            table.writerow((board, "golden", sample.label, design.refdes, board, design.package.name))


def _spec_text(out: Path, spec: SimulateSpec) -> str:
    """The spec as YAML. Paths are written as JSON strings, which are YAML too, whatever they contain."""

    def path(name: str) -> str:
        return json.dumps((out / name).as_posix(), ensure_ascii=False)

    tables = "\n".join(
        f"  {use}_dataset:\n    csv_path: {path(f'{split}.csv')}\n    images_dir: {path('images')}"
        for use, split in (*zip(SPLITS, SPLITS, strict=True), ("infer", "test"))
    )
    lights = "\n".join(f"    {light}: {index}" for index, light in enumerate(spec.lights))
    return _YAML.format(
        results=path("results"), tables=tables, lights=lights, count=len(spec.lights), ext=spec.image_ext,
        size=spec.size,
    )  # fmt: skip


_YAML = """\
# Drawn boards, ready for: goldenpair optical_inspection train -e THIS_FILE
# then, in place of train, for evaluate, inference and export.
# Its paths start from the folder in which the boards were drawn.
results_dir: {results}
model:
  model_type: Siamese_1  # without batch norms between its linear layers: they need more pairs than this
  margin: 2.0
  embedding_vectors: 5
dataset:
{tables}
  image_ext: {ext}
  batch_size: 16
  workers: 2
  fpratio_sampling: 1.0  # defects drawn for each PASS pair
  num_input: {count}  # as many as input_map has lights
  input_map:  # suffix of each light's files, in the order of joining
{lights}
  concat_type: linear
  image_width: {size}
  image_height: {size}
  augmentation_config:
    augment: false  # true applies what is enabled below; it needs more epochs, and forgives misregistration
    random_flip:
      enable: false
    random_rotate:
      enable: false
    random_color:
      enable: true
      color_probability: 0.5
      brightness: 0.1
      contrast: 0.1
      saturation: 0.1
      hue: 0.02
    with_random_blur: false
    with_random_crop: false
    relative_jitter:  # golden and sample apart from each other, as placement and exposure are on a line
      enable: true
train:
  num_epochs: 10
  optim:
    type: Adam
    lr: 0.0005
evaluate:
  checkpoint: ${{results_dir}}/train/oi_model_latest.pth
inference:
  checkpoint: ${{results_dir}}/train/oi_model_latest.pth
export:
  checkpoint: ${{results_dir}}/train/oi_model_latest.pth
"""
