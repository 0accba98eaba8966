"""Small grey pictures of files."""

import numpy as np
import pytest
from PIL import Image

from goldenpair.data.thumbnails import SIDE, Album, Thumbnails, distances, part_vectors, thumbnails


def saved(tmp_path, name, pixels):
    path = tmp_path / name
    Image.fromarray(pixels).save(path)
    return str(path)


def noise(seed, height=40, width=50):
    return np.random.default_rng(seed).integers(1, 256, (height, width, 3), dtype=np.uint8)


def test_pictures_become_small_and_grey(tmp_path):
    pixels = noise(1)
    small = thumbnails([saved(tmp_path, "a.png", pixels)])
    assert small.grey.shape == (1, SIDE, SIDE) and small.grey.dtype == np.float32
    wanted = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(small.grey[0], np.asarray(wanted).mean(axis=2), atol=1e-3)


def test_copies_have_one_digest(tmp_path):
    paths = [saved(tmp_path, name, noise(seed)) for name, seed in (("a.png", 1), ("b.png", 1), ("c.png", 2))]
    digest = thumbnails(paths).digest
    assert digest[0] == digest[1] != digest[2]


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "odd.png").write_bytes(b"nothing")
    small = thumbnails([str(tmp_path / "odd.png"), str(tmp_path / "none.png"), saved(tmp_path, "a.png", noise(1))])
    assert set(small.errors) == {0, 1}
    assert "odd.png" in small.errors[0] and "no such file" in small.errors[1]
    assert small.digest[0] == "" and not small.grey[0].any() and small.grey[2].any()


def test_progress_is_told(tmp_path):
    steps = []
    thumbnails([saved(tmp_path, "a.png", noise(1))], lambda done, total: steps.append((done, total)))
    assert steps == [(1, 1)]


def test_dot_products_are_correlations():
    rng = np.random.default_rng(0)
    grey = rng.random((2, SIDE, SIDE)).astype(np.float32) * 200
    flat = Thumbnails(grey, ["", ""], {}).normalised()
    wanted = np.corrcoef(grey[0].reshape(-1), grey[1].reshape(-1))
    np.testing.assert_allclose(flat @ flat.T, wanted, atol=1e-4)


def test_brightness_does_not_count():
    grey = np.random.default_rng(0).random((1, SIDE, SIDE)).astype(np.float32) * 100
    both = Thumbnails(np.concatenate([grey, 1.5 * grey + 20]), ["", ""], {}).normalised()
    assert float(both[0] @ both[1]) == pytest.approx(1, abs=1e-5)


def test_flat_pictures_are_like_nothing():
    grey = 100 + np.random.default_rng(0).normal(0, 1, (1, SIDE, SIDE)).astype(np.float32)
    assert not Thumbnails(grey, [""], {}).normalised().any()


def test_parts_of_several_lights_are_one_vector():
    grey = np.random.default_rng(0).random((4, SIDE, SIDE)).astype(np.float32) * 200
    grey[3] = 100
    flat = Thumbnails(grey, [""] * 4, {}).normalised()
    vectors = part_vectors(flat, np.array([[0, 1], [0, 2], [0, 3]]))
    assert vectors.shape == (3, 2 * SIDE * SIDE)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 1, 0], atol=1e-6)  # the last has a flat picture
    assert float(vectors[0] @ vectors[1]) == pytest.approx((1 + float(flat[1] @ flat[2])) / 2, abs=1e-5)
    assert part_vectors(flat, np.empty((0, 2), np.int64)).shape == (0, 2 * SIDE * SIDE)


def test_distances_are_those_of_the_vectors():
    vectors = np.random.default_rng(0).normal(size=(2, 50)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    wanted = np.linalg.norm(vectors[0] - vectors[1])
    assert distances(vectors @ vectors.T)[0, 1] == pytest.approx(wanted, abs=1e-5)
    assert (distances(np.array([1.0, 1.0000001, 0.0, -1.0], np.float32)) == np.sqrt([0, 0, 2, 4]).astype("f4")).all()


def test_an_album_gives_what_was_read_once(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    paths = [str(tmp_path / f"{i}.png") for i in range(4)]
    for path in paths[:3]:
        Image.fromarray(rng.integers(1, 255, (40, 40, 3), np.uint8)).save(path)
    whole = thumbnails(paths)
    album = Album.of(paths)
    monkeypatch.setattr("goldenpair.data.thumbnails.read", lambda path: pytest.fail(f"{path} is read again"))
    assert album(paths) is album.small
    some = album([paths[3], paths[1]])
    assert (some.grey == whole.grey[[3, 1]]).all()
    assert some.digest == [whole.digest[3], whole.digest[1]] and some.errors == {0: whole.errors[3]}
    assert album([]).normalised().shape == (0, 1024)
