"""What a policy decided on a table, as plain data."""

from typing import Any

from goldenpair.quality.calibration import expected_error
from goldenpair.quality.policy import VERDICTS, Decision, Policy
from goldenpair.quality.scored import ScoredTable


def decided(policy: Policy, decision: Decision, table: ScoredTable) -> dict[str, Any]:
    """The policy and its decision on a table; `ece` says how far its probabilities are off on the measured parts."""
    probability, there = decision.probability, table.measured
    fitted = policy.fitted_on
    return {
        "source": policy.source,
        "told": policy.told(),
        "rule": str(policy.rule) if policy.rule else None,
        "fitted_on": {"name": fitted.name, "sha256": fitted.sha256} if fitted else None,
        "marks": policy.marks,
        "verdicts": {name: decision.count(code) for code, name in enumerate(VERDICTS)},
        "without_type": decision.without_type(),
        "ece": None if probability is None else expected_error(probability[there], table.is_defect[there]),
    }
