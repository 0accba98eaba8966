"""The task of a network that segments, against the network's own maps."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from goldenpair.data.pairs import PairBatch
from goldenpair.specs.load import load_spec
from goldenpair.tasks import SegmentTask, create_task
from masked_pairs import spec_of


def task_of(*overrides: str) -> SegmentTask:
    torch.manual_seed(0)
    task = create_task(spec_of("nowhere", *overrides))
    assert isinstance(task, SegmentTask)
    task.model.eval()
    return task


def pictures(n: int = 3) -> tuple[Tensor, Tensor]:
    return torch.randn(2, n, 3, 32, 32, generator=torch.Generator().manual_seed(1)).unbind()


def masks(n: int = 3, classes: int = 2) -> Tensor:
    made = torch.randint(0, classes, (n, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    made[:, :4] = 255
    return made


class Fixed(nn.Module):
    """Gives the same maps whatever it sees, as an exported network does: all of them."""

    def __init__(self, final: Tensor):
        super().__init__()
        self.final = final

    def forward(self, sample: Tensor, golden: Tensor) -> tuple[Tensor, ...]:
        coarse = functional.avg_pool2d(self.final, min(4, self.final.shape[-1]))
        return coarse, coarse, coarse, coarse, self.final


def seen_in(final: Tensor, *overrides: str):
    classes = final.shape[1]
    wish = [f"dataset.segment.num_classes={classes}", *overrides]
    task = create_task(spec_of("nowhere", *wish), Fixed(final))
    nothing = (torch.zeros(len(final), 3, *final.shape[2:]),)
    score, found = task.look(nothing, nothing)
    assert torch.equal(task.pair_score(*nothing, *nothing), score)
    return score, found


@torch.no_grad()
@pytest.mark.parametrize("classes", [2, 4])
def test_the_score_is_the_largest_probability_of_a_change(classes):
    task = task_of(f"dataset.segment.num_classes={classes}")
    sample, golden = pictures()
    final = task.model(sample, golden)[-1]
    assert final.shape == (3, classes, 32, 32)
    wanted = (1 - functional.softmax(final.double(), dim=1)[:, 0]).flatten(1).max(dim=1).values
    score, found = task.look(task.features(sample), task.features(golden))
    assert torch.allclose(score.double(), wanted, atol=1e-6)
    assert torch.allclose(task.pair_score(sample, golden).double(), wanted, atol=1e-6)
    assert torch.allclose(task.score(task.features(sample), task.features(golden)), score)
    assert found.shape == (3, 32, 32) and found.dtype == torch.uint8
    likeliest = final.argmax(dim=1)
    assert (found == likeliest).float().mean() > 0.99 or classes > 2
    assert torch.equal(found[found > 0].long(), likeliest[found > 0])


@torch.no_grad()
def test_one_pixel_that_is_called_changed_is_a_fail_and_none_is_a_pass():
    final = torch.zeros(3, 2, 16, 16)
    final[:, 0] = 4.0
    final[1, :, 5, 7] = torch.tensor([0.0, 1e-3])  # just changed
    final[2, :, 5, 7] = torch.tensor([0.0, 0.0])  # a tie
    score, found = seen_in(final)
    assert (score > 0.5).tolist() == found.flatten(1).any(dim=1).tolist() == [False, True, False]
    assert found[1].nonzero().tolist() == [[5, 7]] and score[2] == 0.5


@torch.no_grad()
@pytest.mark.parametrize("seed", range(3))
def test_verdict_and_map_agree_down_to_the_last_bit(seed):
    """With two classes, whatever rounding does to probabilities near the middle."""
    logits = torch.randn(4000, 1, 1, 1, generator=torch.Generator().manual_seed(seed)) * 1e-7
    final = torch.cat([torch.zeros_like(logits), logits], dim=1)
    score, found = seen_in(final)
    assert torch.equal(score > 0.5, found.flatten(1).any(dim=1))


@torch.no_grad()
def test_a_change_of_unsure_kind_is_a_fail_too():
    final = torch.tensor([0.40, 0.35, 0.25]).log()[None, :, None, None]
    score, found = seen_in(final)
    assert score.item() == pytest.approx(0.6) and found.item() == 0


@torch.no_grad()
def test_several_scales_predict_together_when_asked_to():
    final = torch.randn(2, 2, 16, 16, generator=torch.Generator().manual_seed(0))
    alone, _ = seen_in(final)
    together, found = seen_in(final, "dataset.segment.multi_scale_infer=true")
    coarse = functional.avg_pool2d(final, 4)
    large = functional.interpolate(coarse, size=(16, 16), mode="bilinear", align_corners=False)
    mean = (4 * large.softmax(dim=1) + final.softmax(dim=1)) / 5
    assert torch.allclose(together, mean[:, 1].flatten(1).max(dim=1).values, atol=1e-6)
    assert torch.equal(found, (mean[:, 1] > 0.5).to(torch.uint8)) and not torch.allclose(alone, together, atol=0.01)


@torch.no_grad()
def test_the_loss_is_cross_entropy_of_the_final_map_without_ignored_pixels():
    task = task_of("dataset.segment.multi_scale_train=false")
    sample, golden = pictures()
    truth = masks()
    loss, found = task.loss(sample, golden, truth)
    final = task.model(sample, golden)[-1]
    assert loss.item() == pytest.approx(
        functional.cross_entropy(final, truth.long(), ignore_index=255).item(), rel=1e-5
    )
    assert torch.equal(found, task.look(task.features(sample), task.features(golden))[1])
    assert task.loss(sample, golden, torch.full_like(truth, 255))[0] == 0


@torch.no_grad()
def test_all_scales_learn_by_their_weights():
    """TAO compares a truth value with the text "True", and never does it."""
    sample, golden = pictures()
    truth = masks()
    losses = [
        task_of(f"train.segment.weights={weights}").loss(sample, golden, truth)[0].item()
        for weights in ([0, 0, 0, 0, 1], [0, 0, 1, 0, 0], [0, 0, 2, 0, 1])
    ]
    alone = task_of("dataset.segment.multi_scale_train=false").loss(sample, golden, truth)[0].item()
    assert losses[0] == pytest.approx(alone, rel=1e-6) and losses[2] == pytest.approx(2 * losses[1] + alone, rel=1e-5)


@torch.no_grad()
def test_mmiou_is_another_loss():
    sample, golden = pictures()
    found = task_of("train.segment.loss=mmiou", "dataset.segment.multi_scale_train=false")
    assert -2 <= found.loss(sample, golden, masks())[0].item() <= 0


def test_training_moves_the_network_and_its_mask_with_it():
    task = task_of("train.optim.lr=0.001")
    task.model.train()
    sample = torch.randint(1, 256, (2, 1, 3, 32, 32), dtype=torch.uint8)
    batch = PairBatch(torch.arange(2), sample, sample, torch.zeros(2), masks(2))
    moved, golden, truth = task.augmented(batch, torch.Generator().manual_seed(4))
    assert moved.shape == golden.shape == sample.shape and truth.shape == (2, 32, 32)
    assert not torch.equal(truth, batch.mask)
    optimizer = task.optimizer()
    before = [value.detach().clone() for value in task.model.parameters()]
    task.loss(task.prepare(moved), task.prepare(golden), truth)[0].backward()
    optimizer.step()
    changed = [not torch.equal(one, other) for one, other in zip(before, task.model.parameters(), strict=True)]
    assert np.mean(changed) > 0.9


def test_normalisation_is_the_specs_in_every_split():
    """TAO takes 0.5 for all but training."""
    wish = [f"dataset.segment.augmentation.{one}" for one in ("mean=[0,0.5,0]", "std=[1,0.25,1]")]
    task = task_of(*wish)
    prepared = task.prepare(torch.full((1, 1, 3, 32, 32), 255, dtype=torch.uint8))
    assert prepared[0, :, 0, 0].tolist() == pytest.approx([1, 2, 1], abs=1e-6)


def test_names_are_taos():
    task = task_of()
    assert task.graph.inputs == ("input0", "input1") and task.graph.axis == "batch_size"
    assert task.graph.outputs == ("output0", "output1", "output2", "output3", "output_final")
    assert load_spec("visual_changenet", {}).monitored == (
        "train_loss", "val_loss", "val_acc", "val_miou", "val_mf1", "val_mprecision", "val_mrecall",
    )  # fmt: skip
    assert load_spec("visual_changenet", {}).latest_checkpoint == "changenet_model_segment_latest.pth"
