"""The folded network against the one it is made of."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from goldenpair.models.changenet import LearnableChangenet
from goldenpair.models.fan import SIZES, Fan
from goldenpair.models.folding import FoldedChangenet
from test_changenet import learnable, pictures, used


@pytest.mark.parametrize("scales", [1, 3, 4])
@pytest.mark.parametrize("embed_dim", [16, 128, 200])  # the maps have 128, 256, 24 and 24 channels
@torch.no_grad()
def test_it_gives_the_same_logits(scales, embed_dim):
    network = used(learnable(scales=scales, embed_dim=embed_dim))
    folded = FoldedChangenet(network)
    sample, golden = pictures(1), pictures(2)
    wanted = network.double()(sample.double(), golden.double())
    found = folded.float()(sample, golden)
    assert wanted.std(dim=0).min() > 1e-3  # they say something of the pictures
    assert torch.allclose(found, wanted.float(), atol=1e-4)
    assert torch.allclose(found.softmax(dim=1), wanted.softmax(dim=1).float(), atol=2e-5)


@torch.no_grad()
def test_what_is_kept_of_a_golden_serves_any_number_of_samples():
    network = used(learnable())
    folded = FoldedChangenet(network)
    sample, golden = pictures(1, 5), pictures(2, 1)
    kept = [one.expand(5, -1, -1, -1) for one in folded.keep(folded.encode(golden))]
    assert torch.allclose(
        folded.compare(folded.encode(sample), kept), network(sample, golden.expand(5, -1, -1, -1)), atol=1e-5
    )


@torch.no_grad()
def test_a_score_does_not_hang_on_what_else_is_in_the_batch():
    folded = FoldedChangenet(used(learnable()))
    sample, golden = pictures(1, 7), pictures(2, 7)
    together = folded(sample, golden)
    alone = torch.cat([folded(sample[i : i + 1], golden[i : i + 1]) for i in range(7)])
    assert torch.allclose(together, alone, atol=1e-5)


def test_the_network_it_is_made_of_stays_as_it_was():
    network = used(learnable())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    needed = {name for name, one in network.named_parameters() if one.requires_grad}
    FoldedChangenet(network)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert {name for name, one in network.named_parameters() if one.requires_grad} == needed
    assert all(one.grad is None for one in network.parameters())


def multiplications(work) -> float:
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / 2


@torch.no_grad()
def test_it_needs_the_multiplications_that_were_counted_by_hand():
    """At 64 x 64 with 256 channels: a first convolution, a second one, and one matrix for each scale."""
    network = LearnableChangenet(Fan(SIZES["fan_tiny_8_p4_hybrid"]), 64, 64, embed_dim=256, hidden=5, scales=4).eval()
    folded = FoldedChangenet(network)
    maps = folded.encode(torch.zeros(1, 3, 64, 64))
    kept = folded.keep(maps)
    points, channels = (16, 16, 64, 256), (192, 192, 256, 128)
    halves = sum(9 * 256 * one * count for one, count in zip(channels, points, strict=True))
    rest = sum(9 * 256 * 256 * count + 5 * 256 * count for count in points) + 5 * 5 + 5 * 2
    assert multiplications(lambda: folded.keep(maps)) == halves
    assert multiplications(lambda: folded.compare(maps, kept)) == halves + rest
    plain = network.encode(torch.zeros(1, 3, 64, 64))
    assert multiplications(lambda: network.compare(plain, plain)) > 1.5 * (2 * halves + rest)
