"""Weights that a backbone starts from, made by others: under other prefixes, and with layers it does not have."""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

from torch import Tensor, nn

from goldenpair.checkpoint import bare_names, read_tensors
from goldenpair.errors import CheckpointError, InputError, first_few
from goldenpair.models.backbone import Backbone
from goldenpair.specs.backbones import EXTRA, IMAGENET_WEIGHTS, weights_problem

log = logging.getLogger(__name__)

# `patch_embed.backbone.` within a name stays
_PREFIXES = ("module.", "model.", "backbone.", "encoder.", "decoder.", "timm_model.", "network.", "_orig_mod.")
_TOLD = 8  # names in a message
_CLASSIFIER = 16  # names that a classifier and the layers right before it have at most


def load_backbone(backbone: Backbone, file: Path) -> None:
    """Copy the weights of a `.pth` or `.safetensors` file into a backbone's body, and say which ones do not fit.

    Prefixes are those of TAO, of timm, of timm's networks in Hugging Face's transformers and of PyTorch's wrappers.
    Nothing is downloaded and no code of the file runs. Raises CheckpointError for a file that cannot be used, or of
    whose weights none fits or one has another shape, or that has not all weights of a body that is frozen.
    """
    if problem := weights_problem(file):
        raise CheckpointError(f"pretrained backbone: {problem}")
    own = backbone.body.state_dict()
    prefixes = tuple(one for one in _PREFIXES if not any(name.startswith(one) for name in own))
    bare = bare_names(f"pretrained backbone {file}", _read(file), prefixes)
    given = backbone.adapted(bare)
    fitting = {name: value for name, value in given.items() if name in own}
    if not fitting:
        some = ", ".join(list(bare)[:_TOLD])
        raise CheckpointError(f"pretrained backbone {file}: none of its weights fits; it holds {some}, ...")
    other = [
        f"{name}: {list(value.shape)}, but the backbone has {list(own[name].shape)}"
        for name, value in fitting.items()
        if value.shape != own[name].shape
    ]
    if other:
        lines = "\n  ".join(first_few(other))
        raise CheckpointError(f"pretrained backbone {file}: it is of another size than model.backbone.type:\n  {lines}")
    _refuse_half_frozen(backbone.body, fitting, file)
    backbone.body.load_state_dict(fitting, strict=False)
    log.info("Pretrained backbone %s: %d of %d weights taken.", file, len(fitting), len(own))
    left_out = given.keys() - own.keys()
    larger = "; it may be the file of another, larger network" if len(left_out) > _CLASSIFIER else ""
    for what, names in (("they stay random", own.keys() - given.keys()), (f"left out{larger}", left_out)):
        if names:
            told = _some(names)
            log.warning("Pretrained backbone %s: %d weights do not fit (%s): %s", file, len(names), what, told)
            log.debug("All that do not fit (%s): %s", what, ", ".join(sorted(names)))
    for name, known in IMAGENET_WEIGHTS.items():
        if file == known.file():
            log.info(
                "These weights are used to pictures of rgb_input_mean %s, rgb_input_std %s, and to the padding of %s.",
                *(list(known.mean), list(known.std), name),
            )


def _refuse_half_frozen(body: nn.Module, fitting: Mapping[str, Tensor], file: Path) -> None:
    if any(value.requires_grad for value in body.parameters()):
        return
    # the statistics of a frozen norm never change either; its counter of batches matters to nothing
    missing = {name for name in body.state_dict() if not name.endswith("num_batches_tracked")} - fitting.keys()
    if missing:
        raise CheckpointError(
            f"pretrained backbone {file}: {len(missing)} weights of the backbone are not in it ({_some(missing)}), and "
            "frozen they would stay random; give a file that has them, or set model.backbone.freeze_backbone to false"
        )


def _some(names: Iterable[str]) -> str:
    first = sorted(names)
    return ", ".join(first[:_TOLD]) + (", ..." if len(first) > _TOLD else "")


def _read(file: Path) -> Mapping[str, Tensor]:
    if file.suffix != ".safetensors":
        return read_tensors(file, "pretrained backbone")
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError:
        raise InputError(f"safetensors is not installed: {EXTRA}") from None
    try:
        tensors: dict[str, Tensor] = load_file(file)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"pretrained backbone {file}: it cannot be read ({error})") from None
    return tensors
