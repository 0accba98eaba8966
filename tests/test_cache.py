import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from goldenpair.data import cache
from goldenpair.data.cache import Pictures, as_picture, decode, decode_once, default_folder
from goldenpair.errors import DataError
from goldenpair.specs.common import Cache

HEIGHT, WIDTH = 9, 14


def random_pixels(height: int, width: int, seed: int = 0, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 256, (height, width, channels), dtype=np.uint8)


def resized_by_pillow(image: Image.Image) -> np.ndarray:
    resized = image.convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
    return np.asarray(resized).transpose(2, 0, 1)


@pytest.mark.parametrize("size", [(23, 31), (5, 4), (9, 30), (14, 9), (100, 100)])
def test_decoding_is_pillows_bilinear_resize(tmp_path, size):
    path = tmp_path / "a.png"
    Image.fromarray(random_pixels(*size)).save(path)
    found = decode(path, HEIGHT, WIDTH)
    assert found.dtype == np.uint8 and found.shape == (3, HEIGHT, WIDTH)
    assert np.array_equal(found, resized_by_pillow(Image.open(path)))


def test_a_picture_of_the_right_size_is_not_touched(tmp_path):
    pixels = random_pixels(HEIGHT, WIDTH)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert np.array_equal(decode(tmp_path / "a.png", HEIGHT, WIDTH), pixels.transpose(2, 0, 1))


def test_the_content_of_a_file_is_as_good_as_its_name(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(random_pixels(20, 20)).save(path)
    assert np.array_equal(decode(path.read_bytes(), HEIGHT, WIDTH), decode(str(path), HEIGHT, WIDTH))


@pytest.mark.parametrize(
    ("mode", "suffix"), [("L", "png"), ("1", "png"), ("RGBA", "png"), ("LA", "png"), ("P", "png"), ("CMYK", "jpg")]
)
def test_other_colour_modes_become_rgb_as_pillow_converts_them(tmp_path, mode, suffix):
    path = tmp_path / f"a.{suffix}"
    opaque = mode in ("L", "1", "P", "CMYK")
    Image.fromarray(random_pixels(21, 17, channels=3 if opaque else 4)).convert(mode).save(path)
    with Image.open(path) as image:
        assert image.mode == mode
        assert np.array_equal(decode(path, HEIGHT, WIDTH), resized_by_pillow(image))


def jpeg(folder: Path) -> bytes:
    Image.fromarray(random_pixels(40, 40)).save(folder / "whole.jpg")
    return (folder / "whole.jpg").read_bytes()


def black(folder: Path) -> bytes:
    Image.new("RGB", (6, 6)).save(folder / "black.png")
    return (folder / "black.png").read_bytes()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(lambda folder: jpeg(folder)[:-300], "cut off", id="truncated"),
        pytest.param(lambda folder: jpeg(folder)[:-300] + bytes(300), "cut off", id="an interrupted copy"),
        pytest.param(lambda folder: jpeg(folder)[:40], "not a readable picture", id="header only"),
        pytest.param(lambda _: b"no picture at all", "not a readable picture", id="text"),
        pytest.param(lambda _: b"", "not a readable picture", id="empty"),
        pytest.param(black, "entirely black", id="black"),
    ],
)
def test_a_broken_picture_is_named(tmp_path, content, said):
    path = tmp_path / "R1_White.jpg"
    path.write_bytes(content(tmp_path))
    with pytest.raises(DataError, match=said) as caught:
        decode(path, HEIGHT, WIDTH)
    assert str(path) in str(caught.value)


def test_a_missing_picture_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.jpg: there is no such file"):
        decode(tmp_path / "gone.jpg", HEIGHT, WIDTH)


def test_a_single_bright_pixel_is_not_black():
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[3, 4, 1] = 1
    assert as_picture(pixels, HEIGHT, WIDTH, "p").sum() == 1


@pytest.mark.parametrize(
    "pixels",
    [
        np.ones((4, 4), np.uint8),
        np.ones((4, 4, 4), np.uint8),
        np.ones((4, 4, 3), np.float32),
        np.ones((0, 4, 3), np.uint8),
    ],
)
def test_pixels_of_another_kind_are_refused(pixels):
    with pytest.raises(DataError, match=r"sample: expected uint8 \[H, W, 3\]"):
        as_picture(pixels, 4, 4, "sample")


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

    def counting(source, height, width):
        seen.append(str(source))
        return decode(source, height, width)

    monkeypatch.setattr(cache, "decode", counting)
    return seen


def every(pictures: Pictures) -> np.ndarray:
    return pictures.read(np.arange(len(pictures)))


def on_demand(paths: list[str], workers: int = 0) -> Pictures:
    return Pictures(paths, HEIGHT, WIDTH, workers)


def config(folder: Path, **values) -> Cache:
    return Cache(dir=str(folder), **values)


@pytest.mark.parametrize("workers", [0, 2])
def test_reads_whatever_shape_of_numbers_it_is_asked_for(paths, workers):
    pictures = on_demand(paths, workers)
    index = np.array([[4, 0], [1, 1], [2, 4]])
    found = pictures.read(index)
    assert found.shape == (3, 2, 3, HEIGHT, WIDTH)
    for place in np.ndindex(3, 2):
        assert np.array_equal(found[place], resized_by_pillow(Image.open(paths[index[place]])))
    assert pictures.read(np.zeros((0, 2), np.int64)).shape == (0, 2, 3, HEIGHT, WIDTH)


@pytest.mark.parametrize("workers", [0, 2])
def test_errors_are_recorded_and_read_as_zeros(paths, workers):
    pictures = on_demand(paths, workers)
    found = every(pictures)
    assert set(pictures.errors) == {3, 5}
    assert "3.png" in pictures.errors[3] and "no such file" in pictures.errors[5]
    assert [bool(one.any()) for one in found] == [True, True, True, False, True, False]


def test_the_cache_holds_the_same_pixels_and_errors(paths, tmp_path):
    plain = on_demand(paths)
    kept = decode_once(on_demand(paths), config(tmp_path / "cache"))
    assert np.array_equal(every(kept), every(plain))
    assert kept.errors == plain.errors
    index = np.array([[4, 1], [0, 3]])
    assert np.array_equal(kept.read(index), plain.read(index))


def test_each_picture_is_decoded_once_and_in_the_next_run_not_at_all(paths, tmp_path, decoded):
    first = decode_once(on_demand(paths), config(tmp_path / "cache"))
    for _ in range(3):
        every(first)
    assert sorted(decoded) == sorted(paths)
    again = decode_once(on_demand(paths), config(tmp_path / "cache"))
    assert np.array_equal(every(again), every(first)) and again.errors == first.errors
    assert len(decoded) == len(paths)


def test_progress_ends_at_the_total(paths, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_CHUNK", 4)
    told = []
    decode_once(on_demand(paths), config(tmp_path / "cache"), lambda done, total: told.append((done, total)))
    assert told == [(4, 6), (6, 6)]


@pytest.mark.parametrize("change", ["content", "time", "size", "order", "fewer"])
def test_whatever_changes_the_pixels_changes_the_entry(paths, tmp_path, change):
    folder = config(tmp_path / "cache")
    every(decode_once(on_demand(paths), folder))
    height = HEIGHT
    if change == "content":
        Image.fromarray(random_pixels(33, 33, seed=9)).save(paths[0])
    elif change == "time":
        os.utime(paths[0], ns=(1, 1))
    elif change == "size":
        height = HEIGHT + 1
    elif change == "order":
        paths = paths[::-1]
    else:
        paths = paths[:4]
    fresh = Pictures(paths, height, WIDTH, 0)
    found = decode_once(Pictures(paths, height, WIDTH, 0), folder)
    assert np.array_equal(every(found), every(fresh)) and found.errors == fresh.errors
    assert len(list((tmp_path / "cache").glob("*.u8"))) == 2


def test_a_missing_picture_that_appears_is_decoded(paths, tmp_path):
    folder = config(tmp_path / "cache")
    assert 5 in decode_once(on_demand(paths), folder).errors
    Image.fromarray(random_pixels(20, 20, seed=5)).save(paths[5])
    found = decode_once(on_demand(paths), folder)
    assert set(found.errors) == {3}
    assert np.array_equal(every(found)[5], resized_by_pillow(Image.open(paths[5])))


def test_killed_half_way_it_leaves_nothing_that_is_read_later(paths, tmp_path, monkeypatch, decoded):
    monkeypatch.setattr(cache, "_CHUNK", 2)

    def killed(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decode_once(on_demand(paths), config(tmp_path / "cache"), killed)
    assert list((tmp_path / "cache").iterdir()) == []
    decoded.clear()
    kept = decode_once(on_demand(paths), config(tmp_path / "cache"))
    assert sorted(decoded) == sorted(paths)
    assert np.array_equal(every(kept), every(on_demand(paths)))


@pytest.mark.parametrize("harm", ["pixels gone", "note gone", "pixels cut", "note cut"])
def test_an_entry_that_is_not_whole_is_made_anew(paths, tmp_path, decoded, harm):
    folder = tmp_path / "cache"
    decode_once(on_demand(paths), config(folder))
    victim = next(folder.glob("*.u8" if harm.startswith("pixels") else "*.json"))
    if harm.endswith("gone"):
        victim.unlink()
    else:
        victim.write_bytes(victim.read_bytes()[: victim.stat().st_size // 2])
    decoded.clear()
    kept = decode_once(on_demand(paths), config(folder))
    assert sorted(decoded) == sorted(paths)
    assert np.array_equal(every(kept), every(on_demand(paths)))
    assert set(kept.errors) == {3, 5}


ENTRY = 6 * 3 * HEIGHT * WIDTH


def entries(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.u8")}


def test_the_entry_unused_for_longest_goes_first(paths, tmp_path):
    folder = tmp_path / "cache"
    limit = 2.5 * ENTRY / 1e9  # room for two
    made: list[str] = []
    for order in (paths, paths[::-1]):
        decode_once(on_demand(order), config(folder, limit_gb=limit))
        made += entries(folder) - set(made)
    for age, name in zip((200, 100), made, strict=True):
        os.utime(folder / f"{name}.json", (1e9 - age, 1e9 - age))
    decode_once(on_demand(paths), config(folder, limit_gb=limit))  # the first is used again
    decode_once(on_demand(paths[1:] + paths[:1]), config(folder, limit_gb=limit))
    left = entries(folder)
    assert made[0] in left and made[1] not in left and len(left) == 2
    assert {path.stem for path in folder.glob("*.json")} == left


def test_what_is_larger_than_the_limit_is_decoded_on_demand_and_said(paths, tmp_path, caplog):
    wanted = on_demand(paths)
    found = decode_once(wanted, config(tmp_path / "cache", limit_gb=0.9 * ENTRY / 1e9))
    assert found is wanted and not (tmp_path / "cache").exists()
    assert "limit_gb" in caplog.text
    assert np.array_equal(every(found)[0], resized_by_pillow(Image.open(paths[0])))


def test_exactly_the_limit_fits(paths, tmp_path):
    decode_once(on_demand(paths), config(tmp_path / "cache", limit_gb=ENTRY / 1e9))
    assert len(entries(tmp_path / "cache")) == 1


def test_a_folder_that_cannot_be_written_to_is_said_and_done_without(paths, tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    wanted = on_demand(paths)
    assert decode_once(wanted, config(tmp_path / "file" / "cache")) is wanted
    assert "cannot be used" in caplog.text and "decoded anew in every epoch" in caplog.text


def test_a_full_disk_is_said_and_done_without(paths, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: type("Usage", (), {"free": ENTRY}))
    wanted = on_demand(paths)
    assert decode_once(wanted, config(tmp_path / "cache")) is wanted
    assert "are free" in caplog.text and list((tmp_path / "cache").iterdir()) == []


def test_off_nothing_is_written(paths, tmp_path):
    wanted = on_demand(paths)
    assert decode_once(wanted, config(tmp_path / "cache", enable=False)) is wanted
    assert not (tmp_path / "cache").exists()


def test_files_of_others_in_the_folder_are_left_alone(paths, tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "metrics.json").write_text("{}")
    os.utime(folder / "metrics.json", (1e9, 1e9))
    limit = 1.5 * ENTRY / 1e9
    decode_once(on_demand(paths), config(folder, limit_gb=limit))
    decode_once(on_demand(paths[::-1]), config(folder, limit_gb=limit))
    assert (folder / "metrics.json").exists()


def test_the_folder_is_the_one_of_the_environment_or_of_the_user(monkeypatch, tmp_path, paths):
    monkeypatch.setenv("GOLDENPAIR_CACHE", str(tmp_path / "chosen"))
    assert default_folder() == tmp_path / "chosen"
    decode_once(on_demand(paths), Cache())
    note = next((tmp_path / "chosen").glob("*.json"))
    assert set(json.loads(note.read_text())) == {"3", "5"}
    monkeypatch.delenv("GOLDENPAIR_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    if os.name != "nt":
        assert default_folder() == tmp_path / "xdg" / "goldenpair"
