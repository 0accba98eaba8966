"""The attention over goldens against a reading of its description, pixel by pixel."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from goldenpair.deployment import around, open_onnx
from goldenpair.exporting import TOLERANCE, ProofPairs, prove
from goldenpair.models.changenet import LearnableChangenet
from goldenpair.models.golden_attention import GoldenAttention
from goldenpair.onnx_writing import write_onnx
from goldenpair.quality.policy import Policy
from goldenpair.specs.load import load_spec
from goldenpair.tasks import create_task
from test_differences import Pooled

WIDTH = 5


def used(module: torch.nn.Module) -> torch.nn.Module:
    torch.manual_seed(1)
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2)
            elif value.is_floating_point():
                value.add_(torch.randn_like(value) * 0.3)
    return module.eval()


def by_hand(part: GoldenAttention, differences: Tensor) -> Tensor:
    """One sample: [G, D, H, W] -> [D, H, W]."""
    goldens, width, height, across = differences.shape
    down, right = height // 7, across // 7
    found = torch.zeros_like(differences)
    for y in range(7):
        for x in range(7):
            places = [(g, 7 * i + y, 7 * j + x) for g in range(goldens) for i in range(down) for j in range(right)]
            tokens = torch.stack(
                [differences[g, :, a, b] + part.positions[:, a % down, b % right] for g, a, b in places]
            )
            q, k, v = (tokens @ layer.weight.T + layer.bias for layer in (part.q, part.k, part.v))
            weights = torch.softmax(q @ k.T / math.sqrt(width), dim=1)
            mixed = tokens + (weights @ v) @ part.o.weight.T + part.o.bias
            for token, (g, a, b) in zip(mixed, places, strict=True):
                found[g, :, a, b] = token
    greatest, norm = found.max(dim=0).values, part.norm
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return (greatest - norm.running_mean[:, None, None]) * scale[:, None, None] + norm.bias[:, None, None]


@torch.no_grad()
@pytest.mark.parametrize(("size", "goldens"), [((7, 7), 2), ((14, 14), 3), ((14, 28), 2)])
def test_it_is_what_its_description_says(size, goldens):
    part = used(GoldenAttention(WIDTH, size, goldens))
    differences = torch.randn(2 * goldens, WIDTH, *size)
    found = part(differences)
    assert found.shape == (2, WIDTH, *size)
    for number in range(2):
        wanted = by_hand(part, differences[number * goldens : (number + 1) * goldens])
        torch.testing.assert_close(found[number], wanted, atol=1e-5, rtol=1e-5)


def test_the_positions_start_at_zero_and_learn():
    part = GoldenAttention(WIDTH, (14, 7), 2)
    assert part.positions.shape == (WIDTH, 2, 1) and not part.positions.any()
    part(torch.randn(4, WIDTH, 14, 7)).square().sum().backward()
    assert part.positions.grad is not None and part.positions.grad.any()


def learnable(goldens: int, scales: int = 4) -> LearnableChangenet:
    torch.manual_seed(0)
    wish = {"embed_dim": WIDTH, "hidden": 3, "scales": scales}
    return LearnableChangenet(Pooled((4, 8, 16, 32)), 224, 224, goldens=goldens, attention=True, **wish)


@torch.no_grad()
def test_the_network_mixes_the_sums_of_each_scale():
    model = used(learnable(2, scales=2))
    sample, golden = torch.rand(2, 3, 224, 224), torch.rand(2, 2, 3, 224, 224)
    decoder = model.decoder
    sums = [decoder.sums(model.encode(sample), model.encode(golden[:, g])) for g in range(2)]
    merged = []
    for number, of_scale in zip((4, 3), zip(*sums, strict=True), strict=True):
        part = decoder.get_submodule(f"golden_c{number}")
        together = torch.stack(of_scale, dim=1)  # [N, G, ...]
        merged.append(torch.stack([by_hand(part, one) for one in together]))
    resized = [torch.nn.functional.interpolate(one, (56, 56), mode="bilinear") for one in merged]
    wanted = decoder.classifier(decoder.linear_fuse(torch.cat(resized, dim=1)).flatten(1))
    found = model(sample, golden)
    assert found.shape == (2, 2)
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(model(sample, golden.flip(1)), found, atol=1e-4, rtol=1e-4)  # in whatever order


def test_all_goldens_and_scales_learn():
    model = learnable(2).train()
    golden = torch.rand(2, 2, 3, 224, 224, requires_grad=True)
    model(torch.rand(2, 3, 224, 224), golden).square().sum().backward()
    assert (golden.grad.abs().amax(dim=(2, 3, 4)) > 0).all()
    assert not [name for name, value in model.named_parameters() if value.requires_grad and value.grad is None]
    names = {name.split(".")[1] for name, _ in model.named_parameters() if ".golden_c" in name}
    assert names == {f"golden_c{number}" for number in (1, 2, 3, 4)}


@pytest.mark.parametrize("opset", [17, pytest.param(18, marks=pytest.mark.slow)])
def test_an_exported_file_gives_its_scores(tmp_path, opset):
    """With another backbone in the place of the spec's, which has no maps for it."""
    classify = {"num_golden": 2, "num_input": 1, "image_height": 224, "image_width": 224}
    wish = ["model.classify.difference_module=learnable", f"export.opset_version={opset}", "task=classify"]
    spec = load_spec("visual_changenet", {"dataset": {"classify": classify}}, wish)
    task = replace(create_task(spec), model=used(learnable(2)))
    write_onnx(task, tmp_path / "model.onnx", spec.export)
    network = open_onnx(tmp_path / "model.onnx")
    assert network.shapes == (("batch", 3, 224, 224), ("batch", 2, 3, 224, 224))
    shapes = ((5, 1, 3, 224, 224), (5, 2, 1, 3, 224, 224))
    pairs = ProofPairs(*(torch.randint(0, 256, shape, dtype=torch.uint8) for shape in shapes), "random pixels")
    proof = prove(task, around(network, spec, tmp_path / "model.onnx"), pairs, Policy.of_cutoff(0.5, "test"))
    assert proof.largest_difference <= TOLERANCE
