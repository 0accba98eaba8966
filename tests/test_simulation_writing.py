import os
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from goldenpair.simulation.plan import plan
from goldenpair.simulation.tables import golden_folder
from goldenpair.simulation.writing import write_board, write_goldens, write_whole
from goldenpair.specs.simulate import SimulateSpec


def test_a_file_appears_whole_with_its_folders(tmp_path):
    write_whole(tmp_path / "a" / "b" / "file", b"content")
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"content"
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["file"]


@pytest.mark.parametrize("step", ["write_bytes", "replace"])
def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch, step):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def refuse(*_: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(type(path) if step == "write_bytes" else os, step, refuse)
    with pytest.raises(OSError, match="no room"):
        write_whole(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_what_a_killed_run_left_is_overwritten(tmp_path):
    (tmp_path / ".file.tmp").write_bytes(b"half of a longer content")
    write_whole(tmp_path / "file", b"all")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"all"]


def test_jpeg_quality_is_the_boards(tmp_path):
    """Pillow writes the same quantisation tables at that quality."""
    spec = SimulateSpec(boards=3, parts_per_board=3, size=24, lights=1)
    line = plan(spec)
    write_goldens(tmp_path, spec, line.designs[0])
    seen = {}
    for board in line.boards:
        write_board(tmp_path, spec, board)
        path = next((tmp_path / "images" / board.folder).glob("*.jpg"))
        with Image.open(path) as picture:
            seen[board.serial] = picture.quantization
    tables = {quality: of_pillow(quality) for quality in range(60, 101)}
    assert all(any(found == table for table in tables.values()) for found in seen.values())
    assert len({str(found) for found in seen.values()}) > 1
    golden = next((tmp_path / "images" / golden_folder(line.designs[0])).glob("*.jpg"))
    with Image.open(golden) as picture:
        assert picture.quantization == tables[92]


def of_pillow(quality: int) -> dict[int, list[int]]:
    content = BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(content, "JPEG", quality=quality)
    with Image.open(content) as picture:
        return dict(picture.quantization)
