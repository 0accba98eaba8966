import pytest
import torch

from goldenpair import devices
from goldenpair.devices import first_device, wanted_gpus
from goldenpair.errors import InputError
from goldenpair.specs.scoring import Devices


@pytest.mark.parametrize(
    ("num_gpus", "gpu_ids", "wanted"),
    [
        (1, [0], [0]),
        (1, [0, 1], [0, 1]),
        (4, [2, 3], [0, 1, 2, 3]),
        (2, [2, 3], [2, 3]),
        (1, [3], [3]),
        (2, [3], [0, 1]),
        (1, [1, 0, 3], [1, 0, 3]),
    ],
)
def test_the_larger_wish_wins_as_in_tao(num_gpus, gpu_ids, wanted):
    assert wanted_gpus(Devices(num_gpus=num_gpus, gpu_ids=gpu_ids)) == wanted


@pytest.fixture
def machine(monkeypatch):
    """A function that gives the machine a number of GPUs."""
    devices._say_cpu.cache_clear()

    def have(gpus: int) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)

    yield have
    devices._say_cpu.cache_clear()


def test_without_gpus_the_cpu_serves_and_that_is_said_once(machine, caplog):
    machine(0)
    with caplog.at_level("INFO", logger="goldenpair"):
        for _ in range(3):
            assert devices.devices(Devices(num_gpus=4, gpu_ids=[7])) == [torch.device("cpu")]
    assert caplog.text.count("No GPU found") == 1


def test_gpus_that_are_there_are_taken_in_the_order_asked_for(machine):
    machine(4)
    found = devices.devices(Devices(num_gpus=2, gpu_ids=[3, 1]))
    assert found == [torch.device("cuda", 3), torch.device("cuda", 1)]


@pytest.mark.parametrize(
    ("num_gpus", "gpu_ids", "absent"), [(1, [2], "[2]"), (3, [0], "[2]"), (1, [5, 0, 2], "[5, 2]")]
)
def test_gpus_that_are_not_there_are_refused(machine, num_gpus, gpu_ids, absent):
    machine(2)
    with pytest.raises(InputError) as caught:
        devices.devices(Devices(num_gpus=num_gpus, gpu_ids=gpu_ids))
    assert absent in str(caught.value) and "GPUs 0 to 1" in str(caught.value)


def test_an_action_for_one_device_takes_the_first_and_says_so(machine, caplog):
    machine(2)
    with caplog.at_level("INFO", logger="goldenpair"):
        assert first_device(Devices(gpu_ids=[1, 0]), "evaluate") == torch.device("cuda", 1)
    assert "evaluate runs on one GPU: cuda:1 of the 2 asked for" in caplog.text
    caplog.clear()
    assert first_device(Devices(gpu_ids=[1]), "evaluate") == torch.device("cuda", 1)
    assert caplog.text == ""
