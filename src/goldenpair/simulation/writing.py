"""The files of one board. Each appears whole, and the board's table comes last: where it is, all of the board is."""

import os
from collections.abc import Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from goldenpair.simulation.building import Built, Crop, build, crop, golden_board, whole_board
from goldenpair.simulation.designs import Design
from goldenpair.simulation.plan import Board
from goldenpair.simulation.tables import (
    EXPORT_COLUMNS,
    GOLDEN_COLUMNS,
    csv_text,
    export_rows,
    golden_folder,
    golden_rows,
)
from goldenpair.specs.simulate import SimulateSpec

EXPORT_FOLDERS = {"train": "train", "validation": "val", "test": "test"}


def golden_table(out: Path, design: Design) -> Path:
    return out / "export" / "golden" / f"{design.project}TOP.csv"


def board_table(out: Path, board: Board) -> Path:
    return out / "export" / "all" / board.table


def mask_file(out: Path, board: Board, place: int) -> Path:
    return out / "masks" / board.folder / f"{board.design.name(place)}.png"


def write_goldens(out: Path, spec: SimulateSpec, design: Design) -> None:
    built, folder = golden_board(design), out / "images" / golden_folder(design)
    for place in range(len(design.places)):
        _write_pictures(folder, spec, built, place, crop(built, place, spec.lights, spec.size, spec.seed))
    rows = golden_rows(design, spec.image_ext, spec.lights)
    write_whole(golden_table(out, design), csv_text(GOLDEN_COLUMNS, rows).encode())


def write_board(out: Path, spec: SimulateSpec, board: Board) -> None:
    """Needs the goldens of its design."""
    built, folder = build(board, spec.seed), out / "images" / board.folder
    for place in range(len(board.design.places)):
        seen = crop(built, place, spec.lights, spec.size, spec.seed)
        _write_pictures(folder, spec, built, place, seen)
        if seen.mask is not None:
            write_whole(mask_file(out, board, place), _png(seen.mask))
        if spec.segment:
            _write_segment(out, spec, board, place, seen)
    if spec.board_pictures:
        pictures = whole_board(built, spec.lights, spec.seed)
        _write_each(out / "boards", board.serial, spec.lights, ".jpg", built.camera.quality, pictures)
    text = csv_text(EXPORT_COLUMNS, export_rows(board, spec.lights, spec.image_ext, spec.seed)).encode()
    write_whole(out / "export" / EXPORT_FOLDERS[board.split] / board.table, text)
    write_whole(board_table(out, board), text)


def write_whole(path: Path, content: bytes) -> None:
    """Under another name first, always the same one: what a killed run left is overwritten by the run after it."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        try:
            temporary.write_bytes(content)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(content)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _write_pictures(folder: Path, spec: SimulateSpec, built: Built, place: int, seen: Crop) -> None:
    name, quality = built.design.name(place), built.camera.quality
    _write_each(folder, name, spec.lights, spec.image_ext, quality, seen.pictures)


def _write_each(
    folder: Path, name: str, lights: Sequence[str], ext: str, quality: int, pictures: NDArray[np.uint8]
) -> None:
    for light, picture in zip(lights, pictures, strict=True):
        content = _jpeg(picture, quality) if ext == ".jpg" else _png(picture)
        write_whole(folder / f"{name}_{light}{ext}", content)


def _write_segment(out: Path, spec: SimulateSpec, board: Board, place: int, seen: Crop) -> None:
    """Sample, golden and mask under the name that `segment_name` gives; good parts have an empty mask."""
    root, ext = out / "segment", spec.image_ext
    name, picture = board.design.name(place), f"{board.design.name(place)}_{spec.segment}{ext}"
    sample, golden = out / "images" / board.folder / picture, out / "images" / golden_folder(board.design) / picture
    mask = np.zeros((spec.size, spec.size), np.uint8) if seen.mask is None else seen.mask
    stem = segment_name(board, name)
    write_whole(root / "A" / f"{stem}{ext}", sample.read_bytes())
    write_whole(root / "B" / f"{stem}{ext}", golden.read_bytes())
    write_whole(root / "label" / f"{stem}.png", _png(mask))


def segment_name(board: Board, name: str) -> str:
    return f"{board.serial}_{name}"


def _jpeg(picture: NDArray[np.uint8], quality: int) -> bytes:
    content: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(picture), quality, "RGB", "444", fastdct=False)
    return content


def _png(picture: NDArray[np.uint8]) -> bytes:
    content = BytesIO()
    Image.fromarray(picture).save(content, "PNG", compress_level=3)
    return content.getvalue()
