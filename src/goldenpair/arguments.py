"""What several commands take on the command line, declared once."""

import argparse
from collections.abc import Callable, Iterable
from typing import Any


class Command(argparse.ArgumentParser):
    """A parser that may declare more when it is called: what options are computed from takes long to import."""

    late: Callable[[argparse.ArgumentParser], None] | None = None

    def parse_known_args(self, args: Iterable[str] | None = None, namespace: Any = None) -> tuple[Any, list[str]]:
        late, self.late = self.late, None
        if late:
            late(self)
        return super().parse_known_args(None if args is None else list(args), namespace)


def add_columns(command: argparse.ArgumentParser, several: bool = False) -> None:
    """Where the labels, scores and boards of a table of scores are, or of `several` tables."""
    which = "all tables" if several else "the table"
    command.add_argument(
        "--labels", metavar="CSV", help=f"table of the same parts whose labels replace those of {which}"
    )
    command.add_argument("--score", metavar="COLUMN", help="score column (default: siamese_score or output_score)")
    command.add_argument("--label", metavar="COLUMN", default="label", help="label column (default: label)")
    command.add_argument(
        "--board", metavar="COLUMN", help="board column (default: board or boardname, else first folder of input_path)"
    )


def add_debug(command: argparse.ArgumentParser) -> None:
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")
