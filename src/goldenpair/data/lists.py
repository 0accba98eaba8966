"""Splits as tables of pairs: a CSV file is one, and a list of names in a folder of pairs becomes one."""

import os
from pathlib import Path

from goldenpair.data.table import PairTable, read_table, where_no_text
from goldenpair.errors import TableError
from goldenpair.specs.common import SplitFiles
from goldenpair.specs.segment import ListFiles, MaskRule

MASK_COLUMN = "mask_path"
"""The column of a list's table that leads from images_dir to the masks."""


def read_split(files: SplitFiles) -> PairTable:
    """The table of a split, whatever form it has; raises TableError as `read_table` does."""
    return read_list(files) if isinstance(files, ListFiles) else read_table(files.csv_path, files.images_dir)


def read_list(files: ListFiles) -> PairTable:
    """A list as a table: a row for each name, whose object_name is the file's name with its extension.

    A line is a name. Where no sample has the whole line for a name its first word counts, as in TAO; empty lines, and
    lines that begin with # and are no name, do not. Raises TableError for a file that is missing or no text.
    """
    path, folder = Path(files.csv_path), Path(files.images_dir)
    try:
        # not splitlines: it would cut names at signs that some systems allow in them
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError:
        raise TableError(path, [f"there is no such file (looked in {Path.cwd()})"]) from None
    except UnicodeDecodeError:
        raise TableError(path, [where_no_text(path)]) from None
    except OSError as error:
        raise TableError(path, [f"cannot be read: {error}"]) from None
    samples = folder / files.sample_folder
    found = [(number, name) for number, line in enumerate(lines, 1) if (name := _name(line.strip(), samples))]
    names = [name for _, name in found]
    cells = {
        "input_path": [files.sample_folder] * len(names),
        "golden_path": [files.golden_folder] * len(names),
        "object_name": names,
    }
    if files.masks is not None:
        cells[MASK_COLUMN] = [_mask(name, files.masks, folder) for name in names]
    return PairTable(str(path), folder, cells, [number for number, _ in found])


def _name(line: str, samples: Path) -> str:
    words = line.split()
    if len(words) < 2 and not line.startswith("#"):
        return line
    for name in (line, words[0]):
        if (samples / name).is_file():
            return name
    return "" if line.startswith("#") else line


def _mask(name: str, rule: MaskRule, folder: Path) -> str:
    """The path of a picture's mask, the first that is there of TAO's and the other way to name it.

    TAO puts label_suffix in the place of .jpg, and leaves names that end otherwise as they are.
    """
    stem, extension = os.path.splitext(name)
    names = [stem + rule.suffix, name]
    if extension != ".jpg":
        names.reverse()
    paths = [f"{rule.folder}/{one}" for one in names]
    there = [path for path in paths if (folder / path).is_file()]
    return there[0] if there else f"{rule.folder}/{stem}{rule.suffix}"
