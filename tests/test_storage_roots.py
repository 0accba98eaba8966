"""The folder that a table's paths start from."""

import pytest

from goldenpair.storage.roots import root_of

WANTED = [("b1", "R1"), ("b2", "C1")]


@pytest.mark.parametrize("inside", ["", "images", "set/images", "lot7/images", "only", "only/one/images"])
def test_the_root_is_where_the_paths_lead_to_pictures(tmp_path, inside):
    (tmp_path / inside / "b2").mkdir(parents=True)
    (tmp_path / inside / "b2" / "C1_WhiteLight.jpg").touch()
    (tmp_path / inside / "golden").mkdir()
    root, tried = root_of(str(tmp_path), WANTED)
    assert root == str(tmp_path / inside) and tried[0] == str(tmp_path) and tried[-1] == root


def test_a_wrapper_beside_other_folders(tmp_path):
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "docs").mkdir()
    (tmp_path / "Images" / "b1").mkdir(parents=True)
    (tmp_path / "Images" / "b1" / "R1.png").touch()
    assert root_of(str(tmp_path), WANTED)[0] == str(tmp_path / "Images")


def test_folders_without_the_pictures_are_no_root(tmp_path):
    (tmp_path / "b1").mkdir()
    (tmp_path / "images" / "b1").mkdir(parents=True)
    (tmp_path / "images" / "b1" / "R2.png").touch()
    root, tried = root_of(str(tmp_path), WANTED)
    assert root is None and tried[:2] == [str(tmp_path), str(tmp_path / "images")]
    assert root_of(str(tmp_path / "none"), WANTED) == (None, [str(tmp_path / "none")])


def test_names_that_hold_folders_and_cells_that_hold_none(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "R1.png").touch()
    assert root_of(str(tmp_path), [("/a/", "b/R1")])[0] == str(tmp_path)
    assert root_of(str(tmp_path), [("", "R1")])[0] == str(tmp_path / "a" / "b")
    (tmp_path / "c").mkdir()  # now a is not the only folder, and no wrapper's name
    assert root_of(str(tmp_path), [("", "R1")])[0] is None
    assert root_of(str(tmp_path / "a" / "b"), [("", "R1"), (".", "R1")])[0] == str(tmp_path / "a" / "b")
