"""The files of an evaluation: its report, its table with verdicts, and a contact sheet."""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from goldenpair.data.table import PairTable
from goldenpair.deployment import sha256
from goldenpair.metrics import CARD_CUTOFFS, PROBABILITY_CUTOFFS
from goldenpair.quality.figures import Figures
from goldenpair.quality.policy import Policy
from goldenpair.quality.scored import with_scores
from goldenpair.quality.targets import Targets
from goldenpair.report import evaluation_sheet, outcome
from goldenpair.reporting.context import Context
from goldenpair.reporting.judged import by_policy, write_scores
from goldenpair.reporting.score_report import Report
from goldenpair.run import Run, whole_file
from goldenpair.specs.common import NetworkSpec

if TYPE_CHECKING:
    from goldenpair.inspection import Inspector, Verdict
    from goldenpair.maps import ClassMaps


def report_of(spec: NetworkSpec, table: PairTable, verdicts: Sequence["Verdict"], policy: Policy) -> Report:
    """The figures of an evaluation, judged by its `evaluate.targets`."""
    score = np.array([np.nan if one.score is None else one.score for one in verdicts], np.float32)
    source = Path(table.source)
    scored = with_scores(table.source, table.cells, score, sha256=sha256(source) if source.is_file() else "")
    wish = spec.evaluate.targets
    targets = Targets(wish.capture, wish.escapes_ppm, wish.false_calls_ppm)
    others = PROBABILITY_CUTOFFS if spec.scores_are_probabilities else CARD_CUTOFFS
    return Report.of(scored, by_policy(scored, policy), targets, others)


def tao_line(figures: Figures) -> str:
    """The figures as TAO's log has them."""
    tao = figures.tao
    return (
        f"Tot Comp {figures.parts} Total Accuracy {tao.test_acc:.2f} False Negative {tao.test_fnr:.2f} "
        f"False Alarm {tao.test_fpr:.2f} Defect Correctly Captured {tao.defect_acc:.2f}"
    )


def write_evaluation(
    run: Run,
    inspector: "Inspector",
    table: PairTable,
    verdicts: Sequence["Verdict"],
    report: Report,
    context: Context,
    maps: "ClassMaps | None",
    columns: Mapping[str, Sequence[str]],
) -> None:
    """Write them into the run's folder; all of them appear, or none. `columns` stand behind those of the verdicts."""
    from goldenpair.inspection import write_verdicts

    page, marks = report.html(context), report.judged.marks
    rows = [(row, one.error) for row, one in enumerate(verdicts) if one.verdict == "ERROR"]
    listed = [{"row": row, "part": table.describe(row), "error": text} for row, text in rows]
    of_pixels = {"pixels": maps.pixels.as_dict()} if maps and maps.pixels else {}
    told = {**report.as_dict(), **of_pixels, "error_list": listed}
    marked = report.judged.policy.mark_column(len(table)) if report.judged.policy else {}
    title = "; ".join([outcome(report.figures), *marks])
    with ExitStack() as files:

        def new(name: str) -> Path:
            return files.enter_context(whole_file(run.folder / name))

        new("report.html").write_text(page, encoding="utf-8", newline="\n")
        new("metrics.json").write_text(json.dumps(told, indent=1), encoding="utf-8", newline="\n")
        write_scores(new("scores.csv"), report.table, report.judged, context.names)
        write_verdicts(new("evaluate.csv"), table, verdicts, {**columns, **marked})
        sheet = new("contact_sheet.png")
        if maps:
            maps.write_sheet(sheet, title, verdicts)
        else:
            evaluation_sheet(sheet, inspector, table, verdicts, title)
