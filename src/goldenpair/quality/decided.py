"""What a policy decides on a table, and how good that is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldenpair.quality.calibration import expected_error
from goldenpair.quality.figures import Figures, figures
from goldenpair.quality.policy import VERDICTS, Decision, Policy
from goldenpair.quality.scored import ScoredTable
from goldenpair.quality.targets import Findings, Targets, judge


@dataclass(frozen=True)
class Decided:
    """The figures of what a policy stops, whether they meet targets, and the policy and its decision as plain data."""

    figures: Figures
    findings: Findings
    policy: dict[str, Any]

    @classmethod
    def of(cls, table: ScoredTable, policy: Policy, cutoffs: Sequence[float], targets: Targets) -> "Decided":
        """`cutoffs` are others to compare the policy with; DataError if it needs a column that the table lacks."""
        decision = policy.decide(table.score, policy.kinds_of(table.cells, table.source))
        found = figures(table, decision.stopped, None if policy.types else policy.cutoff, cutoffs)
        return cls(found, judge(found, targets), decided(policy, decision, table.score, table.is_defect))

    def as_dict(self) -> dict[str, Any]:
        return {**self.figures.as_dict(), "policy": self.policy, "targets": self.findings.as_dict()}


def decided(
    policy: Policy, decision: Decision, score: NDArray[np.float32], is_defect: NDArray[np.bool_]
) -> dict[str, Any]:
    """The policy and its decision on N scores; `ece` says how far its probabilities are off on them."""
    probability, scored = decision.probability, np.isfinite(score)
    fitted = policy.fitted_on
    return {
        "source": policy.source,
        "told": policy.told(),
        "rule": str(policy.rule) if policy.rule else None,
        "fitted_on": {"name": fitted.name, "sha256": fitted.sha256} if fitted else None,
        "marks": policy.marks,
        "verdicts": {name: decision.count(code) for code, name in enumerate(VERDICTS)},
        "without_type": decision.without_type(),
        "ece": None if probability is None else expected_error(probability[scored], is_defect[scored]),
    }
