"""The report of a table of scores: report.html, metrics.json and scores.csv."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goldenpair import __version__
from goldenpair.metrics import CARD_CUTOFFS
from goldenpair.quality.breakdown import Breakdown, breakdowns
from goldenpair.quality.decided import decided
from goldenpair.quality.figures import Figures, figures
from goldenpair.quality.policy import VERDICTS
from goldenpair.quality.scored import ScoredTable
from goldenpair.quality.targets import Findings, Targets, judge
from goldenpair.reporting.context import Context
from goldenpair.reporting.doubts import doubts_section
from goldenpair.reporting.evidence import data_section, parts_section, run_section
from goldenpair.reporting.judged import Judged, VerdictCount, by_verdict, stated, write_scores
from goldenpair.reporting.kpis import breakdown_section, figures_section, judged_targets
from goldenpair.reporting.page import Page, Section, render
from goldenpair.reporting.policies import policy_section, robustness_section
from goldenpair.reporting.sections import curves_section, neighbours_section
from goldenpair.reporting.untested import untested_section
from goldenpair.run import whole_file


@dataclass(frozen=True, eq=False)
class Report:
    """A table of scores, what was decided of its parts, and what that is worth."""

    table: ScoredTable
    judged: Judged
    figures: Figures
    findings: Findings
    broken: Sequence[Breakdown]

    @classmethod
    def of(
        cls, table: ScoredTable, judged: Judged, targets: Targets, cutoffs: Sequence[float] = CARD_CUTOFFS
    ) -> "Report":
        """`cutoffs` are others to compare with."""
        own = judged.cutoffs
        found = figures(table, judged.stopped, own[0] if own else None, cutoffs)
        return cls(table, judged, found, judge(found, targets, judged.flattered), breakdowns(table, judged.stopped))

    @property
    def marks(self) -> list[str]:
        """What must be known with each figure: of the verdicts, and of the file they are about."""
        return [*self.judged.marks, *self.table.notes]

    @property
    def by_verdict(self) -> list[VerdictCount]:
        return by_verdict(self.table, self.judged)

    def told(self) -> list[str]:
        """What decided, and what must be known of it: lines for a terminal."""
        return [stated(self.judged), *self.marks]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "goldenpair": __version__,
            "source": self.table.source,
            "sha256": self.table.sha256,
            "decided_by": stated(self.judged),
            "marks": self.marks,
            "verdicts": {name: self.judged.count(name) for name in VERDICTS},
            "targets": self.findings.as_dict(),
            **({"policy": self._policy()} if self.judged.decision else {}),
            **self.figures.as_dict(),
            "breakdowns": [one.as_dict() for one in self.broken],
        }

    def _policy(self) -> dict[str, Any]:
        policy, decision = self.judged.policy, self.judged.decision
        assert policy and decision
        return decided(policy, decision, self.table)

    def page(self, context: Context) -> Page:
        table, judged = self.table, self.judged
        verdict, said, findings = judged_targets(self.findings)
        title = context.title or f"Inspection report: {Path(table.source).name}"
        subtitle = f"{self.figures.told()}. {stated(judged)}"
        warnings = [*context.problems, *self.marks]
        return Page(title, subtitle, verdict, said, findings, warnings, self._sections(context))

    def _sections(self, context: Context) -> list[Section]:
        table, judged = self.table, self.judged
        rows = table.measured
        score, is_defect = table.score[rows], table.is_defect[rows]
        made = [
            figures_section(self.figures, stated(judged), self.by_verdict),
            curves_section(score, is_defect, self.figures.point, judged.cutoffs, context.cost_ratios),
            neighbours_section(table, judged),
        ]
        if judged.policy and judged.policy.rule:
            stated_for = judged.decision.probability if judged.decision else None
            made.append(policy_section(judged.policy, None if stated_for is None else stated_for[rows], is_defect))
        made += [
            breakdown_section(self.broken),
            parts_section(table, judged, context),
            doubts_section(table, judged, context),
        ]
        if context.robustness:
            made.append(robustness_section(context.robustness))
        return [
            *made,
            data_section(table, context),
            run_section(context),
            untested_section(self.figures, self.broken, judged, context),
        ]

    def html(self, context: Context) -> str:
        return render(self.page(context))

    def write(self, folder: Path, context: Context) -> None:
        """Write report.html, metrics.json and scores.csv: all of them appear, or none. Raises as `whole_file`."""
        html = self.html(context)
        with ExitStack() as files:

            def new(name: str) -> Path:
                return files.enter_context(whole_file(folder / name))

            new("report.html").write_text(html, encoding="utf-8", newline="\n")
            text = json.dumps(self.as_dict(), indent=1, ensure_ascii=False)
            new("metrics.json").write_text(text, encoding="utf-8", newline="\n")
            write_scores(new("scores.csv"), self.table, self.judged, context.names)
