"""How far long work is: what it calls, and a bar for a terminal."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as Bars

Progress = Callable[[int, int], None]
"""Called with (done, total) now and then."""


@contextmanager
def progress_bar(title: str) -> Iterator[Progress]:
    """A bar with the time left, on a terminal; elsewhere nothing."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("eta"),
        TimeRemainingColumn(),
    )
    with _bars(title, columns) as progress:
        yield progress


@contextmanager
def transfer_bar(title: str) -> Iterator[Progress]:
    """The same for (bytes done, bytes in all)."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TextColumn("eta"),
        TimeRemainingColumn(),
    )
    with _bars(title, columns) as progress:
        yield progress


@contextmanager
def _bars(title: str, columns: Sequence[ProgressColumn]) -> Iterator[Progress]:
    console = Console()
    with Bars(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        bar = bars.add_task(title, total=None)
        yield lambda done, total: bars.update(bar, completed=done, total=total)
