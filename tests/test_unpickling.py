"""Foreign pickles: what is read equals what torch reads, and nothing in them runs, however it is asked for."""

import argparse
import builtins
import os
import pickle
import subprocess
import zipfile
from collections import Counter, OrderedDict, defaultdict
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from pytorch_lightning.utilities.parsing import AttributeDict

from goldenpair.errors import CheckpointError
from goldenpair.unpickling import ForeignFile, Placeholder, StoredTensor

DTYPES = (
    torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint8, torch.bool,
)  # fmt: skip


def write(path: Path, content: object, **how: object) -> Path:
    torch.save(content, path, **how)
    return path


def tensors_of(path: Path, key: str = "state_dict") -> dict[str, torch.Tensor]:
    file = ForeignFile(path)
    return file.tensors({name: one for name, one in file.content[key].items() if isinstance(one, StoredTensor)})


@pytest.mark.parametrize("protocol", [2, 4])
def test_tensors_are_those_that_torch_reads(tmp_path, protocol):
    whole = torch.arange(60, dtype=torch.float32).reshape(3, 4, 5)
    state = {f"{dtype}": (torch.rand(3, 2) * 9).to(dtype) for dtype in DTYPES} | {
        "part": whole[1:, ::2, 1:],
        "turned": whole.transpose(0, 2),
        "shared": whole,
        "number": torch.tensor(7),
        "empty": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(torch.rand(2, 2)),
    }
    path = write(tmp_path / "a.pth", {"state_dict": state, "epoch": 3}, pickle_protocol=protocol)
    found = tensors_of(path)
    assert list(found) == list(state)
    for name, value in state.items():
        assert found[name].dtype == value.dtype and torch.equal(found[name], value), name
    assert ForeignFile(path).content["epoch"] == 3 and ForeignFile(path).left_out == []


def test_a_modules_state_dict(tmp_path):
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    found = tensors_of(write(tmp_path / "a.pth", {"state_dict": module.state_dict()}))
    module.load_state_dict(found)
    assert set(found) == set(module.state_dict())


def test_only_the_tensors_asked_for_are_read(tmp_path):
    path = write(tmp_path / "a.pth", {"state_dict": {"a": torch.ones(3)}, "optimizer": torch.zeros(1000)})
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist() if not name.endswith("data/1")}
    with zipfile.ZipFile(path, "w") as archive:  # without the optimiser's
        for name, raw in records.items():
            archive.writestr(name, raw)
    assert torch.equal(tensors_of(path)["a"], torch.ones(3))


class Enum(str):
    def __reduce__(self):
        return (Enum, ("a",))


FOREIGN = [
    OmegaConf.create({"model": {"type": "Siamese_3"}, "sizes": [1, 2], "at": "${model.type}"}),
    AttributeDict(lr=0.1, nested=AttributeDict(a=[1])),
    np.float64(0.5),
    np.arange(3),
    argparse.Namespace(a=1),
    defaultdict(list, {"a": [1]}),
    Counter("abca"),
    Path("a/b"),
    partial(print, "x"),
    {1, 2},
    frozenset((1, 2)),
    complex(1, 2),
    range(3),
    slice(1, 2),
    torch.float32,
    torch.Size((1, 2)),
    Enum("a"),
    OrderedDict(a=OrderedDict(b=1)),
    len,
    int,
]


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("foreign", FOREIGN, ids=lambda one: type(one).__name__)
def test_other_classes_do_not_stand_in_the_way(tmp_path, foreign, protocol):
    content = {"hyper_parameters": foreign, foreign if isinstance(foreign, frozenset) else "key": 1}
    content |= {"state_dict": {"a": torch.ones(2)}, "last": [foreign, "text"]}
    path = write(tmp_path / "a.pth", content, pickle_protocol=protocol)
    assert torch.equal(tensors_of(path)["a"], torch.ones(2))
    assert ForeignFile(path).content["last"][1] == "text"


def test_what_was_not_read_is_named(tmp_path):
    path = write(tmp_path / "a.pth", {"a": OmegaConf.create({"b": 1}), "c": np.float64(1)})
    file = ForeignFile(path)
    assert "omegaconf.dictconfig.DictConfig" in file.left_out and any("numpy" in name for name in file.left_out)
    assert isinstance(file.content["a"], Placeholder)


# code


class Call:
    """Asks the reader to call something, and to do all that a pickle may ask for with the result."""

    def __init__(self, function, *arguments, state=None, items=None, pairs=None):
        self.asked = (function, arguments, state, items and iter(items), pairs and iter(pairs.items()))

    def __reduce__(self):
        return self.asked


class Loud:
    """Writes a file when its state is set."""

    def __init__(self, marker):
        self.marker = marker

    def __setstate__(self, state):
        Path(state["marker"]).touch()


def system(marker: Path) -> Call:
    return Call(os.system, f"echo x > '{marker}'")


EVIL = {
    "os.system": system,
    "eval": lambda marker: Call(eval, f"open({str(marker)!r}, 'w').close()"),
    "exec": lambda marker: Call(exec, f"open({str(marker)!r}, 'w').close()"),
    "popen": lambda marker: Call(subprocess.check_call, ["touch", str(marker)]),
    "open": lambda marker: Call(builtins.open, str(marker), "w"),
    "touch": lambda marker: Call(Path.touch, marker),
    "setstate": Loud,
    "nested": lambda marker: {"a": [({"b": Call(dict, ((1, system(marker)),))},)]},
    "argument": lambda marker: Call(print, system(marker)),
    "state": lambda marker: Call(argparse.Namespace, state={"a": system(marker)}),
    "items": lambda marker: Call(list, items=[system(marker)], pairs=None),
    "pairs": lambda marker: Call(dict, pairs={"a": system(marker)}),
    "of torch": lambda marker: Call(torch.load, str(marker)),
    "getattr": lambda marker: Call(getattr, Call(__import__, "os"), "system"),
}
PLACES = {
    "beside": lambda evil, state: {"state_dict": state, "callbacks": evil},
    "before": lambda evil, state: {"callbacks": evil, "state_dict": state},
    "within": lambda evil, state: {"state_dict": {**state, "model.evil": evil}},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("evil", EVIL)
def test_nothing_runs(tmp_path, evil, place):
    marker = tmp_path / "marker"
    path = write(tmp_path / "a.pth", PLACES[place](EVIL[evil](marker), {"a": torch.ones(2)}))
    assert torch.equal(tensors_of(path)["a"], torch.ones(2))
    assert not marker.exists()


@pytest.mark.parametrize("evil", [name for name in EVIL if name not in ("of torch", "getattr")])
def test_the_same_would_have_run_elsewhere(tmp_path, evil):
    marker = tmp_path / "marker"
    made = torch.load(write(tmp_path / "a.pth", EVIL[evil](marker)), weights_only=False)
    if evil == "open":
        made.close()
    assert marker.exists()


def archive(path: Path, raw: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", raw)
    return path


MARKER = "open('{marker}', 'w').close()"
HAND = {
    "INST": '(S"' + MARKER + '"\nibuiltins\neval\n.',
    "OBJ": '(cbuiltins\neval\nS"' + MARKER + '"\no.',
    "REDUCE of a result": "cbuiltins\ngetattr\n(cbuiltins\n__import__\n(S'os'\ntRS'system'\ntR(S'touch {marker}'\ntR.",
    "BUILD of a function": "ctorch._utils\n_rebuild_tensor_v2\n}S'__globals__'\nI1\nsb.",
    "BUILD of slots": "ctorch._utils\n_rebuild_tensor_v2\n(N}S'__call__'\ncbuiltins\neval\nstb.",
    "BUILD of a class": "ccollections\nOrderedDict\n(N}S'get'\ncbuiltins\neval\nstb.",
    "BUILD of a dtype": "ctorch\nFloatStorage\n(N}S'itemsize'\nI1\nstb.",
    "call of a dtype": 'ctorch\nFloatStorage\n(S"' + MARKER + '"\ntR.',
    "persistent": "(S'storage'\ncbuiltins\neval\nS\"" + MARKER + "\"\nS'cpu'\nI1\ntQ.",
    "persistent of something else": "(S'module'\nS'os'\nS'0'\ntQ.",
    "extension": "\x82\x01.",
    "tensor without a storage": "ctorch._utils\n_rebuild_tensor_v2\n(S'os'\nI0\n(I1\nt(I1\ntI00\nNtR.",
}


@pytest.mark.parametrize("text", HAND.values(), ids=HAND)
def test_pickles_written_by_hand(tmp_path, text):
    marker = tmp_path / "marker"
    path = archive(tmp_path / "a.pth", text.replace("{marker}", str(marker)).encode("latin-1"))
    before = dict(vars(torch._utils._rebuild_tensor_v2))
    try:
        ForeignFile(path)
    except CheckpointError as error:
        assert str(path) in str(error)
    assert not marker.exists()
    assert vars(torch._utils._rebuild_tensor_v2) == before
    assert OrderedDict.get is dict.get
    assert torch.equal(tensors_of(write(tmp_path / "b.pth", {"state_dict": {"a": torch.ones(2)}}))["a"], torch.ones(2))


def test_the_hand_written_ones_are_pickles(tmp_path):
    marker = tmp_path / "marker"
    for name in ("INST", "OBJ", "REDUCE of a result"):
        pickle.loads(HAND[name].replace("{marker}", str(marker)).encode())
        assert marker.exists(), name
        marker.unlink()


def test_a_tensor_larger_than_its_storage_is_refused(tmp_path):
    path = write(tmp_path / "a.pth", {"state_dict": {"a": torch.ones(4)}})
    for size, stride, offset in (
        ((5,), (1,), 0),
        ((4,), (1,), 1),
        ((2, 2), (3, 1), 0),
        ((2,), (-1,), 1),
        ((-1,), (1,), 0),
    ):
        with pytest.raises(CheckpointError, match="cut off"):
            ForeignFile(path).tensors({"a": StoredTensor("0", torch.float32, offset, size, stride)})


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, 0.99])
def test_a_file_that_is_cut_off_is_named(tmp_path, kept):
    path = write(tmp_path / "a.pth", {"state_dict": {"a": torch.ones(400)}})
    whole = path.read_bytes()
    path.write_bytes(whole[: kept if isinstance(kept, int) else int(kept * len(whole))])
    with pytest.raises(CheckpointError, match="no PyTorch file or is cut off") as caught:
        ForeignFile(path)
    assert str(path) in str(caught.value)


def test_what_is_no_checkpoint_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="there is no such file"):
        ForeignFile(tmp_path / "none.pth")
    with pytest.raises(CheckpointError, match="no PyTorch file"):
        ForeignFile(write(tmp_path / "old.pth", {"a": 1}, _use_new_zipfile_serialization=False))
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as file:
        file.writestr("a.txt", "a")
    with pytest.raises(CheckpointError, match=r"it holds no data\.pkl"):
        ForeignFile(tmp_path / "other.zip")


def test_bytes_in_the_wrong_order_are_refused(tmp_path):
    path = archive(tmp_path / "a.pth", pickle.dumps({}))
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("archive/byteorder", "big")
    with pytest.raises(CheckpointError, match="big-endian"):
        ForeignFile(path)


def test_a_damaged_pickle_never_ends_in_a_traceback(tmp_path):
    rng = np.random.default_rng(0)
    content = {"state_dict": {"model.a": torch.zeros(3), "b": torch.ones(2, 2)}, "c": OmegaConf.create({"d": [1]})}
    with zipfile.ZipFile(write(tmp_path / "a.pth", content)) as file:
        raw = next(file.read(name) for name in file.namelist() if name.endswith("data.pkl"))
    refused = 0
    for _ in range(400):
        hurt = bytearray(raw)
        for place in rng.integers(0, len(raw), 3):
            hurt[place] = rng.integers(256)
        try:
            file = ForeignFile(archive(tmp_path / "b.pth", bytes(hurt)))
            if isinstance(file.content, dict) and isinstance(file.content.get("state_dict"), dict):
                file.tensors({k: v for k, v in file.content["state_dict"].items() if isinstance(v, StoredTensor)})
        except CheckpointError:
            refused += 1
    assert refused > 100
