"""Which board each row of a table is of, and which columns tell the component type."""

from collections.abc import Mapping, Sequence

BOARD_COLUMNS = ("board", "boardname")
TYPE_COLUMNS = (
    "component_type",
    "comp_type",
    "comp_type_1",
    "comp_type_2",
    "part_type",
    "type",
    "package",
)
"""Names of the column of component types, ours and those of TAO's tables; the first that is there counts."""


def boards_of(cells: Mapping[str, Sequence[str]], column: str | None = None) -> tuple[Sequence[str] | None, str]:
    """The board of each row, and where it is from in words; None where nothing tells.

    Boards are those of `column`, else of one of BOARD_COLUMNS, else the first folder of input_path.
    """
    found = column or next((one for one in BOARD_COLUMNS if one in cells), None)
    if found:
        return cells[found], f"column {found}"
    if "input_path" in cells:
        paths = cells["input_path"]
        folders = {path: _first_folder(path) for path in dict.fromkeys(paths)}
        return [folders[path] for path in paths], "first folder of input_path"
    return None, "no boards are known"


def _first_folder(path: str) -> str:
    """Of a relative path in either system's writing."""
    return next((one for one in path.replace("\\", "/").split("/") if one not in ("", ".")), "")
