"""The verb, the page and the table of a deep audit: what they hold, and that a warning fails nothing."""

import csv
import json
import re

import pytest

from deep_set import DeepSet
from goldenpair.auditing import audit
from goldenpair.cli import main
from goldenpair.errors import SpecError
from goldenpair.specs.load import load_spec


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """A set with a dark golden, two that are exchanged and a sample in two splits, audited on the command line."""
    made = DeepSet(tmp_path_factory.mktemp("deep"))
    made.change("C2", lambda picture: picture * 0.5)
    for light in made.lights:
        made.golden["R3", light], made.golden["U1", light] = made.golden["U1", light], made.golden["R3", light]
        made.sample[5, "C4", light] = made.sample[0, "C4", light]
    spec = made.write_spec()
    assert main(["audit", "--deep", "-e", str(spec)]) == 0
    return made.folder / "results" / "audit"


def test_the_table_of_actions(audited):
    with (audited / "suggested_actions.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    told = [(one["what"], one["object_name"], one["action"], one["other_object_name"]) for one in lines]
    assert told[0] == ("sample_in_two_splits", "C4", "keep in one split", "C4")
    assert sorted(told[1:]) == [
        ("golden_dark", "C2", "replace golden", ""),
        ("golden_of_another", "R3", "exchange or replace golden", "U1"),
        ("golden_of_another", "U1", "exchange or replace golden", "R3"),
    ]
    first = lines[0]
    assert (first["split"], first["line"], first["input_path"], first["golden_path"]) == (
        "test_dataset",
        "12",
        "b5",
        "golden",
    )
    assert (first["other_split"], first["other_line"], first["sure"]) == ("train_dataset", "12", "")
    sure = [float(one["sure"]) for one in lines[1:]]
    assert sure == sorted(sure, reverse=True)


def test_counts_in_the_audit(audited):
    report = json.loads((audited / "audit.json").read_text())
    codes = {fault["code"]: (fault["count"], fault["fatal"]) for fault in report["faults"]}
    assert codes["golden_of_another"] == (2, False) and codes["golden_dark"] == (1, False)
    assert report["fatal"] is False
    assert any(note.startswith("Labels: ") for note in report["notes"])


def test_the_page(audited):
    page = (audited / "deep_audit.html").read_text("utf-8")
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", page)  # nothing is fetched
    assert "72 pairs and 12 goldens were looked at" in page
    assert "Golden too dark: 1" in page and "Suggested: replace golden." in page
    cards = re.findall(r'<article class="card">.*?</article>', page, re.S)
    assert len(cards) == 4
    better = next(card for card in cards if "golden/R3" in card)
    assert re.findall(r"<figcaption>(.*?)</figcaption>", better) == [
        f"{role}, {light}"
        for light in ("SolderLight", "WhiteLight")
        for role in ("sample", "golden", "golden that fits better")
    ]
    assert "verdict on the targets" not in page


def test_the_same_again(audited, tmp_path):
    before = {name: (audited / name).read_bytes() for name in ("deep_audit.html", "suggested_actions.csv")}
    spec = audited.parent.parent / "spec.yaml"
    assert main(["audit", "--deep", "-e", str(spec), f"results_dir={tmp_path}"]) == 0
    assert {name: (tmp_path / "audit" / name).read_bytes() for name in before} == before


def test_it_needs_somewhere_to_write(tmp_path):
    spec = load_spec("optical_inspection", DeepSet(tmp_path, boards=3, names=3).write_spec(), ["results_dir=null"])
    with pytest.raises(SpecError, match="results_dir: a deep audit writes a page"):
        audit(spec, deep=True)


def test_a_plain_audit_writes_no_page(tmp_path):
    spec = DeepSet(tmp_path, boards=3, names=3).write_spec()
    assert main(["audit", "-e", str(spec)]) == 0
    assert [path.name for path in (tmp_path / "results" / "audit").iterdir()] == ["audit.json"]


def test_tables_that_cannot_be_read_are_told_as_ever(tmp_path, capsys):
    made = DeepSet(tmp_path, boards=3, names=3)
    spec = made.write_spec()
    for path in tmp_path.glob("*.csv"):
        path.write_text("a,b\n1,2\n")
    assert main(["audit", "--deep", "-e", str(spec)]) == 2
    assert "Nothing was looked at in depth" in capsys.readouterr().out


def test_names_that_are_formulas_do_no_harm(tmp_path):
    made = DeepSet(tmp_path)
    made.names[4] = "=C2"
    for mine in (made.golden, made.sample, made.label):
        for key in [key for key in mine if "C2" in key]:
            mine[tuple("=C2" if one == "C2" else one for one in key)] = mine.pop(key)
    made.change("=C2", lambda picture: picture * 0.5)
    assert main(["audit", "--deep", "-e", str(made.write_spec())]) == 0
    text = (tmp_path / "results" / "audit" / "suggested_actions.csv").read_text()
    assert ",'=C2," in text and ",=C2," not in text
