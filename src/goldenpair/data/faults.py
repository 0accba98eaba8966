"""What an audit found, told in one way to people and to programs."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from io import StringIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from goldenpair.errors import DataError

EXAMPLES = 10


@dataclass(frozen=True)
class Fault:
    """One kind of mistake in one split: how often it occurs, and its first few places.

    `code` names the kind for programs and stays the same whatever the sentence `what` says. With a fatal one the
    data cannot be used.
    """

    split: str
    code: str
    what: str
    count: int
    examples: tuple[str, ...]
    fatal: bool = True

    @classmethod
    def of(
        cls,
        split: str,
        code: str,
        what: str,
        places: Sequence[int] | NDArray[np.int64],
        tell: Callable[[int], str],
        fatal: bool = True,
    ) -> "list[Fault]":
        """The fault at these places, the first of them told; none if there are no places."""
        if not len(places):
            return []
        return [cls(split, code, what, len(places), tuple(tell(int(place)) for place in places[:EXAMPLES]), fatal)]


@dataclass(frozen=True)
class AuditedTable:
    """A table as it was read. `defects` is None where it has no labels."""

    split: str
    csv_path: str
    sha256: str
    images_dir: str
    rows: int
    defects: int | None
    columns: tuple[str, ...]
    synthetic: int = 0


@dataclass(frozen=True)
class AuditReport:
    """All that was found in some tables, and `notes` on what was not looked at.

    `str` gives it as text; `show` prints the same, in colours where there are some.
    """

    tables: tuple[AuditedTable, ...]
    faults: tuple[Fault, ...]
    notes: tuple[str, ...] = ()

    @property
    def fatal(self) -> bool:
        return any(fault.fatal for fault in self.faults)

    def refuse(self) -> None:
        """Raise DataError with the whole report if the data cannot be used."""
        if self.fatal:
            raise DataError(f"the data cannot be used:\n{self}")

    def as_dict(self) -> dict[str, Any]:
        return {"fatal": self.fatal, **asdict(self)}

    def __str__(self) -> str:
        console = Console(file=StringIO(), width=120, color_system=None)
        with console.capture() as captured:
            self.show(console)
        return "\n".join(line.rstrip() for line in captured.get().splitlines())

    def show(self, console: Console) -> None:
        def say(text: str) -> None:
            console.print(Text(text), soft_wrap=True)  # lines stay whole: people copy paths from them

        for one in self.tables:
            defects = "" if one.defects is None else f", {one.defects} of them defects"
            defects += f", {one.synthetic} synthetic" if one.synthetic else ""
            say(f"{one.split}: {one.rows} rows{defects} ({one.csv_path})")
        if self.faults:
            console.print(self._summary())
        for fault in self.faults:
            say(f"{fault.split}: {fault.what}")
            for line in fault.examples:
                say(f"  {line}")
            if fault.count > len(fault.examples):
                say(f"  ... and {fault.count - len(fault.examples)} more")
        for note in self.notes:
            say(note)
        if not self.faults:
            say("No faults were found.")

    def _summary(self) -> Table:
        table = Table(box=SIMPLE, show_edge=False)
        table.add_column("what", overflow="fold")
        table.add_column("split")
        table.add_column("how many", justify="right")
        table.add_column("")
        for fault in self.faults:
            kind = Text("fatal", "bold red") if fault.fatal else Text("warning", "yellow")
            table.add_row(Text(fault.what), fault.split, str(fault.count), kind)
        return table
