"""Which board a row is of."""

from goldenpair.data.boards import boards_of, boards_of_splits

PATHS = ["b1/top", ".\\b2\\top", "./b1", "/b3/x", ""]


def test_the_first_folder():
    assert boards_of({"input_path": PATHS}) == (["b1", "b2", "b1", "b3", ""], "first folder of input_path")


def test_a_column_goes_first():
    cells = {"input_path": PATHS, "boardname": list("abcde"), "board": list("vwxyz"), "panel": list("12345")}
    assert boards_of(cells) == (list("vwxyz"), "column board")
    assert boards_of(cells, "panel") == (list("12345"), "column panel")
    del cells["board"]
    assert boards_of(cells) == (list("abcde"), "column boardname")


def test_nothing_tells():
    assert boards_of({"object_name": ["R1"]}) == (None, "no boards are known")


def test_taos_folders_name_the_capture_and_not_the_project():
    paths = ["P/AOI_T/SN1_0501/PerComponent", "P\\AOI_B\\SN1_0501", "./Q/aoi_t/SN2/x", "AOI_T/SN3/x", "other/SN4"]
    assert boards_of({"input_path": paths}) == (
        ["P/SN1_0501", "P/SN1_0501", "Q/SN2", "SN3", ""], "project and capture in input_path",
    )  # fmt: skip


def test_one_first_folder_of_all_splits_is_no_board():
    one, two = {"input_path": ["A", "A"]}, {"input_path": ["A/x"]}
    assert boards_of_splits({"train": one, "test": two}) == ({"train": ["", ""], "test": [""]}, "no boards are known")
    assert boards_of_splits({"train": one, "test": {"input_path": ["B"]}}) == (
        {"train": ["A", "A"], "test": ["B"]}, "first folder of input_path",
    )  # fmt: skip
    named = {"input_path": ["A"], "board": ["b1"]}
    assert boards_of_splits({"train": one, "test": named}) == ({"train": ["", ""], "test": ["b1"]}, "column board")
