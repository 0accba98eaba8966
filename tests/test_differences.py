"""The part that decoders share: sums of differences from coarse to fine."""

import torch
from torch import Tensor
from torch.nn import functional

from goldenpair.models.backbone import Backbone
from goldenpair.models.differences import Differences


class Pooled(Backbone):
    """Means of the picture at each stride, as a backbone."""

    def __init__(self, strides: tuple[int, ...]):
        super().__init__((3,) * len(strides), strides)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        return [functional.avg_pool2d(pictures, stride) for stride in self.strides]


def maps(backbone: Backbone, seed: int) -> list[Tensor]:
    return backbone(torch.rand(2, 3, 64, 32, generator=torch.Generator().manual_seed(seed)))


def test_sums_go_from_coarse_to_fine_and_add_what_was_found_before():
    backbone = Pooled((4, 8, 16, 32))
    part = Differences(backbone, 64, 32, embed_dim=6, scales=4).eval()
    sample, golden = maps(backbone, 0), maps(backbone, 1)
    found = part.sums(sample, golden)
    assert [tuple(one.shape) for one in found] == [(2, 6, 2, 1), (2, 6, 4, 2), (2, 6, 8, 4), (2, 6, 16, 8)]
    wanted = None
    for number, got in zip((4, 3, 2, 1), found, strict=True):
        linear = part.get_submodule(f"linear_c{number}").proj
        projected = [(one[number - 1].movedim(1, -1) @ linear.weight.T + linear.bias) for one in (sample, golden)]
        one = part.get_submodule(f"diff_c{number}")(torch.cat(projected, dim=-1).movedim(-1, 1))
        if wanted is not None:
            one = one + functional.interpolate(wanted, scale_factor=2, mode="bilinear", align_corners=False)
        torch.testing.assert_close(got, one)
        wanted = one


def test_maps_of_one_size_are_added_as_they_are():
    backbone = Pooled((4, 8, 16, 16))
    part = Differences(backbone, 64, 32, embed_dim=6, scales=2).eval()
    assert list(part.compared) == [4, 3] and part.sizes == [(16, 8), (8, 4), (4, 2), (4, 2)]
    sums = part.sums(maps(backbone, 0), maps(backbone, 1))
    assert part.resized(sums[0], 4, 3) is sums[0]


def test_scales_that_are_not_compared_learn_nothing():
    part = Differences(Pooled((4, 8, 16, 32)), 64, 32, embed_dim=6, scales=1)
    learning = {name.split(".")[0] for name, parameter in part.named_parameters() if parameter.requires_grad}
    assert learning == {"linear_c4", "diff_c4"}
