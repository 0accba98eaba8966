"""The demo, small: every command of it works and leaves what a newcomer is told to look at."""

import csv

import pytest
from PIL import Image

from goldenpair import DataError, demo


def test_the_whole_way(tmp_path, capsys):
    out = tmp_path / "demo"
    demo.run(out, boards=8, parts=6, epochs=2)
    said = capsys.readouterr().out
    assert said.count("Execution status: PASS") == 5
    assert "false calls at 100% capture" in said and "Done in" in said
    with (out / "results" / "inference" / "inference.csv").open(newline="") as file:
        assert {row["verdict"] for row in csv.DictReader(file)} <= {"PASS", "FAIL"}
    with Image.open(out / "results" / "evaluate" / "contact_sheet.png") as sheet:
        assert sheet.width > 500
    assert (out / "results" / "export" / "model.onnx").exists()
    for split in ("train", "validation", "test"):
        assert (out / "data" / f"{split}.csv").exists()


def test_without_the_extra_it_goes_without_an_export(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "find_spec", lambda _: None)
    done = []
    monkeypatch.setattr(demo, "_do", lambda *words: done.append(words[1]))
    monkeypatch.setattr(demo, "_cutoff", lambda _: 0.4)
    demo.run(tmp_path / "demo")
    assert "export" not in done and done[-1] == "evaluate"
    assert "pip install 'goldenpair[onnx]'" in capsys.readouterr().out


def test_it_never_overwrites(tmp_path):
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(DataError, match="exists"):
        demo.run(tmp_path)
