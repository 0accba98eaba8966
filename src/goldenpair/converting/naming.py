"""What the names of an export's files, folders and pictures say."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

SIDES = ("TOP", "BOT")
_GOLDEN = "golden"
_BOARD_FILE = re.compile(r"[^_]+_(?P<design>.+)[_~](?P<side>TOP|BOT)_(?P<board>[^_]+)", re.IGNORECASE)
_LONGEST_EXTENSION = 5
_WHOLE_NUMBER = re.compile(r"\d+\.0")
_NOT_LETTERS = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class BoardFile:
    """What `<line>_<project>_<side>_<board>.csv`, or `<line>_<project>~<side>_<board>.csv`, tells."""

    design: str
    side: str
    board: str


def board_file(stem: str) -> BoardFile | None:
    """None for a name of another kind."""
    found = _BOARD_FILE.match(stem)
    return BoardFile(found["design"], found["side"].upper(), found["board"]) if found else None


def names_board(stem: str, design: str, side: str, board: str) -> bool:
    """Whether a file's name is that of this board, whatever `_` are in project and board."""
    name = f"_{stem}".casefold()
    return any(f"_{design}{sign}{side}_{board}".casefold() in name for sign in "_~")


def bare(text: str) -> str:
    """Its letters and digits only, small."""
    return _NOT_LETTERS.sub("", text).lower()


def side_of(text: str) -> str | None:
    """TOP or BOT, in whatever case it is written."""
    side = text.strip().upper()
    return side if side in SIDES else None


def panel_of(text: str) -> str:
    """`1` also where a program that takes it for a number wrote `1.0`."""
    panel = text.strip()
    return panel[:-2] if _WHOLE_NUMBER.fullmatch(panel) else panel


class Picture(NamedTuple):
    """A picture's name without folder: `R12@1_SolderLight.jpg` is ("R12@1", "SolderLight", ".jpg")."""

    object_name: str
    light: str
    extension: str


def picture_of(image_name: str, light: str) -> Picture | None:
    """The object's name is all before the light, so it may hold `_`; None for a name that does not end so.

    A light is the same in other cases and without blanks, and then has the file's spelling. Without a light there is
    no suffix.
    """
    stem, dot, end = image_name.rpartition(".")
    if not (end.isalnum() and len(end) <= _LONGEST_EXTENSION) or "/" in stem or "\\" in stem:
        return None
    if not light:
        return Picture(stem, "", dot + end) if stem else None
    if stem.endswith(light) and stem[-len(light) - 1 : -len(light)] == "_":
        name, suffix = stem[: -len(light) - 1], light
    else:
        wanted = bare(light)
        places = [place for place, sign in enumerate(stem) if sign == "_" and bare(stem[place:]) == wanted]
        if not wanted or not places:
            return None
        name, suffix = stem[: places[-1]], stem[places[-1] + 1 :]
    return Picture(name, suffix, dot + end) if name else None


def sample_folder(directory: str, design: str, side: str) -> str | None:
    """The folder of a part's pictures below images_dir, with `/` only.

    As in TAO `<project>/AOI_T` or `/AOI_B` goes before a directory that does not begin with the project; of a path
    that begins at a drive or at the root, what stands before the project is cut off. None for one that leaves
    images_dir, or has a drive and no project.
    """
    folders = _folders(directory)
    if not folders or ".." in folders:
        return None
    known = [folder.casefold() for folder in folders]
    if known[0] == design.casefold():
        return "/".join(folders)
    if directory.strip()[:1] in ("/", "\\") or _drive(folders[0]):
        if design.casefold() in known:
            return "/".join(folders[known.index(design.casefold()) :])
        if _drive(folders[0]):
            return None
    return "/".join([design, "AOI_B" if side == "BOT" else "AOI_T", *folders])


def golden_folder(directory: str) -> str | None:
    """The folder of a golden's pictures below images_dir: what stands before the folder `golden` is cut off.

    None for one that leaves images_dir, or has a drive and no folder `golden`.
    """
    folders = _folders(directory)
    known = [folder.casefold() for folder in folders]
    if _GOLDEN in known:
        folders = folders[known.index(_GOLDEN) :]
    return "/".join(folders) if folders and ".." not in folders and not _drive(folders[0]) else None


def _folders(path: str) -> list[str]:
    return [folder for folder in path.strip().replace("\\", "/").split("/") if folder not in ("", ".")]


def _drive(folder: str) -> bool:
    return folder.endswith(":")


def found_columns(header: Mapping[str, list[str]], wanted: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Our name -> the column's, for those of the `wanted` that a header has, in any case and with or without `_`."""
    return {ours: names[0] for ours, theirs in wanted.items() if (names := _meaning(header, theirs))}


def contradictions(
    header: Mapping[str, list[str]], wanted: Mapping[str, tuple[str, ...]], line: Callable[[int], int]
) -> list[str]:
    """What is wrong with columns of one meaning, such as ConfirmDefect and Confirm_Defect, that differ in a row; `line`
    gives a row's line."""
    problems = []
    for theirs in wanted.values():
        first, *others = _meaning(header, theirs) or [""]
        for other in others:
            rows = zip(header[first], header[other], strict=True)
            found = next(((row, one, two) for row, (one, two) in enumerate(rows) if one != two), None)
            if found:
                row, one, two = found
                problems.append(
                    f"columns {first} and {other} mean the same and differ, as in line {line(row)}: "
                    f"{one!r} and {two!r}; remove or rename the wrong one"
                )
    return problems


def _meaning(header: Mapping[str, list[str]], theirs: tuple[str, ...]) -> list[str]:
    """The columns with one of these names, the first of them first."""
    named = [(bare(name), name) for name in header]
    return [name for one in theirs for known, name in named if known == one]
