"""What names of files, folders and pictures say, in the writings that factories have."""

import pytest

from goldenpair.converting.naming import (
    BoardFile,
    board_file,
    contradictions,
    found_columns,
    golden_folder,
    names_board,
    panel_of,
    picture_of,
    sample_folder,
    side_of,
)


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("L1_P_TOP_B1", BoardFile("P", "TOP", "B1")),
        ("L1_P~BOT_B1", BoardFile("P", "BOT", "B1")),
        ("L1_P_top_B1", BoardFile("P", "TOP", "B1")),
        ("L1_P_TOP_B1_20240501_1", BoardFile("P", "TOP", "B1")),
        ("L1_long_name_BOT_B1", BoardFile("long_name", "BOT", "B1")),
        ("P_TOP_B1", None),
        ("L1_P_LEFT_B1", None),
        ("boards", None),
    ],
)
def test_names_of_board_files(stem, expected):
    assert board_file(stem) == expected


@pytest.mark.parametrize(
    ("stem", "names"),
    [
        ("L1_P_TOP_B_1", True),
        ("L1_P~TOP_B_1_2024", True),
        ("l1_p_top_b_1", True),
        ("P_TOP_B_1", True),
        ("L1_P_BOT_B_1", False),
        ("L1_Q_TOP_B_1", False),
        ("L1_P_TOP_B_2", False),
    ],
)
def test_a_file_is_named_after_its_board(stem, names):
    assert names_board(stem, "P", "TOP", "B_1") == names


@pytest.mark.parametrize(("text", "side"), [("TOP", "TOP"), ("bot", "BOT"), (" Top ", "TOP"), ("T", None), ("", None)])
def test_sides(text, side):
    assert side_of(text) == side


@pytest.mark.parametrize(("text", "panel"), [("1", "1"), ("1.0", "1"), (" 12.0", "12"), ("1.5", "1.5"), ("A.0", "A.0")])
def test_panels(text, panel):
    assert panel_of(text) == panel


@pytest.mark.parametrize(
    ("image", "light", "expected"),
    [
        ("R821@1_SolderLight.jpg", "SolderLight", ("R821@1", "SolderLight", ".jpg")),
        ("SMT_R_8@1_WhiteLight.PNG", "WhiteLight", ("SMT_R_8@1", "WhiteLight", ".PNG")),
        ("R1_SolderLight.jpg", "solder light", ("R1", "SolderLight", ".jpg")),
        ("R1_Low_Angle.jpg", "LowAngle", ("R1", "Low_Angle", ".jpg")),
        ("R1_5.bmp", "5", ("R1", "5", ".bmp")),
        ("a.b@1_L.tiff", "L", ("a.b@1", "L", ".tiff")),
        ("R1.jpg", "", ("R1", "", ".jpg")),
        ("R_1.jpg", "", ("R_1", "", ".jpg")),
        ("R1_SolderLight.jpg", "WhiteLight", None),
        ("R1SolderLight.jpg", "SolderLight", None),
        ("_SolderLight.jpg", "SolderLight", None),
        ("R1_SolderLight", "SolderLight", None),
        ("R1_SolderLight.", "SolderLight", None),
        ("a/R1_L.jpg", "L", None),
        ("a\\R1_L.jpg", "L", None),
        ("R1_.jpg", "--", None),
        ("", "L", None),
        ("", "", None),
        (".jpg", "", None),
    ],
)
def test_pictures(image, light, expected):
    assert picture_of(image, light) == expected


@pytest.mark.parametrize(
    ("directory", "side", "expected"),
    [
        ("P/AOI_T/cap/PerComponent", "TOP", "P/AOI_T/cap/PerComponent"),
        ("P/AOI_T/cap/PerComponent/", "TOP", "P/AOI_T/cap/PerComponent"),
        ("/P/AOI_T/cap", "TOP", "P/AOI_T/cap"),
        ("P\\AOI_T\\cap\\PerComponent\\", "TOP", "P/AOI_T/cap/PerComponent"),
        ("./P//AOI_T/cap", "TOP", "P/AOI_T/cap"),
        ("p/AOI_T/cap", "TOP", "p/AOI_T/cap"),
        ("cap/PerComponent", "TOP", "P/AOI_T/cap/PerComponent"),
        ("cap/PerComponent", "BOT", "P/AOI_B/cap/PerComponent"),
        ("/cap", "BOT", "P/AOI_B/cap"),
        ("D:\\aoi\\P\\AOI_B\\cap", "BOT", "P/AOI_B/cap"),
        ("\\\\server\\share\\P\\AOI_B\\cap", "BOT", "P/AOI_B/cap"),
        ("/data/aoi/P/AOI_T/cap", "TOP", "P/AOI_T/cap"),
        ("D:/aoi/cap", "TOP", None),
        ("P/../../etc", "TOP", None),
        ("", "TOP", None),
        ("/", "TOP", None),
    ],
)
def test_folders_of_samples(directory, side, expected):
    assert sample_folder(directory, "P", side) == expected


@pytest.mark.parametrize(
    ("directory", "expected"),
    [
        ("golden/images/PTOP", "golden/images/PTOP"),
        ("/golden/images/PTOP/", "golden/images/PTOP"),
        ("D:\\aoi\\golden\\images\\PTOP", "golden/images/PTOP"),
        ("/data/aoi/golden/images/PTOP", "golden/images/PTOP"),
        ("data/Golden/PTOP", "Golden/PTOP"),
        ("references/PTOP", "references/PTOP"),
        ("golden/golden/PTOP", "golden/golden/PTOP"),
        ("D:/references/PTOP", None),
        ("golden/../x", None),
        ("", None),
    ],
)
def test_folders_of_goldens(directory, expected):
    assert golden_folder(directory) == expected


def test_columns_are_found_in_any_writing():
    wanted = {"panel": ("tbpanel",), "side": ("topbot", "side"), "pins": ("pins",)}
    assert found_columns({"TB_Panel": [], "Side": []}, wanted) == {"panel": "TB_Panel", "side": "Side"}
    assert found_columns({"tb panel": [], "TB_PANEL": [], "side": [], "TopBot": []}, wanted) == {
        "panel": "tb panel",
        "side": "TopBot",
    }


def test_columns_of_one_meaning_that_differ():
    wanted = {"panel": ("tbpanel",), "side": ("topbot", "side")}
    header = {"TB_Panel": ["1", "2"], "tb panel": ["1", "2"], "side": ["T", "T"], "TopBot": ["T", "B"]}
    (told,) = contradictions(header, wanted, lambda row: row + 2)
    assert told.startswith("columns TopBot and side mean the same and differ, as in line 3: 'B' and 'T'; ")
    assert contradictions({"side": ["T"], "other": ["B"]}, wanted, int) == []
