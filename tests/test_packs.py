import os
import zlib
from pathlib import Path

import numpy as np
import pytest

from goldenpair.data import packs
from goldenpair.data.packs import Contents, PackWriter, clear, contents, make_room, open_pack, open_packs
from goldenpair.errors import DataError

SHAPE = (3, 5, 4)


def row(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, SHAPE, dtype=np.uint8)


def write(folder: Path, seeds=range(3), links=None, age: float = 0) -> Path:
    with PackWriter(folder, *SHAPE[1:]) as writer:
        for seed in seeds:
            writer.add(f"picture {seed}", row(seed), zlib.crc32(row(seed)))
        assert len(writer) == len(seeds)
        path = writer.finish({"a": "picture 0"} if links is None else links, "here")
    os.utime(path, (1e9 - age, 1e9 - age))
    return path


def test_what_was_written_is_read(tmp_path):
    pack = open_pack(write(tmp_path))
    assert pack.pixels.dtype == np.uint8 and pack.pixels.shape == (3, *SHAPE)
    assert set(pack.pictures) == {"picture 0", "picture 1", "picture 2"}
    for seed in range(3):
        place, checksum = pack.pictures[f"picture {seed}"]
        assert np.array_equal(pack.pixels[place], row(seed)) and checksum == zlib.crc32(row(seed))
    assert (pack.links, pack.folder) == ({"a": "picture 0"}, "here")


def test_pixels_are_mapped_and_cannot_be_changed(tmp_path):
    pack = open_pack(write(tmp_path))
    assert isinstance(pack.pixels.base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        pack.pixels[0] = 1


def test_links_alone_are_a_pack(tmp_path):
    pack = open_pack(write(tmp_path, seeds=[], links={"b": "elsewhere"}))
    assert len(pack.pixels) == 0 and pack.links == {"b": "elsewhere"}


def test_the_name_comes_from_what_is_in_it(tmp_path):
    one, again, other = write(tmp_path), write(tmp_path), write(tmp_path, links={})
    assert one == again != other
    assert len(list(tmp_path.iterdir())) == 2


def test_without_finish_nothing_remains(tmp_path):
    with PackWriter(tmp_path, *SHAPE[1:]) as writer:
        writer.add("a", row(0), 0)
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


def test_packs_of_another_size_or_pillow_are_not_opened(tmp_path, monkeypatch):
    write(tmp_path)
    assert len(open_packs(tmp_path, 5, 4)) == 1
    assert open_packs(tmp_path, 4, 5) == []
    monkeypatch.setattr(packs.PIL, "__version__", "99.0")
    assert open_packs(tmp_path, 5, 4) == []
    assert len(list(tmp_path.glob("*.pack"))) == 1  # and are left to those who can read them


@pytest.mark.parametrize("length", [0, 10, 47, 48, 100, -1])
def test_a_file_cut_anywhere_is_no_pack_and_goes(tmp_path, length):
    path = write(tmp_path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError):
        open_pack(path)
    assert open_packs(tmp_path, 5, 4) == [] and not path.exists()


def test_room_is_made_from_the_oldest_on(tmp_path):
    by_age = [write(tmp_path, [seed], {}, age=100 * (3 - seed)) for seed in range(3)]  # oldest first
    size = sum(path.stat().st_size for path in by_age)
    make_room(tmp_path, size)
    assert all(path.exists() for path in by_age)
    make_room(tmp_path, size - 1)
    assert [path.exists() for path in by_age] == [False, True, True]
    make_room(tmp_path, 0)
    assert not any(path.exists() for path in by_age)


def test_of_packs_used_together_the_small_goes_first(tmp_path):
    large, small = write(tmp_path, range(9)), write(tmp_path, [1], {})
    make_room(tmp_path, large.stat().st_size)
    assert large.exists() and not small.exists()


def test_what_cannot_be_removed_stays_and_counts(tmp_path, monkeypatch):
    """As on Windows, where another process reads it."""
    paths = [write(tmp_path, [seed], {}, age=100 * seed) for seed in range(3)]
    real = Path.unlink

    def refuse(self, missing_ok=False):
        if self == paths[0]:
            raise PermissionError(13, "in use")
        real(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    make_room(tmp_path, 0)
    assert [path.exists() for path in paths] == [True, False, False]
    assert clear(tmp_path) == (0, 0, 1)


def test_the_same_pack_made_meanwhile_by_another_process_on_windows(tmp_path, monkeypatch):
    wanted = write(tmp_path)

    def refuse(*_):
        raise PermissionError(13, "in use")

    monkeypatch.setattr(packs.os, "replace", refuse)
    assert write(tmp_path) == wanted and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(PermissionError):
        write(tmp_path, links={})
    assert len(list(tmp_path.iterdir())) == 1


def test_contents(tmp_path):
    write(tmp_path, range(2), age=50)
    write(tmp_path, range(1), {}, age=10)
    (tmp_path / "v9-pillow1-5x4-1.pack").write_bytes(b"of a later version, or damaged")
    (tmp_path / "v1-pillow1-5x4-7-x.tmp").write_bytes(bytes(5))
    (tmp_path / "other.txt").write_text("mine")
    found = contents(tmp_path)
    assert [(info.pictures, info.height, info.width, info.folder) for info in found.packs] == [
        (1, 5, 4, "here"),
        (2, 5, 4, "here"),
    ]
    assert [info.used for info in found.packs] == [1e9 - 10, 1e9 - 50]
    assert (found.damaged, found.leftovers, found.in_work) == (1, 1, 0)
    ours = [path.stat().st_size for path in tmp_path.iterdir() if path.name != "other.txt"]
    assert found.size == sum(ours)
    assert clear(tmp_path) == (4, sum(ours), 0)
    assert [path.name for path in tmp_path.iterdir()] == ["other.txt"]
    assert contents(tmp_path / "none") == packs.Contents()


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    for look in (contents, clear):
        with pytest.raises(DataError, match="it is no folder"):
            look(tmp_path / "file")


def test_a_folder_of_others_is_no_cache(tmp_path):
    (tmp_path / "passwd").write_text("theirs")
    for work in (clear, contents):
        with pytest.raises(DataError, match="nothing in this folder is of a cache of goldenpair"):
            work(tmp_path)
    assert (tmp_path / "passwd").read_text() == "theirs"
    with pytest.raises(DataError, match="it is no folder"):
        clear(tmp_path / "passwd")


def test_an_empty_folder_and_none_are_empty_caches(tmp_path):
    assert clear(tmp_path) == clear(tmp_path / "none") == (0, 0, 0)
    assert contents(tmp_path) == contents(tmp_path / "none") == Contents()
