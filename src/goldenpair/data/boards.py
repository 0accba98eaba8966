"""Which board each row of a table is of, and which columns tell the component type."""

import re
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
_NONE = "no boards are known"
_FIRST_FOLDER = "first folder of input_path"
_CAPTURE = re.compile(r"(?:(.+)/)?AOI_[TB]/([^/]+)", re.IGNORECASE)


def boards_of(cells: Mapping[str, Sequence[str]], column: str | None = None) -> tuple[Sequence[str] | None, str]:
    """The board of each row, and where it is from in words; None where nothing tells.

    Boards are those of `column`, else of one of BOARD_COLUMNS; else of input_path: `<project>/<capture>` where it is
    TAO's `<project>/AOI_T/<capture>` or `AOI_B`, else the first folder. A row of another form than TAO's in a table
    that has that form has the board "".
    """
    found = column or next((one for one in BOARD_COLUMNS if one in cells), None)
    if found:
        return cells[found], f"column {found}"
    if "input_path" not in cells:
        return None, _NONE
    paths = cells["input_path"]
    plain = {path: _plain(path) for path in dict.fromkeys(paths)}
    captures = {path: _CAPTURE.match(one) for path, one in plain.items()}
    if any(captures.values()):
        named = {path: "/".join(filter(None, one.groups())) if one else "" for path, one in captures.items()}
        return [named[path] for path in paths], "project and capture in input_path"
    return [plain[path].split("/")[0] for path in paths], _FIRST_FOLDER


def boards_of_splits(tables: Mapping[str, Mapping[str, Sequence[str]]]) -> tuple[dict[str, Sequence[str]], str]:
    """The board of each row of tables that are compared, given by their columns; "" where it is not known.

    A first folder that is the same in all of them is the data set's, such as A of a list, and no board.
    """
    found = {name: boards_of(cells) for name, cells in tables.items()}
    folders = {board for boards, source in found.values() if source == _FIRST_FOLDER for board in boards or ()}
    known = {
        name: boards if boards is not None and (source != _FIRST_FOLDER or len(folders) > 1) else None
        for name, (boards, source) in found.items()
    }
    rows = {name: max(map(len, cells.values()), default=0) for name, cells in tables.items()}
    sources = [found[name][1] for name, boards in known.items() if boards is not None]
    boards = {name: [""] * rows[name] if one is None else one for name, one in known.items()}
    return boards, sources[0] if sources else _NONE


def _plain(path: str) -> str:
    """A relative path in either system's writing, with `/` only."""
    return "/".join(one for one in path.replace("\\", "/").split("/") if one not in ("", "."))
