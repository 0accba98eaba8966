"""Both architectures of Visual ChangeNet against their description, and against what NVIDIA's own code computed."""

import csv

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goldenpair.data.decoding import decode
from goldenpair.models.changenet import Changenet, EuclideanChangenet, LearnableChangenet, best_match
from goldenpair.models.choice import create_backbone
from goldenpair.models.fan import SIZES, Fan, Size
from test_norms import with_plain_norms

SMALL = Size(width=24, depth=2, heads=4, stem_blocks=(1, 1), map_3=1)
HEIGHT, WIDTH = 32, 48


def euclidean(**wish) -> EuclideanChangenet:
    torch.manual_seed(0)
    return EuclideanChangenet(Fan(SMALL), HEIGHT, WIDTH, **{"embedding": 5, **wish})


def learnable(**wish) -> LearnableChangenet:
    torch.manual_seed(0)
    return LearnableChangenet(Fan(SMALL), HEIGHT, WIDTH, **{"embed_dim": 16, "hidden": 6, "scales": 4, **wish})


def used(model: Changenet) -> Changenet:
    """As after some training: no norm is neutral."""
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith("running_mean"):
                value.normal_(0, 0.3)
            elif name.endswith("running_var"):
                value.uniform_(0.5, 2)
            elif value.is_floating_point():
                value.add_(torch.randn_like(value) * 0.05)
    return model.eval()


def pictures(seed: int, count: int = 4) -> Tensor:
    return torch.randn(count, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(seed))


BOTH = pytest.mark.parametrize("kind", [euclidean, learnable])
NORM = ("weight", "bias", "running_mean", "running_var")


def test_names_and_shapes_of_the_euclidean_head():
    shapes = {name: tuple(value.shape) for name, value in euclidean(embedding=7).state_dict().items()}
    wanted = {}
    for place, (to, since) in {0: (512, 24 * 2 * 3), 3: (512, 512), 6: (7, 512)}.items():
        wanted |= {f"fc1.{place}.weight": (to, since), f"fc1.{place}.bias": (to,)}
    for place in (2, 5):
        wanted |= {f"fc1.{place}.{name}": (512,) for name in NORM} | {f"fc1.{place}.num_batches_tracked": ()}
    assert {name: shape for name, shape in shapes.items() if not name.startswith("backbone.")} == wanted


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (lambda fan: EuclideanChangenet(fan, 512, 128, embedding=5), 76_331_605),
        (lambda fan: EuclideanChangenet(fan, 224, 224, embedding=5), 64_535_125),
        (lambda fan: LearnableChangenet(fan, 512, 128, embed_dim=256, hidden=30, scales=4), 64_831_430),
        (lambda fan: LearnableChangenet(fan, 512, 128, embed_dim=256, hidden=5, scales=4), 38_615_955),
    ],
)
def test_parameter_counts_are_taos(make, count):
    with torch.device("meta"):
        model = make(Fan(SIZES["fan_small_12_p4_hybrid"]))
    assert sum(parameter.numel() for parameter in model.parameters()) == count


@BOTH
@torch.no_grad()
def test_two_passes_in_one_give_what_each_picture_gives_alone(kind):
    model = used(kind())
    sample, golden = pictures(1), pictures(2)
    found = model(sample, golden)
    alone = model.compare(model.encode(sample), model.encode(golden))
    assert torch.allclose(found, alone, atol=1e-4)
    assert not torch.allclose(found, model(golden, pictures(3)), atol=1e-3)


@torch.no_grad()
def test_the_distance_is_that_of_two_embeddings():
    model = used(euclidean())
    sample, golden = pictures(1), pictures(2)
    first, second = (model.fc1(model.backbone(one)[3].flatten(1)) for one in (sample, golden))
    found = model(sample, golden)
    assert found.shape == (4,)
    assert torch.allclose(found, (first - second + 1e-6).norm(dim=1), atol=1e-4)
    assert model(sample, sample).max() < 1e-2 < found.min()


def up(x: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(x, (height, width), mode="bilinear", align_corners=False)


@torch.no_grad()
@pytest.mark.parametrize("scales", [1, 2, 3, 4])
def test_learned_differences_follow_their_description(scales):
    model = used(learnable(scales=scales))
    parts = dict(model.decoder.named_children())
    sample, golden = pictures(1), pictures(2)
    maps = [model.backbone(one) for one in (sample, golden)]

    def difference(number: int) -> Tensor:
        projected = [
            nn.functional.linear(one[number - 1].permute(0, 2, 3, 1), *parts[f"linear_c{number}"].proj.parameters())
            for one in maps
        ]
        return parts[f"diff_c{number}"](torch.cat(projected, dim=3).permute(0, 3, 1, 2))

    d4 = difference(4)
    d3 = difference(3) + d4
    d2 = difference(2) + up(d3, 4, 6)
    d1 = difference(1) + up(d2, 8, 12)
    listed = [up(d4, 8, 12), up(d3, 8, 12), up(d2, 8, 12), d1][:scales]
    wanted = parts["classifier"](parts["linear_fuse"](torch.cat(listed, dim=1)).flatten(1))
    assert model(sample, golden).shape == (4, 2)
    assert torch.allclose(model(sample, golden), wanted, atol=1e-4)


@BOTH
def test_in_training_samples_and_goldens_have_statistics_of_their_own(kind):
    """As in TAO, where the two go through the backbone one after the other."""
    one, other = kind(), kind()
    for model in (one, other):
        model.train()
        for block in model.backbone.blocks:
            block.drop_path.eval()  # what it draws is not the same for two passes
    sample, golden = pictures(1), pictures(2) * 3 + 1
    found = one(sample, golden)
    with_plain_norms(other)
    apart = other.compare(other.encode(sample), other.encode(golden))
    assert torch.allclose(found, apart, atol=1e-4)
    for name, value in other.state_dict().items():
        assert torch.allclose(one.state_dict()[name].float(), value.float(), atol=1e-4), name


@pytest.mark.parametrize(("scales", "idle"), [(4, 0), (3, 1), (1, 3)])
def test_what_learns_is_what_has_a_gradient(scales, idle):
    """So that several GPUs need not look for parameters that have none."""
    model = learnable(scales=scales).train()
    model(pictures(1), pictures(2)).square().sum().backward()
    without = {name for name, value in model.named_parameters() if value.grad is None}
    assert without == {name for name, value in model.named_parameters() if not value.requires_grad}
    assert {name.split(".")[1] for name in without if name.startswith("decoder.")} == {
        f"{kind}_c{number}" for number in range(1, idle + 1) for kind in ("linear", "diff")
    }


@BOTH
def test_a_frozen_backbone_stays_as_it_is(kind):
    model = kind(frozen=True).train()
    before = {name: value.clone() for name, value in model.backbone.state_dict().items()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
    for seed in range(2):
        model(pictures(seed), pictures(seed + 5)).square().mean().backward()
        optimizer.step()
    assert all(torch.equal(value, before[name]) for name, value in model.backbone.state_dict().items())
    assert model.training and not model.backbone.training
    head = model.fc1[0] if isinstance(model, EuclideanChangenet) else model.decoder.classifier[0]
    assert head.weight.grad is not None and head.weight.grad.any()


# several goldens


def several(seed: int, goldens: int = 3, count: int = 4) -> Tensor:
    return pictures(seed, goldens * count).reshape(count, goldens, 3, HEIGHT, WIDTH)


def grouped(found: list[Tensor]) -> list[Tensor]:
    return [one.reshape(4, 3, *one.shape[1:]) for one in found]


@BOTH
@torch.no_grad()
def test_the_best_match_is_the_least_of_what_each_golden_gives_alone(kind):
    one, three = used(kind()), used(kind(goldens=3))
    three.load_state_dict(one.state_dict())  # the same weights, whatever the number of goldens
    sample, golden = pictures(1), several(2)
    alone = torch.stack([one(sample, golden[:, g]) for g in range(3)], dim=1)
    defect = alone if alone.ndim == 2 else alone.softmax(dim=2)[..., 1]
    assert len(set(defect.argmin(dim=1).tolist())) > 1  # it is not always the same golden
    wanted = torch.stack([of_sample[place] for of_sample, place in zip(alone, defect.argmin(dim=1), strict=True)])
    found = three(sample, golden)
    assert torch.allclose(found, wanted, atol=1e-4)
    apart = three.compare_goldens(three.encode(sample), grouped(three.encode(golden.flatten(0, 1))))
    assert torch.allclose(found, apart, atol=1e-4)
    few = golden[:, [0, 1, 0]]  # two goldens, one of them again
    assert torch.allclose(three(sample, few), three(sample, golden[:, [1, 0, 1]]), atol=1e-4)


@BOTH
def test_in_training_samples_and_all_their_goldens_have_statistics_of_their_own(kind):
    one, other = kind(goldens=3), kind(goldens=3)
    for model in (one, other):
        model.train()
        for block in model.backbone.blocks:
            block.drop_path.eval()
    sample, golden = pictures(1), several(2) * 3 + 1
    found = one(sample, golden)
    with_plain_norms(other)
    apart = other.compare_goldens(other.encode(sample), grouped(other.encode(golden.flatten(0, 1))))
    assert torch.allclose(found, apart, atol=1e-4)
    for name, value in other.state_dict().items():
        assert torch.allclose(one.state_dict()[name].float(), value.float(), atol=1e-4), name


@BOTH
def test_the_gradient_is_that_of_the_loss_whichever_golden_fits_best(kind):
    """Against differences of the loss. Through the first golden alone, as in TAO, it would be another."""
    model = used(kind(goldens=3)).double()
    sample, golden = pictures(1).double(), several(2).double()
    weight = next(one for one in model.backbone.parameters() if one.ndim == 4)

    def loss(through_all: bool = True) -> Tensor:
        goldens = grouped(model.encode(golden.flatten(0, 1)))
        if not through_all:
            goldens = [torch.cat([one[:, :1], one[:, 1:].detach()], dim=1) for one in goldens]
        return model.compare_goldens(model.encode(sample), goldens).square().sum()

    (found,) = torch.autograd.grad(loss(), weight)
    (of_first,) = torch.autograd.grad(loss(through_all=False), weight)
    step = found / found.norm() * 1e-6
    with torch.no_grad():
        weight.add_(step)
        above = loss()
        weight.sub_(2 * step)
        slope = float((above - loss()) / 2e-6)
    assert slope == pytest.approx(float(found.norm()), rel=1e-3)
    assert float((of_first - found).norm()) > 0.1 * slope


def test_what_is_no_number_stays_so_whichever_golden_it_is_of():
    for place in range(3):
        distance = torch.ones(2, 3)
        distance[0, place] = torch.nan
        assert best_match(distance).isnan().tolist() == [True, False]
        logits = torch.zeros(2, 3, 2)
        logits[0, place, 0] = torch.nan
        assert best_match(logits).isnan().any(dim=1).tolist() == [True, False]


def test_what_stands_beside_a_frozen_body_learns():
    """The pyramid on a ViT has no weights that anybody gave."""
    torch.manual_seed(0)
    model = EuclideanChangenet(create_backbone("vit_tiny_patch16_224", 32, 64), 32, 64, embedding=5, frozen=True)
    before = {name: value.clone() for name, value in model.backbone.named_parameters()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    sum(one.square().sum() for one in model.train().backbone(torch.randn(4, 3, 32, 64))).backward()
    optimizer.step()
    moved = {name.split(".")[0] for name, value in model.backbone.named_parameters() if not value.equal(before[name])}
    assert moved == {"to_half", "to_quarter"} and not model.backbone.body.training


@torch.no_grad()
def test_nvidias_scores_are_found_again(real_data):
    folder = real_data / "tao-checkpoint" / "vcn"
    content = torch.load(folder / "changenet_model_classify.pth", map_location="cpu", weights_only=True)
    state = {name.removeprefix("model."): value for name, value in content["state_dict"].items()}
    del state["criterion.weight"]
    model = LearnableChangenet(Fan(SIZES["fan_tiny_8_p4_hybrid"]), 64, 32, embed_dim=256, hidden=30, scales=4)
    assert list(model.state_dict()) == list(state)  # in this order, by which optimiser states are stored
    model.load_state_dict(state)
    with (folder / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    mean, std = (np.reshape(values, (3, 1, 1)) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))

    def joined(folder_of: str) -> Tensor:
        found = []
        for row in rows:
            paths = [
                folder / "images" / row[folder_of] / f"{row['object_name']}_{x}Light.jpg" for x in ("Solder", "White")
            ]
            lights = [(decode(path, 32, 32, "picture") / 255 - mean) / std for path in paths]
            found.append(np.concatenate(lights, axis=1))
        return torch.tensor(np.stack(found), dtype=torch.float32)

    scores = model.eval()(joined("input_path"), joined("golden_path")).softmax(dim=1)[:, 1].numpy()
    recorded = np.array([float(row["siamese_score"]) for row in rows])
    assert len(rows) == 96 and recorded.std() > 0.01
    assert np.abs(scores - recorded).max() < 2e-4
