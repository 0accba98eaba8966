"""Which processors an action runs on."""

import logging
from functools import cache

import torch

from goldenpair.errors import InputError
from goldenpair.specs.scoring import Devices

log = logging.getLogger(__name__)


def wanted_gpus(wish: Devices) -> list[int]:
    """num_gpus and gpu_ids as TAO reconciles them: the larger wish wins; a list that is too short is replaced."""
    if wish.num_gpus > len(wish.gpu_ids):
        return list(range(wish.num_gpus))
    return wish.gpu_ids


def devices(wish: Devices) -> list[torch.device]:
    """The devices for a wish: its GPUs, or the CPU where there is none, which the log says once.

    Raises InputError if there are GPUs, but not those that were asked for.
    """
    ids = wanted_gpus(wish)
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not there:
        _say_cpu()
        return [torch.device("cpu")]
    absent = [i for i in ids if not 0 <= i < there]
    if absent:
        raise InputError(f"gpu_ids: {absent} asked for; this machine has GPUs 0 to {there - 1}")
    return [torch.device("cuda", i) for i in ids]


def first_device(wish: Devices, action: str) -> torch.device:
    """One device for an action that uses only one; the log says so if more were asked for."""
    found = devices(wish)
    if len(found) > 1:
        log.info("%s runs on one GPU: %s of the %d asked for.", action, found[0], len(found))
    return found[0]


@cache
def _say_cpu() -> None:
    log.info("No GPU found: running on the CPU with %d threads.", torch.get_num_threads())
