"""The verb audit: the data of a spec checked before any work, and with `deep` looked at picture by picture."""

import json
import logging
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from goldenpair import __version__
from goldenpair.data.audit import audit as audit_splits
from goldenpair.data.faults import AuditReport, Fault
from goldenpair.data.table import PATH_COLUMNS, Layout, PairTable
from goldenpair.errors import SpecError
from goldenpair.localising import localised
from goldenpair.progress import progress_bar
from goldenpair.run import plain_results, whole_file, write_text
from goldenpair.specs.common import NetworkSpec
from goldenpair.specs.segment import ListedPairs
from goldenpair.storage.fetching import Storage
from goldenpair.storage.uris import without_secrets

log = logging.getLogger(__name__)
_ACTION_OF = {
    "train_dataset": "train",
    "validation_dataset": "train",
    "test_dataset": "evaluate",
    "infer_dataset": "inference",
}


def audit(spec: NetworkSpec, spec_path: str | Path | None = None, deep: bool = False) -> AuditReport:
    """Check the tables of all splits that the spec names, what lies between them, and the spec's own misfits.

    Writes `audit.json`, which names `spec_path`, to the audit folder of `results_dir`, if the spec has one. Faults
    are told, not raised: see `AuditReport.fatal`. A `deep` one looks at every golden and label too, and writes
    `deep_audit.html` and `suggested_actions.csv`; what it suspects are warnings. Raises SpecError if the spec names no
    table, or no `results_dir` for a deep one, DataError if the folder cannot be written to.
    """
    names = [name for name in _ACTION_OF if getattr(spec.pairs, name).given]
    if not names and isinstance(spec.pairs, ListedPairs):
        raise SpecError("the spec", [f"{spec.pairs_path}.root_dir: audit needs it"])
    if not names:
        raise SpecError("the spec", [f"dataset: no split has a csv_path; give one to {', '.join(_ACTION_OF)}"])
    if deep and not spec.results_dir:
        raise SpecError(
            "the spec", ["results_dir: a deep audit writes a page and a table; say where, results_dir=FOLDER"]
        )
    misfits = tuple(dict.fromkeys(line for name in names for line in spec.problems(_ACTION_OF[name])))
    with plain_results(spec.results_dir, "audit") as folder, Storage(spec.storage.limits) as storage:
        pairs = localised(spec, "audit", storage, {}).pairs
        layout = Layout.of(pairs)
        with progress_bar("Checking tables and pictures") as progress:
            tables, report = audit_splits({name: getattr(pairs, name) for name in names}, layout, progress)
        if misfits:
            fault = Fault("spec", "spec_misfit", "options that do not fit together", len(misfits), misfits)
            report = replace(report, faults=(fault, *report.faults))
        if folder and deep:
            report = _look_deep(folder, tables, layout, report)
        if folder:
            write_audit(folder / "audit.json", report, spec_path)
            log.info("Wrote %s", folder / "audit.json")
    return report


def write_audit(path: Path, report: AuditReport, spec_path: str | Path | None) -> None:
    """Write a report as JSON; raises what `whole_file` raises."""
    source = without_secrets(str(spec_path)) if spec_path else None
    told = {"goldenpair": __version__, "spec": source, **report.as_dict()}
    write_text(path, json.dumps(told, indent=1, ensure_ascii=False))


def _look_deep(folder: Path, tables: dict[str, PairTable], layout: Layout, report: AuditReport) -> AuditReport:
    """Write the page and the table of what is suspected, and add it to the report."""
    from goldenpair.deep_audit.deep import deep_audit
    from goldenpair.reporting.deep_page import ACTIONS, PAGE, deep_html, write_actions

    readable = {name: table for name, table in tables.items() if len(table) and not table.absent(PATH_COLUMNS)}
    if not readable:
        return replace(report, notes=(*report.notes, "Nothing was looked at in depth, as no table can be read."))
    found = deep_audit(readable, layout)
    html = deep_html(found, layout.lights)
    with ExitStack() as files:
        files.enter_context(whole_file(folder / PAGE)).write_text(html, encoding="utf-8", newline="\n")
        write_actions(files.enter_context(whole_file(folder / ACTIONS)), found)
    log.info("Wrote %s and %s", folder / PAGE, ACTIONS)
    return replace(report, faults=(*report.faults, *found.faults()), notes=(*report.notes, *found.notes))
