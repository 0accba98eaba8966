import pytest
import torch
from torch import nn

from goldenpair.models.norms import (
    ChannelNorm,
    PairBatchNorm1d,
    PairBatchNorm2d,
    expect_goldens,
    with_pair_norms,
)

KINDS = [(PairBatchNorm1d, nn.BatchNorm1d, (12, 5)), (PairBatchNorm2d, nn.BatchNorm2d, (12, 5, 4, 3))]


def with_plain_norms(model: nn.Module) -> nn.Module:
    """The same model with PyTorch's own norms, to be given samples and goldens in two passes, as in TAO."""
    norms = {name: module for name, module in model.named_modules() if "PairBatchNorm" in type(module).__name__}
    assert norms or not [one for one in model.modules() if isinstance(one, nn.BatchNorm1d | nn.BatchNorm2d)]
    for name, module in norms.items():
        plain = (nn.BatchNorm1d if "1d" in type(module).__name__ else nn.BatchNorm2d)(module.num_features)
        plain.load_state_dict(module.state_dict())
        model.set_submodule(name, plain)
    return model


def made(kind: type[nn.Module], shape: tuple[int, ...]) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    places = torch.linspace(-2, 2, shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    return kind(5), torch.randn(shape) * 3 + places


@pytest.mark.parametrize(("kind", "plain", "shape"), KINDS)
def test_in_training_each_half_is_normalised_by_itself_the_samples_first(kind, plain, shape):
    norm, x = made(kind, shape)
    one = plain(5)
    apart = torch.cat([one(x[:6]), one(x[6:])])  # two passes, as TAO makes them
    assert torch.equal(norm(x), apart)
    for name, value in one.state_dict().items():
        assert torch.equal(norm.state_dict()[name], value), name
    assert not torch.allclose(plain(5)(x), apart, atol=0.1)


@pytest.mark.parametrize(("kind", "plain", "shape"), KINDS)
def test_in_eval_mode_it_is_an_ordinary_norm_of_any_number(kind, plain, shape):
    norm, x = made(kind, shape)
    norm(x)
    one = plain(5)
    one.load_state_dict(norm.state_dict())
    for count in (1, 7, 12):
        assert torch.equal(norm.eval()(x[:count]), one.eval()(x[:count]))


@pytest.mark.parametrize(("kind", "plain", "shape"), KINDS)
@pytest.mark.parametrize("goldens", [2, 3, 5])
def test_with_several_goldens_the_samples_are_normalised_and_then_all_goldens(kind, plain, shape, goldens):
    norm, x = made(kind, shape)
    expect_goldens(nn.Sequential(nn.Identity(), norm), goldens)
    one, samples = plain(5), 12 // (1 + goldens)
    assert torch.equal(norm(x), torch.cat([one(x[:samples]), one(x[samples:])]))
    for name, value in one.state_dict().items():
        assert torch.equal(norm.state_dict()[name], value), name
    assert torch.equal(norm.eval()(x[:7]), one.eval()(x[:7]))


class NormAct(nn.BatchNorm2d):
    """As timm has it: what follows the norm belongs to it."""

    def __init__(self, width: int):
        super().__init__(width, eps=1e-3, momentum=0.2)
        self.drop, self.act = nn.Identity(), nn.PReLU(width, init=0.1)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return self.act(self.drop(super().forward(input)))


def network() -> nn.Module:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), NormAct(4), nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5), nn.Flatten())
    return net.append(nn.Linear(5 * 4, 6)).append(nn.BatchNorm1d(6, affine=False))


def test_a_network_of_others_gets_norms_that_see_the_halves_apart():
    one, other = network(), network()
    parameters = dict(one.named_parameters())
    with_pair_norms(one)
    assert list(one.state_dict()) == list(other.state_dict())
    assert all(value is parameters[name] for name, value in one.named_parameters())
    sample, golden = torch.randn(4, 3, 6, 6), torch.randn(4, 3, 6, 6) * 3 + 1
    assert torch.allclose(one(torch.cat([sample, golden])), torch.cat([other(sample), other(golden)]), atol=1e-5)
    for name, value in other.state_dict().items():
        assert torch.allclose(one.state_dict()[name], value, atol=1e-6), name
    assert torch.allclose(one.eval()(sample), other.eval()(sample), atol=1e-5)
    assert with_pair_norms(network().eval())[1].training is False


def test_a_norm_that_is_not_known_is_refused():
    with pytest.raises(ValueError, match="BatchNorm3d"):
        with_pair_norms(nn.Sequential(nn.BatchNorm3d(2)))


def test_channels_are_normalised_at_each_place():
    x = torch.randn(2, 5, 3, 4) * 2 + 1
    norm = ChannelNorm(5)
    mean, variance = x.mean(1, keepdim=True), x.var(1, keepdim=True, unbiased=False)
    assert torch.allclose(norm(x), (x - mean) / (variance + 1e-5).sqrt(), atol=1e-5)
