"""How a network is run: layout of its maps, compiling, number formats, norms that see the batches of all GPUs."""

import logging
import shutil
from typing import Literal

import torch
from pytorch_lightning.plugins import LayerSync
from torch import Tensor, nn

from goldenpair.errors import InputError
from goldenpair.models.norms import PairBatchNorm1d, PairBatchNorm2d, PairBatchNormAct2d, apart
from goldenpair.specs.common import TrainCommon
from goldenpair.specs.fields import Section
from goldenpair.specs.visual_changenet import ChangenetTrain, Running

log = logging.getLogger(__name__)
_COMPILERS = ("g++", "c++", "clang++", "cl")


def run_as(model: nn.Module, wish: Section, at: str, device: torch.device) -> None:
    """Set a model up as a section of the spec says, if it has a wish; `at` is the section's path.

    Names and values of the weights stay. Raises InputError where nothing can be compiled.
    """
    if not isinstance(wish, Running):
        return
    if wish.channels_last:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if wish.compile:
        if device.type == "cpu" and not any(map(shutil.which, _COMPILERS)):
            raise InputError(f"{at}.compile: it needs a C++ compiler, such as g++, and there is none")
        for part in model.children():
            for one in part if isinstance(part, nn.ModuleList) else [part]:
                one.compile()


def precision(train: TrainCommon, device: torch.device) -> Literal["32-true", "bf16-mixed", "16-mixed"]:
    """The number format that training asks for; InputError if this device has it not."""
    wish = train.precision if isinstance(train, ChangenetTrain) else "32-true"
    if wish.startswith("16") and device.type == "cpu":
        raise InputError(f"train.precision: {wish} needs a GPU, and this machine has none; bf16-mixed runs here too")
    return "16-mixed" if wish.startswith("16") else "bf16-mixed" if wish.startswith("bf16") else "32-true"


def norm_plugins(train: TrainCommon, device: torch.device) -> list[LayerSync]:
    """What Lightning needs for train.sync_batchnorm."""
    if not (isinstance(train, ChangenetTrain) and train.sync_batchnorm):
        return []
    if device.type == "cpu":
        log.warning("train.sync_batchnorm has no effect: PyTorch has it for GPUs only.")
        return []
    return [SyncNorms()]


class SyncPairBatchNorm(nn.SyncBatchNorm):
    """A batch norm that sees the batches of all GPUs, and in training samples and goldens apart."""

    goldens = 1

    def forward(self, input: Tensor) -> Tensor:
        return apart(super().forward, input, self.goldens) if self.training else super().forward(input)


class SyncPairBatchNormAct(SyncPairBatchNorm):
    """The same, and then dropout and an activation."""

    drop: nn.Module
    act: nn.Module

    def forward(self, input: Tensor) -> Tensor:
        found: Tensor = self.act(self.drop(super().forward(input)))
        return found


class SyncNorms(LayerSync):
    """Lightning's conversion of batch norms, but ours stay norms of pairs."""

    def apply(self, model: nn.Module) -> nn.Module:
        kinds = (PairBatchNorm1d, PairBatchNorm2d)
        of_pairs = {name: module for name, module in model.named_modules() if isinstance(module, kinds)}
        made: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        for name, norm in of_pairs.items():
            synced = made.get_submodule(name)
            synced.__class__ = SyncPairBatchNormAct if isinstance(norm, PairBatchNormAct2d) else SyncPairBatchNorm
            assert isinstance(synced, SyncPairBatchNorm)
            synced.goldens = norm.goldens
            for child, module in norm.named_children():
                setattr(synced, child, module)
        return made

    def revert(self, model: nn.Module) -> nn.Module:
        return model  # training is the last that the process does with it
