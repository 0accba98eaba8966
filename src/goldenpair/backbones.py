"""Weights that a backbone starts from, made by others: under other prefixes, and with layers it does not have."""

import logging
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from goldenpair.checkpoint import bare_names, read_tensors
from goldenpair.errors import CheckpointError, InputError, first_few

log = logging.getLogger(__name__)

# `patch_embed.backbone.` within a name stays
_PREFIXES = ("module.", "model.", "backbone.", "encoder.", "decoder.", "_orig_mod.")
_TOLD = 8  # names in a message


def load_backbone(backbone: nn.Module, path: str) -> None:
    """Copy the weights of a `.pth` or `.safetensors` file into a backbone, and say which ones do not fit.

    Nothing is downloaded and no code of the file runs. Raises CheckpointError for a file that cannot be used, or of
    whose weights none fits or one has another shape.
    """
    file = Path(path)
    own = backbone.state_dict()
    given = bare_names(f"pretrained backbone {file}", _read(file), _PREFIXES)
    fitting = {name: value for name, value in given.items() if name in own}
    if not fitting:
        some = ", ".join(list(given)[:_TOLD])
        raise CheckpointError(f"pretrained backbone {file}: none of its weights fits; it holds {some}, ...")
    other = [
        f"{name}: {list(value.shape)}, but the backbone has {list(own[name].shape)}"
        for name, value in fitting.items()
        if value.shape != own[name].shape
    ]
    if other:
        lines = "\n  ".join(first_few(other))
        raise CheckpointError(f"pretrained backbone {file}: it is of another size than model.backbone.type:\n  {lines}")
    backbone.load_state_dict(fitting, strict=False)
    log.info("Pretrained backbone %s: %d of %d weights taken.", file, len(fitting), len(own))
    for what, names in (("they stay random", own.keys() - given.keys()), ("left out", given.keys() - own.keys())):
        if names:
            told = ", ".join(sorted(names)[:_TOLD]) + (", ..." if len(names) > _TOLD else "")
            log.warning("Pretrained backbone %s: %d weights do not fit (%s): %s", file, len(names), what, told)


def _read(file: Path) -> Mapping[str, Tensor]:
    if file.suffix != ".safetensors":
        return read_tensors(file)
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError:
        raise InputError("safetensors is not installed: pip install 'goldenpair[backbones]'") from None
    try:
        tensors: dict[str, Tensor] = load_file(file)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"pretrained backbone {file}: it cannot be read ({error})") from None
    return tensors
