"""What heads know of the network that sees both pictures."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn


class Backbone(nn.Module, ABC):
    """A network that makes four feature maps of a picture, the coarsest last.

    Map i has `channels[i]` channels and a pixel for every `strides[i]` pixels of the picture in each direction; height
    and width of a picture are multiples of the largest stride.
    """

    def __init__(self, channels: tuple[int, ...], strides: tuple[int, ...]):
        super().__init__()
        self.channels = channels
        self.strides = strides

    @abstractmethod
    def forward(self, pictures: Tensor) -> list[Tensor]:
        """float32 [N, 3, H, W] -> four maps [N, channels[i], H / strides[i], W / strides[i]]."""

    @property
    def body(self) -> nn.Module:
        """The part that weights of others fit and that can be frozen; what stands beside it always learns."""
        return self

    def adapted(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Weights of the same network, as others name and size them -> as the body has them."""
        return weights
