"""Sections of what scores pictures: evaluate and inference."""

from pydantic import field_validator

from goldenpair.specs.fields import MISSING, Section, option, section

_TRT = "only tao-deploy's engines use it"


class Devices(Section):
    """Which GPUs an action runs on; a machine without one uses its CPU."""

    num_gpus: int = option(1, "Number of GPUs, reconciled with gpu_ids: the larger wish wins", ge=1, popular=True)
    gpu_ids: list[int] = option([0], "Indices of the GPUs", popular=True)

    @field_validator("gpu_ids")
    @classmethod
    def _indices(cls, ids: list[int]) -> list[int]:
        if not ids or min(ids) < 0 or len(set(ids)) < len(ids):
            raise ValueError(f"{ids} is no list of GPUs; give different indices from 0 on, such as [0, 1]")
        return ids


class ScoringCommon(Devices):
    """What evaluate and inference share."""

    num_nodes: int = option(1, "Number of machines", ge=1, popular=True, no_effect="scoring uses one machine")
    checkpoint: str = option(
        MISSING, "Checkpoint to score with", start="${results_dir}/train/oi_model_latest.pth", path="model"
    )
    trt_engine: str | None = option(None, "TensorRT engine", no_effect=_TRT)
    results_dir: str | None = option(None, "Folder of the results; unset: <results_dir>/<action>", path="results")
    cutoff: float | None = option(
        None,
        "A score above it is FAIL. Unset: inference takes evaluate.cutoff, and evaluate the margin, as TAO",
        ge=0,
        le=1e9,
        not_in_tao=True,
    )
    policy: str | None = option(
        None,
        "Policy file in the place of a cutoff. Unset: inference takes evaluate.policy",
        not_in_tao=True,
        path="file",
    )
    explain: bool = option(
        False, "Write heatmaps of parts that are not PASS, and of escapes: where, and by which light", not_in_tao=True
    )
    heatmap_scale: float | None = option(
        None,
        "What is 1.0 in heatmaps; unset: what good parts of validation_dataset reach, else of test_dataset",
        gt=0,
        le=1e9,
        not_in_tao=True,
    )
    heatmap_limit: int = option(
        100, "Most heatmaps that are written: escapes first, then the highest scores", ge=1, not_in_tao=True
    )


class Targets(Section):
    """What an evaluation has to prove: not in TAO."""

    capture: float | None = option(
        None, "Least share of the defects that is stopped; 1 can be refuted but not proven", gt=0, le=1
    )
    escapes_ppm: float | None = option(
        None, "Most escapes in a million parts; of use where defects are as rare as on the line", ge=0, le=1e6
    )
    false_calls_ppm: float | None = option(None, "Most good parts stopped, of a million good ones", ge=0, le=1e6)


class EvaluateCommon(ScoringCommon):
    """What evaluate has beside it in every network."""

    policy_forced: bool = option(
        False, "Report with a policy on parts that it was fitted on; everything will say so", not_in_tao=True
    )
    targets: Targets = section(Targets, "What the figures are judged by", not_in_tao=True)
    label_map: str | None = option(
        None, "YAML or JSON from labels to categories of IPC-CFX, for scores.csv", not_in_tao=True, path="file"
    )
    robustness: bool = option(
        False, "Also score disturbed samples: shifted, turned, darker, blurred, a light missing ...", not_in_tao=True
    )
    robustness_rows: int = option(
        200, "On how many good parts, and how many defects at most, evenly spread", ge=1, not_in_tao=True
    )
