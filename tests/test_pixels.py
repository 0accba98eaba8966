"""Figures of masks against scikit-learn's."""

import json
import warnings

import numpy as np
import pytest
from sklearn import metrics as sk

from goldenpair.pixels import Confusion, PixelMetrics

CLASSES = 4


def masks(seed: int, shape=(3, 20, 30), classes: int = CLASSES) -> tuple[np.ndarray, np.ndarray]:
    """A mask with ignored pixels, and a prediction that is right half the time."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, shape).astype(np.uint8)
    prediction = np.where(rng.random(shape) < 0.5, truth, rng.integers(0, classes, shape)).astype(np.uint8)
    truth[..., :3, :7] = 255
    return prediction, truth


def judged(prediction: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return truth[truth != 255], prediction[truth != 255]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("classes", [2, 4])
def test_counts_and_figures_are_scikit_learns(seed, classes):
    prediction, truth = masks(seed, classes=classes)
    confusion = Confusion.of(prediction, truth, classes)
    found, pair = PixelMetrics.of(confusion).as_dict(), judged(prediction, truth)
    assert np.array_equal(confusion.counts, sk.confusion_matrix(*pair, labels=range(classes)))
    figures = {
        "iou": sk.jaccard_score,
        "F1": sk.f1_score,
        "precision": sk.precision_score,
        "recall": sk.recall_score,
    }
    for name, score in figures.items():
        each = score(*pair, average=None, labels=range(classes))
        assert [found[f"{name}_{number}"] for number in range(classes)] == pytest.approx(list(each))
        assert found[f"m{name.lower()}"] == pytest.approx(each.mean())
    assert found["acc"] == pytest.approx(sk.accuracy_score(*pair))
    assert found["pixels"] == len(pair[0]) == sum(found[f"pixels_{number}"] for number in range(classes))


def test_batches_add_up_to_the_whole():
    prediction, truth = masks(0, (10, 8, 8))
    parts = [Confusion.of(prediction[a:b], truth[a:b], CLASSES) for a, b in ((0, 4), (4, 5), (5, 10))]
    total = sum(parts, Confusion.empty(CLASSES))
    assert np.array_equal(total.counts, Confusion.of(prediction, truth, CLASSES).counts)
    assert total.counts.dtype == np.int64


def test_counts_beyond_32_bits_stay_exact():
    one = Confusion(np.full((2, 2), 3_000_000_001, np.int64))
    assert int((one + one).counts.sum()) == 24_000_000_008
    assert PixelMetrics.of(one + one).accuracy == 0.5


def test_a_class_that_never_occurs_has_no_figures_and_no_say_in_means():
    prediction, truth = masks(1, classes=3)
    found = PixelMetrics.of(Confusion.of(prediction, truth, 5)).as_dict()
    wanted = PixelMetrics.of(Confusion.of(prediction, truth, 3)).as_dict()
    assert found["iou_4"] is found["F1_3"] is found["precision_3"] is found["recall_4"] is None
    assert {name: found[name] for name in wanted} == wanted


@pytest.mark.parametrize(("truth", "prediction"), [(1, 0), (0, 1)])
def test_a_class_that_only_one_side_has_counts_nought(truth, prediction):
    """Change that was never found, and change that was never there, must not fall out of the means."""
    sides = np.full((4, 4), truth), np.full((4, 4), prediction)
    sides[0][0], sides[1][0] = 0, 0  # a quarter is right
    found = PixelMetrics.of(Confusion.of(sides[1], sides[0], 2)).as_dict()
    assert found["iou_1"] == found["F1_1"] == found["precision_1"] == found["recall_1"] == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        each = sk.precision_score(sides[0].ravel(), sides[1].ravel(), average=None, labels=[0, 1])
    assert found["mprecision"] == pytest.approx(each.mean())
    assert found["miou"] == pytest.approx(0.25 / 2)


def test_without_pixels_there_are_no_figures():
    prediction, truth = np.zeros((2, 3), int), np.full((2, 3), 255)
    found = PixelMetrics.of(Confusion.of(prediction, truth, 2)).as_dict()
    assert all(value is None or value == 0 for value in found.values())
    assert found["acc"] is found["miou"] is None and found["pixels"] == 0
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_ignored_pixels_may_be_predicted_as_anything(dtype):
    truth = np.array([0, 1, 255, 255], np.uint8)
    found = Confusion.of(np.array([0, 1, 200, 1], dtype), truth, 2)
    assert found.counts.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("prediction", "truth", "said"),
    [
        ([0, 2], [0, 1], "prediction: expected classes 0 to 1, got 0 to 2"),
        ([0, 1], [3, 1], "mask: expected classes 0 to 1, got 1 to 3"),
        ([0, -1], [0, 1], "prediction: expected classes 0 to 1, got -1 to 0"),
        ([0, 1], [[0, 1]], r"expected masks of one shape, got \[2\] and \[1, 2\]"),
    ],
)
def test_what_is_no_class_is_refused(prediction, truth, said):
    with pytest.raises(ValueError, match=said):
        Confusion.of(np.array(prediction), np.array(truth), 2)


def test_change_is_every_class_but_the_first():
    confusion = Confusion(np.array([[50, 3, 1], [4, 10, 2], [0, 5, 20]]))
    assert (confusion.changed, confusion.called) == (41, 41)
    assert confusion.change_iou == pytest.approx(30 / 45)  # pixels of the wrong class are not right
    assert Confusion(np.array([[9, 0], [0, 0]])).change_iou is None
    binary = Confusion.of(*masks(3, classes=2), 2)
    assert binary.change_iou == pytest.approx(sk.jaccard_score(*judged(*masks(3, classes=2))))
