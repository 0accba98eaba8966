"""CFX's names, and maps from a plant's labels to them."""

import json

import pytest

from goldenpair.errors import DataError, InputError
from goldenpair.quality.cfx import CATEGORIES, OURS, LabelMap, Verification, read_label_map, verification
from goldenpair.specs.synthetic import LABELS


def written(tmp_path, text, name="map.yaml"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_names_that_cfx_suggests():
    assert len(CATEGORIES) == len(set(CATEGORIES)) == 31
    assert {"ComponentMissing", "Tombstone", "Solderball", "WrongPolarity", "Short"} <= set(CATEGORIES)
    assert [str(one) for one in Verification] == [
        "NotVerifiedYet",
        "DefectConfirmed",
        "DefectRejected",
        "DefectAccepted",
        "DefectRepaired",
        "DefectClosed",
    ]


@pytest.mark.parametrize(
    ("stopped", "label", "state"),
    [
        (True, "", "NotVerifiedYet"),
        (True, " ", "NotVerifiedYet"),
        (True, "PASS", "DefectRejected"),
        (True, "BRIDGE", "DefectConfirmed"),
        (False, "PASS", None),
        (False, "BRIDGE", None),
    ],
)
def test_what_came_of_a_call(stopped, label, state):
    assert verification(stopped, label) == state


@pytest.mark.parametrize("name", ["map.yaml", "map.yml", "map.json"])
def test_a_map(tmp_path, name):
    given = {"MISSING": "ComponentMissing", "BRIDGE": "Short"}
    text = json.dumps(given) if name.endswith("json") else "MISSING: ComponentMissing\nBRIDGE: Short\n"
    found = read_label_map(written(tmp_path, text, name))
    assert found.categories == given
    assert found.column(["PASS", "BRIDGE", "", "ODD", "MISSING"]) == ["", "Short", "", "", "ComponentMissing"]


def test_labels_that_are_not_mapped_are_told_once():
    found = LabelMap("here", {"MISSING": "ComponentMissing"})
    assert found.unmapped(["PASS", "ODD", "", "MISSING", "ODD", "OTHER"]) == ["ODD", "OTHER"]


def test_every_unknown_category_with_the_nearest_names(tmp_path):
    path = written(tmp_path, "MISSING: MissingComponent\nBRIDGE: short\nSCRATCH: Xyzzy\nTOMB: Tombstoned\n")
    with pytest.raises(InputError) as error:
        read_label_map(path)
    text = str(error.value)
    assert "MISSING: 'MissingComponent' is no category of CFX; did you mean" in text and "ComponentMissing" in text
    assert "did you mean Short" in text and "did you mean Tombstone" in text
    assert "SCRATCH: 'Xyzzy' is no category of CFX; CFX suggests ClearenceSurfaceError" in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("PASS: Short\n", "good parts have no category"),
        ("1: Short\n", "put it into quotes"),
        ("yes: Short\n", "put it into quotes"),
        ("BRIDGE: 7\n", "7 is no category"),
        ("BRIDGE:\n", "None is no category"),
        ("- BRIDGE\n", "expected lines such as"),
        ("", "expected lines such as"),
        ("a: b: c\n", "neither JSON nor YAML"),
    ],
)
def test_files_that_are_no_map(tmp_path, text, said):
    with pytest.raises(InputError, match=said):
        read_label_map(written(tmp_path, text))


def test_json_that_is_none(tmp_path):
    with pytest.raises(InputError, match="neither JSON nor YAML"):
        read_label_map(written(tmp_path, "{'BRIDGE': 1", "map.json"))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_label_map(tmp_path / "none.yaml")
    with pytest.raises(DataError, match="cannot be read"):
        read_label_map(tmp_path)
    (tmp_path / "odd.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(DataError, match="cannot be read"):
        read_label_map(tmp_path / "odd.yaml")


def test_labels_of_drawn_and_made_defects_need_no_line(tmp_path):
    names = read_label_map(written(tmp_path, "MISSING: Miscellaneous\nODD: Tombstone"))
    assert names.of("MISSING") == "Miscellaneous"  # the plant's own word counts
    assert [names.of(label) for label in ("BRIDGE", "SOLDER_BALL", "ODD", "OTHER")] == [
        "Short",
        "Solderball",
        "Tombstone",
        "",
    ]
    assert names.unmapped(["BRIDGE", "OTHER", "PASS"]) == ["OTHER"]
    assert set(OURS) >= set(LABELS.values()) and set(OURS.values()) <= set(CATEGORIES)
