"""Where goldenpair keeps what it can make again, and how a file is recognised without being read."""

import hashlib
import os
from pathlib import Path

FETCHED = "fetched"
"""What was fetched or unpacked, below the cache's folder."""
RESULTS = "results"
"""Results that go to a remote folder, below the cache's folder: the only copy until they have arrived there."""


def default_folder() -> Path:
    """`GOLDENPAIR_CACHE`, or the user's cache folder on this system."""
    if chosen := os.environ.get("GOLDENPAIR_CACHE"):
        return Path(chosen)
    if os.name == "nt":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "goldenpair"


def link(path: str) -> tuple[str, int]:
    """What a file's path and state are remembered by, empty if there is no file, and when it changed, in nanoseconds.

    More than needed on purpose: where only the number or the time differs, one reading and hashing settles it.
    """
    try:
        state = os.stat(path)
    except (OSError, ValueError):
        return "", 0
    text = f"{os.path.abspath(path)}\n{state.st_size} {state.st_mtime_ns} {state.st_ctime_ns} {state.st_ino}"
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return digest, max(state.st_mtime_ns, state.st_ctime_ns)
