"""FAN hybrids (Zhou et al. 2022, "Understanding the robustness in vision transformers"): a ConvNeXt stem, then
transformer blocks whose channels are gated by what all tokens say.

Parameter names are those of NVIDIA TAO's backbones, so its weights load as they are.
"""

from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor, nn
from torch.nn import functional

from goldenpair.models.backbone import Backbone
from goldenpair.models.norms import ChannelNorm, PairBatchNorm2d

STRIDES = (4, 8, 16, 16)
_STEM = (128, 256)
_EPS = 1e-6
_DROP_PATH = 0.3
_FREQUENCIES = 32
_TEMPERATURE = 10_000


@dataclass(frozen=True)
class Size:
    """`map_3` is the number of the block whose tokens are the third feature map."""

    width: int
    depth: int
    heads: int
    stem_blocks: tuple[int, int]
    map_3: int


SIZES = {
    "fan_tiny_8_p4_hybrid": Size(192, 8, 8, (3, 3), 7),
    "fan_small_12_p4_hybrid": Size(384, 10, 8, (3, 3), 9),
    "fan_base_16_p4_hybrid": Size(448, 16, 8, (3, 3), 15),
    "fan_large_16_p4_hybrid": Size(480, 22, 10, (3, 5), 18),
}


class Fan(Backbone):
    """A FAN hybrid as a backbone.

    In training a batch holds samples and then their goldens: see PairBatchNorm2d.
    """

    def __init__(self, size: Size):
        super().__init__((*_STEM, size.width, size.width), STRIDES)
        self._map_3 = size.map_3
        self.cls_token = nn.Parameter(torch.zeros(1, 1, size.width))
        self.patch_embed = _PatchEmbedding(size)
        self.pos_embed = _FourierPositions(size.width)
        self.blocks = nn.ModuleList(_Block(size.width, size.heads) for _ in range(size.depth))
        self.cls_attn_blocks = nn.ModuleList(_ClassBlock(size.width) for _ in range(2))
        self.cls_token.requires_grad_(False)
        self.apply(_initialise)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """As of every Backbone; H and W are multiples of 16. The maps are laid out channels last."""
        maps, last = self.patch_embed(pictures)
        last = last + self.pos_embed(last)
        height, width = last.shape[2:]
        tokens = last.flatten(2).transpose(1, 2)
        for number, block in enumerate(self.blocks):
            tokens = block(tokens, height, width)
            if number == self._map_3:
                maps.append(_as_map(tokens, height, width))
        for block in self.cls_attn_blocks:
            tokens = block(tokens)
        return [*maps, _as_map(tokens, height, width)]


class _PatchEmbedding(nn.Module):
    def __init__(self, size: Size):
        super().__init__()
        self.backbone = _ConvNextStem(size.stem_blocks)
        self.proj = nn.Conv2d(_STEM[-1], size.width, 2, stride=2)

    def forward(self, pictures: Tensor) -> tuple[list[Tensor], Tensor]:
        """The stem's two maps, and the tokens as a map at stride 16."""
        maps = self.backbone(pictures)
        return maps, self.proj(maps[-1])


class _ConvNextStem(nn.Module):
    def __init__(self, blocks: tuple[int, int]):
        super().__init__()
        first, second = _STEM
        self.stem = nn.Sequential(nn.Conv2d(3, first, 4, stride=4), ChannelNorm(first, eps=_EPS))
        shrink = nn.Sequential(ChannelNorm(first, eps=_EPS), nn.Conv2d(first, second, 2, stride=2))
        self.stages = nn.ModuleList(
            [_ConvNextStage(nn.Identity(), first, blocks[0]), _ConvNextStage(shrink, second, blocks[1])]
        )

    def forward(self, pictures: Tensor) -> list[Tensor]:
        x, maps = self.stem(pictures), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class _ConvNextStage(nn.Module):
    def __init__(self, downsample: nn.Module, width: int, blocks: int):
        super().__init__()
        self.downsample = downsample
        self.blocks = nn.Sequential(*[_ConvNextBlock(width) for _ in range(blocks)])

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.blocks(self.downsample(x))
        return found


class _ConvNextBlock(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), 1e-6))
        self.conv_dw = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = ChannelNorm(width, eps=_EPS)
        self.mlp = _ConvMlp(width)

    def forward(self, x: Tensor) -> Tensor:
        branch: Tensor = self.mlp(self.norm(self.conv_dw(x)))
        return x + branch * self.gamma[:, None, None]


class _ConvMlp(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.fc1 = nn.Conv2d(width, 4 * width, 1)
        self.fc2 = nn.Conv2d(4 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        # the same as two convolutions, and twice as fast: what comes from a _ChannelNorm is laid out for it
        hidden = functional.gelu(_linear(self.fc1, x.permute(0, 2, 3, 1)))
        return _linear(self.fc2, hidden).permute(0, 3, 1, 2)


def _linear(convolution: nn.Conv2d, x: Tensor) -> Tensor:
    """A 1 x 1 convolution of [N, h, w, C]."""
    return functional.linear(x, convolution.weight.flatten(1), convolution.bias)


class _FourierPositions(nn.Module):
    """Sines and cosines of a token's row and column, as shares of the height and width."""

    def __init__(self, width: int):
        super().__init__()
        self.token_projection = nn.Conv2d(2 * _FREQUENCIES, width, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        """[N, C, h, w] -> [1, C, h, w]."""
        height, width = tokens.shape[2:]
        rows, columns = self._waves(height, tokens), self._waves(width, tokens)
        waves = torch.cat(
            [rows[:, None].expand(-1, width, -1), columns[None].expand(height, -1, -1)], dim=-1
        )  # [h, w, 2 * _FREQUENCIES]
        code: Tensor = self.token_projection(waves.permute(2, 0, 1)[None])
        return code

    @staticmethod
    def _waves(count: int, like: Tensor) -> Tensor:
        """[count, _FREQUENCIES]: sine and cosine in turn."""
        place = torch.arange(1, count + 1, device=like.device, dtype=torch.float32) / (count + _EPS) * (2 * pi)
        power = torch.arange(0, _FREQUENCIES, 2, device=like.device, dtype=torch.float32) / _FREQUENCIES
        angle = place[:, None] / _TEMPERATURE**power
        waves: Tensor = torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)
        return waves.to(like.dtype)


class _Block(nn.Module):
    """Residual self-attention over tokens, then residual channel processing."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.gamma1 = nn.Parameter(torch.ones(width))
        self.gamma2 = nn.Parameter(torch.ones(width))
        self.norm1 = nn.LayerNorm(width, eps=_EPS)
        self.attn = _TokenAttention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=_EPS)
        self.mlp = _ChannelProcessing(width, heads)
        self.drop_path = _DropPath(_DROP_PATH)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        tokens = tokens + self.drop_path(self.gamma1 * self.attn(self.norm1(tokens)))
        branch: Tensor = self.drop_path(self.gamma2 * self.mlp(self.norm2(tokens), height, width))
        return tokens + branch


class _TokenAttention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self._heads = heads
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """[N, T, C] -> [N, T, C]."""
        key, value = self.kv(tokens).chunk(2, dim=-1)
        q, k, v = (_split_heads(one, self._heads) for one in (self.q(tokens), key, value))
        found: Tensor = self.proj(_attend(q, k, v))
        return found


class _ChannelProcessing(nn.Module):
    """An MLP whose channels are gated; the gate comes from softmaxes over the tokens."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self._heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.mlp_v = _TokenMlp(width)
        self.norm_v = nn.LayerNorm(width, eps=_EPS)
        self.q = nn.Linear(width, width)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """[N, T, C] -> [N, T, C]."""
        q = _split_heads(self.q(tokens), self._heads).softmax(dim=2)
        k = _split_heads(tokens, self._heads).softmax(dim=2).mean(dim=3, keepdim=True)
        gate = (q.transpose(2, 3) @ k).sigmoid() * self.temperature  # [N, heads, C / heads, 1]
        found: Tensor = self.norm_v(self.mlp_v(tokens, height, width)) * gate.flatten(1)[:, None]
        return found


class _TokenMlp(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(4 * width))
        self.fc1 = nn.Linear(width, 4 * width)
        self.dwconv = _DepthwisePair(4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        x = self.fc1(tokens)
        near = self.dwconv(_as_map(x, height, width)).flatten(2).transpose(1, 2)
        found: Tensor = self.fc2(x + self.gamma * near)
        return found


class _DepthwisePair(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.bn = PairBatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, groups=width)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.conv2(self.bn(functional.gelu(self.conv1(x))))
        return found


class _ClassBlock(nn.Module):
    """What a class-attention block does to the other tokens, which never look at the class token.

    The class token itself is not computed, as no feature map holds it: its parameters are here for the names in TAO's
    files, and get no gradient there either.
    """

    def __init__(self, width: int):
        super().__init__()
        self.gamma1 = nn.Parameter(torch.ones(width))
        self.gamma2 = nn.Parameter(torch.ones(width), requires_grad=False)
        self.norm1 = nn.LayerNorm(width, eps=_EPS)
        self.attn = nn.ModuleDict({name: nn.Linear(width, width) for name in ("q", "k", "v", "proj")})
        self.norm2 = nn.LayerNorm(width, eps=_EPS)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})
        self.attn.requires_grad_(False)
        self.mlp.requires_grad_(False)

    def forward(self, tokens: Tensor) -> Tensor:
        """[N, T, C] -> [N, T, C]."""
        tokens = self.norm2(tokens + self.gamma1 * self.norm1(tokens))
        return tokens + tokens


class _DropPath(nn.Module):
    """Stochastic depth: in training a picture skips the branch with this probability."""

    def __init__(self, probability: float):
        super().__init__()
        self._keep = 1 - probability

    def forward(self, branch: Tensor) -> Tensor:
        if not self.training:
            return branch
        kept = torch.empty(len(branch), 1, 1, dtype=branch.dtype, device=branch.device).bernoulli_(self._keep)
        return branch * (kept / self._keep)


def _split_heads(tokens: Tensor, heads: int) -> Tensor:
    """[N, T, C] -> [N, heads, T, C / heads]."""
    return tokens.reshape(*tokens.shape[:2], heads, -1).transpose(1, 2)


def _attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Softmax attention of [N, heads, T, d] -> [N, T, heads * d]."""
    return functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def _as_map(tokens: Tensor, height: int, width: int) -> Tensor:
    """[N, height * width, C] -> [N, C, height, width]."""
    return tokens.transpose(1, 2).reshape(tokens.shape[0], -1, height, width)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
