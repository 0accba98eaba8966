"""FAN hybrids against their description: names, counts and shapes of TAO's, blocks written out by hand."""

from math import pi, sqrt

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from goldenpair.models.fan import SIZES, STRIDES, Fan, Size

TINY = "fan_tiny_8_p4_hybrid"
COUNTS = [
    (TINY, 7_273_856, 192),
    ("fan_small_12_p4_hybrid", 25_732_176, 384),
    ("fan_base_16_p4_hybrid", 50_025_152, 448),
    ("fan_large_16_p4_hybrid", 76_373_180, 480),
]
SMALL = Size(width=32, depth=3, heads=4, stem_blocks=(1, 1), map_3=1)
"""No network of TAO's, but quick."""


def made(size: Size = SMALL) -> Fan:
    """With weights that all matter, in eval mode."""
    torch.manual_seed(0)
    model = Fan(size)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2)
            elif value.is_floating_point():
                value.add_(torch.randn_like(value) * 0.1)
    return model.eval()


def pictures(count: int = 2, height: int = 48, width: int = 32) -> Tensor:
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("name", "count", "width"), COUNTS)
def test_parameters_and_channels_are_taos(name, count, width):
    with torch.device("meta"):
        model = Fan(SIZES[name])
    assert sum(parameter.numel() for parameter in model.parameters()) == count
    assert model.channels == (128, 256, width, width)


def test_taos_four_sizes_are_all():
    assert list(SIZES) == [name for name, _, _ in COUNTS]


@pytest.mark.parametrize(("height", "width"), [(16, 16), (48, 32), (16, 80)])
def test_maps_have_their_strides_at_every_multiple_of_16(height, width):
    maps = made()(pictures(3, height, width))
    assert STRIDES == (4, 8, 16, 16)
    wanted = [(3, c, height // s, width // s) for c, s in zip((128, 256, 32, 32), (4, 8, 16, 16), strict=True)]
    assert [tuple(one.shape) for one in maps] == wanted


def test_a_picture_is_seen_by_itself():
    model = made()
    alone = [model(one[None]) for one in pictures(3)]
    for number, together in enumerate(model(pictures(3))):
        assert torch.allclose(together, torch.cat([maps[number] for maps in alone]), atol=1e-4)


def linear(state: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def layer_norm(state: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()
    return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]


def depthwise(state: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    weight = state[f"{name}.weight"]
    return F.conv2d(x, weight, state[f"{name}.bias"], padding=weight.shape[-1] // 2, groups=len(weight))


def block_by_hand(state: dict[str, Tensor], x: Tensor, heads: int, height: int, width: int) -> Tensor:
    """One FAN block of tokens [T, C], head by head."""
    d = x.shape[1] // heads
    normed = layer_norm(state, "norm1", x)
    q, kv = linear(state, "attn.q", normed), linear(state, "attn.kv", normed)
    k, v = kv[:, : x.shape[1]], kv[:, x.shape[1] :]
    found = []
    for head in range(heads):
        some = slice(head * d, (head + 1) * d)
        share = (q[:, some] @ k[:, some].T / sqrt(d)).softmax(dim=1)
        found.append(share @ v[:, some])
    x = x + state["gamma1"] * linear(state, "attn.proj", torch.cat(found, dim=1))
    normed = layer_norm(state, "norm2", x)
    inner = linear(state, "mlp.mlp_v.fc1", normed)
    near = depthwise(state, "mlp.mlp_v.dwconv.conv1", inner.T.reshape(1, -1, height, width))
    near = 0.5 * near * (1 + torch.erf(near / sqrt(2)))
    mean, var, weight, bias = (
        state[f"mlp.mlp_v.dwconv.bn.{name}"][:, None, None]
        for name in ("running_mean", "running_var", "weight", "bias")
    )
    near = depthwise(state, "mlp.mlp_v.dwconv.conv2", (near - mean) / (var + 1e-5).sqrt() * weight + bias)
    inner = inner + state["mlp.mlp_v.gamma"] * near.reshape(len(mean), -1).T
    value = layer_norm(state, "mlp.norm_v", linear(state, "mlp.mlp_v.fc2", inner))
    asked = linear(state, "mlp.q", normed)
    for head in range(heads):
        some = slice(head * d, (head + 1) * d)
        mean_share = normed[:, some].softmax(dim=0).mean(dim=1)
        gate = torch.sigmoid(asked[:, some].softmax(dim=0).T @ mean_share) * state["mlp.temperature"][head, 0, 0]
        value[:, some] *= gate
    return x + state["gamma2"] * value


@torch.no_grad()
def test_a_block_follows_its_description():
    block = made().blocks[0]
    tokens = torch.randn(2, 6, 32)
    found = block(tokens, 2, 3)
    for one, wanted in zip(found, tokens, strict=True):
        assert torch.allclose(one, block_by_hand(block.state_dict(), wanted, 4, 2, 3), atol=1e-4)


@torch.no_grad()
def test_maps_3_and_4_are_the_tokens_before_and_after_class_attention():
    model, x = made(), pictures()
    maps = model(x)
    stem, tokens = model.patch_embed(x)
    assert torch.equal(maps[0], stem[0]) and torch.equal(maps[1], stem[1])
    flat = (tokens + model.pos_embed(tokens)).flatten(2).transpose(1, 2)
    kept = []
    for block in model.blocks:
        flat = block(flat, 3, 2)
        kept.append(flat)
    assert torch.equal(maps[2], kept[1].transpose(1, 2).reshape(2, 32, 3, 2))
    # class attention with its class token, as the paper has it: no other token looks at it
    x = torch.cat([model.cls_token.expand(2, -1, -1), flat], dim=1)
    for block in model.cls_attn_blocks:
        normed = block.norm1(x)
        q, k, v = (
            block.attn[name](some).reshape(2, -1, 4, 8).transpose(1, 2)
            for name, some in (("q", normed[:, :1]), ("k", normed), ("v", normed))
        )
        share = (q @ k.transpose(2, 3) / sqrt(8)).softmax(dim=3)
        first = block.attn["proj"]((share @ v).transpose(1, 2).reshape(2, 1, 32))
        x = block.norm2(x + block.gamma1 * torch.cat([first, normed[:, 1:]], dim=1))
        first = block.gamma2 * block.mlp["fc2"](F.gelu(block.mlp["fc1"](x[:, :1])))
        x = x + torch.cat([first, x[:, 1:]], dim=1)
    assert torch.allclose(maps[3], x[:, 1:].transpose(1, 2).reshape(2, 32, 3, 2), atol=1e-4)


@torch.no_grad()
def test_positions_are_sines_and_cosines_of_shares_of_the_picture():
    positions = made().pos_embed
    code = positions(torch.zeros(1, 32, 5, 3))
    weight, bias = positions.token_projection.weight[:, :, 0, 0], positions.token_projection.bias
    for row, column in ((0, 0), (4, 2), (1, 2)):
        waves = []
        for share in ((row + 1) / (5 + 1e-6), (column + 1) / (3 + 1e-6)):
            for number in range(32):
                angle = torch.tensor(2 * pi * share / 10_000 ** (2 * (number // 2) / 32))
                waves.append(angle.cos() if number % 2 else angle.sin())
        assert torch.allclose(code[0, :, row, column], weight @ torch.stack(waves) + bias, atol=1e-5)


def test_every_parameter_learns_but_those_of_the_class_token():
    model = made().train()
    sum(one.square().mean() for one in model(pictures(4))).backward()
    idle = {name for name, value in model.named_parameters() if value.grad is None or not value.grad.any()}
    still = {name for name, value in model.named_parameters() if not value.requires_grad}
    assert still == {name for name in still if name.startswith("cls_")} and len(still) == 1 + 2 * (1 + 8 + 4)
    assert idle == still


def test_blocks_are_skipped_at_random_in_training_only():
    model = made()
    assert all(torch.equal(*two) for two in zip(model(pictures()), model(pictures()), strict=True))
    model.train()
    assert not torch.equal(model(pictures(8))[3], model(pictures(8))[3])
    drop = model.blocks[0].drop_path
    kept = drop(torch.ones(4000, 1, 1)).flatten()
    assert sorted(set(kept.tolist())) == pytest.approx([0, 1 / 0.7]) and kept.mean() == pytest.approx(1, abs=0.05)
