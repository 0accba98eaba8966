"""A training table with synthetic defects: their pictures, encoded as the ones they were made from, masks, a sheet."""

import csv
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile, get_sampling

from goldenpair.data.decoding import decode, read
from goldenpair.data.goldens import listed
from goldenpair.data.table import PASS, PATH_COLUMNS, SYNTHETIC, PairTable, read_table
from goldenpair.errors import DataError, TableError, writing_to
from goldenpair.pages import GREY, Line, draw_page
from goldenpair.progress import Progress
from goldenpair.specs.synthetic import LABELS, Kind, SynthesizeSpec
from goldenpair.storage.roots import root_of
from goldenpair.synthesis.anatomy import Pictures
from goldenpair.synthesis.defects import Defect, can_be_seen, make_defect

MASK = "mask"
"""The column that leads to a synthetic defect's mask."""
_BASES = 40  # good parts that are tried for a defect before it is given up
_LOOKED_AT = 20  # good rows, for the folder that paths start from
_SHOWN = 3  # of each kind on the sheet
_TILE = 96
_ORDER, _DEFECT = 0, 1  # streams of random numbers


@dataclass
class Synthesized:
    """What was written to `out`: how many of each kind in `counts`, where `wanted` were asked for in all.

    `unreadable` tells of good parts, by row, why they could not be used.
    """

    out: Path
    csv_path: Path
    wanted: int
    counts: Counter[Kind] = field(default_factory=Counter)
    unreadable: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Part:
    """A good part as it lies on disk: the content of its files, and their pixels."""

    content: Sequence[bytes]
    sample: Pictures
    golden: Pictures


@dataclass(frozen=True)
class _Made:
    row: int
    defect: Defect
    content: Sequence[bytes]


class _Writer:
    """Makes defects one after the other; each depends on the seed and its number only."""

    def __init__(self, spec: SynthesizeSpec, table: PairTable, good: NDArray[np.int64]):
        self._spec, self._table, self._good = spec, table, good
        self._suffixes = [f"_{light}{spec.image_ext}" for light in spec.lights] or [spec.image_ext]
        self._order = np.random.default_rng([spec.seed, _ORDER]).permutation(good)
        self.unreadable: dict[int, str] = {}

    def make(self, number: int) -> _Made | None:
        """The defect with this number, of the first of a few good parts that can have it; None if none of them can."""
        spec = self._spec
        kind = spec.kinds[number % len(spec.kinds)]
        rng = np.random.default_rng([spec.seed, _DEFECT, number])
        others = rng.choice(self._good, _BASES - 1)
        for row in [int(self._order[number % len(self._order)]), *others.tolist()]:
            try:
                part = self._read(row)
                donor = self._donor(row, rng, part.sample) if kind == "wrong_part" else None
            except DataError as error:
                self.unreadable[row] = str(error)
                continue
            severity = (spec.min_severity, spec.max_severity)
            defect = make_defect(part.sample, [part.golden], [kind], severity, rng, donor)
            if defect and (made := self._encoded(row, part, defect)):
                return made
        return None

    def files(self, folder: str, name: str) -> list[str]:
        return [os.path.join(str(self._table.images_dir), folder, name + suffix) for suffix in self._suffixes]

    def names(self, row: int) -> list[str]:
        return [self._table.cells["object_name"][row] + suffix for suffix in self._suffixes]

    def _read(self, row: int) -> _Part:
        cells = self._table.row(row)
        paths = self.files(cells["input_path"], cells["object_name"])
        content = [read(path) for path in paths]
        sizes = {_size(one, path) for one, path in zip(content, paths, strict=True)}
        if len(sizes) > 1:
            raise DataError(f"{paths[0]}: the pictures of its lights differ in size")
        sample = np.stack([_decoded(one, *next(iter(sizes)), path) for one, path in zip(content, paths, strict=True)])
        return _Part(content, sample, self._golden(row, sample))

    def _golden(self, row: int, sample: Pictures) -> Pictures:
        cells, (height, width) = self._table.row(row), sample.shape[1:3]
        paths = self.files(cells["golden_path"], cells["object_name"])
        return np.stack([_decoded(read(path), height, width, path) for path in paths])

    def _donor(self, row: int, rng: np.random.Generator, sample: Pictures) -> Pictures | None:
        names = self._table.cells["object_name"]
        for other in rng.choice(self._good, 8).tolist():
            if names[other] != names[row]:
                return self._golden(other, sample)
        return None

    def _encoded(self, row: int, part: _Part, defect: Defect) -> _Made | None:
        """The defect as it will be read again, None if encoding has left too little of it."""
        names, (height, width) = self.names(row), part.sample.shape[1:3]
        pixels = zip(defect.pictures, part.content, names, strict=True)
        content = [encoded_like(picture, like, name) for picture, like, name in pixels]
        read_again = np.stack([_decoded(one, height, width, name) for one, name in zip(content, names, strict=True)])
        if not can_be_seen(part.sample, read_again):
            return None
        return _Made(row, Defect(defect.kind, part.sample, read_again), content)


def encoded_like(picture: NDArray[np.uint8], like: bytes, name: str) -> bytes:
    """A picture uint8 [H, W, 3] as a file of the format, colours and quantisation of `like`.

    So nothing but the defect tells it from a real one: a network that could see another encoder would learn that.
    Raises DataError for a format that cannot be written again.
    """
    content = BytesIO()
    with Image.open(BytesIO(like)) as image:
        pixels = Image.fromarray(picture)
        if image.mode in ("L", "1"):
            pixels = pixels.convert("L")
        if isinstance(image, JpegImageFile):
            sampling = get_sampling(image)
            pixels.save(
                content,
                "JPEG",
                qtables=image.quantization,
                subsampling=sampling if sampling >= 0 and pixels.mode == "RGB" else 0,
                progressive="progressive" in image.info,
            )
        elif image.format in ("PNG", "BMP", "TIFF"):
            pixels.save(content, image.format)
        else:
            raise DataError(f"{name}: {image.format} is not written; give pictures as JPEG, PNG, BMP or TIFF")
    return content.getvalue()


def synthesize(
    csv_path: Path, images_dir: Path, out: Path, spec: SynthesizeSpec, progress: Progress | None = None
) -> Synthesized:
    """Write the table with synthetic defects beside its rows to `out`, which appears when it is complete.

    Good parts of the table are made defective, and stay in it too. Raises TableError for a table that cannot be used,
    DataError where `out` holds anything already, or where no good part can have any of the kinds.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out} exists and is not an empty folder; remove it or name another folder")
    table = read_table(csv_path, images_dir)
    if not images_dir.is_dir():
        raise DataError(f"{images_dir}: there is no such folder of pictures (looked in {Path.cwd()})")
    if absent := table.absent([*PATH_COLUMNS, "label"]):
        raise TableError(csv_path, [f"it has no column {name!r}" for name in absent])
    good = np.flatnonzero(~table.is_defect)
    if not len(good):
        raise TableError(csv_path, [f"none of its {len(table)} rows has the label {PASS}, to make defects of"])
    names = table.cells["object_name"]
    if astray := [row for row in good.tolist() if os.path.isabs(names[row]) or ".." in Path(names[row]).parts]:
        told = f"object_name leads out of the folder of its row ({table.describe(astray[0])})"
        raise TableError(csv_path, [f"{told}, {len(astray)} in all; write that folder into input_path and golden_path"])
    first = good[:_LOOKED_AT].tolist()
    root, _ = root_of(str(images_dir), [(table.cells["input_path"][row], names[row]) for row in first])
    table = replace(table, images_dir=Path(root or images_dir))  # as training finds it: archives wrap folders
    result = Synthesized(out, out / csv_path.name, spec.number_of(len(good)))
    building = out.absolute().with_name(f".{out.absolute().name}.{os.getpid()}.partial")
    writer = _Writer(spec, table, good)
    try:
        with writing_to(out):
            (building / "images").mkdir(parents=True)
            made = _write_defects(building, writer, table, result, progress)
            result.unreadable = writer.unreadable
            if not made:
                raise DataError(f"{csv_path}: {_why_none(result, spec, table, int(good[0]))}")
            _write_table(building / csv_path.name, out.absolute(), table, made)
            if out.exists():
                out.rmdir()  # Windows does not rename onto a folder, not even onto an empty one
            building.rename(out)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return result


def _write_defects(
    root: Path, writer: _Writer, table: PairTable, result: Synthesized, progress: Progress | None
) -> list[tuple[str, int, Kind]]:
    """The folder below `images` and `masks`, the row and the kind of each defect."""
    written: list[tuple[str, int, Kind]] = []
    lines: dict[Kind, list[Line]] = {}
    for number in range(result.wanted):
        made = writer.make(number)
        if progress:
            progress(number + 1, result.wanted)
        if made is None:
            continue
        kind = made.defect.kind
        folder, name = f"{number:06d}_{kind}", table.cells["object_name"][made.row]
        for file, content in zip(writer.names(made.row), made.content, strict=True):
            _with_folder(root / "images" / folder / file).write_bytes(content)
        mask = Image.fromarray(made.defect.mask.astype(np.uint8) * np.uint8(255))
        mask.save(_with_folder(root / "masks" / folder / f"{name}.png"))
        written.append((folder, made.row, kind))
        result.counts[kind] += 1
        if len(shown := lines.setdefault(kind, [])) < _SHOWN:
            shown.append(_line(made.defect, mask, name))
    if written:
        page = [line for kind in LABELS for line in lines.get(kind, ())]
        sheet = draw_page("Synthetic defects", ("good part", "synthetic", "mask", ""), page, (_TILE, _TILE))
        sheet.save(root / "contact_sheet.png")
    return written


def _why_none(result: Synthesized, spec: SynthesizeSpec, table: PairTable, row: int) -> str:
    """Why no defect was made of a table with this good row."""
    if not result.unreadable:
        return f"no defect could be made of {', '.join(spec.kinds)}: none of the good parts can have them"
    first = next(iter(result.unreadable.values()))
    cells = table.row(row)
    start = Path(table.images_dir, cells["input_path"], cells["object_name"])
    there = [
        leaf for leaf in sorted(listed(str(start.parent))) if leaf.startswith((f"{start.name}_", f"{start.name}."))
    ]
    named = f"; there is {', '.join(there[:4])}: see to --lights and --ext" if there else ""
    return f"no defect could be made, as good parts cannot be used; the first: {first}{named}"


def _with_folder(path: Path) -> Path:
    """The path of a file to be written: an object_name may have folders of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _line(defect: Defect, mask: Image.Image, name: str) -> Line:
    pictures = [[Image.fromarray(light) for light in part] for part in (defect.sample, defect.pictures)]
    share = f"{defect.mask.mean():.1%} of the picture"
    return Line([*pictures, [mask]], [(LABELS[defect.kind], (0, 0, 0)), (name, GREY), (share, GREY)])


def _write_table(path: Path, out: Path, table: PairTable, made: Sequence[tuple[str, int, Kind]]) -> None:
    """All rows of the table, then the synthetic ones, whose paths are absolute: so one images_dir serves both."""
    columns = [*table.columns, *(name for name in (SYNTHETIC, MASK) if name not in table.cells)]
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        rows.writeheader()
        rows.writerows(table.row(row) for row in range(len(table)))
        for folder, row, kind in made:
            cells = table.row(row)
            mask = out / "masks" / folder / f"{cells['object_name']}.png"
            rows.writerow({
                **cells,
                "input_path": (out / "images" / folder).as_posix(),
                "label": LABELS[kind],
                SYNTHETIC: kind,
                MASK: mask.as_posix(),
            })  # fmt: skip


def _size(content: bytes, path: str) -> tuple[int, int]:
    """Height and width of a picture; DataError for what is none."""
    try:
        with Image.open(BytesIO(content)) as image:
            return image.height, image.width
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{path}: not a readable picture ({error})") from None


def _decoded(content: bytes, height: int, width: int, name: str) -> Pictures:
    return decode(content, height, width, name).transpose(1, 2, 0)
