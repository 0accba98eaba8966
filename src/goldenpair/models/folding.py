"""Architecture 2 as it scores: the same function of the same weights, with less work for each pair."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from goldenpair.models.changenet import Changenet, LearnableChangenet, a_few_at_once
from goldenpair.models.differences import Differences


class FoldedChangenet(Changenet[Tensor]):
    """Made of a network without attention, in eval mode; it scores only, and does not see later changes of the weights.

    - The first convolution of a difference block sees sample and golden side by side: it is the sum of a half for each,
      and the golden's half is the same for all samples that are compared with it.
    - The projection before it, a 1 x 1 convolution, goes into its kernel where that makes the kernel no wider.
    - All that comes after the blocks, up to the classifier's first ReLU, is linear: one matrix for each scale.

    Scores differ from those of the network it is made of by rounding only.
    """

    def __init__(self, network: LearnableChangenet):
        super().__init__(network.backbone, frozen=False, goldens=network.goldens)
        decoder = network.decoder
        self._compared = decoder.compared
        self._blocks = [_FoldedDifference(decoder, number) for number in decoder.compared]
        self.blocks = nn.ModuleList(self._blocks)
        fuse, norm = decoder.linear_fuse
        assert isinstance(fuse, nn.Conv2d) and fuse.bias is not None
        of_scales, fuse_bias = torch.split(fuse.weight, fuse.out_channels, dim=1), fuse.bias[:, None, None]

        def after_blocks(found: list[Tensor]) -> Tensor:
            # fused before it is resized, which is the same and less work
            parts = zip(decoder.summed(found), of_scales, decoder.compared, strict=True)
            resized = [decoder.resized(functional.conv2d(one, weight), number, 1) for one, weight, number in parts]
            fused = norm(torch.stack(resized).sum(dim=0) + fuse_bias)
            hidden: Tensor = decoder.classifier[0](fused.flatten(1))
            return hidden

        shapes = [(fuse.out_channels, *decoder.sizes[number - 1]) for number in decoder.compared]
        matrices, bias = _as_matrices(after_blocks, shapes)
        self.matrices = nn.ParameterList(map(_fixed, matrices))
        self.bias = _fixed(bias)
        self.classifier = decoder.classifier[1:]
        self.eval()

    def encode(self, pictures: Tensor) -> list[Tensor]:
        """The maps that are compared, the coarsest first, as the blocks take them."""
        maps = self._maps(pictures)
        return [block.prepare(maps[number - 1]) for block, number in zip(self._blocks, self._compared, strict=True)]

    def keep(self, golden: Sequence[Tensor]) -> list[Tensor]:
        """The goldens' halves of the first convolutions."""
        pairs = zip(self._blocks, golden, strict=True)
        return [half for block, one in pairs for half in a_few_at_once(block.golden_half, one)]

    def compare(self, sample: Sequence[Tensor], golden: Sequence[Tensor]) -> Tensor:
        found: Tensor = self.bias
        for block, matrix, one, half in zip(self._blocks, self.matrices, sample, golden, strict=True):
            (difference,) = a_few_at_once(block, one, half)
            found = found + functional.linear(difference, matrix)
        logits: Tensor = self.classifier(found)
        return logits


class _FoldedDifference(nn.Module):
    """The block of map `number`."""

    def __init__(self, decoder: Differences, number: int):
        super().__init__()
        projection, block = decoder.get_submodule(f"linear_c{number}.proj"), decoder.get_submodule(f"diff_c{number}")
        assert isinstance(projection, nn.Linear) and isinstance(block, nn.Sequential)
        first = block[0].state_dict()
        halves, bias = list(first["weight"].chunk(2, dim=1)), first["bias"][None, :, None, None]
        weight, shift = projection.weight.detach(), projection.bias.detach()
        self._narrowing = weight.shape[0] < weight.shape[1]
        if not self._narrowing:
            # zeros are put around what is projected: there the projection's bias is missing, so its share is a map
            plane = shift[None, :, None, None].expand(1, -1, *decoder.sizes[number - 1])
            bias = bias + functional.conv2d(plane, halves[0] + halves[1], padding=1)
            halves = [torch.einsum("odyx,dc->ocyx", half, weight) for half in halves]
        self.weight, self.shift, self.bias = _fixed(weight[:, :, None, None]), _fixed(shift), _fixed(bias)
        self.of_sample, self.of_golden = map(_fixed, halves)
        self.rest = block[1:]

    def prepare(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.weight, self.shift) if self._narrowing else x

    def golden_half(self, golden: Tensor) -> list[Tensor]:
        return [functional.conv2d(golden, self.of_golden, padding=1) + self.bias]

    def forward(self, sample: Tensor, golden_half: Tensor) -> list[Tensor]:
        return [self.rest(functional.conv2d(sample, self.of_sample, padding=1) + golden_half).flatten(1)]


def _fixed(weight: Tensor) -> nn.Parameter:
    return nn.Parameter(weight.clone(memory_format=torch.contiguous_format), requires_grad=False)


def _as_matrices(
    function: Callable[[list[Tensor]], Tensor], shapes: Sequence[tuple[int, ...]]
) -> tuple[list[Tensor], Tensor]:
    """A linear function of inputs [1, *shape] with an output [1, M], as matrices [M, elements of a shape], and the bias
    [M]: a matrix is the gradient of the function, which is the same everywhere."""
    with torch.enable_grad():
        inputs = [torch.zeros(1, *shape, requires_grad=True) for shape in shapes]
        outputs = function(inputs)[0]
        rows = [torch.autograd.grad(one, inputs, retain_graph=True) for one in outputs]
    return [torch.stack(column).flatten(1) for column in zip(*rows, strict=True)], outputs.detach()
