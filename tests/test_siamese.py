from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goldenpair.models.losses import pair_distance
from goldenpair.models.siamese import Siamese
from test_norms import with_plain_norms

VARIANTS = ("Siamese_3", "Siamese_1", "Siamese")
HEIGHT, WIDTH, EMBEDDING = 10, 6, 5


def made(variant: str = "Siamese_3", seed: int = 0) -> Siamese:
    torch.manual_seed(seed)
    return Siamese(variant, HEIGHT, WIDTH, EMBEDDING)


def trained(variant: str) -> Siamese:
    """A network whose norms have seen something, so that their statistics matter."""
    model = made(variant)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith("running_mean"):
                value.normal_(0, 0.3)
            elif name.endswith("running_var"):
                value.uniform_(0.5, 2)
            elif value.ndim == 1 and value.is_floating_point():
                value.uniform_(0.5, 1.5)
    return model


def pictures(seed: int, n: int = 6) -> Tensor:
    return torch.randn(n, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(seed))


CONVOLUTIONS = {1: (4, 3), 5: (8, 4), 9: (8, 8)}
NORM = ("weight", "bias", "running_mean", "running_var")


def taos_shapes(variant: str, features: int, embedding: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """TAO's state dict, from the layer table of its networks."""
    for place, (to, since) in CONVOLUTIONS.items():
        yield f"cnn1.{place}.weight", (to, since, 3, 3)
        yield f"cnn1.{place}.bias", (to,)
        yield from ((f"cnn1.{place + 2}.{name}", (to,)) for name in NORM)
        yield f"cnn1.{place + 2}.num_batches_tracked", ()
    width, linear, norms = (512, (0, 3, 6), (2, 5)) if variant == "Siamese_3" else (500, (0, 2, 4), ())
    for place, (to, since) in zip(linear, ((width, features), (width, width), (embedding, width)), strict=True):
        yield f"fc1.{place}.weight", (to, since)
        yield f"fc1.{place}.bias", (to,)
    for place in norms:
        yield from ((f"fc1.{place}.{name}", (width,)) for name in NORM)
        yield f"fc1.{place}.num_batches_tracked", ()


@pytest.mark.parametrize("variant", VARIANTS)
def test_names_and_shapes_are_taos(variant):
    model = Siamese(variant, HEIGHT, WIDTH, 7)
    found = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert found == dict(taos_shapes(variant, 8 * HEIGHT * WIDTH, 7))


@pytest.mark.parametrize(
    ("lights", "side", "siamese_3", "siamese_1"),
    [
        (1, 100, 41_228_813, 40_254_537),
        (4, 100, 164_108_813, 160_254_537),
        (1, 128, 67_377_677, 65_790_537),
        (2, 128, 134_486_541, 131_326_537),
        (4, 128, 268_704_269, 262_398_537),
        (8, 128, 537_139_725, 524_542_537),
        (1, 224, 205_789_709, 200_958_537),
        (4, 224, 822_352_397, 803_070_537),
    ],
)
def test_parameter_counts_are_taos(lights, side, siamese_3, siamese_1):
    for variant, wanted in zip(VARIANTS, (siamese_3, siamese_1, siamese_1), strict=True):
        with torch.device("meta"):
            model = Siamese(variant, lights * side, side, 5)
        assert sum(parameter.numel() for parameter in model.parameters()) == wanted
        assert all(parameter.requires_grad for parameter in model.parameters())


def by_hand(state: dict[str, Tensor], variant: str, x: Tensor) -> Tensor:
    """The layer table, written out with functions; norms use their running statistics."""

    def norm(x: Tensor, layer: str) -> Tensor:
        mean, var, weight, bias = (
            state[f"{layer}.{name}"] for name in ("running_mean", "running_var", "weight", "bias")
        )
        shape = (1, -1) + (1,) * (x.ndim - 2)
        scale = weight / torch.sqrt(var + 1e-5)
        return (x - mean.reshape(shape)) * scale.reshape(shape) + bias.reshape(shape)

    for place in CONVOLUTIONS:
        x = F.pad(x, (1, 1, 1, 1), mode="reflect")
        x = F.conv2d(x, state[f"cnn1.{place}.weight"], state[f"cnn1.{place}.bias"])
        x = norm(x.clamp(min=0), f"cnn1.{place + 2}")
    x = x.reshape(len(x), -1)
    places = (0, 3, 6) if variant == "Siamese_3" else (0, 2, 4)
    for i, place in enumerate(places):
        x = x @ state[f"fc1.{place}.weight"].T + state[f"fc1.{place}.bias"]
        if i < 2:
            x = x.clamp(min=0)
            if variant == "Siamese_3":
                x = norm(x, f"fc1.{place + 2}")
    return x


@pytest.mark.parametrize("variant", VARIANTS)
def test_embedding_follows_the_layer_table(variant):
    model = trained(variant).eval()
    found = model.embed(pictures(1))
    assert found.shape == (6, EMBEDDING)
    assert torch.allclose(found, by_hand(model.state_dict(), variant, pictures(1)), atol=1e-5)
    sample, golden = model(pictures(1), pictures(2))
    assert torch.equal(sample, found) and torch.equal(golden, model.embed(pictures(2)))


def test_siamese_is_another_name_of_siamese_1():
    one, other = made("Siamese"), made("Siamese_1")
    assert [str(layer) for layer in one.modules()][1:] == [str(layer) for layer in other.modules()][1:]
    assert not any(isinstance(layer, nn.BatchNorm1d) for layer in one.modules())


def step(model: Siamese, both: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """The gradients of a loss that treats the two embeddings differently."""
    sample, golden = both
    (sample.square().sum() + (golden * torch.arange(EMBEDDING)).sum() + (sample * golden).sum()).backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_pass_trains_as_the_sample_and_then_the_golden(variant):
    """As in TAO: norms see two batches, each with its own statistics, and update their running ones twice."""
    together, apart = trained(variant).train(), with_plain_norms(trained(variant)).train()
    sample, golden = pictures(1), pictures(2) * 2 + 1
    one = together(sample, golden)
    two = apart.embed(sample), apart.embed(golden)
    for found, wanted in zip(one, two, strict=True):
        assert torch.allclose(found, wanted, atol=1e-5)
    gradients = step(together, one)
    for name, wanted in step(apart, two).items():
        found = gradients[name]
        assert torch.allclose(found, wanted, atol=1e-5 * max(1.0, float(wanted.abs().max()))), name
    for name, wanted in apart.named_buffers():
        found = dict(together.named_buffers())[name]
        assert torch.allclose(found.float(), wanted.float(), atol=1e-5), name
        if name.endswith("num_batches_tracked"):
            assert int(found) == 2


def test_order_matters_in_training_because_of_the_running_statistics():
    one, other = made().train(), made().train()
    one(pictures(1), pictures(2) * 3)
    other(pictures(2) * 3, pictures(1))
    assert not torch.allclose(one.fc1[2].running_mean, other.fc1[2].running_mean, atol=1e-4)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_score_does_not_care_which_picture_is_the_golden(variant):
    model = trained(variant).eval()
    there = pair_distance(*model(pictures(1), pictures(2)))
    back = pair_distance(*model(pictures(2), pictures(1)))
    assert torch.allclose(there, back, atol=1e-5)
    assert there.min() > 1e-3


def test_the_inputs_are_left_as_they_are():
    for model in (made().train(), made().eval()):
        sample, golden = pictures(1), pictures(2)
        model(sample, golden)
        assert torch.equal(sample, pictures(1)) and torch.equal(golden, pictures(2))
