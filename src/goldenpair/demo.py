"""The whole way in a few minutes: draw boards, train, choose a cutoff, inspect, evaluate, export (`make demo`)."""

import json
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

from goldenpair import cli
from goldenpair.errors import DataError, RunError
from goldenpair.metrics import short

_CAPTURE = 0.97
_KINDS = "MISSING,SHIFTED,ROTATED,TOMBSTONE,FACE_DOWN,EXCESS,COLD,INSUFFICIENT"
"""What a few minutes of training find; all sixteen kinds are much harder."""


def run(out: Path, boards: int = 100, parts: int = 12, epochs: int = 12) -> None:
    """Do it in the folder `out`, echoing each command as a user would type it.

    Raises DataError if the folder is not empty, RunError if a command fails.
    """
    if out.exists() and any(out.iterdir()):
        raise DataError(f"{out}: it exists; remove it, or give another folder, as in `goldenpair demo other`")
    began = perf_counter()
    data, results = out / "data", out / "results"
    # plain defects of the kinds that change much of a small picture: what minutes of training can find
    board = ["--boards", str(boards), "--parts-per-board", str(parts), "--size", "48"]
    look = ["--lights", "SolderLight,UniformLight", "--defect-rate", "0.35", "--min-severity", "0.9", "--kinds", _KINDS]
    _do("simulate", str(data), *board, *look)
    spec = ["-e", str(data / "spec.yaml"), f"results_dir={results}"]
    _do(
        "optical_inspection",
        "train",
        *spec,
        f"train.num_epochs={epochs}",
        f"train.checkpoint_interval={epochs}",
    )
    print("\nA cutoff is chosen on the validation boards, never on those it is judged by:")
    validation = [
        f"dataset.test_dataset.csv_path={data / 'validation.csv'}",
        f"evaluate.results_dir={results / 'choose'}",
    ]
    _do("optical_inspection", "evaluate", *spec, *validation)
    cutoff = f"evaluate.cutoff={short(_cutoff(results / 'choose' / 'metrics.json'))}"
    _do("optical_inspection", "inference", *spec, cutoff)
    _do("optical_inspection", "evaluate", *spec, cutoff)
    if find_spec("onnx") and find_spec("onnxruntime"):
        _do("optical_inspection", "export", *spec, cutoff)
    else:
        print("\nNot shown is the export to ONNX, which needs: pip install 'goldenpair[onnx]'")
    print(f"\nDone in {perf_counter() - began:.0f} s. Look at {results / 'evaluate' / 'contact_sheet.png'}")
    print(f"and {results / 'evaluate' / 'report.html'}: which kinds of defects cost the false calls?")
    print(f"Then read {results / 'inference' / 'inference.csv'}; the spec is {data / 'spec.yaml'}.")


def _do(*words: str) -> None:
    print(f"\n$ goldenpair {' '.join(words)}", flush=True)
    if cli.main(words):
        raise RunError(f"the demo ended: `goldenpair {words[0]} {words[1]}` failed")


def _cutoff(metrics: Path) -> float:
    """The cutoff that captures 97 % of the validation boards' defects."""
    found = json.loads(metrics.read_text(encoding="utf-8"))["at_capture"]
    point = next(at["point"] for at in found if at["target"] == _CAPTURE)
    if point is None:
        raise RunError("the validation boards have no defects; draw more boards")
    return float(point["cutoff"])
