"""`goldenpair policy` from the command line."""

import json

import numpy as np
import pytest

from goldenpair import cli
from goldenpair.data.boards import TYPE_COLUMNS
from goldenpair.quality.policy import Policy


@pytest.fixture
def table(tmp_path):
    """An inference.csv with two component types: 60 good parts and 20 defects."""
    rng = np.random.default_rng(0)
    path = tmp_path / "validation.csv"
    lines = ["input_path,golden_path,label,object_name,siamese_score,comp_type,package"]
    for row in range(80):
        kind, offset = (("R0402", 0.0), ("QFN", 1.0))[row % 2]
        label, middle = ("PASS", 0.3) if row < 60 else ("OPEN", 1.2)
        score = offset + rng.normal(middle, 0.1)
        lines.append(f"b{row % 5},golden,{label},R{row},{score:.6g},{kind},{'chip' if row % 2 == 0 else 'large'}")
    path.write_text("\n".join(lines) + "\n")
    return path


def policy(*words):
    return cli.main(["policy", *map(str, words)])


def test_it_writes_a_policy_and_says_what_it_does(table, tmp_path, capsys):
    out = tmp_path / "policy.json"
    types = ("--type-column", "comp_type", "--package-column", "package")
    assert policy(table, "--out", out, "--capture", 1.0, "--fail-false-call-ppm", 0, *types) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "others for 2 component types: 100 % of the defects are stopped" in said
    assert "On the parts it was fitted on, so on other parts it will do worse" in said
    assert "Fitted on validation.csv: 60 good parts and 20 defects of 5 boards" in said
    assert "escape: estimated as 4.76% for the next defect (0 of 20 defects here)" in said
    assert "Probabilities: platt, of 20 defects" in said and f"evaluate.policy={out}" in said
    found = Policy.load(out)
    assert found.column == "comp_type" and set(found.types) == {"R0402", "QFN"}
    assert found.types["QFN"].review - found.types["R0402"].review == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (["--capture", "0.95"], {"kind": "capture", "share": 0.95}),
        (["--miss-risk", "0.05"], {"kind": "miss_risk", "risk": 0.05}),
        (["--false-call-ppm", "20000"], {"kind": "false_calls", "ppm": 20000.0}),
        (["--cost", "miss=1000", "false_call=1"], {"kind": "cost", "miss": 1000.0, "false_call": 1.0, "review": None}),
        (
            ["--cost", "miss=9", "review=0.2", "false_call=1"],
            {"kind": "cost", "miss": 9, "false_call": 1, "review": 0.2},
        ),
    ],
)
def test_each_rule(table, tmp_path, words, rule):
    assert policy(table, "--out", tmp_path / "policy.json", *words) == 0
    written = json.loads((tmp_path / "policy.json").read_text())
    assert written["rule"] == rule and written["source"] == "goldenpair policy validation.csv"


def test_other_columns_and_labels(table, tmp_path):
    lines = table.read_text().replace("siamese_score", "margin").replace("label", "truth").replace("comp_type", "panel")
    table.write_text(lines)
    words = ("--score", "margin", "--label", "truth", "--board", "panel", "--capture", 1)
    assert policy(table, "--out", tmp_path / "policy.json", *words) == 0
    fitted = Policy.load(tmp_path / "policy.json").fitted_on
    assert fitted.score_column == "margin" and fitted.boards == 2
    labels = tmp_path / "labels.csv"
    labels.write_text(lines.replace("PASS", "SHIFT").replace("OPEN", "PASS"))
    words = ("--score", "margin", "--label", "truth", "--labels", labels, "--false-call-ppm", 0, "--force")
    assert policy(table, "--out", tmp_path / "policy.json", *words) == 0
    assert Policy.load(tmp_path / "policy.json").fitted_on.defects == 60


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "no rule: give one of --capture, --miss-risk, --false-call-ppm and --cost"),
        (["--capture", "1.5"], "share: Input should be less than or equal to 1, not 1.5"),
        (["--capture", "nan"], "share: Input should be"),
        (
            ["--miss-risk", "0.001"],
            "its 20 defects prove no risk of 0.001, only 4.76% and more; 999 defects are needed",
        ),
        (["--false-call-ppm", "-1"], "ppm: Input should be greater than or equal to 0"),
        (["--cost", "miss=10"], "false_call: Field required"),
        (["--cost", "miss=x", "false_call=1"], "miss: Input should be a valid number"),
        (["--cost", "mis=10", "1"], "--cost mis=10 1: give miss=COST, false_call=COST, review=COST"),
        (["--capture", "1", "--type-column", "kind"], "it has no column 'kind' (--type-column)"),
        (["--capture", "1", "--score", "margin"], "no column 'margin'"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(table, tmp_path, capsys, words, told):
    assert policy(table, "--out", tmp_path / "policy.json", *words) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "policy.json").exists()


def test_a_number_that_starts_with_a_minus_is_a_value(table, tmp_path, capsys):
    assert policy(table, "--out", tmp_path / "policy.json", "--false-call-ppm=-1") == 2
    assert "greater than or equal to 0" in capsys.readouterr().err


def test_one_rule_at_a_time(table, capsys):
    with pytest.raises(SystemExit) as caught:
        policy(table, "--out", "policy.json", "--capture", 1, "--miss-risk", 0.05)
    assert caught.value.code == 2 and "not allowed with" in capsys.readouterr().err


def test_it_needs_somewhere_to_write(table, capsys):
    assert policy(table, "--capture", 1) == 2
    assert "nowhere to write: give --out policy.json, or --into" in capsys.readouterr().err


def test_a_policy_that_is_there_is_replaced_on_request_only(table, tmp_path, capsys):
    out = tmp_path / "policy.json"
    out.write_text("before")
    assert policy(table, "--out", out, "--capture", 1) == 2
    assert out.read_text() == "before" and "--force replaces it" in capsys.readouterr().err
    assert policy(table, "--out", out, "--capture", 1, "--force") == 0
    assert Policy.load(out).rule.share == 1


def test_a_policy_that_there_is_only_goes_into_a_model(table, tmp_path, capsys):
    Policy.of_cutoff(0.5, "test").save(tmp_path / "policy.json")
    for words in ([], ["--into", "model", "--capture", 1], ["--into", "model", "--out", "other.json"]):
        assert policy(tmp_path / "policy.json", *words) == 2
        assert "is a policy already: give --into MODEL, and nothing else" in capsys.readouterr().err
    assert policy(tmp_path / "policy.json", "--into", tmp_path / "nowhere.onnx") == 2
    assert "there is no such file" in capsys.readouterr().err


def test_many_types_are_shown_in_part(tmp_path, capsys):
    rng = np.random.default_rng(0)
    lines = ["label,siamese_score,comp_type"]
    lines += [f"{'OPEN' if row % 50 == 0 else 'PASS'},{rng.random():.6g},T{row % 25:02}" for row in range(1000)]
    path = tmp_path / "validation.csv"
    path.write_text("\n".join(lines) + "\n")
    assert policy(path, "--out", tmp_path / "policy.json", "--capture", 1, "--type-column", "comp_type") == 0
    said = capsys.readouterr().out
    assert "... and 5 more types" in said and "any other" in said
    assert "Note: its table does not name its parts" in said
    assert len(Policy.load(tmp_path / "policy.json").types) == 25


def test_names_of_types_are_no_markup(table, tmp_path, capsys):
    table.write_text(table.read_text().replace("QFN", "C[/x]").replace(",chip", ",[red]"))
    words = ("--capture", 1, "--type-column", "comp_type", "--package-column", "package")
    assert policy(table, "--out", tmp_path / "policy.json", *words) == 0
    said = capsys.readouterr().out
    assert "C[/x]" in said and "[red]" in said


def test_a_column_in_brackets_is_no_markup(table, tmp_path, capsys):
    table.write_text(table.read_text().replace("comp_type", "[/kind]"))
    assert policy(table, "--out", tmp_path / "p.json", "--capture", 1, "--type-column", "[/kind]") == 0
    assert "By [/kind]" in capsys.readouterr().out


@pytest.mark.parametrize("name", TYPE_COLUMNS)
def test_the_column_of_types_is_found_by_its_usual_names(table, tmp_path, name):
    table.write_text(table.read_text().replace(",package", ",housing").replace("comp_type", name))
    assert policy(table, "--out", tmp_path / "policy.json", "--capture", 1, "--type-column") == 0
    assert Policy.load(tmp_path / "policy.json").column == name


def test_no_column_of_types(table, tmp_path, capsys):
    table.write_text(table.read_text().replace(",package", ",housing").replace("comp_type", "sort"))
    assert policy(table, "--out", tmp_path / "policy.json", "--capture", 1, "--type-column") == 2
    assert "name its column of component types: --type-column COLUMN" in capsys.readouterr().err


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_folder_is_no_policy_file(table, tmp_path, capsys, force):
    assert policy(table, "--out", tmp_path, "--capture", 1, *force) == 2
    assert f"--out {tmp_path}: that is a folder; name a file in it" in capsys.readouterr().err


def test_nothing_is_written_if_the_model_cannot_take_it(table, tmp_path, capsys):
    words = ("--out", tmp_path / "policy.json", "--into", tmp_path / "nowhere.onnx")
    assert policy(table, *words, "--capture", 1) == 2
    assert "there is no such file" in capsys.readouterr().err and not (tmp_path / "policy.json").exists()


def test_the_model_stays_as_it_is_if_the_file_cannot_be_written(table, tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr("goldenpair.deployment.model_for_policy", lambda path, policy: path)
    monkeypatch.setattr("goldenpair.deployment.replace_policy", lambda path, policy: written.append(path))
    (tmp_path / "taken").write_text("")
    words = ("--into", tmp_path / "model", "--capture", 1)
    assert policy(table, "--out", tmp_path / "taken" / "policy.json", *words) == 2
    assert not written
    assert policy(table, "--out", tmp_path / "policy.json", *words) == 0
    assert written == [str(tmp_path / "model")]


def test_a_policy_that_windows_saved_is_read(table, tmp_path, capsys):
    path = tmp_path / "policy.json"
    assert policy(table, "--out", path, "--capture", 1) == 0
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert cli.main(["report", str(table), "--policy", str(path), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "it was fitted on parts that it would be reported on" in said and "force it (--same-parts)" in said
