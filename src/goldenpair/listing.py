"""What `goldenpair backbones` prints: which backbones there are, how large they are, and whose weights lie here."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from rich.box import SIMPLE
from rich.table import Table

from goldenpair.errors import InputError, first_line
from goldenpair.models.choice import create_backbone
from goldenpair.progress import Progress
from goldenpair.specs.backbones import FAN, IMAGENET, IMAGENET_WEIGHTS, TAO_NAMES, import_timm

_SIDE = 224  # of the pictures that backbones are built for
SUGGESTED = (
    "resnet18",
    "resnet50",
    "mobilenetv4_conv_small",
    "mobilenetv4_conv_medium",
    "efficientnet_lite0",
    "tf_efficientnet_lite0",
    "tf_efficientnet_lite2",
    "convnextv2_atto",
    "convnextv2_nano",
    "convnextv2_tiny",
    "repvit_m1_0",
    "fastvit_t8",
    "edgenext_small",
    "swin_tiny_patch4_window7_224",
    "vit_small_patch14_dinov2",
    "vit_base_patch14_dinov2",
)
"""Names of timm's that are listed where no pattern asks for others: small to middling networks for inspection."""


@dataclass(frozen=True)
class Described:
    """A backbone without its weights; `refusal` says why it cannot be one, and then the rest is empty.

    `parameters` are those of the part that weights of others fit. `weights` is the project of the package that holds
    ImageNet weights, and `installed` says whether it is here.
    """

    name: str
    parameters: int = 0
    channels: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()
    weights: str = ""
    installed: bool = False
    refusal: str = ""


def names_like(pattern: str | None) -> list[str]:
    """The names that a pattern with `*` and `?` fits, or a part of a name; without one, TAO's and a choice of timm's.

    Where timm cannot be imported they are FAN's only. Raises InputError if there are none.
    """
    try:
        of_timm = import_timm().list_models()
    except InputError as error:
        found = [name for name in FAN if pattern is None or _fits(name, pattern)]
        if found:
            return found
        raise InputError(f"no FAN is called {pattern!r}, and all others need timm, but {error}") from None
    if pattern is None:
        return [*TAO_NAMES, *SUGGESTED]
    found = [name for name in (*TAO_NAMES, *of_timm) if _fits(name, pattern)]
    if not found:
        raise InputError(f"no backbone is called {pattern!r}; '*' stands for any letters, as in 'mobilenetv4*'")
    return found


def _fits(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern if set(pattern) & set("*?[") else f"*{pattern}*")


def describe(name: str) -> Described:
    """What is known of a backbone without giving it memory."""
    try:
        with torch.device("meta"):
            backbone = create_backbone(name, _SIDE, _SIDE)
    except ValueError as error:
        return Described(name, refusal=first_line(error))
    known = IMAGENET_WEIGHTS.get(name)
    return Described(
        name,
        sum(one.numel() for one in backbone.body.parameters()),
        backbone.channels,
        backbone.strides,
        known.project if known else "",
        bool(known and known.file()),
    )


def backbones_table(names: list[str], progress: Progress) -> Table:
    """One line for each of the names."""
    table = Table(title="Backbones", title_justify="left", caption_justify="left", box=SIMPLE)
    for column in ("model.backbone.type", "parameters", "channels", "strides", "pictures", "weights here"):
        table.add_column(column, justify="right" if column == "parameters" else "left", overflow="fold")
    for done, name in enumerate(names):
        progress(done, len(names))
        found = describe(name)
        if found.refusal:
            table.add_row(name, "-", found.refusal)
            continue
        table.add_row(
            name,
            f"{found.parameters / 1e6:.1f} M",
            ", ".join(map(str, found.channels)),
            ", ".join(map(str, found.strides)),
            f"x {max(found.strides)}",
            IMAGENET if found.installed else f"in {found.weights}" if found.weights else "none",
        )
    table.caption = (
        "pictures: what height and width of the joined picture are multiples of. weights here: imagenet is a value of "
        "model.backbone.pretrained_backbone_path; for all others give a file, nothing is downloaded."
    )
    return table
