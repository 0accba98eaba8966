import logging

import pytest
import torch

from goldenpair import devices as module
from goldenpair.devices import devices, first_device, wanted_gpus
from goldenpair.errors import InputError
from goldenpair.specs.common import Devices


@pytest.fixture
def gpus(monkeypatch):
    def pretend(count: int) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        module._say_cpu.cache_clear()

    yield pretend
    module._say_cpu.cache_clear()


def wish(num_gpus: int, gpu_ids: list[int]) -> Devices:
    return Devices(num_gpus=num_gpus, gpu_ids=gpu_ids)


@pytest.mark.parametrize(
    ("num_gpus", "gpu_ids", "wanted"),
    [
        (1, [0], [0]),
        (1, [3], [3]),
        (1, [0, 1], [0, 1]),
        (2, [2, 3], [2, 3]),
        (4, [2, 3], [0, 1, 2, 3]),
        (2, [0], [0, 1]),
        (1, [], [0]),
    ],
)
def test_num_gpus_and_gpu_ids_are_reconciled_as_in_tao(num_gpus, gpu_ids, wanted):
    assert wanted_gpus(wish(num_gpus, gpu_ids)) == wanted


def test_the_cpu_serves_where_there_is_no_gpu_and_that_is_said_once(gpus, caplog):
    caplog.set_level(logging.INFO, "goldenpair")
    gpus(0)
    for _ in range(2):
        assert devices(wish(4, [0])) == [torch.device("cpu")]
    (record,) = caplog.records
    assert "CPU" in record.getMessage()


def test_the_gpus_asked_for(gpus, caplog):
    caplog.set_level(logging.INFO, "goldenpair")
    gpus(4)
    assert devices(wish(1, [1, 3])) == [torch.device("cuda", 1), torch.device("cuda", 3)]
    assert not caplog.records


@pytest.mark.parametrize(("num_gpus", "gpu_ids", "absent"), [(1, [2], [2]), (3, [0], [2]), (1, [-1], [-1])])
def test_gpus_that_are_not_there(gpus, num_gpus, gpu_ids, absent):
    gpus(2)
    with pytest.raises(InputError) as caught:
        devices(wish(num_gpus, gpu_ids))
    assert str(caught.value) == f"gpu_ids: {absent} asked for; this machine has GPUs 0 to 1"


def test_one_device_of_many(gpus, caplog):
    caplog.set_level(logging.INFO, "goldenpair")
    gpus(4)
    assert first_device(wish(1, [3]), "evaluate") == torch.device("cuda", 3)
    assert not caplog.records
    assert first_device(wish(2, [1, 3]), "evaluate") == torch.device("cuda", 1)
    assert caplog.records[0].getMessage() == "evaluate runs on one GPU: cuda:1 of the 2 asked for."
