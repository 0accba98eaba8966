"""A backbone by its name."""

from goldenpair.models.backbone import Backbone
from goldenpair.models.fan import SIZES, Fan


def create_backbone(name: str, height: int, width: int, *, summary: bool = False) -> Backbone:
    """The backbone of this name with random weights, for pictures of one size.

    Names that are not FAN's are timm's, or TAO's for a ViT, and need timm. `summary`: a ViT's prefix tokens are mixed
    into its maps. Raises ValueError for a network that cannot be a backbone of such pictures.
    """
    if name in SIZES:
        return Fan(SIZES[name])
    from goldenpair.models.timm_backbone import timm_backbone

    return timm_backbone(name, height, width, summary)
