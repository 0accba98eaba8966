"""Where the files of an export are: its folders, found from what the spec says, and the tables in them."""

from dataclasses import dataclass
from pathlib import Path

from goldenpair.data.faults import Fault
from goldenpair.specs.dataset_convert import DatasetConvert

_IMAGES = "images"
_SPLITS = ("train", "val", "test")
_UNSEEN = (".", "~$")  # hidden files, and what a spreadsheet leaves beside an open one


@dataclass(frozen=True)
class Places:
    """`boards` are the tables to read with their splits, in a fixed order; `images` is None where pictures are not
    looked for. With a fatal one of the `faults` there is nothing to read."""

    boards: tuple[tuple[str, Path], ...]
    goldens: Path
    images: Path | None
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]


def find_places(wish: DatasetConvert) -> Places:
    """All folders, and every one that is missing."""
    faults: list[Fault] = []
    notes: list[str] = []
    root = wish.root_dataset_dir or ""
    goldens = _folder(root, wish.golden_csv_dir or "", "golden_csv_dir", faults)
    everything = _folder(root, wish.all_pcb_dataset_dir, "all_pcb_dataset_dir", faults)
    boards: list[tuple[str, Path]] = []
    if wish.split and everything:
        boards = [("all", path) for path in _tables(everything, "all", faults)]
    for split in () if wish.split else _SPLITS:
        name = f"{split}_pcb_dataset_dir"
        folder = _folder(root, getattr(wish, name), name, faults)
        named = _tables(folder, split, faults) if folder else []
        read = [everything / path.name for path in named] if everything else named
        absent = [str(path) for path in read if not path.is_file()]
        what = f"table of {name} that is not in all_pcb_dataset_dir, where tables are read"
        faults += Fault.of(split, "not_in_all", what, range(len(absent)), absent.__getitem__, fatal=False)
        boards += [(split, path) for path in read if path.is_file()]
    if everything and not wish.split:
        named_by_none = [path.name for path in files_in(everything) if path.suffix.lower() == ".csv"]
        unread = sorted(set(named_by_none) - {path.name for _, path in boards})
        what = "table in all_pcb_dataset_dir that no split names: its parts are in no table and in no count"
        faults += Fault.of("all", "in_no_split", what, range(len(unread)), unread.__getitem__, fatal=False)
    images = _images(root, wish, faults, notes)
    return Places(tuple(boards), goldens or Path(), images, tuple(faults), tuple(notes))


def _folder(root: str, given: str | None, option: str, faults: list[Fault]) -> Path | None:
    """The folder that an option names; None if it names none, or one that is not there."""
    if not given:
        return None
    # TAO puts the two texts together as they stand; without a root an absolute folder is one
    tried = [Path(root, given.strip("/\\")), Path(root, given)] if root else [Path(given)]
    found = next((path for path in tried if path.is_dir()), None)
    if found is None:
        what = f"dataset_convert.{option} is no folder"
        paths = dict.fromkeys(str(path) for path in tried)
        faults.append(Fault("all", "folder_missing", what, 1, (" or ".join(paths),)))
    return found


def _tables(folder: Path, split: str, faults: list[Fault]) -> list[Path]:
    files = files_in(folder)
    tables = [path for path in files if path.suffix.lower() == ".csv"]
    others = [str(path) for path in files if path not in set(tables)]
    what = "file that is no CSV, left alone"
    faults += Fault.of(split, "file_no_table", what, range(len(others)), others.__getitem__, fatal=False)
    if not tables:
        faults.append(Fault(split, "folder_empty", "no CSV file in the folder", 1, (str(folder),)))
    return tables


def files_in(folder: Path) -> list[Path]:
    """The files of a folder by their names, without hidden ones."""
    files = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(_UNSEEN)]
    return sorted(files, key=lambda path: path.name)


def _images(root: str, wish: DatasetConvert, faults: list[Fault], notes: list[str]) -> Path | None:
    """The folder of the pictures, if they are to be looked for."""
    if not wish.check_pictures:
        notes.append("Pictures were not looked for: check_pictures is false")
        return None
    if wish.images_dir:
        if not Path(wish.images_dir).is_dir():
            what = "dataset_convert.images_dir is no folder; check_pictures=false does without the pictures"
            faults.append(Fault("all", "images_dir_missing", what, 1, (wish.images_dir,)))
        return Path(wish.images_dir)
    usual = Path(root, _IMAGES)
    if usual.is_dir():
        return usual
    what = "pictures were not looked for: no folder images in root_dataset_dir; dataset_convert.images_dir names theirs"
    faults.append(Fault("all", "pictures_not_checked", what, 1, (str(usual),), fatal=False))
    return None
