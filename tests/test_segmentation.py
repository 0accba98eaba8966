"""Visual ChangeNet for segmentation against its description."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from goldenpair.models.fan import SIZES, Fan
from goldenpair.models.segmentation import SegmentationChangenet, mean_probability
from test_changenet import HEIGHT, SMALL, WIDTH, pictures, up, used
from test_differences import Pooled
from test_norms import with_plain_norms


def network(backbone=None, height=HEIGHT, width=WIDTH, **wish) -> SegmentationChangenet:
    torch.manual_seed(0)
    return SegmentationChangenet(backbone or Fan(SMALL), height, width, **{"embed_dim": 16, "classes": 3, **wish})


def test_names_and_shapes_are_taos():
    shapes = {name: tuple(value.shape) for name, value in network().state_dict().items()}
    wanted, norm = {}, {f".{name}": (1,) for name in ("weight", "bias", "running_mean", "running_var")}
    norm[".num_batches_tracked"] = ()

    def add(name: str, *shape: int, bias: int | None = None) -> None:
        wanted.update({f"{name}.weight": shape, f"{name}.bias": (bias or shape[0],)})

    def add_norm(name: str, width: int) -> None:
        wanted.update({f"{name}{what}": tuple(width for _ in size) for what, size in norm.items()})

    channels = {4: 24, 3: 24, 2: 256, 1: 128}
    for number, given in channels.items():
        add(f"linear_c{number}.proj", 16, given)
    for name, given, made in (("diff", 32, 16), ("make_pred", 16, 3)):
        for number in channels:
            add(f"{name}_c{number}.0", made, given, 3, 3)
            add_norm(f"{name}_c{number}.2", made)
            add(f"{name}_c{number}.3", made, made, 3, 3)
    add("linear_fuse.0", 16, 64, 1, 1)
    add_norm("linear_fuse.1", 16)
    for scale in ("2x", "1x"):
        add(f"convd{scale}.conv2d", 16, 16, 4, 4)
        add(f"dense_{scale}.0.conv1.conv2d", 16, 16, 3, 3)
        add(f"dense_{scale}.0.conv2.conv2d", 16, 16, 3, 3)
    add("change_probability.conv2d", 3, 16, 3, 3)
    found = {name: shape for name, shape in shapes.items() if not name.startswith("backbone.")}
    assert list(found.items()) == [(f"decoder.{name}", shape) for name, shape in wanted.items()]  # in this order


def test_parameter_counts_are_taos():
    with torch.device("meta"):
        model = SegmentationChangenet(Fan(SIZES["fan_small_12_p4_hybrid"]), 224, 224, embed_dim=256, classes=2)
    assert sum(parameter.numel() for parameter in model.parameters()) == 37_854_210
    assert sum(parameter.numel() for parameter in model.decoder.parameters()) == 12_122_034


@torch.no_grad()
def test_the_maps_follow_their_description():
    model = used(network())
    parts = model.decoder
    sample, golden = pictures(1), pictures(2)
    maps = [model.backbone(one) for one in (sample, golden)]

    def difference(number: int) -> Tensor:
        linear = parts.get_submodule(f"linear_c{number}").proj
        projected = [nn.functional.linear(one[number - 1].movedim(1, 3), linear.weight, linear.bias) for one in maps]
        return parts.get_submodule(f"diff_c{number}")(torch.cat(projected, dim=3).movedim(3, 1))

    d4 = difference(4)
    d3 = difference(3) + d4
    d2 = difference(2) + up(d3, 4, 6)
    d1 = difference(1) + up(d2, 8, 12)
    x = torch.cat([up(d4, 8, 12), up(d3, 8, 12), up(d2, 8, 12), d1], dim=1)
    x = parts.linear_fuse(x)
    for larger, block in ((parts.convd2x, parts.dense_2x[0]), (parts.convd1x, parts.dense_1x[0])):
        x = nn.functional.conv_transpose2d(x, larger.conv2d.weight, larger.conv2d.bias, stride=2, padding=1)
        x = x + 0.1 * block.conv2.conv2d(block.conv1.conv2d(x).clamp(min=0))
    final = parts.change_probability.conv2d(x)
    wanted = [parts.get_submodule(f"make_pred_c{number}")(one) for number, one in ((4, d4), (3, d3), (2, d2), (1, d1))]
    found = model(sample, golden)
    assert [tuple(one.shape[1:]) for one in found] == [(3, 2, 3), (3, 2, 3), (3, 4, 6), (3, 8, 12), (3, 32, 48)]
    for one, other in zip(found, [*wanted, final], strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_two_passes_in_one_give_what_each_picture_gives_alone():
    model = used(network())
    sample, golden = pictures(1), pictures(2)
    found, alone = model(sample, golden), model.compare(model.encode(sample), model.encode(golden))
    for one, other in zip(found, alone, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(found[-1], model(golden, sample)[-1], atol=1e-3)  # which is which matters


def test_in_training_samples_and_goldens_have_statistics_of_their_own():
    one, other = network(), network()
    for model in (one, other):
        model.train()
        for block in model.backbone.blocks:
            block.drop_path.eval()  # what it draws is not the same for two passes
    sample, golden = pictures(1), pictures(2) * 3 + 1
    found = one(sample, golden)[-1]
    with_plain_norms(other)
    apart = other.compare(other.encode(sample), other.encode(golden))[-1]
    torch.testing.assert_close(found, apart, atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize(
    "strides", [(4, 8, 16, 16), (4, 8, 16, 32), (2, 4, 8, 16), (8, 16, 32, 32), (16, 16, 16, 16), (1, 2, 4, 8)]
)
def test_every_backbone_ends_at_the_size_of_the_picture(strides):
    model = network(Pooled(strides), 64, 32).eval()
    found = model(*torch.rand(2, 2, 3, 64, 32))
    wanted = [(64 // stride, 32 // stride) for stride in strides[::-1]]
    assert [tuple(one.shape) for one in found] == [(2, 3, *size) for size in [*wanted, (64, 32)]]


def test_a_frozen_backbone_stays_as_it_is_and_the_rest_learns():
    model = network(frozen=True).train()
    before = {name: value.clone() for name, value in model.backbone.state_dict().items()}
    sum(one.square().mean() for one in model(pictures(0), pictures(5))).backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    assert all(torch.equal(value, before[name]) for name, value in model.backbone.state_dict().items())
    assert not [name for name, value in model.decoder.named_parameters() if value.grad is None]


@pytest.mark.parametrize("coarse", [True, False])
def test_what_learns_is_what_has_a_gradient(coarse):
    """So that several GPUs need not look for parameters that have none."""
    model = network(coarse=coarse).train()
    maps = model(pictures(1), pictures(2))
    sum(one.square().sum() for one in (maps if coarse else maps[-1:])).backward()
    without = {name for name, value in model.named_parameters() if value.grad is None}
    assert without == {name for name, value in model.named_parameters() if not value.requires_grad}
    assert {name.split(".")[1] for name in without if name.startswith("decoder.")} == (
        set() if coarse else {f"make_pred_c{number}" for number in range(1, 5)}
    )


def test_it_learns_where_two_pictures_differ():
    torch.manual_seed(0)
    model = network(Pooled((4, 8, 16, 32)), 32, 32, embed_dim=8, classes=2).train()
    golden = torch.rand(4, 3, 32, 32).round()
    mask = torch.zeros(4, 32, 32, dtype=torch.long)
    mask[:2, 8:16, 4:20], mask[2:, 20:28, 16:28] = 1, 1
    sample = torch.where(mask[:, None] == 1, 2 - golden, golden)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(40):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(sample, golden)[-1], mask).backward()
        optimizer.step()
    found = model(sample, golden)[-1].argmax(dim=1)
    assert float((found & mask).sum() / (found | mask).sum()) > 0.8


@pytest.mark.filterwarnings("ignore")  # of what PyTorch says of its own exporters
@pytest.mark.parametrize("dynamo", [False, True])
def test_both_exporters_write_the_same_maps(tmp_path, dynamo):
    onnxruntime = pytest.importorskip("onnxruntime")
    model = used(network(Pooled((2, 4, 8, 16)), 32, 48))  # its last map is resized
    sample, golden = pictures(1, 2), pictures(2, 2)
    path = tmp_path / "a.onnx"
    names = [f"output{number}" for number in range(4)] + ["output_final"]
    given = {"input_names": ["input0", "input1"], "output_names": names, "dynamo": dynamo, "opset_version": 18}
    if dynamo:
        batch = torch.export.Dim("batch")
        given["dynamic_shapes"] = ({0: batch}, {0: batch})
    else:
        given["dynamic_axes"] = {name: {0: "batch"} for name in ["input0", "input1", *names]}
        given["opset_version"] = 17
    torch.onnx.export(model, (sample, golden), str(path), verbose=False, **given)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    more = pictures(3, 3), pictures(4, 3)
    found = session.run(None, {"input0": more[0].numpy(), "input1": more[1].numpy()})
    with torch.no_grad():
        wanted = model(*more)
    for one, other in zip(found, wanted, strict=True):
        assert np.abs(one - other.numpy()).max() < 1e-4


def test_the_mean_of_all_maps_is_that_of_their_probabilities():
    coarse, final = torch.tensor([[[[2.0]], [[0.0]]]]), torch.randn(1, 2, 4, 6)
    found = mean_probability([coarse, final])
    each = np.exp(2) / (np.exp(2) + 1)
    wanted = (each + np.exp(final[0, 0].numpy()) / np.exp(final[0].numpy()).sum(axis=0)) / 2
    assert found.shape == (1, 2, 4, 6)
    assert np.allclose(found[0, 0].numpy(), wanted, atol=1e-6)
    assert torch.allclose(found.sum(dim=1), torch.ones(1, 4, 6))
