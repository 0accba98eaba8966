"""The command line in processes that may die, forked from one that has imported everything: each starts at once."""

import multiprocessing
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_SERVER = multiprocessing.get_context("forkserver" if hasattr(os, "fork") else "spawn")
if hasattr(_SERVER, "set_forkserver_preload"):
    _SERVER.set_forkserver_preload(
        ["goldenpair.cli", "goldenpair.actions", "goldenpair.training", "goldenpair.exporting"]
    )


@dataclass(frozen=True)
class Ended:
    returncode: int
    stdout: str
    stderr: str


def ended(main: Callable[..., int | None], *words: str, folder: Path) -> Ended:
    """Run `main(*words)` of a module in a process of its own until it ends or is killed."""
    folder.mkdir(exist_ok=True)
    said = folder / "stdout", folder / "stderr"
    process = _SERVER.Process(target=_redirected, args=(said, main, words))
    process.start()
    process.join(300)
    if process.exitcode is None:
        process.kill()
    assert process.exitcode is not None, "it was still running after five minutes"
    return Ended(process.exitcode, *(path.read_text(encoding="utf-8") for path in said))


def _redirected(said: tuple[Path, Path], main: Callable[..., int | None], words: tuple[str, ...]) -> None:
    for number, path in enumerate(said, start=1):
        with path.open("wb") as file:
            os.dup2(file.fileno(), number)
    raise SystemExit(main(*words))
