"""The verbs but audit: a spec in, a result out. The command line and Python call the same ones.

What imports torch is imported by the verb that needs it, so `--help`, or a message about a mistake in a spec,
does not wait for it.
"""

import json
import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from goldenpair.auditing import write_audit
from goldenpair.converting.action import dataset_convert as dataset_convert
from goldenpair.data.audit import audit as audit_splits
from goldenpair.data.table import Layout, PairTable
from goldenpair.errors import RunError, SpecError, no_room, unwritable
from goldenpair.progress import progress_bar
from goldenpair.quality.figures import Figures
from goldenpair.quality.policy import VERDICTS, Policy
from goldenpair.quality.targets import Findings
from goldenpair.run import Run, whole_file, write_text
from goldenpair.specs.backbones import misfit_of_torchvision
from goldenpair.specs.common import NetworkSpec

if TYPE_CHECKING:
    from goldenpair.data.pairs import PairSet
    from goldenpair.deployment import ExportNote
    from goldenpair.inspection import Inspector, Verdict
    from goldenpair.maps import ClassMaps
    from goldenpair.pixels import PixelMetrics
    from goldenpair.quality.robustness import Robustness
    from goldenpair.reporting.judged import VerdictCount

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainResult:
    """`checkpoint` is the newest one; `metrics` are the last epoch's, in percent but for losses and val_auroc."""

    folder: Path
    checkpoint: Path
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class EvaluateResult:
    folder: Path
    metrics: Figures
    errors: Mapping[int, str]
    """Why a row of the table has no score."""
    policy: Policy
    """What decided; its `marks` belong to every figure."""
    pixels: "PixelMetrics | None" = None
    """Figures of the pixels, of a network that segments."""
    targets: Findings = Findings(())
    """Whether what `evaluate.targets` asks for is proven."""
    robustness: "Robustness | None" = None
    """What disturbed pictures do, where evaluate.robustness asked for it."""
    by_verdict: "Sequence[VerdictCount]" = ()
    """How many parts got which verdict, where some are REVIEW."""


@dataclass(frozen=True)
class InferenceResult:
    """`verdicts` stand in table order, as in the file `csv_path`."""

    csv_path: Path
    verdicts: Sequence["Verdict"]

    def count(self, verdict: str) -> int:
        return sum(one.verdict == verdict for one in self.verdicts)


@dataclass(frozen=True)
class ExportResult:
    """`onnx_file`, and what the JSON file beside it says."""

    onnx_file: Path
    note: "ExportNote"


def train(spec: NetworkSpec) -> TrainResult:
    """Train a network on `train_dataset` and check it on `validation_dataset` after each epoch.

    Writes checkpoints, TensorBoard events, `experiment.yaml`, `status.json` and `log.txt` into the train folder,
    and goes on from the newest checkpoint there. Raises InputError for tables, pictures or checkpoints that
    cannot be used, RunError if training itself fails or the disk is full, KeyboardInterrupt after Ctrl-C or SIGTERM.
    """
    _check(spec, "train")
    early = threading.Thread(target=_import_early, args=("goldenpair.training",), daemon=True)
    early.start()
    with Run(spec, "train") as run, run.localised() as spec:
        tables = _load_tables(run, "train_dataset", "validation_dataset")
        sets = {split: _pair_set(spec, table, split) for split, table in tables.items()}
        said = {split: set(pair_set.pictures.errors) for split, pair_set in sets.items()}
        _say_left_out(sets, {split: set() for split in sets})
        _say_synthetic(tables["train_dataset"], spec)
        early.join()  # if its import failed, one that had waited for it would say something else
        try:
            from goldenpair.training import fit
        except (RuntimeError, OSError) as error:
            raise misfit_of_torchvision("Lightning", error) from None
        try:
            module = fit(run, *sets.values())
        except OSError as error:  # of TensorBoard's files: checkpoints name themselves
            if not no_room(error):
                raise
            raise unwritable(f"results folder {run.folder}", error) from None
        _say_left_out(sets, said)  # what only training came across, where nothing was decoded before
        latest = run.folder / spec.latest_checkpoint
        log.info("Checkpoint: %s", latest)
        return TrainResult(run.folder, latest, dict(module.metrics))


def evaluate(spec: NetworkSpec) -> EvaluateResult:
    """Score `test_dataset` and measure how good the scores are.

    Writes `report.html`, `metrics.json`, `scores.csv`, `evaluate.csv` (the table with score, verdict and error) and
    `contact_sheet.png` into the evaluate folder, of a network that segments also class maps and pictures. What decides
    is `evaluate.policy` or `evaluate.cutoff`, else the margin. Raises InputError for a table, pictures, a policy or a
    checkpoint that cannot be used, and for a policy that was fitted on the table's parts; RunError if no row could be
    scored.
    """
    _check(spec, "evaluate")
    from goldenpair.heatmaps import heatmaps_of
    from goldenpair.quality.cfx import read_label_map
    from goldenpair.reporting.evaluated import run_context
    from goldenpair.reporting.evaluation_files import report_of, tao_line, write_evaluation

    with Run(spec, "evaluate") as run, run.localised() as spec:
        names = read_label_map(spec.evaluate.label_map) if spec.evaluate.label_map else None
        wish = _policy(spec, "evaluate")
        table = _load_tables(run, "test_dataset")["test_dataset"]
        inspector = _inspector(spec, run, "evaluate", wish)
        policy = inspector.policy_for(table, spec.evaluate.policy_forced)
        maps, heatmaps, began = _class_maps(run, table), heatmaps_of(run, inspector), time.perf_counter()
        verdicts = _inspect(inspector, run, table, maps)
        throughput = len(table) / (time.perf_counter() - began)
        _refuse_nothing_but_errors(verdicts)
        columns = (maps.columns if maps else {}) | (heatmaps.write(table, verdicts) if heatmaps else {})
        robustness = _robustness(inspector, run, table, verdicts)
        report = report_of(spec, table, verdicts, policy)
        metrics = report.figures
        log.info("%s for Margin %s", tao_line(metrics), inspector.cutoff)
        run.status("Test metrics generated.", kpi=maps.kpi if maps else asdict(metrics.tao))
        context = replace(run_context(run, inspector, table, throughput, heatmaps, robustness), names=names)
        write_evaluation(run, inspector, table, verdicts, report, context, maps, columns)
        log.info("Wrote report.html, metrics.json, scores.csv, evaluate.csv and contact_sheet.png to %s", run.folder)
        errors = {row: one.error for row, one in enumerate(verdicts) if one.verdict == "ERROR"}
        pixels = maps.pixels if maps else None
        return EvaluateResult(
            run.folder, metrics, errors, policy, pixels, report.findings, robustness, report.by_verdict
        )


def inference(spec: NetworkSpec) -> InferenceResult:
    """Give every row of `infer_dataset` a verdict; no label column is needed.

    Writes `inference.csv`: the table's columns, then siamese_score, verdict and error, in table order, and the
    probability of a defect if the policy knows it. Of a fitted policy `policy_mark` says what it has to do with these
    parts, as figures of verdicts on the parts that it was fitted on would flatter. What decides is `inference.policy`
    or `inference.cutoff`, else that of evaluate, else the margin. A row whose pictures cannot be read gets the verdict
    ERROR. Raises InputError as evaluate does, RunError if no row could be scored.
    """
    _check(spec, "inference")
    from goldenpair.heatmaps import heatmaps_of
    from goldenpair.inspection import write_verdicts

    with Run(spec, "inference") as run, run.localised() as spec:
        wish = _policy(spec, "inference")
        table = _load_tables(run, "infer_dataset")["infer_dataset"]
        inspector, maps = _inspector(spec, run, "inference", wish), _class_maps(run, table)
        policy = inspector.policy_for(table, forced=True)  # without labels there are no figures to flatter yet
        heatmaps = heatmaps_of(run, inspector)
        verdicts = _inspect(inspector, run, table, maps)
        columns = (maps.columns if maps else {}) | policy.mark_column(len(table))
        result = InferenceResult(run.folder / "inference.csv", verdicts)
        with whole_file(result.csv_path) as temporary:
            write_verdicts(temporary, table, verdicts, columns)
        if heatmaps:  # they take their time, and what is stopped then has its verdicts already
            columns |= heatmaps.write(table, verdicts)
            with whole_file(result.csv_path) as temporary:
                write_verdicts(temporary, table, verdicts, columns)
        _refuse_nothing_but_errors(verdicts)
        named = VERDICTS if inspector.policy.reviews else [one for one in VERDICTS if one != "REVIEW"]
        counts = ", ".join(f"{result.count(one)} {one}" for one in named)
        log.info("%d parts: %s; written to %s", len(verdicts), counts, result.csv_path)
        return result


def export(spec: NetworkSpec) -> ExportResult:
    """Write a checkpoint as an ONNX file and a JSON file that need nothing else to give a verdict.

    They appear only if ONNX Runtime gives PyTorch's scores on pairs of the spec's tables. Raises InputError for
    what cannot be exported or is there already, RunError if the scores differ.
    """
    _check(spec, "export")
    with Run(spec, "export") as run, run.localised() as spec:
        from goldenpair.exporting import export_model

        file = spec.export.target(run.folder)
        log.info("Exporting %s", spec.export.checkpoint)
        with progress_bar("Proving the exported file") as progress:
            note = export_model(spec, file, progress)
        run.write_spec()
        run.status("Export to ONNX complete.")
        log.info(
            f"Wrote {file} and {file.with_suffix('.json').name}: on {note.proof.pairs} pairs of {note.proof.of} its "
            f"scores are PyTorch's to within {note.proof.largest_difference:.1g}, and no verdict changes."
        )
        if note.policy.source == spec.margin[1]:
            log.warning(
                f"Its cutoff is {note.policy.source} ({note.policy.cutoff}), as none is set; set inference.cutoff "
                f"before the export, or 'policy' in {file.with_suffix('.json').name} after it."
            )
        return ExportResult(file, note)


def _check(spec: NetworkSpec, action: str) -> None:
    # tens of millions of weights and their gradients: huge pages save a quarter of a step (Linux; ignored elsewhere)
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    problems = spec.problems(action)
    if problems:
        raise SpecError("the spec", problems)


def _import_early(name: str) -> None:
    """Of what takes seconds to import, while something else is done; whoever needs it will say if it fails."""
    with suppress(Exception):
        import_module(name)


def _load_tables(run: Run, *splits: str) -> dict[str, PairTable]:
    """Read and check all tables; DataError with the faults of all of them, which `audit.json` holds as well."""
    pairs = run.spec.pairs
    with progress_bar("Checking tables and pictures") as progress:
        tables, report = audit_splits({split: getattr(pairs, split) for split in splits}, Layout.of(pairs), progress)
    write_audit(run.folder / "audit.json", report, run.folder / "experiment.yaml")
    report.refuse()
    if report.faults:
        log.warning("the data can be used, but:\n%s", report)
    return tables


def _say_synthetic(train: PairTable, spec: NetworkSpec) -> None:
    if made := len(train.synthetic):
        log.info("%d of the %d defects to train on are synthetic.", made, train.is_defect.sum())
    wish = spec.pairs.synthetic_defects
    if wish.enable:
        kinds = ", ".join(wish.kinds)
        told = (100 * wish.share, kinds)
        log.info("%g %% of the good parts drawn are made defective where they can have a defect: %s", *told)


def _pair_set(spec: NetworkSpec, table: PairTable, split: str) -> "PairSet":
    from goldenpair.data.cache import Pictures, decode_once
    from goldenpair.data.masks import masks_of
    from goldenpair.data.pairs import PairSet
    from goldenpair.data.table import part_pictures

    pairs = spec.pairs
    parts = part_pictures(table, Layout.of(pairs))
    pictures = Pictures(parts.paths, pairs.image_height, pairs.image_width, pairs.workers)
    masks = masks_of(table, getattr(pairs, split), pairs.image_height, pairs.workers)
    name = split.split("_")[0]
    with progress_bar(f"Decoding {name} pictures") as progress:
        pictures = decode_once(pictures, pairs.cache, progress)
    # training draws another golden in the place of one that cannot be read; validation judges as evaluate does
    parts = parts.without(pictures.errors) if name == "train" else parts
    return PairSet(parts, pictures, table.is_defect, masks)


def _policy(spec: NetworkSpec, action: str) -> Policy | None:
    """What the spec wants to decide by; None where that is only the margin, because an exported model knows better."""
    policy = Policy.of_spec(spec, action)
    return None if policy.source == spec.margin[1] else policy


def _inspector(
    spec: NetworkSpec, run: Run, action: Literal["evaluate", "inference"], policy: Policy | None
) -> "Inspector":
    from goldenpair.inspection import Inspector

    scoring = spec.evaluate if action == "evaluate" else spec.inference
    model = scoring.checkpoint
    log.info("Loading checkpoint: %s", model)
    run.status(f"Loading checkpoint: {model}")
    inspector = Inspector(model, spec, None, action, policy)
    run.write_spec()
    if inspector.policy.source == spec.margin[1]:
        log.warning(spec.margin_advice)
    return inspector


def _class_maps(run: Run, table: PairTable) -> "ClassMaps | None":
    from goldenpair.maps import class_maps

    return class_maps(run, table)


def _inspect(inspector: "Inspector", run: Run, table: PairTable, maps: "ClassMaps | None") -> list["Verdict"]:
    with progress_bar("Inspecting") as progress:
        verdicts = inspector.verdicts(table, progress, maps)
    _say_unreadable(run.action, [one.error for one in verdicts if one.error], "verdict ERROR")
    if maps:
        _say_unreadable(run.action, maps.mask_errors, "pixels not counted")
        log.info("Wrote %s in %s", maps.told(), run.folder)
    return verdicts


def _robustness(
    inspector: "Inspector", run: Run, table: PairTable, verdicts: Sequence["Verdict"]
) -> "Robustness | None":
    if not run.spec.evaluate.robustness:
        return None
    with progress_bar("Disturbing samples") as progress:
        found = inspector.robustness(table, verdicts, progress)
    write_text(run.folder / "robustness.json", json.dumps(found.as_dict(), indent=1))
    log.info("Wrote robustness.json: %d curves on %d parts", len(found.curves), found.good + found.defects)
    return found


def _refuse_nothing_but_errors(verdicts: Sequence["Verdict"]) -> None:
    if all(one.verdict == "ERROR" for one in verdicts):
        raise RunError(f"none of the {len(verdicts)} rows could be scored; the first: {verdicts[0].error}")


def _say_left_out(sets: Mapping[str, "PairSet"], said: Mapping[str, set[int]]) -> None:
    for split, pair_set in sets.items():
        errors = [text for number, text in pair_set.pictures.errors.items() if number not in said[split]]
        _say_unreadable(split, errors, "left out of training")


def _say_unreadable(where: str, errors: list[str], consequence: str) -> None:
    if errors:
        first = "".join(f"\n  {error}" for error in errors[:5])
        log.warning("%s: %d could not be used (%s); the first:%s", where, len(errors), consequence, first)
