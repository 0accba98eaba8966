"""Bad input on the command line, one kind after the other: exit code 2 or 1, a message that helps, nothing lost.

What a module's own tests look at in detail is only touched here: this file is about what a user sees.
"""

import csv
import json
import os
import pickle
import re
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from goldenpair.checkpoint import save, stamp
from goldenpair.cli import main
from goldenpair.data.table import read_table
from goldenpair.specs.load import load_spec
from goldenpair.tasks import create_task
from processes import ended

OI = "optical_inspection"
ACTIONS = ("train", "evaluate", "inference")
EARLIER = "what an earlier run has written\n"


class Place:
    """A data set, a checkpoint, earlier results, and the command line."""

    def __init__(self, boards, folder: Path, capsys):
        self.boards, self.folder, self._capsys = boards, folder, capsys
        self.spec_path = folder / "spec.yaml"
        self.spec_path.write_text(boards.spec_path.read_text())
        self.checkpoint = folder / "model.pth"
        spec = load_spec(OI, self.spec_path)
        torch.manual_seed(0)
        weights = {f"model.{name}": value for name, value in create_task(spec).model.state_dict().items()}
        save({"state_dict": weights, **stamp(spec)}, self.checkpoint)
        self.results = folder / "results"
        for action in (*ACTIONS, "export"):
            (self.results / action).mkdir(parents=True)
            for name in ("experiment.yaml", "inference.csv", "metrics.json", "evaluate.csv", "model_best_001.pth"):
                (self.results / action / name).write_text(EARLIER)

    def run(self, action: str, *overrides: str) -> tuple[int, str]:
        """Exit code and everything that was printed."""
        tables = [
            f"dataset.{split}_dataset.{key}={value}"
            for split, table in (
                ("train", self.boards.train_csv),
                ("validation", self.boards.validation_csv),
                ("test", self.boards.test_csv),
                ("infer", self.boards.test_csv),
            )
            for key, value in (("csv_path", table), ("images_dir", self.boards.images_dir))
        ]
        fixed = [
            f"results_dir={self.results}",
            "dataset.workers=0",
            "dataset.batch_size=8",
            "train.num_epochs=1",
            *(f"{one}.checkpoint={self.checkpoint}" for one in ("evaluate", "inference", "export")),
        ]
        code = main([OI, action, "-e", str(self.spec_path), *tables, *fixed, *overrides])
        printed = self._capsys.readouterr()
        text = printed.out + printed.err
        assert "Traceback" not in text
        assert f"Execution status: {'FAIL' if code else 'PASS'}" in printed.out
        return code, re.sub(r"\s*\n\s*", " ", text)

    def refused(self, action: str, *overrides: str, code: int = 2) -> str:
        """What was said of an action that must not have worked, and must not have touched earlier results."""
        found, text = self.run(action, *overrides)
        assert found == code, text
        for path in (self.results / action).iterdir():
            if path.name not in ("status.json", "log.txt", ".lock", "audit.json") and path.is_file():
                assert path.read_text() == EARLIER, f"{path.name} was written over"
        status = self.results / action / "status.json"
        if status.exists():  # a mistake in the spec is found before
            assert json.loads(status.read_text().splitlines()[-1])["status"] == "FAILURE"
        return text

    def table(self, content: str | bytes, name: str = "table.csv") -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path


@pytest.fixture
def place(boards_copy, tmp_path, capsys):
    (tmp_path / "place").mkdir()
    return Place(boards_copy, tmp_path / "place", capsys)


def rows_of(table: Path) -> list[dict[str, str]]:
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


def as_csv(rows: list[dict[str, str]], separator: str = ",", end: str = "\n") -> str:
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    return "".join(separator.join(line) + end for line in lines)


# the spec


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("train.num_epoch=3", "train.num_epoch: unknown key; did you mean 'num_epochs'?"),
        ("train.num_epochs=many", "train.num_epochs: 'many' is not a whole number"),
        ("train.num_epochs=0", "train.num_epochs: 0 is out of bounds; it must be at least 1"),
        ("train.seed=${nowhere.to}", "refers to nothing in this spec"),
        ("train.seed=${train.num_epochs} train.num_epochs=${train.seed}", "refers to itself in a circle"),
        ("num_epochs", "expected key.path=value, as in train.num_epochs=3"),
    ],
)
def test_mistakes_in_a_spec(place, override, told):
    assert told in place.refused("train", *override.split(" "))


def test_three_mistakes_come_in_one_message(place):
    text = place.refused("train", "train.num_epoch=3", "train.optim.lr=fast", "dataset.fpratio_sampling=7")
    assert "3 problems in the spec" in text
    assert all(path in text for path in ("train.num_epoch:", "train.optim.lr:", "dataset.fpratio_sampling:"))


def test_a_value_that_only_this_action_needs(place):
    assert "evaluate.checkpoint: evaluate needs it" in place.refused("evaluate", "evaluate.checkpoint=???")
    assert place.run("inference", "evaluate.checkpoint=???")[0] == 0


@pytest.mark.parametrize("content", ["a: [1", "just words", "- a\n- b", "\x00\x01"])
def test_a_spec_that_is_no_yaml(place, content):
    place.spec_path.write_text(content)
    assert f"the spec {place.spec_path}" in place.refused("train")


# tables


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "it is empty; expected a header row with"),
        ("input_path,golden_path,label,object_name\n", "no rows below the header"),
        ("b1,golden,PASS,R1\nb2,golden,PASS,R1\n", "the first row must be a header with"),
        ("input_path;golden_path;label;object_name\nb1;golden;PASS;R1\n", "separated by semicolons"),
        ("input_path,golden_path,object_name\nb1,golden,R1\n", "column missing"),
        ("input_path,golden_path,label,object_name\nb1,golden,PASS\n", "1 row does not have the header's 4 cells"),
        (b"input_path,golden_path,label,object_name\nb\xfc1,golden,PASS,R1\n", "not UTF-8"),
    ],
)
def test_tables_that_cannot_be_read(place, content, told):
    path = place.table(content)
    for action, split in (("train", "train"), ("evaluate", "test")):
        text = place.refused(action, f"dataset.{split}_dataset.csv_path={path}")
        assert told in text and str(path) in text


@pytest.mark.parametrize("label", ["pass", "PASS ", " ", "Pass."])
def test_labels_that_are_nearly_pass_or_empty(place, label):
    rows = rows_of(place.boards.test_csv)
    rows[3]["label"] = label
    text = place.refused("evaluate", f"dataset.test_dataset.csv_path={place.table(as_csv(rows))}")
    assert "line 5" in text and ("nearly PASS" in text or "label is empty" in text)


@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_tables_as_windows_writes_them_are_read(place, start, end):
    rows = rows_of(place.boards.test_csv)
    path = place.table(start + as_csv(rows, end=end))
    assert place.run("inference", f"dataset.infer_dataset.csv_path={path}")[0] == 0
    assert len(rows_of(place.results / "inference" / "inference.csv")) == len(rows)


def test_names_with_blanks_and_umlauts(place):
    rows = rows_of(place.boards.test_csv)[:2]
    images, strange = place.boards.images_dir, "Bäche von Ørsted 板"
    os.rename(images / rows[0]["input_path"], images / strange)
    for row in rows:
        row["input_path"] = strange
    path = place.table(as_csv(rows), "tafel mit ümlaut.csv")
    assert place.run("inference", f"dataset.infer_dataset.csv_path={path}")[0] == 0
    written = rows_of(place.results / "inference" / "inference.csv")
    assert [row["input_path"] for row in written] == [strange, strange]
    assert all(row["verdict"] != "ERROR" for row in written)


@pytest.mark.parametrize("absolute", [True, False])
def test_paths_that_leave_images_dir_are_said(place, absolute):
    rows = rows_of(place.boards.test_csv)[:4]
    images = place.boards.images_dir
    for row in rows:
        away = images / row["golden_path"] if absolute else Path("..", images.name, row["golden_path"])
        row["golden_path"] = str(away)
    code, text = place.run("inference", f"dataset.infer_dataset.csv_path={place.table(as_csv(rows))}")
    assert code == 0
    # back into the folder they lead, so only absolute ones and those that end elsewhere would be strange
    outside = [{**row, "golden_path": str(Path(*[".."] * 9, "nowhere"))} for row in rows[:1]]
    code, text = place.run("inference", f"dataset.infer_dataset.csv_path={place.table(as_csv([*rows, *outside]))}")
    assert code == 0 and "leave" in text and "nowhere" in text
    assert [row["verdict"] for row in rows_of(place.results / "inference" / "inference.csv")][-1] == "ERROR"


def test_a_missing_picture_stops_training_before_it_starts(place):
    row = rows_of(place.boards.train_csv)[5]
    gone = place.boards.images_dir / row["input_path"] / f"{row['object_name']}_WhiteLight.jpg"
    gone.unlink()
    text = place.refused("train")
    assert gone.name in text and "missing" in text


# folders and disks


def test_a_folder_that_cannot_be_written(place):
    (place.folder / "file").write_text("")
    for action in (*ACTIONS, "export"):
        code, text = place.run(action, f"results_dir={place.folder / 'file' / 'results'}")
        assert code == 2 and "cannot be written to" in text


def with_small_files(*words: str) -> int:
    import resource
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    return main(words)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit of the size of files, which POSIX has")
def test_a_disk_that_is_full(place):
    """In a process of its own whose files may not grow beyond 100 kB, which a table fits into and a model does not."""
    before = {path: path.read_bytes() for path in place.results.rglob("*.pth")}
    words = [OI, "export", "-e", str(place.spec_path), f"results_dir={place.results}"]
    words += [f"export.checkpoint={place.checkpoint}", "dataset.workers=0"]
    done = ended(with_small_files, *words, folder=place.folder / "said")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "model.onnx" in done.stderr and "cannot be written" in done.stderr
    assert {path: path.read_bytes() for path in place.results.rglob("*.pth")} == before
    assert not list((place.results / "export").glob("*.onnx")) and not list((place.results / "export").glob(".model*"))


def test_a_second_run_in_one_folder(place):
    from goldenpair.run import Run

    spec = load_spec(OI, place.spec_path, [f"results_dir={place.results}"])
    with Run(spec, "inference"):
        code, text = place.run("inference")
    assert code == 2 and str(place.results / "inference") in text and "another run" in text
    assert (place.results / "inference" / "inference.csv").read_text() == EARLIER
    assert place.run("inference")[0] == 0


# models


def test_a_checkpoint_of_another_shape(place):
    text = place.refused("evaluate", "model.embedding_vectors=9")
    assert "does not fit the spec" in text and "[5" in text and "[9" in text


def test_a_checkpoint_that_wants_to_run_code(place):
    class Evil:
        def __reduce__(self):
            return os.system, (f"echo ran > {place.folder / 'ran'}",)

    path = place.folder / "evil.pth"
    torch.save({"state_dict": {"model.x": Evil()}}, path)
    for action in ("evaluate", "inference", "export"):
        assert "could run code" in place.refused(action, f"{action}.checkpoint={path}")
    path.write_bytes(pickle.dumps(Evil()))
    assert "evil.pth" in place.refused("evaluate", f"evaluate.checkpoint={path}")
    assert not (place.folder / "ran").exists()
    os.system(f"echo control > {place.folder / 'ran'}")  # the command would have worked
    assert (place.folder / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 half a file"])
def test_a_checkpoint_that_is_none(place, content):
    path = place.folder / "other.pth"
    path.write_bytes(content)
    assert "no PyTorch file or is cut off" in place.refused("inference", f"inference.checkpoint={path}")
    assert "there is no such file" in place.refused("inference", "inference.checkpoint=nowhere.pth")


def test_an_onnx_file_that_is_not_ours(place):
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    other = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "theirs", [value], [other])
    onnx.save(onnx.helper.make_model(graph), place.folder / "theirs.onnx")
    text = place.refused("inference", f"inference.checkpoint={place.folder / 'theirs.onnx'}")
    assert "theirs.json is not beside it" in text


# numbers of rows


def test_a_batch_of_one(place):
    assert "dataset.batch_size: 1 is too small to train" in place.refused("train", "dataset.batch_size=1")
    assert place.run("inference", "dataset.batch_size=1")[0] == 0


def test_fewer_rows_than_a_batch(place):
    rows = rows_of(place.boards.test_csv)[:3]
    path = place.table(as_csv(rows))
    assert place.run("inference", f"dataset.infer_dataset.csv_path={path}", "dataset.batch_size=64")[0] == 0
    code, _ = place.run("train", f"dataset.train_dataset.csv_path={path}", "dataset.batch_size=64")
    assert code == 0
    one = place.table(as_csv(rows[:1]), "one.csv")
    fresh = f"results_dir={place.folder / 'fresh'}"
    code, text = place.run("train", f"dataset.train_dataset.csv_path={one}", fresh)
    assert code == 2 and "which is too few; training needs 2" in text


@pytest.mark.parametrize("defects", [False, True])
def test_one_kind_only(place, defects):
    rows = [row for row in rows_of(place.boards.test_csv) if (row["label"] != "PASS") == defects]
    path = place.table(as_csv(rows))
    code, text = place.run("train", f"dataset.train_dataset.csv_path={path}")
    assert code == 0 and ("only defects" if defects else "has no defects") in text
    code, text = place.run("evaluate", f"dataset.test_dataset.csv_path={path}")
    assert code == 0
    metrics = json.loads((place.results / "evaluate" / "metrics.json").read_text())
    assert metrics["auroc"] is None


def test_a_loss_that_is_no_number(place):
    code, text = place.run("train", "train.optim.lr=1e30", "train.optim.type=SGD", "train.num_epochs=3")
    assert code == 1 and "the loss" in text and "a smaller train.optim.lr" in text
    assert not list((place.results / "train").glob("model_epoch*"))


# what the scores must not depend on


def cli(*words: str) -> int:
    return main(words)


def test_scores_are_the_same_in_another_process(place):
    place.run("inference")
    first = rows_of(place.results / "inference" / "inference.csv")
    given = ["-e", str(place.spec_path), f"results_dir={place.folder / 'again'}", "dataset.batch_size=8"]
    given += [f"inference.checkpoint={place.checkpoint}", "dataset.workers=2"]
    given += [f"dataset.infer_dataset.csv_path={place.boards.test_csv}"]
    given += [f"dataset.infer_dataset.images_dir={place.boards.images_dir}"]
    assert ended(cli, OI, "inference", *given, folder=place.folder / "said").returncode == 0
    assert rows_of(place.folder / "again" / "inference" / "inference.csv") == first


def test_scores_are_the_same_on_another_day(place, monkeypatch):
    place.run("inference")
    first = rows_of(place.results / "inference" / "inference.csv")
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 400 * 86400)
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    place.run("inference")
    assert rows_of(place.results / "inference" / "inference.csv") == first


def test_the_score_is_the_same_the_other_way_round(place):
    """Up to the 1e-6 that TAO adds to every difference."""
    from goldenpair import Inspector

    inspector = Inspector(place.checkpoint)
    table = read_table(place.boards.test_csv, place.boards.images_dir)
    for row in (table.row(i) for i in range(0, len(table), 5)):
        sample, golden = (
            [place.boards.images_dir / row[key] / f"{row['object_name']}_{light}.jpg" for light in inspector.lights]
            for key in ("input_path", "golden_path")
        )
        there, back = inspector.inspect(sample, golden).score, inspector.inspect(golden, sample).score
        assert there == pytest.approx(back, abs=1e-5)


def test_a_picture_with_itself_scores_next_to_nothing(place):
    from goldenpair import Inspector

    pixels = [np.random.default_rng(i).integers(1, 256, (24, 24, 3), dtype=np.uint8) for i in range(2)]
    assert Inspector(place.checkpoint).inspect(pixels, pixels).score == pytest.approx(5**0.5 * 1e-6, rel=0.01)
    assert Image.fromarray(pixels[0]).size == (24, 24)
