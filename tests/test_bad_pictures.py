"""Every kind of bad picture in one table: an ERROR each, never a PASS, and nothing else suffers from it."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image

from goldenpair import Inspector, evaluate, inference, train
from goldenpair.checkpoint import save, stamp
from goldenpair.data.cache import Pictures, decode_once
from goldenpair.data.pairs import PairSet, TableLoader
from goldenpair.data.table import part_pictures, read_table
from goldenpair.specs.common import Cache
from goldenpair.tasks import create_task

SIDE = 24


def pixels(seed: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 256, (SIDE, SIDE, channels), dtype=np.uint8)


def picture(seed: int = 5) -> Image.Image:
    return Image.fromarray(pixels(seed))


def turned(path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    picture().save(path, "JPEG", exif=exif)


def as_folder(path) -> None:
    path.unlink()
    path.mkdir()


def jpeg(path, share: float, ending: bytes = b"") -> None:
    picture().save(path, "JPEG", quality=90)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)] + ending)


def cut(path, kind: str) -> None:
    picture().save(path, kind)
    path.write_bytes(path.read_bytes()[:-100])


BAD = {
    "gone": lambda path: path.unlink(),
    "folder": as_folder,
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("R1 is on the other board"),
    "black": lambda path: Image.new("RGB", (SIDE, SIDE)).save(path, "PNG"),
    "JPEG cut early": lambda path: jpeg(path, 0.2),
    "JPEG cut late": lambda path: jpeg(path, 0.9),
    "JPEG with a forged end": lambda path: jpeg(path, 0.75, b"\xff\xd9"),
    "PNG cut": lambda path: cut(path, "PNG"),
    "BMP cut": lambda path: cut(path, "BMP"),
    "TIFF cut": lambda path: cut(path, "TIFF"),
    "16 bits": lambda path: Image.fromarray(pixels(1, 1)[..., 0].astype(np.uint16) * 200).save(path, "PNG"),
    "float": lambda path: Image.fromarray(pixels(1, 1)[..., 0].astype(np.float32)).save(path, "TIFF"),
    "inks": lambda path: picture().convert("CMYK").save(path, "JPEG"),
    "transparent": lambda path: Image.fromarray(pixels(2, 4)).save(path, "PNG"),
    "turned": turned,
    "film": lambda path: picture().save(path, "GIF", save_all=True, append_images=[picture(6)]),
    "pages": lambda path: picture().save(path, "TIFF", save_all=True, append_images=[picture(6)]),
    "huge": lambda path: Image.new("1", (10_001, 10_000), 1).save(path, "PNG"),
}
FINE = {
    "JPEG": lambda path: picture().save(path, "JPEG"),
    "grey": lambda path: picture().convert("L").save(path, "PNG"),
    "one bit": lambda path: picture().convert("1").save(path, "PNG"),
    "palette": lambda path: picture().convert("P").save(path, "PNG"),
    "opaque": lambda path: picture().convert("RGBA").save(path, "PNG"),
    "even": lambda path: Image.new("RGB", (SIDE, SIDE), (9, 9, 9)).save(path, "BMP"),
    "one pixel": lambda path: Image.new("RGB", (1, 1), (9, 9, 9)).save(path, "PNG"),
}
KINDS = [*BAD, *FINE]


@pytest.fixture
def mixed(tao_set, tmp_path):
    """A table with a row for each kind, in the sample; the last two rows have the kind's fault in the golden."""
    rows = [(f"b{i}", "golden", "PASS" if i % 2 else "BAD", "R1") for i in range(len(KINDS))]
    rows += [("c1", "black_golden", "PASS", "R1"), ("c2", "turned_golden", "BAD", "R1")]
    made = tao_set(rows, extension=".jpg", height=SIDE, width=SIDE)
    for i, kind in enumerate(KINDS):
        (path,) = made.files(f"b{i}", "R1")
        (BAD | FINE)[kind](path)
    BAD["black"](made.files("black_golden", "R1")[0])
    BAD["turned"](made.files("turned_golden", "R1")[0])
    return made


@pytest.fixture
def spec_of(mixed, tmp_path):
    spec = mixed.spec()
    torch.manual_seed(0)
    weights = {f"model.{name}": value for name, value in create_task(spec).model.state_dict().items()}
    save({"state_dict": weights, **stamp(spec)}, tmp_path / "model.pth")

    def load(action, *overrides):
        checkpoint = f"{action}.checkpoint={tmp_path / 'model.pth'}"
        return mixed.spec(checkpoint, f"results_dir={tmp_path / 'results'}", "dataset.workers=2", *overrides)

    return load


WANTED = ["ERROR"] * len(BAD) + ["PASS"] * len(FINE) + ["ERROR"] * 2


def written(path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def check(rows: list[dict[str, str]]) -> None:
    assert {kind: row["verdict"] for kind, row in zip(KINDS, rows, strict=False)} == dict(
        zip(KINDS, WANTED, strict=False)
    )
    for row, wanted in zip(rows, WANTED, strict=True):
        assert row["verdict"] == wanted
        assert (row["siamese_score"] == "") == (row["error"] != "") == (wanted == "ERROR")


def test_inference_and_the_inspector(spec_of, mixed, tmp_path):
    result = inference(spec_of("inference", "inference.cutoff=1e9"))
    rows = written(result.csv_path)
    check(rows)
    inspector = Inspector(tmp_path / "model.pth", cutoff=1e9)
    (golden,) = mixed.files("golden", "R1")
    for i, (kind, row) in enumerate(zip(KINDS, rows, strict=False)):
        (path,) = mixed.files(f"b{i}", "R1")
        assert str(path) in row["error"] or kind in FINE
        for pair in ((path, golden), (golden, path)):
            one = inspector.inspect(*pair)
            assert (one.verdict, one.error) == (row["verdict"], row["error"])
        if path.is_file():
            one = inspector.inspect(path.read_bytes(), golden)
            assert one.verdict == row["verdict"]


def test_evaluate(spec_of, mixed):
    for i, kind in enumerate(KINDS):  # evaluate refuses missing pictures before it works
        if kind == "gone":
            mixed.files(f"b{i}", "R1")[0].write_bytes(b"")
    result = evaluate(spec_of("evaluate", "evaluate.cutoff=1e9"))
    check(written(result.folder / "evaluate.csv"))
    assert result.metrics.good + result.metrics.defects == len(FINE)
    assert result.metrics.errors == len(BAD) + 2
    assert set(result.errors) == {row for row, wanted in enumerate(WANTED) if wanted == "ERROR"}


@pytest.mark.parametrize("kept", [False, True])
def test_training_pairs(mixed, tmp_path, kept):
    table = read_table(mixed.csv_path, mixed.images_dir)
    parts = part_pictures(table, mixed.layout)
    pictures = Pictures(parts.paths, SIDE, SIDE, 2)
    if kept:
        pictures = decode_once(pictures, Cache(dir=str(tmp_path / "cache")))
    batches = list(TableLoader(PairSet(parts, pictures, table.is_defect), 4))
    found = [row for batch in batches for row in batch.row.tolist()]
    assert found == [row for row, wanted in enumerate(WANTED) if wanted == "PASS"]


def test_train(mixed, tmp_path, caplog):
    for i, kind in enumerate(KINDS):
        if kind == "gone":
            mixed.files(f"b{i}", "R1")[0].write_bytes(b"")
    wish = ("train.num_epochs=1", "dataset.batch_size=29", f"results_dir={tmp_path / 'results'}")
    result = train(mixed.spec(*wish))
    assert result.checkpoint.exists()
    assert f"train_dataset: {len(BAD) + 2} could not be used (left out of training)" in caplog.text
