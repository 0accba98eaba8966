import os
import shutil
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from goldenpair.data import cache, packs
from goldenpair.data.cache import Pictures, decode_once
from goldenpair.data.decoding import decode, read
from goldenpair.data.packs import open_pack, open_packs
from goldenpair.specs.common import Cache
from goldenpair.storage.folders import default_folder, link

HEIGHT, WIDTH = 9, 14


def random_pixels(height: int, width: int, seed: int = 0, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 256, (height, width, channels), dtype=np.uint8)


def resized_by_pillow(image: Image.Image) -> np.ndarray:
    resized = image.convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
    return np.asarray(resized).transpose(2, 0, 1)


@pytest.fixture
def paths(tmp_path) -> list[str]:
    """Six pictures; the fourth is broken and the sixth missing."""
    folder = tmp_path / "images"
    folder.mkdir()
    found = [folder / f"{i}.png" for i in range(6)]
    for i, path in enumerate(found[:5]):
        Image.fromarray(random_pixels(20, 20, seed=i)).save(path)
    found[3].write_bytes(b"broken")
    return [str(path) for path in found]


@pytest.fixture
def decoded(monkeypatch) -> list[str]:
    """The files that are decoded from now on."""
    seen: list[str] = []

    def counting(source, height, width, name=""):
        seen.append(name or str(source))
        return decode(source, height, width, name)

    monkeypatch.setattr(cache, "decode", counting)
    return seen


@pytest.fixture
def settled(monkeypatch) -> None:
    """Pictures need not be two seconds old to be known again by their state."""
    monkeypatch.setattr(cache, "_SETTLED", -1)


def every(pictures: Pictures) -> np.ndarray:
    return pictures.read(np.arange(len(pictures)))


def on_demand(paths: list[str], workers: int = 0) -> Pictures:
    return Pictures(paths, HEIGHT, WIDTH, workers)


def config(folder: Path, **values) -> Cache:
    return Cache(dir=str(folder), **values)


@pytest.mark.parametrize("workers", [0, 2])
def test_reads_whatever_shape_of_numbers_it_is_asked_for(paths, tmp_path, workers):
    plain = on_demand(paths, workers)
    for pictures in (plain, decode_once(on_demand(paths, workers), config(tmp_path / "cache"))):
        index = np.array([[4, 0], [1, 1], [2, 4]])
        found = pictures.read(index)
        assert found.shape == (3, 2, 3, HEIGHT, WIDTH)
        for place in np.ndindex(3, 2):
            assert np.array_equal(found[place], resized_by_pillow(Image.open(paths[index[place]])))
        assert pictures.read(np.zeros((0, 2), np.int64)).shape == (0, 2, 3, HEIGHT, WIDTH)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kept", [False, True])
def test_errors_are_recorded_and_read_as_zeros(paths, tmp_path, workers, kept):
    pictures = on_demand(paths, workers)
    if kept:
        pictures = decode_once(pictures, config(tmp_path / "cache"))
    found = every(pictures)
    assert set(pictures.errors) == {3, 5}
    assert "3.png" in pictures.errors[3] and "no such file" in pictures.errors[5]
    assert [bool(one.any()) for one in found] == [True, True, True, False, True, False]


@pytest.mark.parametrize("count", [0, 1, 2, 7])
@pytest.mark.parametrize("workers", [0, 2, 3])
def test_each_keeps_the_order(count, workers):
    assert on_demand([], workers).each(lambda item: item * item, range(count)) == [i * i for i in range(count)]


# what is decoded, and how often


def test_each_picture_is_decoded_once_and_in_the_next_run_only_what_is_broken(paths, tmp_path, decoded):
    first = decode_once(on_demand(paths), config(tmp_path / "cache"))
    for _ in range(3):
        every(first)
    assert sorted(decoded) == sorted(paths[:5])
    decoded.clear()
    again = decode_once(on_demand(paths), config(tmp_path / "cache"))
    assert np.array_equal(every(again), every(first)) and again.errors == first.errors
    assert decoded == [paths[3]]


def test_once_their_state_is_known_pictures_are_not_even_opened(paths, tmp_path, settled, monkeypatch):
    good = paths[:3]
    first = decode_once(on_demand(good), config(tmp_path / "cache"))
    monkeypatch.setattr(cache, "read", lambda path: pytest.fail(f"{path} was read"))
    assert np.array_equal(every(decode_once(on_demand(good), config(tmp_path / "cache"))), every(first))


@pytest.mark.parametrize("age", ["fresh", "settled"])
def test_copied_moved_touched_renamed_and_equal_pictures_are_not_decoded_again(
    paths, tmp_path, decoded, age, monkeypatch
):
    if age == "settled":
        monkeypatch.setattr(cache, "_SETTLED", -1)
    folder = config(tmp_path / "cache")
    wanted = every(decode_once(on_demand(paths), folder))
    decoded.clear()
    os.utime(paths[0], ns=(1, 1))
    shutil.copytree(tmp_path / "images", tmp_path / "copy")
    os.rename(tmp_path / "images" / "1.png", tmp_path / "copy" / "one.png")
    moved = [paths[0], str(tmp_path / "copy" / "one.png"), str(tmp_path / "copy" / "2.png")]
    for _ in range(2):
        found = decode_once(on_demand([*moved, *moved]), folder)
        assert np.array_equal(every(found), wanted[[0, 1, 2, 0, 1, 2]])
    assert decoded == []
    assert sum(len(pack.pixels) for pack in open_packs(tmp_path / "cache", HEIGHT, WIDTH)) == 4


def test_equal_pictures_take_the_room_of_one(paths, tmp_path):
    for path in paths[1:3]:
        shutil.copy(paths[0], path)
    decode_once(on_demand(paths[:3]), config(tmp_path / "cache"))
    (pack,) = open_packs(tmp_path / "cache", HEIGHT, WIDTH)
    assert len(pack.pixels) == 1


def test_one_picture_more_is_one_decoding_more(paths, tmp_path, decoded, settled):
    folder = config(tmp_path / "cache")
    decode_once(on_demand(paths[:2]), folder)
    decoded.clear()
    order = [paths[2], paths[1], paths[0]]
    found = decode_once(on_demand(order), folder)
    assert decoded == [paths[2]]
    assert np.array_equal(every(found), every(on_demand(order)))


def test_progress_ends_at_the_total(paths, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_CHUNK", 4)
    told = []
    decode_once(on_demand(paths), config(tmp_path / "cache"), lambda done, total: told.append((done, total)))
    assert told == [(4, 6), (6, 6)]


# pictures that change


@pytest.mark.parametrize("change", ["content", "size", "height"])
def test_whatever_changes_the_pixels_is_decoded(paths, tmp_path, settled, change):
    folder = config(tmp_path / "cache")
    every(decode_once(on_demand(paths), folder))
    height = HEIGHT
    if change == "content":
        Image.fromarray(random_pixels(20, 20, seed=9)).save(paths[0])
    elif change == "size":
        Image.fromarray(random_pixels(33, 33, seed=9)).save(paths[0])
    else:
        height = HEIGHT + 1
    fresh = Pictures(paths, height, WIDTH, 0)
    wanted = every(fresh)
    found = decode_once(Pictures(paths, height, WIDTH, 0), folder)
    assert np.array_equal(every(found), wanted) and found.errors == fresh.errors


def same_size_bmp(path: str, seed: int) -> None:
    Image.fromarray(random_pixels(20, 20, seed)).save(path, "BMP")


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps no time of change that cannot be set")
def test_a_change_that_hides_behind_the_old_time_and_size_is_seen(paths, tmp_path, settled):
    same_size_bmp(paths[0], seed=1)
    before = os.stat(paths[0])
    decode_once(on_demand(paths[:1]), config(tmp_path / "cache"))
    time.sleep(0.02)  # the file system's clock
    same_size_bmp(paths[0], seed=2)
    os.utime(paths[0], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (os.stat(paths[0]).st_size, os.stat(paths[0]).st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    found = decode_once(on_demand(paths[:1]), config(tmp_path / "cache"))
    assert np.array_equal(every(found), every(on_demand(paths[:1])))


def test_a_picture_too_young_to_be_known_by_its_state_is_hashed_again(paths, tmp_path, decoded):
    decode_once(on_demand(paths[:1]), config(tmp_path / "cache"))
    (pack,) = open_packs(tmp_path / "cache", HEIGHT, WIDTH)
    assert len(pack.pixels) == 1 and not pack.links
    decode_once(on_demand(paths[:1]), config(tmp_path / "cache"))
    assert len(decoded) == 1


def test_a_picture_that_changes_while_it_is_read_is_not_kept_under_its_new_state(paths, tmp_path, settled, monkeypatch):
    old, new = random_pixels(20, 20, seed=11), random_pixels(20, 20, seed=12)
    Image.fromarray(old).save(paths[0])

    def read_and_change(path):
        content = read(path)
        Image.fromarray(new).save(path)
        return content

    monkeypatch.setattr(cache, "read", read_and_change)
    during = decode_once(on_demand(paths[:1]), config(tmp_path / "cache"))
    assert np.array_equal(every(during)[0], resized_by_pillow(Image.fromarray(old)))
    (pack,) = open_packs(tmp_path / "cache", HEIGHT, WIDTH)
    assert not pack.links
    monkeypatch.setattr(cache, "read", read)
    after = decode_once(on_demand(paths[:1]), config(tmp_path / "cache"))
    assert np.array_equal(every(after)[0], resized_by_pillow(Image.fromarray(new)))


def test_broken_and_missing_pictures_that_are_repaired_are_decoded(paths, tmp_path, settled):
    folder = config(tmp_path / "cache")
    assert set(decode_once(on_demand(paths), folder).errors) == {3, 5}
    for number in (3, 5):
        Image.fromarray(random_pixels(20, 20, seed=number)).save(paths[number])
    found = decode_once(on_demand(paths), folder)
    assert found.errors == {}
    assert np.array_equal(every(found), every(on_demand(paths)))


def test_a_picture_that_breaks_is_an_error(paths, tmp_path, settled):
    folder = config(tmp_path / "cache")
    decode_once(on_demand(paths), folder)
    os.unlink(paths[0])
    Path(paths[1]).write_bytes(b"broken")
    found = decode_once(on_demand(paths), folder)
    assert set(found.errors) == {0, 1, 3, 5}
    assert not every(found)[:2].any()


def test_the_same_broken_content_is_told_under_each_name(paths, tmp_path):
    shutil.copy(paths[3], paths[4])
    found = decode_once(on_demand(paths), config(tmp_path / "cache"))
    assert "3.png" in found.errors[3] and "4.png" in found.errors[4]


def test_a_linked_folder_is_followed(paths, tmp_path, settled):
    other = tmp_path / "other"
    shutil.copytree(tmp_path / "images", other)
    Image.fromarray(random_pixels(20, 20, seed=77)).save(other / "0.png")
    pointer = tmp_path / "pointer"
    try:
        pointer.symlink_to(tmp_path / "images")
    except OSError:
        pytest.skip("no links here")
    linked = [str(pointer / "0.png")]
    first = decode_once(on_demand(linked), config(tmp_path / "cache"))
    pointer.unlink()
    pointer.symlink_to(other)
    second = decode_once(on_demand(linked), config(tmp_path / "cache"))
    assert np.array_equal(every(first)[0], resized_by_pillow(Image.open(paths[0])))
    assert np.array_equal(every(second)[0], resized_by_pillow(Image.open(other / "0.png")))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are text")
def test_names_that_are_no_text(paths, tmp_path, settled, decoded):
    strange = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe")
    os.mkdir(strange)
    shutil.copy(paths[0], f"{strange}/\udcff.png")
    for _ in range(2):
        found = decode_once(on_demand([f"{strange}/\udcff.png"]), config(tmp_path / "cache"))
        assert np.array_equal(every(found)[0], resized_by_pillow(Image.open(paths[0])))
    assert len(decoded) == 1
    (info,) = packs.contents(tmp_path / "cache").packs
    assert info.folder.encode("utf-8")


@pytest.mark.parametrize("name", ["gone.png", "a\0b.png"])
def test_what_has_no_state_has_no_link(tmp_path, name):
    assert link(str(tmp_path / name)) == ("", 0)


# a cache that is harmed


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0x10
    path.write_bytes(content)


HARMS = {
    "gone": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "cut at the front": lambda path: path.write_bytes(path.read_bytes()[1:]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "of zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "index": lambda path: flip(path, -100),
    "tail": lambda path: flip(path, -1),
    "hash": lambda path: flip(path, -20),
    "length": lambda path: flip(path, -44),
    "pixels": lambda path: flip(path, 10),
    "last pixel": lambda path: flip(path, 4 * 3 * HEIGHT * WIDTH - 1),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_pack_that_is_not_whole_is_made_anew_and_never_read(paths, tmp_path, decoded, settled, harm):
    folder = tmp_path / "cache"
    decode_once(on_demand(paths), config(folder))
    (victim,) = folder.glob("*.pack")
    HARMS[harm](victim)
    decoded.clear()
    kept = decode_once(on_demand(paths), config(folder))
    assert np.array_equal(every(kept), every(on_demand(paths)))
    assert set(kept.errors) == {3, 5}
    decoded.clear()
    again = decode_once(on_demand(paths), config(folder))
    assert np.array_equal(every(again), every(on_demand(paths)))
    (made,) = open_packs(folder, HEIGHT, WIDTH)
    for row, checksum in made.pictures.values():
        assert zlib.crc32(made.pixels[row].tobytes()) == checksum


def test_damage_is_said_once(paths, tmp_path, settled, caplog):
    decode_once(on_demand(paths), config(tmp_path / "cache"))
    (victim,) = (tmp_path / "cache").glob("*.pack")
    content = bytearray(victim.read_bytes())
    content[: 3 * 3 * HEIGHT * WIDTH] = bytes(3 * 3 * HEIGHT * WIDTH)
    victim.write_bytes(content)
    every(decode_once(on_demand(paths), config(tmp_path / "cache")))
    assert caplog.text.count("is damaged") == 1 and not victim.exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows does not let a folder go that is in use")
def test_a_folder_deleted_while_it_is_used_is_read_on_and_made_anew(paths, tmp_path, decoded):
    kept = decode_once(on_demand(paths), config(tmp_path / "cache"))
    shutil.rmtree(tmp_path / "cache")
    decoded.clear()
    assert every(kept).any() and decoded == []
    again = decode_once(on_demand(paths), config(tmp_path / "cache"))
    assert len(decoded) == 5
    assert np.array_equal(every(again), every(kept))


@pytest.mark.skipif(os.name == "nt", reason="Windows does not let a folder go that is in use")
def test_a_folder_deleted_while_it_is_filled_costs_only_time(paths, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(cache, "_CHUNK", 2)
    found = decode_once(on_demand(paths), config(tmp_path / "cache"), lambda *_: shutil.rmtree(tmp_path / "cache"))
    assert "cannot be used" in caplog.text
    assert np.array_equal(every(found), every(on_demand(paths)))


# a cache that is full or cannot be written to

ROW = 3 * HEIGHT * WIDTH


def pack_names(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.pack")}


def test_the_pack_unused_for_longest_goes_first(paths, tmp_path, settled):
    folder = tmp_path / "cache"
    limit = 2.9 * (ROW + cache._INDEX) / 1e9  # room for two pictures
    made: list[str] = []
    for path in paths[:2]:
        decode_once(on_demand([path]), config(folder, limit_gb=limit))
        made += pack_names(folder) - set(made)
    for age, name in zip((200, 100), made, strict=True):
        os.utime(folder / name, (1e9 - age, 1e9 - age))
    decode_once(on_demand(paths[:1]), config(folder, limit_gb=limit))  # the first is used again
    decode_once(on_demand(paths[2:3]), config(folder, limit_gb=limit))
    left = pack_names(folder)
    assert made[0] in left and made[1] not in left and len(left) == 2
    assert sum(path.stat().st_size for path in folder.iterdir()) <= limit * 1e9


def test_room_is_made_only_for_what_is_new(paths, tmp_path, settled):
    folder = config(tmp_path / "cache", limit_gb=1.5 * 3 * (ROW + cache._INDEX) / 1e9)
    decode_once(on_demand(paths[:3]), folder)
    before = pack_names(tmp_path / "cache")
    for path in paths[:3]:
        os.utime(path, ns=(5, 5))
    decode_once(on_demand(paths[:3]), folder)
    assert before < pack_names(tmp_path / "cache")


def test_very_many_packs_become_few(paths, tmp_path, settled, monkeypatch):
    monkeypatch.setattr(packs, "_MOST_PACKS", 4)
    folder = config(tmp_path / "cache")
    many = [str(tmp_path / f"many{i}.png") for i in range(12)]
    for i, path in enumerate(many):
        Image.fromarray(random_pixels(8, 8, seed=100 + i)).save(path)
        found = decode_once(on_demand(many[: i + 1]), folder)
        assert np.array_equal(every(found), every(on_demand(many[: i + 1])))
        assert len(pack_names(tmp_path / "cache")) <= 6


def test_what_is_larger_than_the_limit_is_decoded_on_demand_and_said(paths, tmp_path, caplog):
    wanted = on_demand(paths)
    found = decode_once(wanted, config(tmp_path / "cache", limit_gb=0.9 * 6 * ROW / 1e9))
    assert found is wanted and not (tmp_path / "cache").exists()
    assert "limit_gb" in caplog.text
    assert np.array_equal(every(found)[0], resized_by_pillow(Image.open(paths[0])))


def test_exactly_the_limit_fits(paths, tmp_path):
    decode_once(on_demand(paths), config(tmp_path / "cache", limit_gb=6 * (ROW + cache._INDEX) / 1e9))
    assert len(pack_names(tmp_path / "cache")) == 1


@pytest.mark.parametrize("place", ["file", "file/cache"])
def test_a_folder_that_cannot_be_written_to_is_said_and_done_without(paths, tmp_path, caplog, place):
    (tmp_path / "file").write_text("in the way")
    found = decode_once(on_demand(paths), config(tmp_path / place))
    assert "cannot be used" in caplog.text and "decoded anew in every epoch" in caplog.text
    assert np.array_equal(every(found), every(on_demand(paths)))
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_folder_for_reading_only_is_read(paths, tmp_path, decoded, settled, caplog, monkeypatch):
    decode_once(on_demand(paths[:3]), config(tmp_path / "cache"))

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(packs.PackWriter, "__enter__", refuse)
    monkeypatch.setattr(packs.os, "utime", refuse)
    decoded.clear()
    found = decode_once(on_demand(paths), config(tmp_path / "cache"))
    assert "cannot be used" in caplog.text
    assert np.array_equal(every(found), every(on_demand(paths)))
    assert decoded[:2] == paths[3:5]


def test_a_disk_nearly_full_keeps_what_fits(paths, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(cache, "_CHUNK", 2)
    free = iter([1e12, 1e9, 1e12, 1e12])
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: type("Usage", (), {"free": next(free)}))
    found = decode_once(on_demand(paths), config(tmp_path / "cache"))
    assert "nearly full" in caplog.text
    (pack,) = open_packs(tmp_path / "cache", HEIGHT, WIDTH)
    assert len(pack.pixels) == 2
    assert np.array_equal(every(found), every(on_demand(paths)))


def program(code: str, *words: object) -> subprocess.Popen[str]:
    start = (
        "import sys; import numpy as np; from goldenpair.data import cache; from goldenpair.specs.common import Cache\n"
        "folder, *paths = sys.argv[1:]; cache._CHUNK, cache._SETTLED = 2, -1\n"
        f"pictures = cache.Pictures(paths, {HEIGHT}, {WIDTH}, 2); config = Cache(dir=folder)\n"
    )
    pipes = {name: subprocess.PIPE for name in ("stdin", "stdout", "stderr")}
    return subprocess.Popen([sys.executable, "-c", start + code, *map(str, words)], text=True, **pipes)


@pytest.mark.skipif(os.name == "nt", reason="no such limit there")
def test_writing_that_fails_half_way_leaves_nothing_and_costs_nothing(paths, tmp_path):
    code = (
        "import logging, resource\n"
        "logging.basicConfig()\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({3 * ROW}, {3 * ROW}))\n"
        "kept = cache.decode_once(pictures, config)\n"
        "print(kept.read(np.arange(len(paths))).sum())\n"
    )
    out, err = program(code, tmp_path / "cache", *paths).communicate(timeout=60)
    assert int(out) == every(on_demand(paths)).sum()
    assert "cannot be used" in err and "File too large" in err
    assert list((tmp_path / "cache").iterdir()) == []


# several processes


def test_interrupted_it_leaves_nothing(paths, tmp_path, monkeypatch, decoded):
    monkeypatch.setattr(cache, "_CHUNK", 2)

    def interrupted(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decode_once(on_demand(paths), config(tmp_path / "cache"), interrupted)
    assert list((tmp_path / "cache").iterdir()) == []


_WAITING = (
    "def wait(done, total):\n"
    "    if done == 2:\n"
    "        print('half', flush=True); sys.stdin.readline()\n"
    "kept = cache.decode_once(pictures, config, wait)\n"
    "print(kept.read(np.arange(len(paths))).tobytes().hex())\n"
)


def test_two_processes_that_fill_it_at_once_both_get_their_pictures(paths, tmp_path):
    both = [program(_WAITING, tmp_path / "cache", *paths) for _ in range(2)]
    assert [one.stdout.readline() for one in both] == ["half\n", "half\n"]
    assert len(list((tmp_path / "cache").glob("*.tmp"))) == 2
    for one in both:
        one.stdin.write("go\n")
        one.stdin.flush()
    wanted = every(on_demand(paths)).tobytes().hex()
    for one in both:
        out, err = one.communicate(timeout=60)
        assert (out.strip(), err) == (wanted, "")
    (pack,) = (tmp_path / "cache").iterdir()
    assert len(open_pack(pack).pixels) == 4


def test_a_killed_process_leaves_a_file_that_goes_and_a_live_one_is_let_alone(paths, tmp_path):
    folder = tmp_path / "cache"
    with program(_WAITING, folder, *paths) as other:
        assert other.stdout.readline() == "half\n"
        (begun,) = folder.glob("*.tmp")
        os.utime(begun, (1e9, 1e9))
        kept = decode_once(on_demand(paths), config(folder))  # which looks for leftovers
        assert np.array_equal(every(kept), every(on_demand(paths)))
        if os.name != "nt":
            assert packs.contents(folder).in_work == 1
        assert packs.clear(folder)[::2] == (1, 1)
        assert begun.exists()
        other.kill()
        other.wait()
        assert begun.exists() and (found := packs.contents(folder)).leftovers == 1 and found.in_work == 0
        kept = decode_once(on_demand(paths[::-1]), config(folder))
        assert not begun.exists()
        assert np.array_equal(every(kept), every(on_demand(paths[::-1])))
        other.communicate()


def test_a_fresh_temporary_file_is_nobodys_business(paths, tmp_path):
    (tmp_path / "cache").mkdir()
    young = tmp_path / "cache" / "v1-pillow1-9x9-1-ab.tmp"
    young.write_bytes(b"1")
    decode_once(on_demand(paths), config(tmp_path / "cache"))
    assert young.exists()


# the folder


def test_off_nothing_is_written(paths, tmp_path):
    wanted = on_demand(paths)
    assert decode_once(wanted, config(tmp_path / "cache", enable=False)) is wanted
    assert not (tmp_path / "cache").exists()


def test_files_of_others_in_the_folder_are_left_alone(paths, tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir()
    for name in ("metrics.json", "model.pack", "notes.tmp"):
        (folder / name).write_text("{}")
        os.utime(folder / name, (1e9, 1e9))
    limit = 1.5 * (ROW + cache._INDEX) / 1e9
    decode_once(on_demand(paths[:1]), config(folder, limit_gb=limit))
    decode_once(on_demand(paths[1:2]), config(folder, limit_gb=limit))
    packs.clear(folder)
    assert {path.name for path in folder.iterdir()} == {"metrics.json", "model.pack", "notes.tmp"}


def test_the_folder_is_the_one_of_the_environment_or_of_the_user(monkeypatch, tmp_path, paths):
    monkeypatch.setenv("GOLDENPAIR_CACHE", str(tmp_path / "chosen"))
    assert default_folder() == tmp_path / "chosen"
    decode_once(on_demand(paths), Cache())
    assert len(pack_names(tmp_path / "chosen")) == 1
    monkeypatch.delenv("GOLDENPAIR_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    if os.name != "nt":
        assert default_folder() == tmp_path / "xdg" / "goldenpair"
