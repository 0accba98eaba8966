"""Which tables of an export are read, and what is said of the folders."""

from pathlib import Path

import pytest

from goldenpair.converting.places import find_places
from raw_export import Export


@pytest.fixture
def export(tmp_path):
    return Export(tmp_path).write()


def codes(places):
    return {fault.code: fault for fault in places.faults}


def named(places):
    return [(split, path.name) for split, path in places.boards]


EXPECTED = [("train", f"L1_P_TOP_B{n}.csv") for n in (1, 2, 3)] + [("val", f"L1_P_TOP_B{n}.csv") for n in (4, 5)]


def test_tables_come_in_the_order_of_their_names(export):
    places = find_places(export.wish())
    assert named(places) == EXPECTED
    assert {path.parent.name for _, path in places.boards} == {"all"}  # the others hold names only
    assert places.goldens == export.root / "export" / "golden"


def test_without_all_the_tables_themselves_are_read(export):
    places = find_places(export.wish("dataset_convert.all_pcb_dataset_dir=null"))
    assert named(places) == EXPECTED
    assert {path.parent.name for _, path in places.boards} == {"train", "val"}


@pytest.mark.parametrize("written", ["export/train", "export/train/", "/export/train/", "\\export/train"])
def test_slashes_do_not_matter(export, written):
    places = find_places(export.wish(f"dataset_convert.train_pcb_dataset_dir='{written}'"))
    assert named(places) == EXPECTED


def test_absolute_folders_and_no_root(export):
    folders = [f"dataset_convert.{name}_pcb_dataset_dir={export.root}/export/{name}" for name in ("train", "val")]
    golden = f"dataset_convert.golden_csv_dir={export.root}/export/golden"
    wish = export.wish(
        "dataset_convert.root_dataset_dir=null", "dataset_convert.all_pcb_dataset_dir=''", golden, *folders
    )
    assert named(find_places(wish)) == EXPECTED
    assert named(find_places(export.wish(golden, *folders))) == EXPECTED


def test_every_missing_folder_is_told(export):
    options = ["train_pcb_dataset_dir", "val_pcb_dataset_dir", "all_pcb_dataset_dir", "golden_csv_dir"]
    wish = export.wish(
        *(f"dataset_convert.{option}=no/{option}" for option in options), "dataset_convert.images_dir=absent"
    )
    faults = [fault for fault in find_places(wish).faults if fault.fatal]
    assert {fault.what.split()[0] for fault in faults} == {
        f"dataset_convert.{option}" for option in [*options, "images_dir"]
    }


def test_hidden_files_and_others(export):
    folder = export.root / "export" / "train"
    for name in (".L1_P_TOP_B9.csv", "~$L1_P_TOP_B1.csv", ".DS_Store"):
        (folder / name).touch()
    (folder / "Thumbs.db").touch()
    (folder / "old").mkdir()
    places = find_places(export.wish())
    assert named(places) == EXPECTED
    assert codes(places)["file_no_table"].examples == (str(folder / "Thumbs.db"),)
    assert not codes(places)["file_no_table"].fatal


def test_the_extension_in_any_case(export):
    folder = export.root / "export"
    for name in ("train", "all"):
        (folder / name / "L1_P_TOP_B1.csv").rename(folder / name / "L1_P_TOP_B1.CSV")
    assert ("train", "L1_P_TOP_B1.CSV") in named(find_places(export.wish()))


def test_an_empty_folder(export):
    for path in (export.root / "export" / "val").iterdir():
        path.unlink()
    fault = codes(find_places(export.wish()))["folder_empty"]
    assert fault.fatal and fault.split == "val"


def test_a_table_that_is_not_among_all(export):
    path = export.root / "export" / "all" / "L1_P_TOP_B2.csv"
    path.unlink()
    places = find_places(export.wish())
    assert codes(places)["not_in_all"].examples == (str(path),) and not codes(places)["not_in_all"].fatal
    assert len(places.boards) == 4


def test_tables_that_no_split_names_are_told(export):
    for split in ("train", "val"):
        for path in (export.root / "export" / split).glob("*B[24].csv"):
            path.unlink()
    fault = codes(find_places(export.wish()))["in_no_split"]
    assert (fault.count, fault.examples, fault.fatal) == (2, ("L1_P_TOP_B2.csv", "L1_P_TOP_B4.csv"), False)


def test_without_a_root_an_absolute_folder_is_not_one_below_the_current(export, tmp_path_factory, monkeypatch):
    folders = {name: f"{export.root}/export/{name}" for name in ("train", "val", "golden")}
    shadow = tmp_path_factory.mktemp("shadow")
    for path in folders.values():
        below = shadow / Path(path).relative_to(Path(path).anchor)
        below.mkdir(parents=True)
        (below / "other.csv").touch()
    monkeypatch.chdir(shadow)
    wish = export.wish(
        "dataset_convert.root_dataset_dir=null",
        "dataset_convert.all_pcb_dataset_dir=null",
        f"dataset_convert.golden_csv_dir={folders['golden']}",
        *(f"dataset_convert.{name}_pcb_dataset_dir={folders[name]}" for name in ("train", "val")),
    )
    places = find_places(wish)
    assert named(places) == EXPECTED and places.goldens == Path(folders["golden"])


def test_a_split_reads_all(export):
    split = "dataset_convert.split={val: 0.2}"
    places = find_places(export.wish(split, "dataset_convert.train_pcb_dataset_dir=null"))
    assert named(places) == [("all", name) for _, name in EXPECTED]


def test_a_third_folder(export):
    wish = export.wish("dataset_convert.test_pcb_dataset_dir=export/val")
    assert [split for split, _ in find_places(wish).boards] == ["train"] * 3 + ["val"] * 2 + ["test"] * 2


def test_where_pictures_are_looked_for(export):
    places = find_places(export.wish())
    assert places.images is None and not codes(places)["pictures_not_checked"].fatal
    (export.root / "images").mkdir()
    assert find_places(export.wish()).images == export.root / "images"
    assert find_places(export.wish(f"dataset_convert.images_dir={export.root}")).images == export.root
    skipped = find_places(export.wish("dataset_convert.check_pictures=false"))
    assert skipped.images is None and not skipped.faults and "not looked for" in skipped.notes[0]
