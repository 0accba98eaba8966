"""`goldenpair report`: from anybody's file to the page, without torch, with a sentence for each mistake."""

import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from factory import as_csv, factory
from goldenpair import cli
from goldenpair.quality.policy import Band, Policy

HEADER = "input_path,golden_path,label,object_name,siamese_score\n"
NO_TORCH = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "pytorch_lightning", "torchvision"):
            raise ImportError(f"{name} must not be imported")
sys.meta_path.insert(0, Refuse())
from goldenpair import cli
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "inference.csv"
    path.write_text(as_csv(factory(400)), encoding="utf-8")
    return path


def report(*words):
    return cli.main(["report", *map(str, words)])


def metrics(folder):
    return json.loads((folder / "metrics.json").read_text("utf-8"))


def refused(capsys, *words):
    assert report(*words) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and "Traceback" not in said
    return said


def test_it_needs_no_torch(table):
    words = ["report", str(table), "--cutoff", "0.4", "--target-capture", "0.97"]
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    done = subprocess.run([sys.executable, "-c", NO_TORCH, *words], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "false calls" in done.stdout and "Wrote report.html, metrics.json and scores.csv" in done.stdout
    assert (table.parent / "inference_report" / "report.html").stat().st_size < 10e6


def test_where_it_writes(table, tmp_path):
    assert report(table, "--cutoff", 0.4) == 0
    assert report(table, "--cutoff", 0.4, "--out", tmp_path / "deep" / "down") == 0
    for folder in (tmp_path / "inference_report", tmp_path / "deep" / "down"):
        assert sorted(path.name for path in folder.iterdir()) == ["metrics.json", "report.html", "scores.csv"]


def test_the_same_file_gives_the_same_bytes(table, tmp_path):
    for name in ("a", "b"):
        assert report(table, "--cutoff", 0.4, "--out", tmp_path / name) == 0
    for name in ("report.html", "metrics.json", "scores.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_without_a_cutoff_the_column_verdict_decides(tmp_path, capsys):
    drawn = factory(100, 20)
    verdict = ["FAIL" if one > np.float32(0.7) else "PASS" for one in drawn.score]
    path = tmp_path / "ours.csv"
    path.write_text(as_csv(drawn, verdict=verdict), encoding="utf-8")
    assert report(path) == 0
    assert "the file's own column verdict" in capsys.readouterr().out
    told = metrics(tmp_path / "ours_report")
    assert told["verdicts"]["FAIL"] == verdict.count("FAIL")
    assert told["marks"] == ["How these verdicts were chosen is not known: perhaps on these very parts."]


@pytest.mark.parametrize("mark", ["", "fitted on the split it is reported on (val.csv: 600 parts of them)"])
def test_the_files_own_verdicts_bring_their_mark_along(tmp_path, mark):
    drawn = factory(300, 100)
    verdict = ["FAIL" if one > np.float32(0.1) else "PASS" for one in drawn.score]
    path = tmp_path / "ours.csv"
    path.write_text(as_csv(drawn, verdict=verdict, policy_mark=[mark] * 300), encoding="utf-8")
    assert report(path, "--target-capture", 0.9) == 0
    told = metrics(tmp_path / "ours_report")
    assert told["marks"] == [mark] * bool(mark)
    assert told["targets"]["result"] == ("NOT PROVABLE" if mark else "MET")


def test_with_neither_it_takes_what_captures_all_and_says_so(table, capsys):
    assert report(table) == 0
    out = capsys.readouterr().out
    assert "captures 100% of the defects of this very table" in out and "flatter" in out
    told = metrics(table.parent / "inference_report")
    assert told["point"]["capture"]["value"] == 1 and len(told["marks"]) == 1


def test_a_cutoff_chosen_on_the_same_parts_never_meets_a_target(tmp_path, capsys):
    """5 times 200 defects captured of 200 would prove 90 %, had they not been asked which cutoff captures them."""
    path = tmp_path / "inference.csv"
    path.write_text(as_csv(factory(600, 200)), encoding="utf-8")
    assert report(path, "--target-capture", 0.9, "--cutoff", 0.1) == 0
    assert metrics(tmp_path / "inference_report")["targets"]["result"] == "MET"
    policy = tmp_path / "policy.json"
    assert cli.main(["policy", str(path), "--capture", "1.0", "--out", str(policy)]) == 0
    capsys.readouterr()
    for words in ((), ("--policy", policy, "--same-parts")):
        assert report(path, "--target-capture", 0.9, *words) == 0
        told = metrics(tmp_path / "inference_report")["targets"]
        assert told["result"] == told["findings"][0]["result"] == "NOT PROVABLE" and told["flattered"]
        assert "NOT PROVABLE" in (said := " ".join(capsys.readouterr().out.split())) and "chosen on these very" in said
        page = (tmp_path / "inference_report" / "report.html").read_text("utf-8")
        assert 'class="verdict not-provable"' in page and "</span> MET</" not in page


def test_the_page_and_the_json_say_the_same_of_a_policy_by_type(tmp_path):
    """Probabilities follow the cutoffs of the types, so a page that forgets the types is off."""
    drawn = factory(600, 200)
    kinds = [f"T{row % 2}" for row in range(600)]
    policy, path = tmp_path / "policy.json", tmp_path / "other.csv"
    (tmp_path / "val.csv").write_text(as_csv(drawn, ptype=kinds), encoding="utf-8")
    words = ["policy", str(tmp_path / "val.csv"), "--capture", "1.0", "--type-column", "ptype", "--out", str(policy)]
    assert cli.main(words) == 0
    content = json.loads(policy.read_text("utf-8"))
    content["types"]["T0"].update(review=content["band"]["review"] + 0.5, fail=content["band"]["fail"] + 0.5)
    policy.write_text(json.dumps(content), encoding="utf-8")
    paths = [f"new_{one}" for one in drawn.cells["input_path"]]
    label = [("" if row % 3 == 0 else one) for row, one in enumerate(drawn.label)]
    other = factory(600, 200, input_path=paths, label=label)
    path.write_text(as_csv(other, ptype=kinds), encoding="utf-8")
    assert report(path, "--policy", policy) == 0
    found = Policy.load(policy)
    rows = np.array([bool(one) for one in label])
    stated = found.probability(other.score, kinds)[rows]
    is_defect = np.array([one != "PASS" for one in label])[rows]
    bins = np.array_split(np.argsort(stated, kind="stable"), 15)
    alike = np.array([is_defect[stated == one].mean() for one in stated])  # parts of one probability share their label
    error = sum(abs(stated[one].sum() - alike[one].sum()) for one in bins) / rows.sum()
    assert metrics(tmp_path / "other_report")["policy"]["ece"] == pytest.approx(error, abs=1e-6)
    assert f"parts of this page: {error:.3%}" in (tmp_path / "other_report" / "report.html").read_text("utf-8")


def test_a_target_judges_and_does_not_choose_the_cutoff(table):
    assert report(table, "--target-capture", 0.9) == 0
    told = metrics(table.parent / "inference_report")
    assert told["point"]["capture"]["value"] == 1  # at just 0.9 it could never be proven


def test_how_many_are_review_is_on_the_terminal_and_the_page(table, tmp_path, capsys):
    policy = tmp_path / "policy.json"
    Policy(source="by hand", band=Band(review=0.2, fail=0.6)).save(policy)
    assert report(table, "--policy", policy) == 0
    drawn = factory(400)
    reviewed = (drawn.score > np.float32(0.2)) & (drawn.score <= np.float32(0.6))
    counts = int((reviewed & drawn.is_defect).sum()), int((reviewed & ~drawn.is_defect).sum())
    assert min(counts)
    assert re.search(rf"REVIEW +{counts[0]} +{counts[1]}", capsys.readouterr().out)
    page = (tmp_path / "inference_report" / "report.html").read_text("utf-8")
    assert "a good part in REVIEW is a false call too" in page


def test_its_scores_can_be_compared(table, tmp_path, capsys):
    assert report(table, "--cutoff", 0.4) == 0
    scores = tmp_path / "inference_report" / "scores.csv"
    assert cli.main(["compare", str(scores), str(table), "--cutoff-b", "0.4"]) == 0
    assert "400 parts compared" in capsys.readouterr().out


def test_escapes_in_ppm_are_a_target(table, capsys):
    assert report(table, "--cutoff", 0.4, "--target-escapes-ppm", 100) == 0
    assert metrics(table.parent / "inference_report")["targets"]["findings"][0]["wanted"] == 1e-4
    assert "--target-escapes-ppm -1" in refused(capsys, table, "--target-escapes-ppm", -1)


def test_targets_are_a_table(table, capsys):
    assert report(table, "--cutoff", 0.4, "--target-capture", 0.9) == 0
    assert "Targets: NOT PROVABLE" in capsys.readouterr().out


def test_names_of_columns_and_labels_of_another_table(tmp_path):
    path, labels = tmp_path / "x.csv", tmp_path / "labels.csv"
    path.write_text("input_path,object_name,panel,margin\na,R1,p,0.2\na,R2,p,0.9\nb,R1,q,0.3\n", encoding="utf-8")
    labels.write_text("input_path,object_name,truth\na,R1,PASS\na,R2,BRIDGE\nb,R1,PASS\n", encoding="utf-8")
    words = ("--score", "margin", "--label", "truth", "--board", "panel", "--labels", labels, "--cutoff", 0.5)
    assert report(path, *words) == 0
    told = metrics(tmp_path / "x_report")
    assert told["board_source"] == "column panel" and told["boards"] == 2
    assert told["point"]["capture"]["count"] == 1 and told["point"]["false_calls"]["count"] == 0


def test_a_policy_and_that_it_must_not_be_fitted_on_the_same_parts(table, tmp_path, capsys):
    policy, other = tmp_path / "policy.json", tmp_path / "other.csv"
    assert cli.main(["policy", str(table), "--capture", "1.0", "--out", str(policy)]) == 0
    assert "fitted on parts that it would be reported on" in refused(capsys, table, "--policy", policy)
    assert report(table, "--policy", policy, "--same-parts") == 0
    told = metrics(tmp_path / "inference_report")
    assert "fitted on" in told["marks"][0]
    page = (tmp_path / "inference_report" / "report.html").read_text("utf-8")
    assert told["marks"][0].split(" (")[0] in page and 'id="policy"' in page
    drawn = factory(300, seed=5)
    cells = {**drawn.cells, "input_path": [f"new_{one}" for one in drawn.cells["input_path"]]}
    other.write_text(as_csv(factory(300, seed=5, **{"input_path": cells["input_path"]})), encoding="utf-8")
    assert report(other, "--policy", policy) == 0
    told = metrics(tmp_path / "other_report")
    assert told["marks"] == [] and told["policy"]["fitted_on"]["name"]


def test_names_of_cfx(tmp_path, capsys):
    path = tmp_path / "scores.csv"
    path.write_text(HEADER + "b1,g,PASS,R1,0.1\nb1,g,OPEN,R2,0.9\nb2,g,SHORT,R1,0.8\n", encoding="utf-8")
    (tmp_path / "map.yaml").write_text("OPEN: LiftedLead\n", encoding="utf-8")
    assert report(path, "--cutoff", 0.5, "--label-map", tmp_path / "map.yaml") == 0
    assert "map.yaml does not map: SHORT" in capsys.readouterr().out
    lines = (tmp_path / "scores_report" / "scores.csv").read_text("utf-8").splitlines()
    assert lines[0].endswith(",object_name,cfx_category,verification")
    assert [line.split(",")[-2:] for line in lines[1:]] == [
        ["", ""],
        ["LiftedLead", "DefectConfirmed"],
        ["", "DefectConfirmed"],
    ]
    (tmp_path / "map.yaml").write_text("OPEN: Opened\n", encoding="utf-8")
    assert "no category of CFX" in refused(capsys, path, "--cutoff", 0.5, "--label-map", tmp_path / "map.yaml")


def test_pictures(boards, tmp_path, capsys):
    rows = (boards.images_dir.parent / "test.csv").read_text().strip().splitlines()
    random = np.random.default_rng(0)
    path = tmp_path / "scores.csv"
    lines = [f"{rows[0]},siamese_score", *(f"{row},{random.random():.3f}" for row in rows[1:])]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    words = ("--images-dir", boards.images_dir, "--lights", "SolderLight,WhiteLight", "--cutoff", 0.5)
    assert report(path, *words) == 0
    page = (tmp_path / "scores_report" / "report.html").read_text("utf-8")
    assert page.count('<img src="data:image/jpeg;base64,') > 4
    assert "golden, SolderLight" in page and "pictures of goldens are unlike their siblings" in page
    assert "look much more like the golden of another part" in page and "Swapped goldens:" not in page
    path.write_text(path.read_text().replace("label", "truth", 1), encoding="utf-8")
    assert report(path, *words, "--label", "truth") == 0
    shutil.rmtree(tmp_path / "scores_report")
    capsys.readouterr()
    assert (
        report(path, "--images-dir", boards.images_dir, "--lights", "NoSuchLight", "--cutoff", 0.5, "--label", "truth")
        == 0
    )
    page = (tmp_path / "scores_report" / "report.html").read_text("utf-8")
    said = "ends in _SolderLight"
    assert "No picture: " in page and said in page[: page.index("<main>")]
    assert said in capsys.readouterr().out.split("parts:")[0]  # before the figures


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        ("input_path,label,object_name\na,PASS,R1\n", [], "name its score column with --score"),
        (HEADER + "a,g,PASS,R1,0.5\n", ["--score", "other"], "no column 'other'"),
        (HEADER + "a,g,PASS,R1,0.5\n", ["--label", "truth"], "no column 'truth'"),
        (HEADER + "a,g,PASS,R1,0.5\n", ["--board", "panel"], "no column 'panel'"),
        (HEADER + "a,g,PASS,R1,high\n", [], "holds what is no number"),
        (HEADER + "a,g,,R1,0.5\n", ["--cutoff", "1"], "none of its 1 rows has both a label and a score"),
        (HEADER + "a,g,PASS,R1,0.5\n", [], "no defects to choose a cutoff by"),
        (HEADER + "a,g,PASS,R1,0.5\n", ["--cutoff", "nan"], "no number that a score can exceed"),
        (HEADER + "a,g,PASS,R1,0.5\n" * 2, ["--cutoff", "1"], "1 row repeats a part that it has already"),
        (HEADER + "a,g,PASS,R1,1_000\n", ["--cutoff", "1"], "holds what is no number: line 2: '1_000'"),
        (HEADER, [], "no rows below the header"),
        (HEADER + "a,g,PASS,R1,0.5\n", ["--cutoff", "1", "--policy", "none.json"], "not allowed with"),
        (HEADER + "a,g,PASS,R1,0.5\n", ["--policy", "none.json"], "there is no such file"),
        (HEADER + "a,g,PASS,R1,0.5\n", ["--cutoff", "1", "--images-dir", "nowhere"], "there is no such folder"),
        (HEADER + "a,g,PASS,R1,0.5\n", ["--cutoff", "1", "--lights", "A"], "they need --images-dir"),
        (HEADER + "a,g,PASS,R1,0.5\n", ["--cutoff", "1", "--target-capture", "97"], "--target-capture"),
        (HEADER + "a,g,PASS,R1,0.5\n", ["--cutoff", "1", "--target-false-call-ppm", "-1"], "--target-false-call-ppm"),
    ],
)
def test_mistakes_are_one_sentence_and_write_nothing(tmp_path, capsys, text, words, said):
    path = tmp_path / "x.csv"
    path.write_text(text, encoding="utf-8")
    try:
        code = report(path, *words)
    except SystemExit as stop:  # of argparse
        code = stop.code
    assert code == 2
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error
    assert not (tmp_path / "x_report").exists()


def test_no_file(tmp_path, capsys):
    assert "there is no such file" in refused(capsys, tmp_path / "none.csv")


def test_help_names_the_words(capsys):
    with pytest.raises(SystemExit) as caught:
        report("--help")
    assert caught.value.code == 0
    told = capsys.readouterr().out
    for word in ("--labels", "--cutoff", "--policy", "--target-capture", "--images-dir", "--title"):
        assert word in told
