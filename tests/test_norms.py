import pytest
import torch
from torch import nn

from goldenpair.models.norms import PairBatchNorm1d, PairBatchNorm2d, expect_goldens

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
