"""Which checkpoint training goes on from, and that a stopped, killed or failed training ends as an unbroken one."""

import errno
import json
import os
import signal
import sys
from pathlib import Path

import pytest
import torch

import kill_at
from goldenpair import CheckpointError, InputError, RunError, load_spec, train
from goldenpair import checkpoint as checkpoints
from goldenpair.checkpoint import point_at, save, stamp
from goldenpair.resume import checkpoint_to_resume
from goldenpair.tasks import create_task
from goldenpair.training import PairModule
from processes import ended

posix = pytest.mark.skipif(sys.platform == "win32", reason="a signal to oneself ends the process there")
LATEST = "oi_model_latest.pth"

# which file is chosen


@pytest.fixture
def spec(tao_set):
    return tao_set().spec("model.embedding_vectors=3")


@pytest.fixture
def write(spec, tmp_path):
    """A function that writes a checkpoint with the step as its time; `harm` is done to it afterwards."""
    state = {f"model.{name}": value for name, value in create_task(spec).model.state_dict().items()}

    def make(name: str, step: int, harm: str = "") -> Path:
        path = tmp_path / "train" / name
        save({"state_dict": state, "optimizer_states": [], **stamp(spec)}, path)
        whole = path.read_bytes()
        if harm == "cut":
            path.write_bytes(whole[: len(whole) // 2])
        elif harm == "flipped":  # in the middle of the weights
            place = whole.index(state["model.fc1.0.weight"].numpy().tobytes()) + 1000
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        os.utime(path, (step, step))
        return path

    return make


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "train").mkdir()
    return tmp_path / "train"


def chosen(spec, folder: Path) -> str:
    found = checkpoint_to_resume(spec, folder)
    assert found is not None
    return found.path.name


def test_an_empty_folder_is_a_fresh_start(spec, folder):
    assert checkpoint_to_resume(spec, folder) is None


def test_the_link_beats_what_is_newer(spec, folder, write):
    point_at(folder / LATEST, write("model_epoch_001_step_00002.pth", 1))
    write("model_epoch_009_step_00018.pth", 2)
    assert chosen(spec, folder) == "model_epoch_001_step_00002.pth"


@pytest.mark.parametrize("harm", ["cut", "flipped", "gone"])
def test_a_damaged_latest_is_named_and_the_newest_whole_one_serves(spec, folder, write, caplog, harm):
    write("model_epoch_009_step_00018.pth", 1)  # of an older series: not the newest, though its name says so
    write("model_epoch_000_step_00001.pth", 2)
    write("model_epoch_001_step_00002.pth", 3, "cut")
    latest = write("model_epoch_002_step_00003.pth", 4, harm)
    point_at(folder / LATEST, latest)
    if harm == "gone":
        latest.unlink()
    with caplog.at_level("WARNING", logger="goldenpair"):
        assert chosen(spec, folder) == "model_epoch_000_step_00001.pth"
    first, second = caplog.messages
    reason = {"cut": "cut off", "flipped": "wrong checksum", "gone": "no such file"}[harm]
    assert str(latest) in first and reason in first and "going on from" in first
    assert "model_epoch_001_step_00002.pth: it is no PyTorch file or is cut off" in second


def test_a_damaged_latest_is_told_once_also_in_a_relative_folder(spec, folder, write, caplog, monkeypatch):
    write("model_epoch_000_step_00001.pth", 1)
    point_at(folder / LATEST, write("model_epoch_001_step_00002.pth", 2, "cut"))
    monkeypatch.chdir(folder.parent)
    with caplog.at_level("WARNING", logger="goldenpair"):
        assert chosen(spec, Path(folder.name)) == "model_epoch_000_step_00001.pth"
    assert len(caplog.messages) == 1


def test_a_best_checkpoint_serves_too(spec, folder, write):
    write("model_best_000.pth", 1)
    write("model_best_003.pth", 2)
    point_at(folder / LATEST, write("model_best_005.pth", 3, "cut"))
    assert chosen(spec, folder) == "model_best_003.pth"


def test_when_no_checkpoint_is_whole_training_does_not_start_afresh(spec, folder, write):
    write("model_epoch_000_step_00001.pth", 1, "cut")
    gone = write("model_epoch_001_step_00002.pth", 2)
    point_at(folder / LATEST, gone)
    gone.unlink()
    with pytest.raises(CheckpointError, match="no checkpoint is whole") as caught:
        checkpoint_to_resume(spec, folder)
    said = str(caught.value)
    assert f"remove {folder / LATEST} to start afresh" in said
    assert "step_00001.pth: it is no" in said and "step_00002.pth: there is no such file" in said


def test_without_a_link_taos_old_names_serve_newest_first(spec, folder, write):
    write("oi_model_epoch=010.pth", 1)
    write("oi_model_epoch=004.pth", 2)
    write("model_epoch_000_step_00001.pth", 3)
    assert chosen(spec, folder) == "oi_model_epoch=004.pth"


def test_without_a_link_our_names_are_a_fresh_start_and_it_is_said(spec, folder, write, caplog):
    write("model_epoch_000_step_00001.pth", 1)
    with caplog.at_level("WARNING", logger="goldenpair"):
        assert checkpoint_to_resume(spec, folder) is None
    assert f"no {LATEST}" in caplog.text and "holds 1 checkpoints" in caplog.text


def resuming(spec, path: Path):
    train = spec.train.model_copy(update={"resume_training_checkpoint_path": str(path)})
    return spec.model_copy(update={"train": train})


def test_the_path_in_the_spec_beats_the_link_and_is_not_replaced_by_another(spec, folder, write):
    wish = write("model_epoch_000_step_00001.pth", 1)
    point_at(folder / LATEST, write("model_epoch_001_step_00002.pth", 2))
    assert chosen(resuming(spec, wish), folder) == wish.name
    write(wish.name, 1, "flipped")
    with pytest.raises(CheckpointError, match="wrong checksum"):
        checkpoint_to_resume(resuming(spec, wish), folder)


@pytest.mark.parametrize(("name", "said"), [("nothing.pth", "there is no file"), ("spec.yaml", "must end in .pth")])
def test_a_path_that_cannot_serve_is_refused(spec, folder, name, said):
    with pytest.raises(InputError, match=f"resume_training_checkpoint_path: .*{said}"):
        checkpoint_to_resume(resuming(spec, folder / name), folder)


def test_weights_alone_are_refused(spec, folder, write):
    path = write("weights.pth", 1)
    save({"state_dict": torch.load(path)["state_dict"]}, path)
    with pytest.raises(CheckpointError, match="weights only"):
        checkpoint_to_resume(resuming(spec, path), folder)


# going on: always to the weights and metrics of an unbroken run


def words(boards, results: Path) -> list[str]:
    return ["-e", str(boards.spec_path), "train.num_epochs=3", "dataset.batch_size=8", f"results_dir={results}"]


@pytest.fixture
def spec_of(boards, tmp_path):
    def load(*overrides, results="results"):
        given = [*words(boards, tmp_path / results)[2:], *overrides]
        return load_spec("optical_inspection", boards.spec_path, given, "train")

    return load


@pytest.fixture(scope="module")
def unbroken(boards, tmp_path_factory) -> Path:
    given = words(boards, tmp_path_factory.mktemp("unbroken"))[2:]
    return train(load_spec("optical_inspection", boards.spec_path, given, "train")).checkpoint


@pytest.fixture(scope="module")
def steps(unbroken) -> int:
    """Steps of an epoch."""
    return int(unbroken.resolve().stem.split("_")[-1]) // 3


def weights(path: Path):
    return torch.load(path, weights_only=True)["state_dict"]


def records(folder: Path):
    return [json.loads(line) for line in (folder / "status.json").read_text().splitlines()]


def assert_same_end(resumed: Path, unbroken: Path) -> None:
    """The same weights bit for bit, and the same metrics of the last epoch."""
    one, other = weights(resumed), weights(unbroken)
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    for message in ("Train metrics generated.", "Eval metrics generated."):
        kpis = [
            [record["kpi"] for record in records(path.parent) if record["message"] == message]
            for path in (resumed, unbroken)
        ]
        assert kpis[0][-1] == kpis[1][-1]


def at_call(patch, owner, name, nth, act):
    """Do something before the n-th call of a function."""
    original, calls = getattr(owner, name), []

    def hooked(*args, **kwargs):
        calls.append(None)
        if len(calls) == nth:
            act()
        return original(*args, **kwargs)

    patch.setattr(owner, name, hooked)


def interrupt():
    raise KeyboardInterrupt


@posix
@pytest.mark.parametrize(
    ("method", "nth", "number", "saved"),
    [
        ("training_step", 2, signal.SIGINT, 2),  # step in the first epoch
        ("training_step", 0, signal.SIGTERM, "epoch"),  # the last step of an epoch
        ("validation_step", 1, signal.SIGTERM, "epoch"),
        ("on_train_epoch_end", 1, signal.SIGINT, "epoch"),
    ],
)
def test_a_signal_stops_where_going_on_is_exact(spec_of, unbroken, steps, monkeypatch, method, nth, number, saved):
    every = "train.checkpoint_interval=3"  # nothing else is saved
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt, match="stopped by") as caught:
        at_call(patch, PairModule, method, nth or steps, lambda: os.kill(os.getpid(), number))
        train(spec_of(every))
    folder = Path(spec_of().results_dir) / "train"
    step = steps if saved == "epoch" else saved
    assert (folder / LATEST).resolve().name == f"model_epoch_000_step_{step:05d}.pth"
    last = records(folder)[-1]
    assert (last["status"], last["message"]) == ("FAILURE", f"User/System interruption: {caught.value}")
    assert number == signal.SIGINT or "SIGTERM" in str(caught.value)
    assert_same_end(train(spec_of(every)).checkpoint, unbroken)


@posix
def test_a_second_signal_stops_at_once_and_saves_nothing(spec_of, unbroken, monkeypatch):
    def twice():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        at_call(patch, PairModule, "training_step", 2, twice)
        train(spec_of())
    folder = Path(spec_of().results_dir) / "train"
    assert not list(folder.glob("*.pth")) and records(folder)[-1]["status"] == "FAILURE"
    assert_same_end(train(spec_of()).checkpoint, unbroken)


def test_steps_that_end_an_epoch_are_saved_after_its_validation(spec_of, unbroken, steps):
    """Going on from there skips neither the validation nor the end of the epoch."""
    wish = f"train.checkpoint_interval={steps}", "train.checkpoint_interval_unit=step"
    train(spec_of(*wish, "train.num_epochs=2"))
    folder = Path(spec_of().results_dir) / "train"
    assert len(list(folder.glob("model_epoch_*.pth"))) == 2
    first = next(folder.glob("model_epoch_000_*.pth"))
    resumed = train(spec_of(*wish, f"train.resume_training_checkpoint_path={first}", results="resumed"))
    assert [r["message"] for r in records(resumed.folder)].count("Eval metrics generated.") == 2
    assert_same_end(resumed.checkpoint, unbroken)


@posix
@pytest.mark.parametrize("method", ["training_step", "validation_step"])
def test_where_only_the_best_are_kept_a_signal_saves_what_the_next_run_goes_on_from(
    spec_of, steps, monkeypatch, method
):
    """Also where the step is not better than the best; the file goes when the next run has something newer."""
    wish = [f"train.checkpointer.{one}" for one in ("enable_topk=true", "replace_periodic=true", "monitor=train_loss")]
    whole = train(spec_of(*wish, results="whole"))
    nth, epoch, step = (steps + 2, 1, steps + 2) if method == "training_step" else (2, 1, 2 * steps)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt, match="stopped by"):
        at_call(patch, PairModule, method, nth, lambda: os.kill(os.getpid(), signal.SIGTERM))
        train(spec_of(*wish))
    folder = Path(spec_of().results_dir) / "train"
    stopped = f"model_epoch_{epoch:03d}_step_{step:05d}.pth"
    assert (folder / LATEST).resolve().name == stopped
    resumed = train(spec_of(*wish))
    told = [record["message"] for record in records(folder)]
    assert any(stopped in text for text in told if text.startswith("Resuming training"))
    assert sorted(path.name for path in folder.glob("*.pth")) == sorted(
        path.name for path in whole.folder.glob("*.pth")
    )
    assert resumed.checkpoint.resolve().name == whole.checkpoint.resolve().name
    assert_same_end(resumed.checkpoint, whole.checkpoint)


@posix
def test_where_nothing_better_came_the_best_is_the_latest_again_at_the_end(spec_of, steps, monkeypatch):
    best = ("enable_topk=true", "replace_periodic=true", "monitor=train_loss", "mode=max")
    wish = [*(f"train.checkpointer.{one}" for one in best), "train.optim.lr=0.001"]
    whole = train(spec_of(*wish, results="whole"))
    assert whole.checkpoint.resolve().name == "model_best_000.pth"
    for nth in (steps + 2, 3):  # stopped twice in the second epoch
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            at_call(patch, PairModule, "training_step", nth, lambda: os.kill(os.getpid(), signal.SIGINT))
            train(spec_of(*wish))
        folder = Path(spec_of().results_dir) / "train"
        assert len(list(folder.glob("model_epoch_*.pth"))) == 1
    resumed = train(spec_of(*wish))
    assert not list(folder.glob("model_epoch_*.pth"))
    assert resumed.checkpoint.resolve().name == "model_best_000.pth"
    assert_same_end(resumed.checkpoint, whole.checkpoint)


@pytest.mark.parametrize("owner", ["save", "point_at"])
def test_interrupted_while_saving_it_goes_on_from_the_checkpoint_before(spec_of, unbroken, monkeypatch, owner):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        at_call(patch, checkpoints, owner, 2, interrupt)
        train(spec_of())
    folder = Path(spec_of().results_dir) / "train"
    assert (folder / LATEST).resolve().name.startswith("model_epoch_000")
    assert not list(folder.glob("*.tmp")) and not list(folder.glob(".*.tmp"))
    assert_same_end(train(spec_of()).checkpoint, unbroken)


def test_a_full_disk_is_named_and_training_goes_on_from_the_checkpoint_before(spec_of, unbroken, monkeypatch):
    def full():
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(RunError, match=r"model_epoch_001.*No space left"):
        at_call(patch, torch, "save", 2, full)
        train(spec_of())
    folder = Path(spec_of().results_dir) / "train"
    assert "No space left" in records(folder)[-1]["message"]
    assert (folder / LATEST).resolve().name.startswith("model_epoch_000")
    assert_same_end(train(spec_of()).checkpoint, unbroken)


@pytest.mark.parametrize("last", [False, True])
def test_weights_that_become_nan_are_never_the_latest(spec_of, steps, monkeypatch, last):
    """Also where only the validation or the save can see it, because it happened in the last step of an epoch."""
    original = PairModule.on_train_batch_end

    def poison(self, *args):
        original(self, *args)
        if self.global_step == (2 * steps if last else steps + 1):
            next(self.parameters()).data.fill_(float("nan"))

    monkeypatch.setattr(PairModule, "on_train_batch_end", poison)
    with pytest.raises(RunError, match="the loss of the validation is nan" if last else "the loss is nan"):
        train(spec_of())
    folder = Path(spec_of().results_dir) / "train"
    assert (folder / LATEST).resolve().name.startswith("model_epoch_000")
    assert all(torch.isfinite(value).all() for value in weights(folder / LATEST).values())


def test_best_checkpoints_are_those_of_an_unbroken_run(spec_of, monkeypatch):
    wish = [f"train.checkpointer.{one}" for one in ("enable_topk=true", "replace_periodic=true", "monitor=train_loss")]
    whole = train(spec_of(*wish, results="whole"))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        at_call(patch, PairModule, "on_train_epoch_end", 2, interrupt)
        train(spec_of(*wish))
    resumed = train(spec_of(*wish))
    assert resumed.checkpoint.resolve().name == whole.checkpoint.resolve().name
    assert not list(resumed.folder.glob("*-v1.pth"))
    assert_same_end(resumed.checkpoint, whole.checkpoint)


# killed for good


@posix
@pytest.mark.slow
def test_killed_again_and_again_it_ends_as_an_unbroken_run(boards, unbroken, steps, tmp_path):
    """Processes that die, one after the other in one folder: each goes on where the one before has left it."""
    folder = tmp_path / "train"
    module = "goldenpair.training:PairModule"
    deaths = [
        # where, at which call, by what; then the newest step that is saved
        (f"{module}.training_step", 3, "SIGKILL", None),
        ("goldenpair.checkpoint:point_at", 1, "SIGKILL", None),
        (f"{module}.training_step", 2, "SIGTERM", 2),
        ("torch:save", 1, "limit", 2),
        (f"{module}.on_validation_epoch_end", 2, "SIGKILL", steps),
    ]
    for target, nth, how, step in deaths:
        given = ["optical_inspection", "train", *words(boards, tmp_path)]
        done = ended(kill_at.main, target, str(nth), how, *given, folder=tmp_path / "said")
        assert done.returncode == (-signal.SIGKILL if how == "SIGKILL" else 1), done.stderr
        last = records(folder)[-1]
        assert (last["status"] == "FAILURE") is (how != "SIGKILL")
        if how == "SIGTERM":
            assert last["message"].endswith("stopped by signal SIGTERM")
        elif how == "limit":
            assert "File too large" in last["message"] and "File too large" in done.stderr
        latest = folder / LATEST
        assert os.path.lexists(latest) is latest.exists() is (step is not None)
        if step is not None:
            assert latest.resolve().stem.endswith(f"_{step:05d}")
            weights(latest)
    given = words(boards, tmp_path)[2:]
    assert_same_end(train(load_spec("optical_inspection", boards.spec_path, given, "train")).checkpoint, unbroken)
    assert not list(folder.glob(".*.tmp"))
