import pytest
import torch

from goldenpair.models.choice import create_backbone
from goldenpair.models.fan import SIZES, Fan
from goldenpair.models.timm_backbone import TimmMaps, VitPyramid


@pytest.mark.parametrize("name", SIZES)
def test_fans_are_our_own(name):
    with torch.device("meta"):
        assert isinstance(create_backbone(name, 64, 64), Fan)


@pytest.mark.parametrize(
    ("name", "summary", "kind"),
    [
        ("resnet18", False, TimmMaps),
        ("vit_tiny_patch16_224", True, VitPyramid),
        ("vit_small_dinov3", False, VitPyramid),
    ],
)
def test_all_others_are_timms(name, summary, kind):
    with torch.device("meta"):
        made = create_backbone(name, 64, 64, summary=summary)
    assert isinstance(made, kind) and len(made.channels) == len(made.strides) == 4
    assert made.body is not made and (getattr(made, "summary", None) is not None) == summary
