import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, jaccard_score, precision_recall_fscore_support, roc_auc_score

from goldenpair.seen import PairsSeen, PixelsSeen

CPU = torch.device("cpu")


def test_pairs_are_measured_over_all_batches():
    score = torch.tensor([0.1, 0.9, 0.4, 0.6, 0.7])
    label = torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0])
    seen = PairsSeen("val", cutoff=0.5)
    for part, loss in ((slice(0, 2), 1.0), (slice(2, 5), 2.0)):
        seen.add(torch.tensor(loss), score[part], label[part])
    found = seen.metrics()
    assert set(found) <= set(PairsSeen.names)
    assert found["val_loss"] == pytest.approx((2 * 1 + 3 * 2) / 5)  # each pair counts the same
    assert found["val_acc"] == pytest.approx(60) and found["val_fpr"] == pytest.approx(50)
    assert found["val_auroc"] == pytest.approx(roc_auc_score(label, score))


def test_training_pairs_are_not_ranked():
    seen = PairsSeen("train", cutoff=0.5)
    seen.add(torch.tensor(1.0), torch.tensor([0.1, 0.9]), torch.tensor([0.0, 1.0]))
    assert set(seen.metrics()) == {"train_loss", "train_acc", "train_fpr"}


def batches(classes: int):
    rng = np.random.default_rng(2)
    for count in (3, 1):
        found, truth = (torch.from_numpy(rng.integers(0, classes, (count, 6, 5)).astype(np.uint8)) for _ in range(2))
        truth[:, 0] = 255
        yield found, truth


@pytest.mark.parametrize("classes", [2, 4])
def test_pixels_are_counted_over_all_batches(classes):
    seen, found, truth = PixelsSeen("val", classes), [], []
    for number, (said, true) in enumerate(batches(classes)):
        seen.add(torch.tensor(float(number)), said, true)
        found.append(said[true != 255])
        truth.append(true[true != 255])
    metrics = seen.metrics()
    said, true = torch.cat(found), torch.cat(truth)
    precision, recall, f1, _ = precision_recall_fscore_support(true, said, average="macro")
    wanted = {
        "val_loss": 1 / 4,
        "val_acc": accuracy_score(true, said),
        "val_miou": jaccard_score(true, said, average="macro"),
        "val_mf1": f1,
        "val_mprecision": precision,
        "val_mrecall": recall,
    }
    assert metrics == pytest.approx(wanted) and list(metrics) == list(PixelsSeen.names[1:])


def test_training_counts_no_pixels():
    seen = PixelsSeen("train", 2)
    seen.add(torch.tensor(0.5), *next(batches(2)))
    assert seen.metrics() == {"train_loss": 0.5}


@pytest.mark.parametrize("kind", ["pairs", "pixels"])
def test_going_on_ends_in_the_same_metrics(kind):
    def fresh():
        return PairsSeen("train", 0.5) if kind == "pairs" else PixelsSeen("train", 2)

    def add(seen, number):
        if kind == "pairs":
            found, truth = torch.rand(3, generator=torch.Generator().manual_seed(number)), torch.tensor([0.0, 1.0, 0.0])
        else:
            found, truth = list(batches(2))[number]
        seen.add(torch.tensor(float(number + 1)), found, truth)

    unbroken, first, second = fresh(), fresh(), fresh()
    assert fresh().state_dict() == {}
    add(unbroken, 0)
    add(first, 0)
    second.load_state_dict(first.state_dict(), CPU)
    for seen in (unbroken, second):
        add(seen, 1)
    assert second.metrics() == unbroken.metrics()
    second.load_state_dict({}, CPU)  # a checkpoint of TAO
    assert second.metrics() == unbroken.metrics()
