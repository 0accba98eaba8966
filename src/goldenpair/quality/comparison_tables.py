"""A comparison of two models for the terminal, and the parts whose verdict changed as a table."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from goldenpair.data.table import harmless
from goldenpair.quality.cfx import COLUMN, LabelMap
from goldenpair.quality.comparison import Change, Comparison, shown_p


def what_is_compared(comparison: Comparison) -> list[str]:
    """Lines that tell which files, which verdicts and how many parts."""
    without = [
        (comparison.only_in_a, "only in A"),
        (comparison.only_in_b, "only in B"),
        (comparison.not_measured, "in both, but without label or score in one"),
    ]
    left_out = "".join(f", {count:,} {name}" for count, name in without if count)
    return [
        f"A: {comparison.source_a} ({comparison.rule_a})",
        f"B: {comparison.source_b} ({comparison.rule_b})",
        f"{comparison.parts:,} parts compared{left_out}",
    ]


def comparison_tables(comparison: Comparison, most: int = 20) -> list[Table]:
    """For the terminal: what was counted, the figures, and the first `most` parts whose verdict changed."""
    counted = Table(box=SIMPLE)
    for column in ("stopped by", "both", "only A", "only B", "neither", "p (McNemar, exact)", "p by board"):
        counted.add_column(column, justify="left" if column == "stopped by" else "right")
    for name, test in (("defects", comparison.defects), ("good parts", comparison.good)):
        counts = (test.both, test.only_a, test.only_b, test.neither)
        counted.add_row(name, *(f"{count:,}" for count in counts), shown_p(test.p), shown_p(test.p_boards))
    figures = Table(box=SIMPLE)
    for column in ("figure", "A", "B", "B - A", f"95 % ({comparison.boards} boards drawn)"):
        figures.add_column(column, justify="left" if column == "figure" else "right")
    for one in comparison.differences:
        interval = one.unknown
        if one.low is not None and one.high is not None:
            interval = f"{one.low:+.4f} to {one.high:+.4f}"
        shown = ("-" if value is None else f"{value:.4f}" for value in (one.a, one.b))
        figures.add_row(one.name, *shown, "-" if one.difference is None else f"{one.difference:+.4f}", interval)
    tables = [counted, figures]
    if comparison.changes:
        tables.append(_changes_table(comparison.changes, most))
    return tables


def _changes_table(changes: Sequence[Change], most: int) -> Table:
    table = Table(title=f"{len(changes)} parts changed their verdict", title_justify="left", box=SIMPLE)
    for column in ("part", "label", "score A", "score B", "what"):
        table.add_column(column, justify="right" if column.startswith("score") else "left", overflow="fold")
    for one in changes[:most]:
        part = Text(f"{one.input_path}/{one.object_name}")
        table.add_row(part, Text(one.label), f"{one.score_a:.4g}", f"{one.score_b:.4g}", one.kind)
    if len(changes) > most:
        table.caption = f"... and {len(changes) - most} more"
    return table


def write_changes(path: Path, changes: Sequence[Change], names: LabelMap | None = None) -> None:
    """Write the parts that changed their verdict as CSV, with their CFX categories where there is a label map.

    No cell begins as a formula of a spreadsheet does.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        header = ["input_path", "object_name", "label", "what", "score_a", "score_b", "stopped_a", "stopped_b"]
        writer.writerow([*header, COLUMN] if names else header)
        for one in changes:
            scores = (np.float32(one.score_a), np.float32(one.score_b))
            texts = map(harmless, (one.input_path, one.object_name, one.label))
            cells = [*texts, one.kind, *scores, one.stopped_a, one.stopped_b]
            writer.writerow([*cells, names.of(one.label)] if names else cells)
