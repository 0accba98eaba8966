"""Commands that need no model, as they are typed."""

import json
import os
import subprocess
import sys

import pytest

from goldenpair import cli

HEADER = "input_path,golden_path,label,object_name,siamese_score\n"
A = HEADER + "b1,g,PASS,R1,0.1\nb1,g,PASS,R2,0.9\nb2,g,OPEN,R1,0.8\nb2,g,PASS,R3,0.2\n"
B = HEADER + "b1,g,PASS,R1,0.1\nb1,g,PASS,R2,0.2\nb2,g,OPEN,R1,0.3\nb2,g,PASS,R3,0.1\n"
STUDY = "part,trial,label,verdict\nR1,1,PASS,PASS\nR1,2,PASS,PASS\nR2,1,OPEN,FAIL\nR2,2,OPEN,PASS\n"


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in (("A.csv", A), ("B.csv", B), ("study.csv", STUDY)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def failed(capsys, *words: str) -> str:
    assert cli.main(words) == 2
    return capsys.readouterr().err


def test_compare(files, capsys):
    assert cli.main(["compare", "A.csv", "B.csv", "--cutoff-a", "0.5", "--cutoff-b", "0.25"]) == 0
    out = capsys.readouterr().out
    assert "4 parts compared\n" in out and "false call of A only" in out
    assert out.endswith(
        "B makes 1 fewer false call than A: not provable, 1 part on which they differ is too few (p = 1, by board 1).\n"
        "B captures the same defects as A.\n"
    )
    assert sorted(path.name for path in files.iterdir()) == ["A.csv", "B.csv", "study.csv"]  # nothing without --out


def test_compare_writes(files, capsys):
    (files / "map.yaml").write_text("OPEN: LiftedLead\n")
    words = ["--cutoff-a", "0.5", "--cutoff-b", "0.5", "--out", "out/deep", "--label-map", "map.yaml"]
    assert cli.main(["compare", "A.csv", "B.csv", *words]) == 0
    found = json.loads((files / "out" / "deep" / "comparison.json").read_text())
    assert found["defects"]["only_a"] == 1 and found["parts"] == 4
    lines = (files / "out" / "deep" / "changes.csv").read_text().splitlines()
    assert lines[0].endswith(",cfx_category")
    assert lines[1] == "b2,R1,OPEN,escape of B only,0.8,0.3,True,False,LiftedLead"
    assert "Wrote" in capsys.readouterr().out


def test_compare_names_labels_without_a_category(files, capsys):
    (files / "map.json").write_text('{"SHORT": "Short"}')
    words = ["--cutoff-a", "0.5", "--cutoff-b", "0.5", "--out", "out", "--label-map", "map.json"]
    assert cli.main(["compare", "A.csv", "B.csv", *words]) == 0
    assert "Labels that map.json does not map: OPEN" in capsys.readouterr().out


def test_compare_with_other_columns(files, capsys):
    for name, text in (("A.csv", A), ("B.csv", B)):
        (files / name).write_text(text.replace("siamese_score", "margin").replace("label", "mark"), encoding="utf-8")
    (files / "labels.csv").write_text("input_path,object_name,truth\nb1,R1,PASS\nb1,R2,OPEN\n")
    words = ["--score", "margin", "--labels", "labels.csv", "--label", "truth", "--board", "object_name"]
    assert cli.main(["compare", "A.csv", "B.csv", *words, "--capture", "0.9"]) == 0
    out = capsys.readouterr().out
    assert (
        "2 parts compared, 2 in both, but without label or score in one" in out
        and "for 90 % capture: optimistic" in out
    )
    assert "2 boards drawn" in out


def test_compare_without_labels_in_one(files, capsys):
    (files / "B.csv").write_text("input_path,object_name,siamese_score\nb1,R1,0.1\nb2,R1,0.9\n")
    assert cli.main(["compare", "A.csv", "B.csv", "--cutoff-a", "0.5", "--cutoff-b", "0.5"]) == 0
    out = capsys.readouterr().out
    assert "2 parts compared, 2 only in A" in out and "B has no verdict (ERROR, no score or no row) for 2 good" in out


def test_compare_refuses(files, capsys):
    words = ["--cutoff-a", "0.5", "--cutoff-b", "nan"]
    assert "--cutoff-b: nan is no number" in failed(capsys, "compare", "A.csv", "B.csv", *words)
    assert "--cutoff: nan is no number" in failed(capsys, "gauge", "A.csv", "--part", "object_name", "--cutoff", "nan")
    assert "there is no such file" in failed(capsys, "compare", "A.csv", "none.csv")
    assert "it needs --out DIR" in failed(capsys, "compare", "A.csv", "B.csv", "--label-map", "map.yaml")
    assert "capture 2: expected a share" in failed(capsys, "compare", "A.csv", "B.csv", "--capture", "2")
    (files / "map.yaml").write_text("OPEN: Opened\n")
    assert "no category of CFX" in failed(
        capsys, "compare", "A.csv", "B.csv", "--out", "out", "--label-map", "map.yaml"
    )
    assert not (files / "out").exists()


def test_gauge(files, capsys):
    assert cli.main(["gauge", "study.csv"]) == 0
    out = capsys.readouterr().out
    assert "2 parts, at least 2 trials each" in out and "fewer than the 50 x 3" in out
    assert "50.0% (1 of 2;" in out


def test_gauge_with_columns_and_a_file(files, capsys):
    text = "board,ref,run,who,truth,margin\n" + "".join(
        f"b1,{ref},{run},m{who},{truth},{score}\n"
        for ref, truth, score in (("R1", "PASS", 0.1), ("R2", "OPEN", 0.9))
        for run in (1, 2)
        for who in (1, 2)
    )
    (files / "study.csv").write_text(text)
    words = (
        "--part board --part ref --trial run --appraiser who --reference truth --score margin --cutoff 0.5 --out out"
    )
    assert cli.main(["gauge", "study.csv", *words.split()]) == 0
    found = json.loads((files / "out" / "gauge.json").read_text())
    assert [one["name"] for one in found["appraisers"]] == ["m1", "m2"]
    assert found["right"]["count"] == found["parts"] == 2
    assert found["pairings"][0]["kappa"] == 1


def test_gauge_refuses(files, capsys):
    assert "no column 'run'" in failed(capsys, "gauge", "study.csv", "--trial", "run")
    once = failed(capsys, "gauge", "A.csv", "--part", "input_path", "--part", "object_name", "--cutoff", "0.5")
    assert "4 parts have one verdict only" in once and "(--part)" in once


@pytest.mark.parametrize("words", [["compare", "A.csv"], ["gauge"], ["compare", "A.csv", "B.csv", "--capture", "x"]])
def test_what_argparse_refuses(words):
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == 2


@pytest.mark.parametrize("words", [["compare", "A.csv", "B.csv", "--out", "o"], ["gauge", "study.csv", "--out", "o"]])
def test_no_torch_is_needed(files, words):
    program = f"import sys\nfrom goldenpair.cli import main\ncode = main({words})\nprint(code, *sys.modules)"
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    code, *imported = done.stdout.splitlines()[-1].split()
    assert code == "0", done.stderr
    assert not {"torch", "matplotlib", "pytorch_lightning"} & set(imported)


def test_on_scores_of_two_networks_of_nvidias(real_data, capsys):
    files = [str(real_data / "tao-checkpoint" / name / "scores.csv") for name in ("oi", "vcn")]
    assert cli.main(["compare", *files]) == 0
    assert "parts compared" in capsys.readouterr().out
