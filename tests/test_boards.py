"""Which board a row is of."""

from goldenpair.data.boards import boards_of

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
