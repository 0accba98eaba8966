"""Faults are planted one by one in drawn parts: each is found at its place under its name, and nothing else is."""

from dataclasses import replace

import numpy as np
import pytest

from deep_set import SIZE, DeepSet, blurred
from goldenpair.deep_audit.deep import deep_audit
from goldenpair.deep_audit.suspicion import CERTAIN, KINDS


def found_in(made: DeepSet, **more):
    return deep_audit(made.write(), made.layout, **more)


def told(result) -> list[tuple[str, str]]:
    return sorted((one.what, result.joined.cell(one.row, "object_name")) for one in result.found)


def test_nothing_is_suspected_where_nothing_is_wrong(tmp_path):
    result = found_in(DeepSet(tmp_path))
    assert told(result) == []
    assert (len(result.joined), result.goldens) == (72, 12)
    assert result.notes == ("Labels: not looked at. 0 defects of 72 parts teach nothing.",)


def swap(made: DeepSet) -> None:
    a, b = made.lights
    made.golden["C2", a], made.golden["C2", b] = made.golden["C2", b], made.golden["C2", a]


def one_file_twice(made: DeepSet) -> None:
    made.golden["C2", made.lights[1]] = made.golden["C2", made.lights[0]]


def nothing_to_see(made: DeepSet) -> None:
    made.golden["C2", made.lights[1]] = np.full((SIZE, SIZE, 3), 90.0)


def moved(picture: np.ndarray) -> np.ndarray:
    return np.roll(picture, (-6, 9), (0, 1))


@pytest.mark.parametrize(
    ("what", "plant"),
    [
        ("golden_dark", lambda made: made.change("C2", lambda picture: picture * 0.5)),
        ("golden_bright", lambda made: made.change("C2", lambda picture: picture * 1.4)),
        (
            "golden_pale",
            lambda made: made.change("C2", lambda picture: picture.mean() + 0.3 * (picture - picture.mean())),
        ),
        ("golden_blurred", lambda made: made.change("C2", blurred)),
        ("golden_misframed", lambda made: made.change("C2", moved)),
        ("golden_lights_swapped", swap),
        ("golden_lights_same", one_file_twice),
        ("golden_flat", nothing_to_see),
        ("golden_unlike", lambda made: made.change("C2", lambda picture: picture[::-1, ::-1])),
    ],
)
def test_a_golden_that_is_wrong(tmp_path, what, plant):
    made = DeepSet(tmp_path)
    plant(made)
    result = found_in(made)
    assert told(result) == [(what, "C2")]
    (one,) = result.found
    assert one.sure >= 1 and one.why
    (fault,) = result.faults()
    assert (fault.code, fault.count, fault.fatal, fault.split) == (what, 1, False, "train_dataset")
    assert "C2 in b" in fault.examples[0] and one.why in fault.examples[0]


def test_numbers_are_those_that_were_planted(tmp_path):
    made = DeepSet(tmp_path)
    made.change("C2", lambda picture: picture * 0.5)
    made.change("R3", moved)
    by_name = {one.what: one for one in found_in(made).found}
    assert by_name["golden_dark"].number == pytest.approx(0.5, abs=0.03)
    assert by_name["golden_misframed"].number == pytest.approx(9 / SIZE, abs=1 / 64)
    assert by_name["golden_misframed"].why.startswith("+9% to the right, -6% down")


def test_the_golden_of_another_place(tmp_path):
    made = DeepSet(tmp_path)
    for light in made.lights:
        made.golden["C2", light] = made.golden["U1", light]
    result = found_in(made)
    assert told(result) == [("golden_duplicate", "C2")]
    (one,) = result.found
    assert one.sure == CERTAIN and result.joined.cell(one.other_row, "object_name") == "U1"


def test_goldens_that_are_exchanged(tmp_path):
    made = DeepSet(tmp_path)
    for light in made.lights:
        made.golden["C2", light], made.golden["U1", light] = made.golden["U1", light], made.golden["C2", light]
    result = found_in(made)
    assert told(result) == [("golden_of_another", "C2"), ("golden_of_another", "U1")]
    others = {result.joined.cell(one.row, "object_name"): one.other_row for one in result.found}
    assert {name: result.joined.cell(row, "object_name") for name, row in others.items()} == {"C2": "U1", "U1": "C2"}


def test_one_sample_that_fits_another_golden(tmp_path):
    made = DeepSet(tmp_path)
    for light in made.lights:
        made.sample[3, "C2", light] = made.sample[4, "U1", light] + np.random.default_rng(1).normal(
            0, 3, (SIZE, SIZE, 3)
        )
    result = found_in(made)
    assert [one.what for one in result.found if one.what.startswith("golden")] == []
    (one,) = [one for one in result.found if one.what == "sample_fits_another"]
    assert result.joined.describe(one.row).endswith("C2 in b3")


def test_labels_that_are_wrong(tmp_path):
    made = DeepSet(tmp_path, boards=10)
    bad = made.spoil_some(20)
    hidden, slandered = bad[7], next((5, name) for name in made.names if (5, name) not in bad)
    made.label[hidden] = "PASS"
    made.label[slandered] = "BRIDGE"
    result = found_in(made)
    doubted = {one.what: result.joined.describe(one.row) for one in result.found if one.what.startswith("label")}
    assert doubted["label_pass_doubted"].endswith(f"{hidden[1]} in b{hidden[0]}")
    assert doubted["label_defect_doubted"].endswith(f"{slandered[1]} in b5")
    assert len([one for one in result.found if one.what.startswith("label")]) == 2
    assert result.labels.auroc is not None and result.labels.auroc > 0.9
    assert "So few defects teach little" in result.notes[0]


def without_boards(made: DeepSet, path: str) -> dict:
    """Tables without a column board; `path` has {} for the number of a board."""
    tables = made.write()
    for board in made.boards:
        folder = made.folder / path.format(board)
        folder.parent.mkdir(parents=True, exist_ok=True)
        (made.folder / f"b{board}").rename(folder)
    for table in tables.values():
        table.cells["input_path"] = [path.format(one.removeprefix("b")) for one in table.cells["input_path"]]
        del table.cells["board"]
    return tables


def test_boards_are_known_by_taos_folders(tmp_path):
    made = DeepSet(tmp_path, boards=10)
    made.spoil_some(20)
    result = deep_audit(without_boards(made, "P/AOI_T/SN{}/PerComponent"), made.layout)
    assert "board_in_two_splits" not in {one.what for one in result.found}
    assert set(result.joined.board) == {f"P/SN{board}" for board in made.boards}
    assert " of 10 boards " in result.notes[0] and "cross-validated by board" in result.notes[0]


def test_one_folder_for_all_is_no_board_and_labels_are_checked_part_by_part(tmp_path):
    made = DeepSet(tmp_path, boards=10)
    bad = made.spoil_some(20)
    result = deep_audit(without_boards(made, "A/{}"), made.layout)
    assert "board_in_two_splits" not in {one.what for one in result.found}
    assert result.labels.auroc is not None and result.joined.board_source == "no boards are known"
    said = result.notes[0]
    assert f"tell {len(bad)} defects from " in said and "cross-validated by part" in said
    assert "The boards of 120 parts are not known" in said


def test_boards_that_are_known_of_some(tmp_path):
    made = DeepSet(tmp_path, boards=10)
    made.spoil_some(20)
    made.board[0] = ""
    result = found_in(made)
    assert " of 9 boards " in result.notes[0] and "The boards of 12 parts are not known" in result.notes[0]


def test_a_copy_of_the_golden_for_each_sample_is_no_wrong_golden(tmp_path):
    made = DeepSet(tmp_path, boards=10)
    made.spoil_some(20)
    tables = made.write()
    for table in tables.values():
        places = list(zip(table.cells["object_name"], table.cells["input_path"], strict=True))
        names = [f"{name}_{path}" for name, path in places]
        for (old, path), new in zip(places, names, strict=True):
            for light in made.lights:
                for folder in ("golden", path):
                    copied = tmp_path / folder / f"{new}_{light}.png"
                    copied.write_bytes((tmp_path / folder / f"{old}_{light}.png").read_bytes())
        table.cells["object_name"] = names
    result = deep_audit(tables, made.layout)
    assert [one for one in result.found if one.what.startswith("golden")] == []
    assert result.goldens == 120 and result.labels.auroc is not None and result.labels.auroc > 0.9


def test_labels_without_a_reason_suspect_nobody(tmp_path):
    made = DeepSet(tmp_path)
    for place in np.random.default_rng(3).permutation(72)[:20]:
        made.label[int(place) % 6, made.names[int(place) // 6]] = "BRIDGE"
    result = found_in(made)
    assert told(result) == []
    assert "That separates too little to suspect any label" in result.notes[0]


def test_splits_that_share(tmp_path):
    made = DeepSet(tmp_path)
    for light in made.lights:
        made.sample[5, "R1", light] = made.sample[2, "R1", light]
        made.sample[4, "U2", light] = made.golden["U2", light]
        made.sample[4, "C3", light] = made.sample[1, "C3", light] + 2  # lighted a little more
    made.label[5, "R1"] = "BRIDGE"
    made.board[5] = "board_1"
    result = found_in(made)
    assert told(result) == [
        ("board_in_two_splits", "R1"),
        ("sample_in_two_splits", "R1"),
        ("sample_is_golden", "U2"),
        ("sample_nearly_in_two_splits", "C3"),
        ("two_labels", "R1"),
    ]
    board = next(one for one in result.found if one.what == "board_in_two_splits")
    assert board.why == "board board_1: 12 rows in train_dataset, 12 in test_dataset (column board)"


def test_pairs_that_are_cut_out_apart(tmp_path):
    """One golden for each sample: none can be judged alone, all together can."""
    made = DeepSet(tmp_path, lights=("WhiteLight",))
    tables = made.write()
    rng = np.random.default_rng(2)
    for table in tables.values():
        table.cells["golden_path"] = [f"golden_{path}" for path in table.cells["input_path"]]
    for (board, name, light), picture in made.sample.items():
        down, right = rng.choice([-4, 4], 2)
        made._save(f"golden_b{board}/{name}_{light}.png", np.roll(picture, (down, right), (0, 1)))
    result = deep_audit(tables, made.layout)
    (apart,) = [one for one in result.found if one.what == "pairs_misframed"]
    assert apart.number > 0.9 and "typically by 4" in apart.why
    assert not [one for one in result.found if one.what.startswith("golden")]


def test_threads_change_nothing(tmp_path, monkeypatch):
    made = DeepSet(tmp_path)
    made.spoil_some()
    made.change("R2", lambda picture: picture * 0.6)
    first = found_in(made)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    again = found_in(made)
    assert first.found and first.found == again.found and first.notes == again.notes


def test_too_many_pictures_are_thinned_out_but_for_defects(tmp_path):
    made = DeepSet(tmp_path)
    bad = made.spoil_some(20)
    result = found_in(made, most=160)  # 40 pairs of 4 pictures
    assert len(result.joined) == 40 and int(result.joined.bad.sum()) == len(bad)
    assert any(note.startswith("32 good rows, evenly spread, were not looked at") for note in result.notes)


def test_a_row_of_inference_counts_once_and_needs_no_label(tmp_path):
    made = DeepSet(tmp_path)
    tables = made.write()
    tables["infer_dataset"] = replace(tables["test_dataset"])
    assert len(deep_audit(tables, made.layout).joined) == 72
    only = {"infer_dataset": tables["test_dataset"]}
    result = deep_audit(only, made.layout)
    assert told(result) == [] and not result.joined.labelled.any()


def test_one_table_for_validation_and_test_counts_once(tmp_path):
    made = DeepSet(tmp_path)
    tables = made.write()
    result = deep_audit({**tables, "test_dataset": tables["validation_dataset"]}, made.layout)
    assert told(result) == [] and len(result.joined) == 60


def test_what_cannot_be_read_is_told(tmp_path):
    made = DeepSet(tmp_path)
    tables = made.write()
    (tmp_path / "golden" / "R1_SolderLight.png").write_bytes(b"nothing")
    (tmp_path / "b3" / "C1_SolderLight.png").unlink()
    result = deep_audit(tables, made.layout)
    assert told(result) == [] and result.goldens == 11
    assert result.notes[-1].startswith("2 pictures could not be read")


def test_goldens_none_of_which_can_be_read(tmp_path):
    made = DeepSet(tmp_path, boards=3, names=3)
    tables = made.write()
    for path in (tmp_path / "golden").iterdir():
        path.write_bytes(b"nothing")
    result = deep_audit(tables, made.layout)
    assert told(result) == [] and result.goldens == 0
    assert result.notes[-1].startswith("6 pictures could not be read")


def test_of_a_single_pair_nobody_knows_which_is_wrong_but_for_its_kind(tmp_path):
    """Each board has goldens of its own; the other 35 of that letter say that it is the golden."""
    made = DeepSet(tmp_path, lights=("WhiteLight",))
    tables = made.write()
    for table in tables.values():
        table.cells["golden_path"] = [f"golden_{path}" for path in table.cells["input_path"]]
    for board, name, light in made.sample:
        dark = 0.5 if (board, name) in ((0, "C2"), (1, "R1")) else 1.0
        made._save(f"golden_b{board}/{name}_{light}.png", dark * made.golden[name, light])
    made._save("b1/R1_WhiteLight.png", 0.5 * made.sample[1, "R1", "WhiteLight"])  # both are dark, and so the place is
    result = deep_audit(tables, made.layout)
    dark = [one for one in result.found if one.what == "golden_dark"]
    assert [result.joined.describe(one.row) for one in dark] == ["train_dataset, line 6: C2 in b0"]
    assert "that of its kind" in dark[0].why


def test_every_kind_has_words_and_an_action():
    assert all(kind.said and kind.action and kind.chapter in ("goldens", "labels", "splits") for kind in KINDS.values())
