import numpy as np
import pytest
import torch

from goldenpair.models.losses import (
    contrastive_loss,
    least_and_mean_iou,
    multi_scale,
    pair_distance,
    pixel_cross_entropy,
    weighted_cross_entropy,
)

DISTANCE = [0.0, 0.3, 1.0, 1.9, 2.0, 2.5, 0.7, 4.0]
LABEL = [0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0]


def loss_of(distance=DISTANCE, label=LABEL, margin=2.0) -> float:
    return float(contrastive_loss(torch.tensor(distance), torch.tensor(label), margin))


@pytest.mark.parametrize(
    ("distance", "label", "margin", "wanted"),
    [
        ([0.5], [0.0], 2.0, 0.25),
        ([0.5], [1.0], 2.0, 2.25),
        ([2.0], [1.0], 2.0, 0.0),
        ([3.0], [1.0], 2.0, 0.0),
        ([3.0], [0.0], 2.0, 9.0),
        ([0.0, 0.0], [0.0, 1.0], 1.5, 1.125),  # the mean, without a half
    ],
)
def test_worked_by_hand(distance, label, margin, wanted):
    assert loss_of(distance, label, margin) == pytest.approx(wanted)


@pytest.mark.parametrize("margin", [1.0, 2.0, 3.5])
def test_formula_in_numpy(margin):
    d, y = np.array(DISTANCE), np.array(LABEL)
    wanted = np.mean((1 - y) * d**2 + y * np.maximum(0, margin - d) ** 2)
    assert loss_of(margin=margin) == pytest.approx(wanted, rel=1e-6)


def test_each_label_belongs_to_its_pair():
    """Broadcast to N x N the mean would be the same for every order of the labels: TAO's fault in its other network."""
    assert loss_of(label=LABEL[::-1]) != pytest.approx(loss_of(), rel=1e-3)
    assert loss_of(DISTANCE[::-1], LABEL[::-1]) == pytest.approx(loss_of())


@pytest.mark.parametrize(
    ("distance", "label"), [((4,), (4, 1)), ((4, 1), (4,)), ((4, 1), (4, 1)), ((4,), (3,)), ((), ())]
)
def test_other_shapes_are_refused(distance, label):
    with pytest.raises(ValueError, match=r"expected two \[N\] tensors"):
        contrastive_loss(torch.zeros(distance), torch.zeros(label), 2.0)


def test_gradients_pull_good_pairs_together_and_push_defects_to_the_margin():
    distance = torch.tensor([1.0, 1.0, 3.0], requires_grad=True)
    contrastive_loss(distance, torch.tensor([0.0, 1.0, 1.0]), 2.0).backward()
    assert distance.grad is not None
    assert distance.grad.tolist() == pytest.approx([2 / 3, -2 / 3, 0])


def test_distance_is_euclidean_of_the_difference_plus_a_millionth():
    rng = np.random.default_rng(0)
    sample, golden = rng.normal(size=(2, 50, 5))
    found = pair_distance(torch.tensor(sample), torch.tensor(golden))
    assert found.shape == (50,)
    assert np.allclose(found.numpy(), np.linalg.norm(sample - golden + 1e-6, axis=1), rtol=1e-12)


def test_equal_embeddings_have_taos_distance():
    embedding = torch.randn(3, 5)
    assert pair_distance(embedding, embedding).tolist() == pytest.approx([2.236e-6] * 3, rel=1e-3)


def test_equal_embeddings_have_a_gradient():
    embedding = torch.randn(3, 5, requires_grad=True)
    pair_distance(embedding, embedding.detach()).sum().backward()
    assert embedding.grad is not None and torch.isfinite(embedding.grad).all()


LOGITS = [[0.3, -1.0], [2.0, 0.5], [-0.7, 1.1], [0.0, 0.0]]
CLASSES = [0.0, 1.0, 1.0, 0.0]


def test_cross_entropy_is_the_weighted_mean_of_minus_log_probabilities():
    logits, label, weights = np.array(LOGITS), np.array(CLASSES).astype(int), np.array([1.0, 10.0])
    probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    each = -np.log(probability[np.arange(4), label])
    wanted = (weights[label] * each).sum() / weights[label].sum()
    found = weighted_cross_entropy(torch.tensor(LOGITS), torch.tensor(CLASSES), [1.0, 10.0])
    assert float(found) == pytest.approx(wanted, rel=1e-6)


def test_cross_entropy_knows_which_label_belongs_to_which_pair():
    losses = [
        float(weighted_cross_entropy(torch.tensor(LOGITS), torch.tensor(label), [1.0, 10.0]))
        for label in (CLASSES, CLASSES[1:] + CLASSES[:1])
    ]
    assert losses[0] != pytest.approx(losses[1], rel=1e-2)


@pytest.mark.parametrize(("logits", "label"), [((4, 2), (4, 1)), ((4,), (4,)), ((4, 2), (3,)), ((4, 2), ())])
def test_cross_entropy_refuses_other_shapes(logits, label):
    with pytest.raises(ValueError, match=r"expected \[N, classes\] and \[N\] tensors"):
        weighted_cross_entropy(torch.zeros(logits), torch.zeros(label), [1.0, 1.0])


# masks


def maps(seed: int, count: int = 3, classes: int = 3, height: int = 8, width: int = 12) -> torch.Tensor:
    return torch.randn(count, classes, height, width, generator=torch.Generator().manual_seed(seed))


def mask_of(seed: int, ignored: bool = True) -> torch.Tensor:
    """uint8 [3, 8, 12] of three classes, all of them in each, and some pixels ignored."""
    mask = np.random.default_rng(seed).integers(0, 3, (3, 8, 12)).astype(np.uint8)
    if ignored:
        mask[:, 2:4, 3:9] = 255
    return torch.tensor(mask)


def probability(logits: torch.Tensor) -> np.ndarray:
    power = np.exp(logits.double().numpy())
    return power / power.sum(axis=1, keepdims=True)


def test_pixel_cross_entropy_is_the_mean_over_judged_pixels():
    logits, mask = maps(0), mask_of(0)
    share, truth = probability(logits), mask.numpy()
    each = [-np.log(share[n, truth[n, y, x], y, x]) for n, y, x in np.argwhere(truth != 255)]
    assert len(each) == 3 * (8 * 12 - 12)
    assert float(pixel_cross_entropy(logits, mask)) == pytest.approx(np.mean(each), rel=1e-5)
    logits[:, :, 2:4, 3:9] += 100 * maps(1)[:, :, 2:4, 3:9]
    assert float(pixel_cross_entropy(logits, mask)) == pytest.approx(np.mean(each), rel=1e-5)


def ious(logits: torch.Tensor, mask: torch.Tensor) -> np.ndarray:
    share, truth = probability(logits), mask.numpy()
    found = np.zeros(share.shape[:2])
    for n in range(share.shape[0]):
        for c in range(share.shape[1]):
            judged = truth[n] != 255
            hit, said = (truth[n] == c)[judged], share[n, c][judged]
            found[n, c] = (hit * said).sum() / (hit + said - hit * said).sum()
    return found


@pytest.mark.parametrize("ignored", [True, False])
def test_mmiou_is_the_least_and_the_mean_iou_of_probabilities(ignored):
    logits, mask = maps(0), mask_of(0, ignored)
    wanted = ious(logits, mask)
    assert float(least_and_mean_iou(logits, mask)) == pytest.approx(-wanted.min() - wanted.mean(), rel=1e-5)


def test_mmiou_of_a_perfect_prediction_is_minus_two():
    mask = mask_of(0, ignored=False)
    logits = 50 * torch.nn.functional.one_hot(mask.long(), 3).movedim(3, 1).float()
    assert float(least_and_mean_iou(logits, mask)) == pytest.approx(-2)


def test_mmiou_leaves_out_classes_that_a_mask_lacks():
    """Else a picture without change would make the least IoU 0 for every batch, and without a gradient."""
    logits, mask = maps(0), mask_of(0)
    mask[1][mask[1] == 2] = 0
    wanted = np.delete(ious(logits, mask).ravel(), 1 * 3 + 2)
    logits.requires_grad_()
    loss = least_and_mean_iou(logits, mask)
    assert float(loss.detach()) == pytest.approx(-wanted.min() - wanted.mean(), rel=1e-5)
    loss.backward()
    assert logits.grad is not None and not logits.grad[:, :, 2:4, 3:9].any() and logits.grad[1].any()


@pytest.mark.parametrize("loss", [pixel_cross_entropy, least_and_mean_iou])
def test_a_mask_that_nobody_judged_teaches_nothing(loss):
    logits = maps(0).requires_grad_()
    found = loss(logits, torch.full((3, 8, 12), 255, dtype=torch.uint8))
    found.backward()
    assert torch.isfinite(found) and logits.grad is not None and not logits.grad.any()


@pytest.mark.parametrize("loss", [pixel_cross_entropy, least_and_mean_iou])
@pytest.mark.parametrize("shape", [(3, 1, 8, 12), (8, 12), (2, 8, 12), (3, 4, 6)])
def test_masks_of_other_shapes_are_refused(loss, shape):
    with pytest.raises(ValueError, match=r"expected \[N, classes, H, W\] and \[N, H, W\] tensors"):
        loss(maps(0), torch.zeros(shape, dtype=torch.uint8))


def test_scales_are_weighed_and_the_mask_follows_them():
    coarse, final, mask = maps(0, height=2, width=3), maps(1), mask_of(2)
    seen = []

    def loss(logits: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
        seen.append(given)
        return pixel_cross_entropy(logits, given)

    found = multi_scale(loss, [coarse, final], mask, [0.5, 2.0])
    small = mask[:, 2::4, 2::4]  # the middle of each 4 x 4
    assert torch.equal(seen[0], small) and seen[1] is mask
    wanted = 0.5 * float(pixel_cross_entropy(coarse, small)) + 2 * float(pixel_cross_entropy(final, mask))
    assert float(found) == pytest.approx(wanted, rel=1e-6)


def test_every_scale_needs_a_weight():
    with pytest.raises(ValueError, match="zip"):
        multi_scale(pixel_cross_entropy, [maps(0), maps(1)], mask_of(0), [1.0])


def test_short_numbers_become_a_loss_and_a_distance_in_float32():
    sample, golden = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0)).bfloat16().unbind()
    found = pair_distance(sample, golden)
    wanted = np.linalg.norm(sample.double().numpy() - golden.double().numpy() + 1e-6, axis=1)
    assert found.dtype == torch.float32 and np.allclose(found.numpy(), wanted, rtol=1e-6)
    logits, label = sample[:, :2], torch.tensor([0.0, 1.0, 1.0, 0.0])
    loss = weighted_cross_entropy(logits, label, [1.0, 3.0])
    assert loss.dtype == torch.float32
    assert loss == pytest.approx(float(weighted_cross_entropy(logits.double(), label, [1.0, 3.0])), rel=1e-6)
