import csv
import errno
import io
import math
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from goldenpair.checkpoint import load_task, load_weights, point_at, read_checkpoint, save, stamp
from goldenpair.data.table import read_table
from goldenpair.errors import CheckpointError, RunError
from goldenpair.evaluation import score_table
from goldenpair.specs.load import load_spec
from goldenpair.tasks import create_task

LIGHTS = ("Solder", "White")


@pytest.fixture
def spec(tao_set):
    return tao_set(lights=LIGHTS).spec("model.embedding_vectors=3")


def content(spec, seed: int = 0) -> dict:
    torch.manual_seed(seed)
    state = create_task(spec).model.state_dict()
    return {"state_dict": {f"model.{name}": value for name, value in state.items()}, "epoch": 3, **stamp(spec)}


@pytest.fixture
def ours(spec, tmp_path) -> Path:
    path = tmp_path / "train" / "model.pth"
    save(content(spec), path)
    return path


def test_ours_come_back_with_their_weights_and_their_spec(spec, ours):
    found = read_checkpoint(ours)
    wanted = content(spec)["state_dict"]
    assert found.path == ours and found.spec == spec
    assert set(found.weights) == {name.removeprefix("model.") for name in wanted}
    assert all(torch.equal(value, wanted[f"model.{name}"]) for name, value in found.weights.items())


def test_ours_need_no_spec(spec, ours):
    task, found = load_task(read_checkpoint(ours))
    assert found == spec and not task.model.training
    pictures = torch.randn(2, 3, 16, 6)
    torch.manual_seed(0)
    assert torch.equal(task.model.embed(pictures), create_task(spec).model.eval().embed(pictures))


def test_a_passphrase_is_not_written(spec):
    secret = spec.model_copy(update={"encryption_key": "secret"})
    assert stamp(secret)["goldenpair"]["spec"]["encryption_key"] is None


def test_saving_leaves_one_whole_file(ours):
    assert [path.name for path in ours.parent.iterdir()] == ["model.pth"]


def test_a_full_disk_is_named_and_leaves_the_old_file(spec, ours, monkeypatch):
    def fail(_, file):
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    before = ours.read_bytes()
    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(RunError, match="cannot be written .*No space left on device") as caught:
        save(content(spec, seed=1), ours)
    assert str(ours) in str(caught.value)
    assert [path.name for path in ours.parent.iterdir()] == ["model.pth"] and ours.read_bytes() == before


def test_what_the_system_said_is_told_when_torch_writes(spec, tmp_path, monkeypatch):
    class Full(io.FileIO):
        def write(self, data):
            if self.tell() > 2000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data)

    monkeypatch.setattr(Path, "open", lambda path, mode: Full(path, mode))
    with pytest.raises(RunError, match="No space left on device"):
        save(content(spec), tmp_path / "train" / "model.pth")
    assert list((tmp_path / "train").iterdir()) == []


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("where", ["state_dict", "optimizer_states"])
def test_weights_that_are_not_finite_are_never_saved(spec, ours, where, value):
    before = ours.read_bytes()
    poisoned = {**content(spec), "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3), "step": 1}}}]}
    tensors = poisoned["state_dict"] if where == "state_dict" else poisoned[where][0]["state"][0]
    name = next(iter(tensors))
    tensors[name] = tensors[name].clone().index_fill_(0, torch.tensor([1]), value)
    with pytest.raises(RunError, match=r"no longer finite; a smaller train\.optim\.lr"):
        save(poisoned, ours)
    assert ours.read_bytes() == before


def test_a_checkpoint_tells_whether_training_can_go_on_from_it(spec, ours):
    assert read_checkpoint(ours).optimizer is None
    save({**content(spec), "optimizer_states": []}, ours)
    assert read_checkpoint(ours).optimizer is not None


def write(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


class Harm:
    """Creates a file when it is unpickled."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return (open, (str(self.target), "w"))


def test_code_in_a_checkpoint_is_refused_and_not_run(spec, tmp_path):
    target = tmp_path / "harm"
    path = write(tmp_path / "evil.pth", {**content(spec), "hook": Harm(target)})
    with pytest.raises(CheckpointError, match="refused, because reading it could run code") as caught:
        read_checkpoint(path)
    assert str(path) in str(caught.value) and not target.exists()
    torch.load(path, weights_only=False)["hook"].close()
    assert target.exists()  # it would have been run


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, 0.99])
def test_a_checkpoint_that_is_cut_off_is_named(ours, kept):
    whole = ours.read_bytes()
    ours.write_bytes(whole[: kept if isinstance(kept, int) else int(kept * len(whole))])
    with pytest.raises(CheckpointError, match="no PyTorch file or is cut off") as caught:
        read_checkpoint(ours)
    assert str(ours) in str(caught.value)


@pytest.mark.parametrize("text", [b"version https://git-lfs.github.com/spec/v1\n", b"<html></html>", b"PK\x03\x04"])
def test_what_is_no_checkpoint_is_named(tmp_path, text):
    path = tmp_path / "model.pth"
    path.write_bytes(text)
    with pytest.raises(CheckpointError, match="no PyTorch file"):
        read_checkpoint(path)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_damaged_pickle_never_ends_in_a_traceback(tmp_path):
    rng = np.random.default_rng(0)
    path = write(tmp_path / "a.pth", {"state_dict": {"model.a": torch.zeros(3), "model.b": torch.ones(2, 2)}})
    whole = path.read_bytes()
    for _ in range(400):
        hurt = bytearray(whole)
        for place in rng.integers(60, 400, 3):
            hurt[place] = rng.integers(256)
        path.write_bytes(hurt)
        try:
            read_checkpoint(path)
        except CheckpointError:
            pass


def test_a_missing_checkpoint_is_named_with_the_folder_looked_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=r"gone\.pth: there is no such file") as caught:
        read_checkpoint("gone.pth")
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([torch.zeros(2)], "expected a dictionary, found list"),
        (torch.zeros(2), "expected a dictionary, found Tensor"),
        ({}, "no 'state_dict'"),
        ({"state_dict": {}}, "no 'state_dict'"),
        ({"state_dict": torch.zeros(2)}, "no 'state_dict'"),
        ({"state_dict": b"\x00\x01", "state_dict_encrypted": True}, "it is encrypted"),
        ({"state_dict": {"model.a": torch.zeros(1)}, "state_dict_encrypted": True}, "it is encrypted"),
    ],
)
def test_what_holds_no_weights_is_refused(tmp_path, content, said):
    with pytest.raises(CheckpointError, match=said):
        read_checkpoint(write(tmp_path / "model.pth", content))


def test_without_any_spec_there_is_no_network(spec, tmp_path):
    path = write(tmp_path / "tao.pth", {"state_dict": content(spec)["state_dict"]})
    with pytest.raises(CheckpointError, match="holds no spec"):
        load_task(read_checkpoint(path))
    assert load_task(read_checkpoint(path), spec)[1] is spec


def test_another_shape_is_named_with_both_sizes(tao_set, ours):
    path = write(ours, {"state_dict": torch.load(ours)["state_dict"]})
    other = tao_set(lights=LIGHTS, width=7).spec("model.embedding_vectors=4")
    with pytest.raises(CheckpointError) as caught:
        load_task(read_checkpoint(path), other)
    said = str(caught.value)
    assert f"fc1.0.weight: [512, {8 * 16 * 6}], but the spec's network has [512, {8 * 16 * 7}]" in said
    assert "fc1.6.bias: [3], but the spec's network has [4]" in said and "joined picture 16 x 7" in said


def test_another_network_is_named_by_what_is_missing_and_what_is_too_much(tao_set, ours):
    path = write(ours, {"state_dict": torch.load(ours)["state_dict"]})
    other = tao_set(lights=LIGHTS).spec("model.model_type=Siamese_1", "model.embedding_vectors=3")
    with pytest.raises(CheckpointError, match=r"fc1\.4\.weight: missing") as caught:
        load_task(read_checkpoint(path), other)
    assert "fc1.3.weight: not in this network" in str(caught.value) and "more" in str(caught.value)


def test_nothing_is_loaded_from_a_checkpoint_that_does_not_fit(tao_set, ours):
    task = create_task(tao_set(lights=LIGHTS).spec("model.model_type=Siamese_1"))
    before = {name: value.clone() for name, value in task.model.state_dict().items()}
    with pytest.raises(CheckpointError):
        load_weights(task, read_checkpoint(ours))
    assert all(torch.equal(value, before[name]) for name, value in task.model.state_dict().items())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"lights": ("White", "Solder")},
            "dataset.input_map: trained with ['Solder', 'White'], the spec says ['White', 'Solder']",
        ),
        ({"lights": ("Solder", "Low")}, "the spec says ['Solder', 'Low']"),
        ({"height": 6, "width": 8}, "dataset.image_height: trained with 8, the spec says 6"),
    ],
)
def test_other_pictures_than_in_training_are_refused_though_the_shapes_fit(tao_set, ours, change, said):
    spec = tao_set(**{"lights": LIGHTS, **change}).spec("model.embedding_vectors=3")
    with pytest.raises(CheckpointError, match="was trained on other pictures") as caught:
        load_task(read_checkpoint(ours), spec)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "dataset.augmentation_config.rgb_input_mean=[0.5,0.5,0.5]",
            "dataset.augmentation_config.rgb_input_mean: trained with [0.485, 0.456, 0.406]",
        ),
        ("dataset.augmentation_config.rgb_input_std=[0.226,0.226,0.226]", "the spec says [0.226, 0.226, 0.226]"),
    ],
)
def test_another_normalisation_than_in_training_is_refused(tao_set, ours, override, said):
    spec = tao_set(lights=LIGHTS).spec("model.embedding_vectors=3", override)
    with pytest.raises(CheckpointError, match="was trained on other pictures") as caught:
        load_task(read_checkpoint(ours), spec)
    assert said in str(caught.value)


def test_another_way_of_joining_than_in_training_is_refused(tao_set, ours):
    spec = tao_set(lights=LIGHTS).spec(
        "model.embedding_vectors=3", "dataset.concat_type=grid", "dataset.grid_map={x: 2, y: 1}"
    )
    with pytest.raises(CheckpointError, match=r"trained with \[2, 1\], the spec says \[1, 2\]"):
        load_task(read_checkpoint(ours), spec)


@pytest.mark.parametrize(
    "override", ["dataset.batch_size=7", "model.margin=3", "dataset.image_ext=.bmp", "train.seed=5"]
)
def test_what_does_not_change_the_scores_may_differ(tao_set, ours, override):
    spec = tao_set(lights=LIGHTS).spec("model.embedding_vectors=3", override)
    assert load_task(read_checkpoint(ours), spec)[1] is spec


def test_a_checkpoint_of_nvidias_code_gives_its_recorded_scores(real_data):
    folder = real_data / "tao-checkpoint" / "oi"
    spec = load_spec("optical_inspection", folder / "spec.yaml")
    task, _ = load_task(read_checkpoint(folder / "oi_model.pth"), spec)
    table = read_table(folder / "infer.csv", folder / "images")
    found = score_table(task, table, torch.device("cpu"), batch_size=16, workers=0)
    with (folder / "scores.csv").open(newline="") as file:
        recorded = [float(row["siamese_score"]) for row in csv.DictReader(file)]
    assert len(recorded) == 160 and found.errors == {}
    assert np.abs(found.score - recorded).max() < 1e-4
    assert np.ptp(recorded) > 0.1


# links


def refused(*_):
    raise OSError("not here")


@pytest.fixture
def target(tmp_path) -> Path:
    path = tmp_path / "model_epoch_001.pth"
    path.write_bytes(b"weights")
    return path


def test_a_link_is_relative_so_that_the_folder_can_be_moved(tmp_path, target):
    link = tmp_path / "latest.pth"
    point_at(link, target)
    assert link.is_symlink() and os.readlink(link) == "model_epoch_001.pth"
    shutil.move(target, tmp_path / "away.pth")
    assert not link.exists()


def test_a_link_to_another_folder(tmp_path, target):
    (tmp_path / "best").mkdir()
    link = tmp_path / "best" / "latest.pth"
    point_at(link, target)
    assert os.readlink(link) == os.path.join("..", "model_epoch_001.pth") and link.read_bytes() == b"weights"


def test_without_symbolic_links_a_hard_link_serves(tmp_path, target, monkeypatch):
    monkeypatch.setattr(Path, "symlink_to", refused)
    link = tmp_path / "latest.pth"
    point_at(link, target)
    assert not link.is_symlink() and os.path.samefile(link, target)


def test_without_any_links_a_copy_serves(tmp_path, target, monkeypatch):
    monkeypatch.setattr(Path, "symlink_to", refused)
    monkeypatch.setattr(os, "link", refused)
    link = tmp_path / "latest.pth"
    point_at(link, target)
    assert not link.is_symlink() and not os.path.samefile(link, target) and link.read_bytes() == b"weights"


@pytest.mark.parametrize("without", [(), ("symlink",), ("symlink", "link")])
def test_a_link_is_replaced_and_nothing_else_is_left(tmp_path, target, monkeypatch, without):
    if "symlink" in without:
        monkeypatch.setattr(Path, "symlink_to", refused)
    if "link" in without:
        monkeypatch.setattr(os, "link", refused)
    link, newer = tmp_path / "latest.pth", tmp_path / "newer.pth"
    newer.write_bytes(b"newer")
    point_at(link, target)
    point_at(link, newer)
    assert link.read_bytes() == b"newer" and target.read_bytes() == b"weights"
    assert {path.name for path in tmp_path.iterdir()} == {"latest.pth", "newer.pth", "model_epoch_001.pth"}


def test_a_flipped_bit_of_a_weight_is_noticed(ours, spec):
    content_of_file = ours.read_bytes()
    value = create_task(spec).model.state_dict()["fc1.0.weight"]
    weights = content(spec)["state_dict"]["model.fc1.0.weight"].numpy().tobytes()
    assert value.nbytes == len(weights)
    place = content_of_file.index(weights) + len(weights) // 2
    ours.write_bytes(content_of_file[:place] + bytes([content_of_file[place] ^ 1]) + content_of_file[place + 1 :])
    with pytest.raises(CheckpointError, match=r"it is damaged \(wrong checksum of its weights\)"):
        read_checkpoint(ours)


@pytest.mark.parametrize(
    ("stamped", "told"),
    [
        ({"network": "optical_inspection", "spec": "/etc/passwd"}, "its own spec is damaged"),
        ({"network": "optical_inspection", "spec": [1]}, "its own spec is damaged"),
        ({"network": ["a"], "spec": {}}, "its own spec is damaged"),
        ({"network": "optical_inspection"}, "its own spec is damaged"),
        ([], "its own spec is damaged"),
        ({"network": "optical_inspection", "spec": {"results_dir": "${oc.env:HOME}"}}, "its own spec is damaged"),
        ({"network": "optical_inspection", "spec": {"train": {"num_epoch": 3}}}, "train.num_epoch: unknown key"),
        ({"network": "crystal_ball", "spec": {}}, "'crystal_ball' is no network"),
    ],
)
def test_what_a_file_says_of_its_spec_leads_nowhere_else(tmp_path, stamped, told):
    path = tmp_path / "foreign.pth"
    torch.save({"state_dict": {"model.x": torch.zeros(1)}, "goldenpair": stamped}, path)
    with pytest.raises(CheckpointError, match=told) as caught:
        read_checkpoint(path)
    assert str(path) in str(caught.value) and "root:" not in str(caught.value)
