import errno
import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from goldenpair import run as run_module
from goldenpair.errors import CheckpointError, DataError, InputError, RunError, SpecError
from goldenpair.run import Run, as_yaml, results_place, whole_file, write_text
from goldenpair.specs.load import default_spec, load_spec

OI = "optical_inspection"


@pytest.fixture
def spec(tmp_path):
    def make(*overrides: str) -> Any:
        return default_spec(OI, [f"results_dir={tmp_path / 'results'}", *overrides])

    return make


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "status.json").read_text().splitlines()]


def end(folder: Path) -> tuple[str, str]:
    last = records(folder)[-1]
    return last["status"], last["message"]


# status.json


@pytest.mark.parametrize(("action", "word"), [("train", "Train"), ("evaluate", "Evaluate"), ("inference", "Inference")])
def test_records_of_a_run_that_ends_well(spec, action, word):
    with Run(spec(), action) as run:
        run.status("Working.")
    assert [(record["status"], record["message"]) for record in records(run.folder)] == [
        ("STARTED", f"Starting Optical Inspection {action}."),
        ("RUNNING", "Working."),
        ("RUNNING", f"{word} finished successfully."),
        ("SUCCESS", "Execution status: PASS"),
    ]
    assert {record["verbosity"] for record in records(run.folder)} == {"INFO"}


def test_date_and_time_are_not_padded(spec, monkeypatch):
    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 5, 2, 9, 3, 7)

    monkeypatch.setattr(run_module, "datetime", Clock)
    with Run(spec(), "train") as run:
        pass
    first = records(run.folder)[0]
    assert (first["date"], first["time"]) == ("5/2/2026", "9:3:7")


def test_order_of_the_keys(spec):
    with Run(spec(), "train") as run:
        progress = {"epoch": 0, "step": 6, "eta": "0:00:28.2"}
        run.status("Training loop in progress", kpi={"train_loss": 1}, progress=progress)
    line = (run.folder / "status.json").read_text().splitlines()[1]
    assert list(json.loads(line)) == [
        "epoch",
        "step",
        "eta",
        "date",
        "time",
        "status",
        "verbosity",
        "message",
        "kpi",
    ]


def test_kpi_is_repeated_until_it_is_replaced(spec):
    with Run(spec(), "train") as run:
        run.status("one", kpi={"val_loss": 0.5, "val_acc": 50})
        run.status("two")
        run.status("three", kpi={"train_loss": 0.25})
        run.status("four", progress={"epoch": 1})
    both, single = {"val_loss": 0.5, "val_acc": 50.0}, {"train_loss": 0.25}
    assert [record.get("kpi") for record in records(run.folder)] == [None, both, both, single, single, single, single]
    assert "epoch" not in records(run.folder)[-1]


def test_runs_are_appended(spec):
    for _ in range(2):
        with Run(spec(), "train") as run:
            run.status("one", kpi={"a": 1})
    starts = [i for i, record in enumerate(records(run.folder)) if record["status"] == "STARTED"]
    assert starts == [0, 4]
    assert "kpi" not in records(run.folder)[4]  # nothing is left of the run before


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (SpecError("the spec", ["a: wrong"]), "Configuration error: 1 problem in the spec:\n  a: wrong"),
        (DataError("no table"), "File system error: no table"),
        (CheckpointError("no checkpoint"), "File system error: no checkpoint"),
        (InputError("no GPU 7"), "Parameter validation error: no GPU 7"),
        (RunError("loss is NaN"), "loss is NaN"),
        (KeyError("x"), "'x'"),
        (AssertionError(), "AssertionError"),
        (MemoryError("none left"), "none left"),
    ],
)
def test_a_failure_is_recorded_and_raised(spec, error, message):
    with pytest.raises(type(error)), Run(spec(), "train") as run:
        raise error
    assert end(run.folder) == ("FAILURE", message)
    assert records(run.folder)[-1]["verbosity"] == "ERROR"
    assert "SUCCESS" not in [record["status"] for record in records(run.folder)]


def test_the_log_holds_the_traceback(spec):
    with pytest.raises(RuntimeError), Run(spec(), "train") as run:
        raise RuntimeError("torn")
    log = (run.folder / "log.txt").read_text()
    assert "Traceback" in log
    assert "RuntimeError: torn" in log
    assert Path(__file__).name in log


def test_stopped_by_the_user(spec):
    with pytest.raises(KeyboardInterrupt), Run(spec(), "train") as run:
        raise KeyboardInterrupt
    status, message = end(run.folder)
    assert status == "FAILURE"
    assert message.startswith("User/System interruption: ")


@pytest.mark.skipif(sys.platform == "win32", reason="a signal to oneself ends the process there")
def test_sigterm_is_a_failure_that_is_told(spec):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt, match="stopped by signal SIGTERM"), Run(spec(), "evaluate") as run:
        os.kill(os.getpid(), signal.SIGTERM)
        pytest.fail("the signal did nothing")
    assert end(run.folder) == ("FAILURE", "User/System interruption: stopped by signal SIGTERM")
    assert signal.getsignal(signal.SIGTERM) is before


# the log


def test_messages_go_to_the_log_while_the_run_is_open(spec):
    log = logging.getLogger("goldenpair.somewhere")
    with Run(spec(), "train") as run:
        log.warning("in between")
    log.warning("afterwards")
    text = (run.folder / "log.txt").read_text()
    assert re.search(r"^\d{4}-\d\d-\d\d .* WARNING in between$", text, re.MULTILINE)
    assert "afterwards" not in text
    assert not logging.getLogger("goldenpair").handlers


def test_options_without_effect_are_said_at_the_start(spec, caplog):
    wish = ("wandb.project=mine", "evaluate.batch_size=4", "inference.batch_size=4", "encryption_key=secret")
    with Run(spec(*wish), "evaluate") as run:
        pass
    said = [record.getMessage().split(" ")[0] for record in caplog.records]
    assert sorted(said) == ["encryption_key", "evaluate.batch_size"]
    assert "evaluate.batch_size" in (run.folder / "log.txt").read_text()


def test_wandb_is_spoken_of_when_training(spec, caplog):
    with Run(spec("wandb.project=mine"), "train"):
        pass
    assert [record.getMessage().split(" ")[0] for record in caplog.records] == ["wandb.project"]


# experiment.yaml


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["train.num_epochs=3", "dataset.input_map={White:1,Low:0}", "dataset.grid_map={x:2,y:1}"],
        ["train.optim.lr=0.00001", "train.gpu_ids=[0,1]", "evaluate.cutoff=1e-7"],
        ["train.results_dir=", "train.checkpointer.monitor=val_loss", "wandb.tags=['a: b', 'on', '1']"],
    ],
)
def test_experiment_yaml_gives_the_same_spec(spec, overrides):
    wish = spec(*overrides)
    with Run(wish, "train") as run:
        run.write_spec()
    again: Any = load_spec(OI, run.folder / "experiment.yaml")
    assert again == wish
    assert list(again.dataset.input_map or {}) == list(wish.dataset.input_map or {})


@pytest.mark.parametrize(
    "text", ["5e-4", "1e5", "007", "0x10", "1_000", "true", "null", "~", "12:30", "2026-01-02", "# a", "é ü 漢"]
)
def test_text_that_looks_like_something_else_stays_text(spec, tmp_path, text):
    (tmp_path / "spec.yaml").write_text(f"model_name: '{text}'\n", encoding="utf-8")
    wish = load_spec(OI, tmp_path / "spec.yaml")
    assert wish.model_name == text
    write_text(tmp_path / "again.yaml", as_yaml(wish))
    assert load_spec(OI, tmp_path / "again.yaml") == wish


@pytest.mark.parametrize("action", ["train", "evaluate", "inference"])
def test_a_passphrase_is_never_written(spec, action):
    with pytest.raises(DataError), Run(spec("encryption_key=tlt_passphrase"), action) as run:
        run.write_spec()
        raise DataError("no table")
    assert all("tlt_passphrase" not in path.read_text() for path in run.folder.iterdir())
    assert load_spec(OI, run.folder / "experiment.yaml").encryption_key is None


def test_a_run_that_is_refused_leaves_the_spec_of_the_one_before(spec):
    with Run(spec("train.num_epochs=3"), "train") as run:
        run.write_spec()
    with pytest.raises(DataError), Run(spec("train.num_epochs=4"), "train"):
        raise DataError("no table")
    assert load_spec(OI, run.folder / "experiment.yaml").train.num_epochs == 3


def test_the_spec_of_a_run_is_replaced_by_the_next(spec):
    for epochs in (3, 4):
        with Run(spec(f"train.num_epochs={epochs}"), "train") as run:
            run.write_spec()
    assert load_spec(OI, run.folder / "experiment.yaml").train.num_epochs == 4


# the folder


@pytest.mark.parametrize(
    ("overrides", "folder"),
    [
        (["results_dir=out"], "out/train"),
        (["results_dir=out", "train.results_dir=other"], "other"),
        (["train.results_dir=other"], "other"),
        (["results_dir=out", "evaluate.results_dir=other"], "out/train"),
        (["results_dir=out", "train.results_dir="], "out/train"),
    ],
)
def test_results_folder(overrides, folder):
    assert results_place(default_spec(OI, overrides), "train") == str(Path(folder))


@pytest.mark.parametrize("overrides", [[], ["results_dir="], ["evaluate.results_dir=other"]])
def test_nowhere_to_write(overrides):
    with pytest.raises(SpecError, match=r"results_dir: set it, or train\.results_dir"):
        Run(default_spec(OI, overrides), "train")


def test_folders_are_made(tmp_path):
    with Run(default_spec(OI, [f"results_dir={tmp_path / 'a' / 'b'}"]), "train") as run:
        run.write_spec()
    assert run.folder == tmp_path / "a" / "b" / "train"
    found = sorted(path.name for path in run.folder.iterdir() if path.name != ".lock")
    assert found == ["experiment.yaml", "log.txt", "status.json"]


def test_a_file_in_the_way_of_the_folder(spec, tmp_path):
    (tmp_path / "results").write_text("")
    with pytest.raises(DataError, match=r"results folder .*train: it cannot be written to \("), Run(spec(), "train"):
        pass


def test_a_folder_in_the_way_of_a_file(spec, tmp_path):
    (tmp_path / "results" / "train" / "experiment.yaml").mkdir(parents=True)
    with pytest.raises(DataError, match="it cannot be written to"), Run(spec(), "train") as run:
        run.write_spec()
    assert [path.name for path in (tmp_path / "results" / "train").glob(".*")] == [".lock"]


# one run at a time


def test_a_second_run_in_the_folder_is_refused_and_leaves_no_trace(spec):
    with Run(spec(), "train") as run:
        before = records(run.folder)
        with pytest.raises(DataError, match="another run works in it"), Run(spec(), "train"):
            pass
        with Run(spec(), "evaluate"):
            pass  # has a folder of its own
        assert records(run.folder) == before
    with Run(spec(), "train"):
        pass


def test_a_second_process_is_refused_until_the_first_is_killed(spec, tmp_path):
    program = (
        "import os, sys; from goldenpair.run import Run; from goldenpair.specs.load import default_spec\n"
        f"with Run(default_spec('{OI}', [f'results_dir={{sys.argv[1]}}']), 'train') as run:\n"
        "    print('begun', flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", program, str(tmp_path / "results")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "begun\n"
        with pytest.raises(DataError, match="another run works in it"), Run(spec(), "train"):
            pass
        other.kill()
        other.wait()
        with Run(spec(), "train"):
            pass


def test_where_nothing_can_be_locked_a_run_says_so_and_works(spec, monkeypatch, caplog):
    def unknown(_):
        raise OSError(errno.ENOSYS, "no flock")

    monkeypatch.setattr(FileLock, "_acquire", unknown)
    with caplog.at_level("WARNING", logger="goldenpair"), Run(spec(), "train") as run:
        pass
    assert end(run.folder)[0] == "SUCCESS" and "cannot be locked" in caplog.text


def test_what_a_killed_run_has_left_half_written_is_removed_and_nothing_else(spec):
    with Run(spec(), "train") as run:
        pass
    theirs = ["model.tmp", ".notes.tmp", "model.123.tmp", "a.pth"]
    for name in [".model_epoch_001.pth.4711.tmp", ".oi_model_latest.pth.1.tmp", *theirs]:
        (run.folder / name).write_text("half")
    before = {path.name for path in run.folder.iterdir()}
    with Run(spec(), "train"):
        pass
    assert before - {path.name for path in run.folder.iterdir()} == {
        ".model_epoch_001.pth.4711.tmp",
        ".oi_model_latest.pth.1.tmp",
    }


def test_a_status_that_cannot_be_written_does_not_hide_why_a_run_failed(spec):
    with pytest.raises(RunError, match="the reason"), Run(spec(), "train") as run:
        (run.folder / "status.json").unlink()
        (run.folder / "status.json").mkdir()
        with pytest.raises(DataError, match="it cannot be written to"):
            run.status("Working.")
        raise RunError("the reason")


# whole files


def test_a_whole_file_replaces_the_old_one(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    write_text(path, "new\nä")
    assert path.read_bytes() == "new\nä".encode()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_file_that_fails_half_way_leaves_nothing(tmp_path, error):
    with pytest.raises(error), whole_file(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        assert temporary.parent == tmp_path
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_fails_half_way_keeps_the_old_one(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ValueError), whole_file(path) as temporary:
        temporary.write_text("half")
        assert path.read_text() == "old"
        raise ValueError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("number", "kind", "advice"),
    [
        (errno.ENOSPC, RunError, "make room there"),
        (errno.EDQUOT, RunError, "make room there"),
        (errno.EACCES, DataError, "permissions"),
        (errno.EROFS, DataError, "permissions"),
    ],
)
def test_what_the_system_refuses_names_the_file_and_what_to_do(tmp_path, number, kind, advice):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(kind) as caught, whole_file(path) as temporary:
        temporary.write_text("half")
        raise OSError(number, os.strerror(number))
    said = str(caught.value)
    assert said.startswith(f"{path}: ") and os.strerror(number) in said and advice in said
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_folders_above_a_whole_file_are_made(tmp_path):
    write_text(tmp_path / "a" / "b" / "c.txt", "new")
    assert (tmp_path / "a" / "b" / "c.txt").read_text() == "new"
    with pytest.raises(DataError, match=r"c\.txt.d: it cannot be written to"):
        write_text(tmp_path / "a" / "b" / "c.txt" / "d", "")


def test_half_a_line_of_status_is_taken_back(spec, monkeypatch):
    with (
        pytest.raises(RunError, match=r"status\.json: it cannot be written to .*make room"),
        Run(spec(), "train") as run,
    ):
        path = run.folder / "status.json"
        before = path.read_bytes()
        opened = Path.open

        class Full(io.FileIO):
            def write(self, data):
                return super().write(data[: len(data) // 2])

        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", lambda one, *a, **k: Full(one, "ab") if one == path else opened(one, *a, **k))
            run.status("Working.")
    assert path.read_bytes().startswith(before)
    assert all(json.loads(line) for line in path.read_text().splitlines())


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's device that is always full")
def test_a_log_that_cannot_be_written_stands_in_nobodys_way(spec, capsys):
    with Run(spec(), "train") as run:
        handler = next(one for one in logging.getLogger("goldenpair").handlers if isinstance(one, logging.FileHandler))
        handler.stream.close()
        handler.stream = open("/dev/full", "w")
        logging.getLogger("goldenpair").warning("something")
    assert end(run.folder)[0] == "SUCCESS"
    assert capsys.readouterr().err == ""
