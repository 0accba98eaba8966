"""The report of a table of scores: report.html, metrics.json and scores.csv."""

import json
from pathlib import Path
from typing import Any

from goldenpair import __version__
from goldenpair.metrics import measure, short
from goldenpair.quality.scored import ScoredTable
from goldenpair.reporting.context import Context
from goldenpair.reporting.evidence import data_section, parts_section, run_section
from goldenpair.reporting.judged import Judged, stated, write_scores
from goldenpair.reporting.page import Page, render
from goldenpair.reporting.sections import curves_section, neighbours_section
from goldenpair.run import whole_file, write_text


def build_page(table: ScoredTable, judged: Judged, context: Context) -> Page:
    rows = table.measured
    score, is_defect = table.score[rows], table.is_defect[rows]
    sections = [
        curves_section(score, is_defect, judged.cutoffs, context.cost_ratios),
        neighbours_section(table, judged),
        parts_section(table, judged, context),
        data_section(table, context),
        run_section(context),
    ]
    return Page(context.title or f"Evaluation of {Path(table.source).name}", stated(judged), "no target", "", [], [], sections)
