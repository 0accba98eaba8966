"""Commands that need no model: they read files of scores and verdicts, anybody's, and say what these prove."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goldenpair.arguments import add_columns, add_debug
from goldenpair.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Each sets `run`, which takes what was given and a console."""
    _add_compare(commands)
    _add_gauge(commands)


def _add_compare(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("compare", help="say whether one of two files of scores is better on the same parts")
    command.add_argument("a", metavar="A.csv", help="scores of the one")
    command.add_argument("b", metavar="B.csv", help="scores of the other; a file without labels takes the other's")
    add_columns(command, several=True)
    command.add_argument("--cutoff-a", type=float, metavar="X", help="cutoff of A (default: its column verdict)")
    command.add_argument("--cutoff-b", type=float, metavar="Y", help="cutoff of B (default: its column verdict)")
    command.add_argument(
        "--capture", type=float, default=1.0, help="share of defects at which false calls are compared (default: 1)"
    )
    command.add_argument("--label-map", metavar="FILE", help="YAML or JSON from labels to categories of IPC-CFX")
    _out(command, "comparison.json and changes.csv")
    command.set_defaults(run=_compare)


def _add_gauge(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("gauge", help="measure how far verdicts on the same parts repeat (attribute MSA)")
    command.add_argument("csv", metavar="CSV", help="a row for each picture of each part, with a verdict or a score")
    command.add_argument(
        "--part", metavar="COLUMN", action="append", help="column that tells the part; may be given several times"
    )
    command.add_argument("--trial", metavar="COLUMN", help="column of the trials (default: trial, or the rows' order)")
    command.add_argument("--appraiser", metavar="COLUMN", help="column of who decided (default: appraiser, or one)")
    command.add_argument("--reference", metavar="COLUMN", help="column of the truth (default: label, if there is one)")
    command.add_argument("--verdict", metavar="COLUMN", help="column of the verdicts (default: verdict)")
    command.add_argument("--score", metavar="COLUMN", help="score column (default: siamese_score or output_score)")
    command.add_argument("--cutoff", type=float, metavar="X", help="make verdicts of the scores")
    _out(command, "gauge.json")
    command.set_defaults(run=_gauge)


def _out(command: argparse.ArgumentParser, files: str) -> None:
    command.add_argument("--out", metavar="DIR", help=f"folder for {files}")
    add_debug(command)


def _compare(given: argparse.Namespace, console: "Console") -> None:
    from goldenpair.quality.cfx import read_label_map
    from goldenpair.quality.comparison import compare, read_both
    from goldenpair.quality.comparison_tables import comparison_tables, what_is_compared, write_changes
    from goldenpair.run import whole_file

    if given.label_map and not given.out:
        raise InputError("--label-map names the defects in changes.csv; it needs --out DIR")
    names = read_label_map(given.label_map) if given.label_map else None
    a, b = read_both(
        given.a,
        given.b,
        labels=given.labels,
        score_column=given.score,
        label_column=given.label,
        board_column=given.board,
    )
    found = compare(a, b, cutoff_a=given.cutoff_a, cutoff_b=given.cutoff_b, capture=given.capture)
    print("\n".join(what_is_compared(found)))
    for table in comparison_tables(found):
        console.print(table)
    print("\n".join(found.words))
    if given.out:
        folder = Path(given.out)
        _write_json(folder / "comparison.json", found.as_dict())
        with whole_file(folder / "changes.csv") as path:
            write_changes(path, found.changes, names)
        print(f"Wrote {folder / 'changes.csv'}")
    if names and (unmapped := names.unmapped([one.label for one in found.changes])):
        print(f"Labels that {names.source} does not map: {', '.join(unmapped)}")


def _gauge(given: argparse.Namespace, console: "Console") -> None:
    from goldenpair.quality.gauge import gauge
    from goldenpair.quality.readings import Columns, gauge_tables, read_readings, what_was_measured

    columns = Columns(given.part, given.trial, given.appraiser, given.reference, given.verdict, given.score)
    study = gauge(read_readings(given.csv, columns, given.cutoff))
    print("\n".join(what_was_measured(study)))
    for table in gauge_tables(study):
        console.print(table)
    if given.out:
        _write_json(Path(given.out) / "gauge.json", study.as_dict())


def _write_json(path: Path, content: dict[str, Any]) -> None:
    from goldenpair.run import write_text

    write_text(path, json.dumps(content, indent=2) + "\n")
    print(f"Wrote {path}")
