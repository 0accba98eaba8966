from dataclasses import replace

import numpy as np
import pytest

from goldenpair.data.audit import audit
from goldenpair.data.table import Layout
from goldenpair.errors import DataError
from masked_pairs import draw, save, spec_of, write_list

SPLITS = {"train": "train_dataset", "val": "validation_dataset", "test": "test_dataset"}


@pytest.fixture
def root(tmp_path):
    return draw(tmp_path)


def looked_at(root, *splits, overrides=()):
    pairs = spec_of(root, *overrides).pairs
    names = splits or ("test_dataset",)
    return audit({name: getattr(pairs, name) for name in names}, Layout.of(pairs))


def only_fault(root, *splits, overrides=()):
    _, report = looked_at(root, *splits, overrides=overrides)
    (fault,) = report.faults
    return fault


def test_masks_say_which_pairs_are_defects(root):
    tables, report = looked_at(root)
    assert tables["test_dataset"].cells["label"] == ["PASS", "CHANGED", "CHANGED", "PASS", "CHANGED"]
    assert report.faults == () and report.tables[0].defects == 3 and report.tables[0].rows == 5
    pixels = 3 * (32 // 3) * (32 // 4) / (5 * 32 * 32)
    assert report.notes == (f"test_dataset: pixels of the masks: class 0 {1 - pixels:.3%}, class 1 {pixels:.3%}",)


def test_a_single_changed_pixel_is_a_defect_and_ignored_ones_are_none(root):
    one = np.zeros((32, 32), np.uint8)
    one[3, 4] = 2
    save(root / "label" / "test0.png", one)
    save(root / "label" / "test3.png", np.full((32, 32), 255, np.uint8))
    for number in (1, 2, 4):
        save(root / "label" / f"test{number}.png", np.zeros((32, 32), np.uint8))
    wish = ["dataset.segment.label_transform=None", "dataset.segment.num_classes=3"]
    tables, report = looked_at(root, overrides=wish)
    assert tables["test_dataset"].cells["label"] == ["CHANGED", "PASS", "PASS", "PASS", "PASS"]
    (fault,) = report.faults
    assert fault.code == "class_unused" and not fault.fatal and fault.examples == ("class 1",)
    assert "1,024 pixels are 255, which is left out" in fault.what
    assert "class 2 0.020%, left out 20.000%" in report.notes[0]


def test_every_mask_that_is_missing_is_counted_and_the_first_are_named(root):
    for number in (1, 3):
        (root / "label" / f"test{number}.png").unlink()
    fault = only_fault(root)
    assert (fault.code, fault.count, fault.fatal) == ("mask_missing", 2, True)
    assert fault.examples[0] == f"line 2: {root / 'label' / 'test1.png'}"


def test_a_wrong_suffix_is_told_for_every_row(tmp_path):
    fault = only_fault(draw(tmp_path, extension=".jpg"), overrides=["dataset.segment.label_suffix=_mask.png"])
    assert (fault.code, fault.count) == ("mask_missing", 5)
    assert fault.examples[0].endswith("test0_mask.png  (there is test0.png)")


def test_wrong_values_and_damaged_masks_are_told_with_their_line(root):
    wrong = np.zeros((32, 32), np.uint8)
    wrong[0, 0] = 7
    save(root / "label" / "test2.png", wrong)
    (root / "label" / "test4.png").write_bytes(b"no picture")
    fault = only_fault(root)
    assert (fault.code, fault.count, fault.fatal) == ("mask_unusable", 2, True)
    assert fault.examples[0].startswith("line 3: ") and "it holds 7; label_transform norm" in fault.examples[0]
    assert "not a readable picture" in fault.examples[1]


def test_masks_of_another_size_are_a_warning(root):
    save(root / "label" / "test1.png", np.full((16, 24), 255, np.uint8))
    fault = only_fault(root)
    assert (fault.code, fault.count, fault.fatal) == ("mask_size_differs", 1, False)
    assert fault.examples[0].endswith("test1.png: 24 x 16, its sample 32 x 32")


def test_a_change_that_is_left_out_by_mistake_is_told(root):
    """0 and 255 read as classes: every changed pixel would be left out, without a word."""
    fault = only_fault(root, overrides=["dataset.segment.label_transform=None"])
    assert fault.code == "class_unused" and "pixels are 255, which is left out" in fault.what


def test_what_is_said_of_masks_keeps_nothing_else_from_being_said(root):
    (root / "A" / "test1.png").unlink()
    (root / "label" / "test2.png").unlink()
    _, report = looked_at(root, overrides=["dataset.segment.label_transform=None"])
    assert {fault.code for fault in report.faults} == {"mask_missing", "class_unused", "picture_missing"}


def test_inference_needs_no_masks(root):
    for path in (root / "label").iterdir():
        path.unlink()
    tables, report = looked_at(root, "infer_dataset")
    assert report.faults == () and report.tables[0].defects is None
    assert tables["infer_dataset"].columns == ("input_path", "golden_path", "object_name")


def test_missing_pictures_and_twins_are_told_as_in_tables(root):
    (root / "A" / "test1.png").unlink()
    (root / "B" / "test2.png").unlink()
    write_list(root, "test", [f"test{number}.png" for number in (0, 1, 2, 3, 0)])
    _, report = looked_at(root)
    found = {fault.code: fault for fault in report.faults}
    assert found.keys() == {"picture_missing", "golden_missing", "row_again"}
    assert found["picture_missing"].examples == (f"line 2: {root / 'A' / 'test1.png'}",)


def test_names_without_their_extension_are_explained(root):
    write_list(root, "test", ["test0", "test1.jpg"])
    _, report = looked_at(root)
    found = {fault.code: fault for fault in report.faults}
    assert found["picture_other_extension"].what == "picture named without its extension"
    assert found["picture_missing"].examples[0].endswith("test1.jpg  (there is test1.png)")


def test_pairs_that_are_in_two_splits_are_told(root):
    write_list(root, "test", ["train1.png"])
    _, report = looked_at(root, *SPLITS.values())
    assert [fault.code for fault in report.faults] == ["in_two_splits"]


def test_an_empty_list_is_refused(root):
    write_list(root, "test", [])
    _, report = looked_at(root)
    assert [fault.code for fault in report.faults] == ["no_rows"]
    with pytest.raises(DataError, match=r"test\.txt"):
        report.refuse()


def test_progress_counts_masks(root):
    seen = []
    pairs = spec_of(root).pairs
    audit({"test_dataset": pairs.test_dataset}, Layout.of(pairs), lambda done, total: seen.append((done, total)))
    assert (5, 5) in seen


@pytest.mark.slow
def test_real_masks(real_data):
    wish = "dataset.segment.validation_split=val"
    tables, report = looked_at(real_data / "deeppcb_segment", "validation_dataset", overrides=[wish])
    assert report.faults == () and report.tables[0].defects == 308
    assert len(replace(tables["validation_dataset"]).cells["label"]) == 428
