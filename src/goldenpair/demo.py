"""The whole way in a few minutes: draw boards, train, choose a cutoff, evaluate, inspect. `make demo` runs it."""

import json
from pathlib import Path
from time import perf_counter

from goldenpair import cli
from goldenpair.errors import DataError, RunError

_CAPTURE = 1.0


def run(out: Path) -> None:
    """Do it in the folder `out`, echoing each command as a user would type it. Raises RunError if one fails."""
    if out.exists() and any(out.iterdir()):
        raise DataError(f"{out}: it exists; remove it, or give another folder, as in `goldenpair demo other`")
    began = perf_counter()
    data, results = out / "data", out / "results"
    _do("simulate", str(data), "boards=36", "size=48", "defect_share=0.2")
    spec = ["-e", str(data / "spec.yaml"), f"results_dir={results}"]
    _do("optical_inspection", "train", *spec)
    print("\nA cutoff is chosen on the validation boards, never on those it is judged by:")
    validation = [
        f"dataset.test_dataset.{key}=${{dataset.validation_dataset.{key}}}" for key in ("csv_path", "images_dir")
    ]
    _do("optical_inspection", "evaluate", *spec, *validation, f"evaluate.results_dir={results / 'choose'}")
    cutoff = f"evaluate.cutoff={_cutoff(results / 'choose' / 'metrics.json'):.4g}"
    _do("optical_inspection", "evaluate", *spec, cutoff)
    _do("optical_inspection", "inference", *spec, cutoff)
    print(f"\nDone in {perf_counter() - began:.0f} s. Look at {results / 'evaluate' / 'contact_sheet.png'},")
    print(f"then read {results / 'inference' / 'inference.csv'}; the spec is {data / 'spec.yaml'}.")


def _do(*words: str) -> None:
    quoted = (f"'{word}'" if "$" in word else word for word in words)
    print(f"\n$ goldenpair {' '.join(quoted)}", flush=True)
    if cli.main(words):
        raise RunError(f"the demo ended: `goldenpair {words[0]} {words[1]}` failed")


def _cutoff(metrics: Path) -> float:
    """Half way between the cutoff that captures every validation defect and the highest false call below it."""
    found = json.loads(metrics.read_text(encoding="utf-8"))
    return float(found["at_capture"][0]["point"]["cutoff"])
