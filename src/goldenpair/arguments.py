"""What several commands take on the command line, declared once."""

import argparse


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
