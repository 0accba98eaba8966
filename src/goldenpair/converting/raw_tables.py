"""The tables of an AOI machine: one for each board, a row for each component and light, and one of goldens."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from goldenpair.converting.naming import (
    SIDES,
    Picture,
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
from goldenpair.data.table import PASS, PairTable, read_table
from goldenpair.errors import TableError

KEPT = {
    "board": ("boardsn", "boardname", "board"),
    "design": ("project", "design"),
    "component_type": ("type", "componenttype", "comptype"),
    "package": ("package",),
    "panel": ("tbpanel", "panel"),
    "side": ("topbot", "side"),
    "comp_name": ("compname",),
    "comp_type_1": ("comptype1",),
    "comp_type_2": ("comptype2",),
    "part_type": ("parttype",),
    "pins": ("numberofpins", "pins", "pincount"),
    "description": ("description",),
    "machine_verdict": ("machinedefect",),
    "machine_status": ("status",),
    "mpass_mfail": ("mpassmfail",),
    "is_valid": ("isvalid",),
}
"""Columns that a table gets after TAO's four, and the exports' names for them, without `_` and in small letters."""
_READ = {
    **KEPT,
    "directory": ("directory",),
    "light": ("lightingcondition",),
    "verdict": ("confirmdefect",),
    "image_name": ("imagename",),
}
_COPIED = (
    "component_type",
    "package",
    "comp_type_1",
    "comp_type_2",
    "part_type",
    "pins",
    "description",
    "mpass_mfail",
    "is_valid",
)
"""Those that are taken as they stand in a component's first row."""
_DECIDING = {name: theirs for name, theirs in _READ.items() if name not in _COPIED}
"""Those that must not be told in two ways; of the others the first column serves."""
_KEY = ("design", "board", "side", "comp_name", "panel", "directory")
_GOLDEN = {name: _READ[name] for name in ("comp_name", "side", "panel", "directory")}
_TAOS = {
    "design": "Project",
    "board": "BoardSN",
    "side": "TOP_BOT",
    "comp_name": "CompName",
    "panel": "TB_Panel",
    "directory": "directory",
    "verdict": "ConfirmDefect",
    "image_name": "image_name",
}


@dataclass(slots=True)
class Part:
    """One component of a board, of all its rows.

    `verdicts`, `machine` and `status` are the texts of its rows, `lights` the distinct ones, sorted; `line` is the
    first of its rows. `cause` is the code of why it cannot be used, "" if it can, and `detail` says more.
    """

    split: str
    file: str
    line: int
    design: str
    board: str
    side: str
    comp_name: str
    panel: str
    folder: str
    lights: tuple[str, ...]
    object_name: str
    extension: str
    verdicts: tuple[str, ...]
    machine: tuple[str, ...]
    status: tuple[str, ...]
    copied: tuple[str, ...]
    repeated: bool
    cause: str = ""
    detail: str = ""
    golden: str = ""
    label: str = ""
    by_machine: bool = False
    machine_verdict: str = ""
    machine_status: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        return (self.design, self.board, self.side, self.comp_name, self.panel, self.folder)

    @property
    def is_defect(self) -> bool:
        """Whether its label is that of a defect."""
        return self.label not in ("", PASS)

    def leave_out(self, cause: str, detail: str = "") -> None:
        self.cause, self.detail = cause, detail

    def told(self) -> str:
        """Where it is, in words."""
        panel = f", panel {self.panel}" if self.panel else ""
        detail = f": {self.detail}" if self.detail else ""
        return f"{self.file} line {self.line}: {self.comp_name}{panel} of board {self.board} {self.side}{detail}"


@dataclass(frozen=True)
class BoardTable:
    """A board's table: its components, which of KEPT it has, and which columns are none of ours."""

    path: Path
    sha256: str
    rows: int
    parts: list[Part]
    kept: frozenset[str]
    strange: frozenset[str]
    misnamed: str
    """What the file's name has to do with none of its boards; "" if it has."""


@dataclass(frozen=True)
class GoldenTable:
    """Folders of goldens by (component, panel); `twice` and `odd` are lines on rows that could not be used."""

    path: Path
    sha256: str
    folders: dict[tuple[str, str], str]
    twice: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)


def read_board(path: Path, split: str) -> BoardTable:
    """Raises TableError for a file that cannot be read, or has not the columns that are needed."""
    table = read_table(path, path.parent, of_pairs=False)
    names = found_columns(table.cells, _READ)
    columns = {ours: _stripped(table.cells[theirs]) for ours, theirs in names.items() if ours != "verdict"}
    if "verdict" in names:
        columns["verdict"] = table.cells[names["verdict"]]  # blanks count there
    problems = _filled_by_name(path, table, columns)
    wanted = ("comp_name", "directory", "verdict", "image_name")
    absent = [_TAOS[name] for name in wanted if name not in columns]
    if absent:
        problems.insert(0, f"no column {', '.join(absent)} (the header is: {', '.join(table.columns)})")
    problems += contradictions(table.cells, _DECIDING, table.line)
    if problems:
        raise TableError(path, problems)
    parts = list(_components(path, split, table, columns))
    of_board = {(part.design, part.side, part.board) for part in parts}
    misnamed = "" if any(names_board(path.stem, *one) for one in of_board) or not parts else parts[0].told()
    strange = frozenset(set(table.columns) - set(names.values()) - {""})
    kept = frozenset(columns) & frozenset(KEPT)
    return BoardTable(path, _digest(path), len(table), parts, kept, strange, misnamed)


def _filled_by_name(path: Path, table: PairTable, columns: dict[str, list[str]]) -> list[str]:
    """Columns that a table lacks but its file's name tells are added; what is wrong with that."""
    absent = [name for name in ("design", "board", "side") if name not in columns]
    named = board_file(path.stem) if absent else None
    if absent and named is None:
        told = ", ".join(_TAOS[name] for name in absent)
        return [f"no column {told}, and its name is not <line>_<project>_<TOP or BOT>_<board>.csv, which would tell"]
    for name in absent:
        columns[name] = [getattr(named, name)] * len(table)
    return []


def _components(path: Path, split: str, table: PairTable, columns: dict[str, list[str]]) -> Iterator[Part]:
    """The components in the order of their first rows."""
    nothing = [""] * len(table)
    sides = _mapped(columns["side"], lambda text: side_of(text) or text)
    columns = {**columns, "side": sides, "panel": _mapped(columns.get("panel", nothing), panel_of)}
    rows_of: dict[tuple[str, ...], list[int]] = {}
    for row, key in enumerate(zip(*(columns[name] for name in _KEY), strict=True)):
        rows_of.setdefault(key, []).append(row)
    columns = {name: columns.get(name, nothing) for name in _READ}
    copied = [columns[name] for name in _COPIED]
    folders: dict[tuple[str, str, str], str | None] = {}
    for key, rows in rows_of.items():
        design, board, side, name, panel, directory = key
        place = (directory, design, side)
        folder = folders[place] if place in folders else folders.setdefault(place, sample_folder(*place))
        pictures = [picture_of(columns["image_name"][row], columns["light"][row]) for row in rows]
        known = sorted({one for one in pictures if one})
        part = Part(
            split=split,
            file=path.name,
            line=table.line(rows[0]),
            design=design,
            board=board,
            side=side,
            comp_name=name,
            panel=panel,
            folder=folder or "",
            lights=tuple(dict.fromkeys(picture.light for picture in known)),
            object_name=known[0].object_name if known else "",
            extension=known[0].extension if known else "",
            verdicts=tuple([columns["verdict"][row] for row in rows]),
            machine=tuple([columns["machine_verdict"][row] for row in rows]),
            status=tuple([columns["machine_status"][row] for row in rows]),
            copied=tuple([cells[rows[0]] for cells in copied]),
            repeated=len(rows) > len(known),
        )
        _find_fault(part, directory, folder, pictures, [columns["image_name"][row] for row in rows])
        yield part


def _find_fault(
    part: Part, directory: str, folder: str | None, pictures: Sequence[Picture | None], images: Sequence[str]
) -> None:
    """Leave out a part that its own cells rule out."""
    key = (part.design, part.board, part.side, part.comp_name, part.panel, directory)
    empty = [_TAOS[name] for name, cell in zip(_KEY, key, strict=True) if not cell and name != "panel"]
    stems = {(picture.object_name, picture.extension) for picture in pictures if picture}
    if empty:
        part.leave_out("cell_empty", f"no {', '.join(empty)}")
    elif part.side not in SIDES:
        part.leave_out("side_unknown", f"TOP_BOT is {part.side!r}")
    elif folder is None:
        part.leave_out("directory_odd", directory)
    elif None in pictures:
        part.leave_out("image_name_odd", images[pictures.index(None)] or "it is empty")
    elif len(stems) > 1:
        part.leave_out("image_name_odd", "its rows name " + " and ".join(name + end for name, end in sorted(stems)))


def read_goldens(path: Path, side: str) -> GoldenTable:
    """The goldens of one side of a project. Raises TableError as `read_board` does."""
    table = read_table(path, path.parent, of_pairs=False)
    names = found_columns(table.cells, _GOLDEN)
    absent = [_TAOS[name] for name in ("comp_name", "directory") if name not in names]
    if absent:
        raise TableError(path, [f"no column {', '.join(absent)} (the header is: {', '.join(table.columns)})"])
    if problems := contradictions(table.cells, _GOLDEN, table.line):
        raise TableError(path, problems)
    columns = {ours: _stripped(table.cells[theirs]) for ours, theirs in names.items()}
    sides = columns.get("side", [side] * len(table))
    panels = columns.get("panel", [""] * len(table))
    found: dict[tuple[str, str], str] = {}
    twice, odd = [], []
    rows = zip(columns["comp_name"], sides, panels, columns["directory"], strict=True)
    for row, (name, of_side, panel, directory) in enumerate(rows):
        if side_of(of_side) not in (side, None):
            continue
        folder = golden_folder(directory)
        place = f"{path.name} line {table.line(row)}: {name or '(no CompName)'}"
        if not name or folder is None or side_of(of_side) is None:
            odd.append(f"{place}: directory {directory!r}, TOP_BOT {of_side!r}")
            continue
        kept = found.setdefault((name, panel_of(panel)), folder)
        if kept != folder:
            twice.append(f"{place}: {folder}, but {kept} before, which serves")
    return GoldenTable(path, _digest(path), found, twice, odd)


def copied_columns(part: Part) -> dict[str, str]:
    """The cells of a part that are taken as they stand, by our names."""
    return dict(zip(_COPIED, part.copied, strict=True))


def _stripped(cells: Sequence[str]) -> list[str]:
    return _mapped(cells, str.strip)


def _mapped(cells: Sequence[str], change: Callable[[str], str]) -> list[str]:
    changed = {cell: change(cell) for cell in set(cells)}
    return [changed[cell] for cell in cells]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
