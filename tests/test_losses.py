import numpy as np
import pytest
import torch

from goldenpair.models.losses import contrastive_loss, pair_distance, weighted_cross_entropy

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


def test_short_numbers_become_a_loss_and_a_distance_in_float32():
    sample, golden = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0)).bfloat16().unbind()
    found = pair_distance(sample, golden)
    wanted = np.linalg.norm(sample.double().numpy() - golden.double().numpy() + 1e-6, axis=1)
    assert found.dtype == torch.float32 and np.allclose(found.numpy(), wanted, rtol=1e-6)
    logits, label = sample[:, :2], torch.tensor([0.0, 1.0, 1.0, 0.0])
    loss = weighted_cross_entropy(logits, label, [1.0, 3.0])
    assert loss.dtype == torch.float32
    assert loss == pytest.approx(float(weighted_cross_entropy(logits.double(), label, [1.0, 3.0])), rel=1e-6)
