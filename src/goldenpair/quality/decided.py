"""What a policy decided on a table, as plain data."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldenpair.quality.calibration import expected_error
from goldenpair.quality.policy import VERDICTS, Decision, Policy


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
