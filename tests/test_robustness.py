import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter1d

from goldenpair import robustness
from goldenpair.errors import InputError
from goldenpair.metrics import above
from goldenpair.robustness import Condition, conditions, measure_robustness, measured_rows
from goldenpair.tasks import create_task
from test_explain import CPU, LIGHTS, Linear, linear, random_pair, read  # noqa: F401

EVERY = conditions(("Low", "Solder", "White"))
NEUTRAL = {"shift": 0, "rotation": 0, "brightness": 0, "gamma": 1, "blur": 0}


def pictures(count=9, lights=3, height=20, width=16):
    return torch.from_numpy(np.stack([random_pair(lights, height, width, seed)[0] for seed in range(count)]))


def disturbed(name: str, level: float, given: torch.Tensor) -> torch.Tensor:
    one = next(one for one in EVERY if (one.name, one.level) == (name, level))
    before = given.clone()
    found = one.disturb(given, np.arange(len(given)))
    assert found.dtype == torch.uint8 and found.shape == given.shape
    assert torch.equal(given, before)  # the others need it as it is
    return found


@pytest.mark.parametrize("one", EVERY, ids=lambda one: f"{one.name}-{one.label}")
def test_disturbances_change_pictures_and_say_it(one: Condition):
    given = pictures()
    found = one.disturb(given, np.arange(len(given)))
    assert found.dtype == torch.uint8 and found.shape == given.shape
    assert torch.equal(found, given) == (NEUTRAL.get(one.name) == one.level)
    assert torch.equal(found, one.disturb(given, np.arange(len(given))))
    assert one.said and one.label


def test_shifts_go_in_eight_directions_and_repeat_the_edge():
    given = pictures(9, 1, 20, 20)
    found = disturbed("shift", 10, given)  # by 2 pixels
    for number, (x, y) in enumerate([(1, 0), (0, 1), (-1, 0), (0, -1), (1, 1), (-1, 1), (-1, -1), (1, -1), (1, 0)]):
        rows, columns = (np.clip(np.arange(20) + 2 * way, 0, 19) for way in (y, x))
        assert np.array_equal(found[number], given[number].numpy()[..., rows, :][..., columns]), number


def test_a_part_turns_the_other_way_than_the_next():
    given = torch.zeros(2, 1, 3, 41, 41, dtype=torch.uint8)
    given[..., 20, 36] = 255  # 16 pixels to the right of the middle
    found = disturbed("rotation", 10, given)[:, 0, 0].numpy()
    down = [np.average(np.arange(41), weights=one.sum(axis=1)) - 20 for one in found]
    wanted = 16 * math.sin(math.radians(10))
    assert sorted(down) == pytest.approx([-wanted, wanted], abs=0.2)


def test_brightness_and_gamma_by_hand():
    given = torch.tensor([0, 1, 64, 128, 200, 255], dtype=torch.uint8).expand(1, 1, 3, 1, 6)
    assert disturbed("brightness", 50, given)[0, 0, 0, 0].tolist() == [0, 2, 96, 192, 255, 255]
    assert disturbed("brightness", -50, given)[0, 0, 0, 0].tolist() == [0, 0, 32, 64, 100, 128]
    assert disturbed("gamma", 2, given)[0, 0, 0, 0].tolist() == [0, 0, 16, 64, 157, 255]
    assert disturbed("gamma", 0.5, given)[0, 0, 0, 0].tolist() == [0, 16, 128, 181, 226, 255]


@pytest.mark.parametrize("sigma", [0.5, 3])
def test_blur_is_scipys(sigma):
    given = pictures(2, 1, 24, 24)
    wanted = given.double().numpy()
    for axis in (-2, -1):
        wanted = gaussian_filter1d(wanted, sigma, axis=axis, mode="mirror", radius=math.ceil(3 * sigma))
    assert np.abs(disturbed("blur", sigma, given).numpy() - wanted).max() <= 0.501


@pytest.mark.parametrize("quality", [95, 15])
def test_jpeg_is_pillows(quality, tmp_path):
    # smooth ones: in noise even versions of one library differ
    ramp = np.linspace(20, 230, 32).round().astype(np.uint8)
    shades = np.stack([np.tile(ramp, (32, 1)), np.tile(ramp[:, None], 32), np.tile(ramp[::-1], (32, 1))])
    given = torch.from_numpy(np.stack([np.stack([shades, 255 - shades])] * 2))
    found = disturbed("JPEG quality", quality, given)
    for number in range(2):
        Image.fromarray(given[number, 1].permute(1, 2, 0).numpy()).save(
            tmp_path / "one.jpg", quality=quality, subsampling=2
        )
        wanted = np.asarray(Image.open(tmp_path / "one.jpg"))
        seen = found[number, 1].permute(1, 2, 0).numpy().astype(int)
        assert np.abs(seen - wanted).max() <= 5 and np.abs(seen - given[number, 1].permute(1, 2, 0).numpy()).any()


def test_one_light_goes_out_and_two_change_places():
    given = pictures()
    missing = disturbed("light missing", 1, given)
    assert not missing[:, 1].any() and torch.equal(missing[:, ::2], given[:, ::2])
    swaps = [one for one in EVERY if one.name == "lights swapped"]
    assert [one.label for one in swaps] == ["Low and Solder", "Low and White", "Solder and White"]
    assert torch.equal(disturbed("lights swapped", 1, given), given[:, [2, 1, 0]])


@pytest.mark.parametrize("lights", [(), ("White",)])
def test_one_light_is_neither_missing_nor_swapped(lights):
    assert not {"light missing", "lights swapped"} & {one.name for one in conditions(lights)}


def test_the_measured_rows_are_evenly_spread():
    is_defect = np.arange(100) % 10 == 3
    known = np.arange(100) != 0
    rows = measured_rows(is_defect, known, 5)
    assert list(rows[is_defect[rows]]) == [3, 23, 43, 63, 93]
    assert list(rows[~is_defect[rows]]) == [1, 26, 50, 75, 99]
    assert len(measured_rows(is_defect, known, 1000)) == 99
    assert not len(measured_rows(is_defect, ~known & False, 5))


# networks


def measure(task, table, score, cutoff=0.5, most=200, batch_size=2, **wish):
    given = (task, table, score, lambda one, rows: above(one, cutoff), cutoff, CPU)
    return measure_robustness(*given, most=most, batch_size=batch_size, workers=0, **wish)


@pytest.fixture
def siamese(tao_set):
    made = tao_set(lights=LIGHTS, height=8, width=8)
    torch.manual_seed(0)
    task = create_task(made.spec())
    task.model.eval()
    return task, read(made, task), made


def test_a_level_that_disturbs_nothing_gives_the_undisturbed_scores(siamese, monkeypatch):
    """And so do all batch sizes: what is kept of goldens between the conditions is right."""
    task, table, made = siamese
    seen = []
    monkeypatch.setattr(robustness, "_robustness", lambda found, every, *_: seen.append((found, every)))
    for size in (2, 32):
        measure(task, table, np.ones(5, np.float32), batch_size=size)
    for found, every in seen:
        neutral = [number for number, one in enumerate(every, 1) if NEUTRAL.get(one.name) == one.level]
        assert len(neutral) == 5
        assert all(np.array_equal(found[number], found[0]) for number in neutral)
        assert not any(
            np.array_equal(one, found[0]) for number, one in enumerate(found[1:], 1) if number not in neutral
        )
    np.testing.assert_allclose(seen[0][0], seen[1][0], atol=1e-5)


def test_curves_are_of_the_scores_that_disturbed_files_would_give(siamese, tmp_path):
    """A light that is missing, written into the files and scored by hand."""
    task, table, made = siamese
    found = []

    def pixels(folder, name):
        return np.stack([np.asarray(Image.open(path)).transpose(2, 0, 1) for path in made.files(folder, name)])

    with torch.inference_mode():
        for folder, name in zip(table.cells["input_path"], table.cells["object_name"], strict=True):
            sample = pixels(folder, name).copy()
            sample[1] = 0
            two = [task.prepare(torch.from_numpy(one)[None]) for one in (sample, pixels("golden", name))]
            found.append(float(task.pair_score(*two)[0]))
    cutoff = float(np.median(found)) + 1e-4
    measured = measure(task, table, np.ones(5, np.float32), cutoff)
    point = next(curve for curve in measured.curves if curve.name == "light missing").points[1]
    assert point.label == "White"
    lowest = min(one for one, bad in zip(found, table.is_defect, strict=True) if bad)
    assert point.fpr_at_full_capture.count == sum(
        one >= lowest for one, bad in zip(found, table.is_defect, strict=True) if not bad
    )
    assert measured.undisturbed.flips.count == 0


def test_curves_have_their_names_and_counts(siamese):
    task, table, _ = siamese
    progress = []
    found = measure(task, table, np.array([1, 1, np.nan, 1, 1], np.float32), progress=lambda *at: progress.append(at))
    assert (found.good, found.defects, found.of, found.cutoff) == (2, 2, 5, 0.5)
    assert [curve.name for curve in found.curves] == [
        "shift", "rotation", "brightness", "gamma", "blur", "JPEG quality", "light missing", "lights swapped",
    ]  # fmt: skip
    points = [point for curve in found.curves for point in curve.points]
    assert {point.flips.of for point in points} == {4}
    assert progress[-1] == (4 * (1 + len(points)),) * 2
    assert all(one.points[0].label for one in found.curves)


def test_a_picture_that_has_become_unreadable_is_left_out(siamese):
    task, table, made = siamese
    made.files("b2", "R1")[0].write_bytes(b"no picture")
    found = measure(task, table, np.ones(5, np.float32))
    assert (found.good, found.defects) == (2, 2)
    for path in made.images_dir.rglob("*.png"):
        path.write_bytes(b"no picture")
    with pytest.raises(InputError, match="no picture of .* can be read any more"):
        measure(task, table, np.ones(5, np.float32))


def test_without_scores_there_is_nothing_to_measure(siamese):
    task, table, _ = siamese
    with pytest.raises(InputError, match="has no row with a score"):
        measure(task, table, np.full(5, np.nan, np.float32))


def test_no_number_is_never_a_pass(linear, tao_set, monkeypatch):  # noqa: F811
    task, made = linear((), 8, 6), tao_set()
    black_is_nothing = [Condition("dark", "", "black", 0, "black", lambda given, place: given * 0)]
    monkeypatch.setattr(robustness, "conditions", lambda lights, workers: black_is_nothing)
    monkeypatch.setattr(Linear, "score", lambda self, sample, golden: torch.where(sample[0].sum(1) < 0, math.nan, 0.0))
    measured = measure(task, read(made, task), np.ones(5, np.float32))
    (point,) = measured.curves[0].points
    assert measured.undisturbed.flips.count + point.flips.count > 0
    assert point.lost.count == 0
