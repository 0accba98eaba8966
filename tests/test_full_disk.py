"""A real disk that is full, or for reading only: every command names the file and what to do, and leaves no halves."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from goldenpair import cli
from goldenpair.checkpoint import save, stamp
from goldenpair.specs.load import load_spec
from goldenpair.tasks import create_task

OI = "optical_inspection"
ROOM = (0, 8, 16, 40)
"""KiB that are left when a command starts. With the last of them some succeed, and with none before the first."""


@pytest.fixture
def disk(tmp_path):
    """A disk of 2 MiB of its own."""
    yield from mounted(tmp_path / "disk", "size=2m")


@pytest.fixture
def read_only(tmp_path):
    yield from mounted(tmp_path / "disk", "size=2m,ro")


def mounted(place: Path, options: str) -> Iterator[Path]:
    place.mkdir()
    mount = shutil.which("mount")
    if sys.platform != "linux" or not mount:
        pytest.skip("needs Linux and its mount command")
    done = subprocess.run([mount, "-t", "tmpfs", "-o", options, "none", str(place)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"may not mount a small disk here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True, capture_output=True)


def fill(disk: Path, room: int) -> None:
    """Leave `room` KiB."""
    state = os.statvfs(disk)
    with (disk / "filler").open("wb", buffering=0) as file:
        file.write(bytes(state.f_bavail * state.f_frsize - room * 1024))


@pytest.fixture(scope="module")
def trained(boards, tmp_path_factory) -> list[str]:
    """Words of a spec with a tiny network that was never trained, beside the boards."""
    path = tmp_path_factory.mktemp("trained") / "model.pth"
    small = ["dataset.image_width=8", "dataset.image_height=8", "dataset.workers=0", "dataset.cache.enable=false"]
    small += [f"{action}.checkpoint={path}" for action in ("evaluate", "inference", "export")]
    spec = load_spec(OI, boards.spec_path, small)
    state = {f"model.{name}": value for name, value in create_task(spec).model.state_dict().items()}
    save({"state_dict": state, **stamp(spec)}, path)
    return ["-e", str(boards.spec_path), *small, "train.num_epochs=1"]


def refused(capsys, disk: Path) -> None:
    said = capsys.readouterr()
    assert "No space left on device" in said.err and "make room" in said.err
    assert str(disk) in said.err
    assert "Traceback" not in said.err + said.out and "Logging error" not in said.err
    left = [path for path in disk.rglob("*") if path.is_file() and path.suffix in (".tmp", ".partial")]
    assert not left


@pytest.mark.parametrize("action", ["train", "evaluate", "inference", "export"])
def test_an_action(trained, disk, capsys, action):
    codes = []
    for room in ROOM:
        results = disk / f"results{room}"
        fill(disk, room)
        code = cli.main([OI, action, *trained, f"results_dir={results}"])
        codes.append(code)
        if code:
            assert code == 1
            refused(capsys, disk)
            made = {path.name for path in results.rglob("*") if path.is_file()}
            assert not made & {"metrics.json", "evaluate.csv", "contact_sheet.png", "inference.csv", "model.onnx"}
        (disk / "filler").unlink()
        shutil.rmtree(results, ignore_errors=True)
    assert codes[:2] == [1, 1]


def test_what_was_there_stays(trained, disk, capsys):
    words = [OI, "evaluate", *trained, f"results_dir={disk / 'results'}", "evaluate.cutoff=0.4"]
    assert cli.main(words) == 0
    names = ("metrics.json", "evaluate.csv", "contact_sheet.png")
    before = [(disk / "results" / "evaluate" / name).read_bytes() for name in names]
    capsys.readouterr()
    fill(disk, 20)
    assert cli.main([*words, "evaluate.cutoff=0.7"]) == 1
    refused(capsys, disk)
    assert [(disk / "results" / "evaluate" / name).read_bytes() for name in names] == before
    for line in (disk / "results" / "evaluate" / "status.json").read_text().splitlines():
        assert line.startswith("{") and line.endswith("}")


def test_an_audit(trained, disk, capsys):
    fill(disk, 0)
    assert cli.main(["audit", *trained, f"results_dir={disk / 'results'}"]) == 1
    refused(capsys, disk)
    (disk / "filler").unlink()
    (disk / "results" / "audit").mkdir(parents=True, exist_ok=True)
    fill(disk, 0)
    assert cli.main(["audit", *trained, f"results_dir={disk / 'results'}"]) == 1
    refused(capsys, disk)


@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_a_simulation_goes_on_when_there_is_room(disk, capsys, ending, tmp_path):
    words = ["--boards", "3", "--parts-per-board", "4", "--size", "24", "--lights", "2", "--image-ext", ending]
    for room in (0, 40, 100):
        fill(disk, room)
        assert cli.main(["simulate", str(disk / "set"), *words]) == 1
        refused(capsys, disk)
        assert (disk / "set").exists() == bool(room)
        (disk / "filler").unlink()
    assert cli.main(["simulate", str(disk / "set"), *words]) == 0
    assert cli.main(["simulate", str(tmp_path / "set"), *words]) == 0
    for path in (tmp_path / "set").rglob("*"):
        if path.is_file() and path.name != "spec.yaml":  # which names its folder
            assert (disk / "set" / path.relative_to(tmp_path / "set")).read_bytes() == path.read_bytes()


def test_default_specs_and_schemas(disk, capsys):
    fill(disk, 0)
    assert cli.main([OI, "default_specs", f"results_dir={disk}"]) == 1
    refused(capsys, disk)
    assert cli.main(["schema", OI, "--dialect", "tao", "--out", str(disk)]) == 1
    refused(capsys, disk)


def test_an_import_speaks_of_no_training(trained, disk, capsys, tmp_path):
    source = tmp_path / "tao.pth"
    spec = load_spec(OI, trained[1], trained[2:])
    torch.save({"state_dict": {f"model.{k}": v for k, v in create_task(spec).model.state_dict().items()}}, source)
    fill(disk, 8)
    assert cli.main(["import", str(source), *trained, "--out", str(disk / "model.pth")]) == 1
    said = capsys.readouterr().err
    assert str(disk / "model.pth") in said and "No space left" in said and "make room" in said
    assert "training" not in said
    assert [path.name for path in disk.iterdir()] == ["filler"]


@pytest.mark.parametrize(
    "words",
    [
        *([OI, action, "SPEC", "results_dir=DISK/results"] for action in ("train", "evaluate", "inference", "export")),
        ["audit", "SPEC", "results_dir=DISK/results"],
        ["simulate", "DISK/set", "--boards", "3"],
        [OI, "default_specs", "results_dir=DISK"],
        ["schema", OI, "--dialect", "tao", "--out", "DISK"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_disk_for_reading_only_is_wrong_input(trained, read_only, capsys, words):
    named = [word.replace("DISK", str(read_only)) for word in words]
    given = [one for word in named for one in (trained if word == "SPEC" else [word])]
    assert cli.main(given) == 2
    said = capsys.readouterr().err
    assert str(read_only) in said and "Read-only file system" in said and "name another one" in said
