"""What of remote files a cache folder holds: entries of the shelf, and results that were sent."""

import shutil
from pathlib import Path

from goldenpair.storage import shelf
from goldenpair.storage.folders import FETCHED, RESULTS
from goldenpair.storage.mirror import Ledger
from goldenpair.storage.shelf import Kept


def contents(cache: Path) -> list[Kept]:
    """The latest used first."""
    found = [*shelf.entries(cache / FETCHED), *map(_results, _folders(cache))]
    return sorted((one for one in found if one.files), key=lambda one: one.used, reverse=True)


def clear(cache: Path) -> tuple[int, int, int]:
    """Remove what can be had again; how many entries and bytes went, and how many entries stayed."""
    gone, freed, stayed = shelf.clear(cache / FETCHED)
    for folder in _folders(cache):
        one = _results(folder)
        if Ledger(folder).all_sent() and not shelf.held(folder / ".lock"):
            shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            stayed += 1
        else:
            gone, freed = gone + 1, freed + one.size
    return gone, freed, stayed


def unsent(cache: Path) -> list[Path]:
    """Folders of results that are the only copy of something."""
    return [folder for folder in _folders(cache) if not Ledger(folder).all_sent()]


def _folders(cache: Path) -> list[Path]:
    return sorted(path for path in (cache / RESULTS).glob("*") if path.is_dir())


def _results(folder: Path) -> Kept:
    files, size = shelf.measured(folder)
    return Kept(folder, f"results in {folder}", files, size, folder.stat().st_mtime, Ledger(folder).all_sent())
