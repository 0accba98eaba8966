"""Golden-sample comparison for automated optical inspection.

import goldenpair
spec = goldenpair.load_spec("optical_inspection", "spec.yaml", ["train.num_epochs=20"])
trained = goldenpair.train(spec)
verdict = goldenpair.Inspector(trained.checkpoint).inspect("sample.jpg", "golden.jpg")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# public name -> where it lives; imported when first used, because torch takes seconds
_HOMES = {
    "AuditReport": "data.faults",
    "CheckpointError": "errors",
    "ConvertResult": "converting.outcome",
    "DataError": "errors",
    "SpecError": "errors",
    "EvaluateResult": "actions",
    "ExportResult": "actions",
    "GoldenpairError": "errors",
    "InferenceResult": "actions",
    "InputError": "errors",
    "Inspector": "inspection",
    "Policy": "quality.policy",
    "RunError": "errors",
    "TrainResult": "actions",
    "Verdict": "inspection",
    "audit": "auditing",
    "dataset_convert": "converting.action",
    "default_spec": "specs.load",
    "evaluate": "actions",
    "export": "actions",
    "inference": "actions",
    "load_spec": "specs.load",
    "train": "actions",
}

__all__ = [
    "AuditReport",
    "CheckpointError",
    "ConvertResult",
    "DataError",
    "EvaluateResult",
    "ExportResult",
    "GoldenpairError",
    "InferenceResult",
    "InputError",
    "Inspector",
    "Policy",
    "RunError",
    "SpecError",
    "TrainResult",
    "Verdict",
    "__version__",
    "audit",
    "dataset_convert",
    "default_spec",
    "evaluate",
    "export",
    "inference",
    "load_spec",
    "train",
]

if TYPE_CHECKING:
    from goldenpair.actions import (
        EvaluateResult,
        ExportResult,
        InferenceResult,
        TrainResult,
        evaluate,
        export,
        inference,
        train,
    )
    from goldenpair.auditing import audit
    from goldenpair.converting.action import dataset_convert
    from goldenpair.converting.outcome import ConvertResult
    from goldenpair.data.faults import AuditReport
    from goldenpair.errors import CheckpointError, DataError, GoldenpairError, InputError, RunError, SpecError
    from goldenpair.inspection import Inspector, Verdict
    from goldenpair.quality.policy import Policy
    from goldenpair.specs.load import default_spec, load_spec


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'goldenpair' has no attribute {name!r}")
    return getattr(import_module(f"goldenpair.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
