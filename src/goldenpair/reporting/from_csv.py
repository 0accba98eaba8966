"""From a file of scores, whoever's model has written it, to its report. Needs no model."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from goldenpair.data.table import PATH_COLUMNS, PairTable
from goldenpair.errors import DataError, InputError
from goldenpair.progress import progress_bar
from goldenpair.quality.cfx import LabelMap
from goldenpair.quality.policy import Policy
from goldenpair.quality.scored import ScoredTable, read_scored
from goldenpair.quality.suspects import MOST_COMPARED, better_goldens, odd_goldens
from goldenpair.quality.targets import Targets
from goldenpair.reporting.context import Context
from goldenpair.reporting.judged import Judged, by_capture, by_column, by_policy
from goldenpair.reporting.score_report import Report
from goldenpair.reporting.tiles import named_layout, no_pictures, show_files

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Columns:
    """Where labels, scores and boards are: `labels` is another table, the rest are names of columns."""

    labels: str | None = None
    score: str | None = None
    label: str = "label"
    board: str | None = None


@dataclass(frozen=True)
class Deciding:
    """A cutoff, or a policy's file; with neither, the file's own verdicts, else what captures all defects of the file.

    `forced`: a policy may have been fitted on these very parts, and the page says so.
    """

    cutoff: float | None = None
    policy: str | None = None
    forced: bool = False


@dataclass(frozen=True)
class PictureFiles:
    """Where the pictures of a table's rows are."""

    images_dir: str
    lights: Sequence[str] = ()
    extension: str = ".jpg"


def report_csv(
    csv_path: str | Path,
    columns: Columns,
    deciding: Deciding,
    targets: Targets,
    pictures: PictureFiles | None = None,
    title: str = "",
    out: str | Path | None = None,
    names: LabelMap | None = None,
) -> tuple[Report, Path]:
    """Write the report of a file of scores to `out`, else to the folder NAME_report beside it.

    `names` are those of IPC-CFX for its labels. Returns the report and its folder. Raises InputError for a
    file, a policy or a folder that cannot be used.
    """
    path = Path(csv_path)
    table = read_scored(
        path,
        labels=columns.labels,
        score_column=columns.score,
        label_column=columns.label,
        board_column=columns.board,
    )
    if not table.measured.any():
        raise DataError(
            f"{path}: none of its {len(table)} rows has both a label and a score, so nothing can be measured"
        )
    report = Report.of(table, _judged(table, deciding), targets)
    context = Context(title=title, names=names)
    if pictures:
        context = _with_pictures(context, table, pictures)
        problem = no_pictures(table, Path(pictures.images_dir), pictures.lights, pictures.extension)
        if problem:
            log.warning(problem)
            context = replace(context, problems=[problem])
    folder = Path(out) if out else path.with_name(f"{path.stem}_report")
    report.write(folder, context)
    return report, folder


def _judged(table: ScoredTable, deciding: Deciding) -> Judged:
    if deciding.policy:
        policy = Policy.load(deciding.policy)
        policy = policy.model_copy(update={"source": f"policy {Path(deciding.policy).name}"})
        return by_policy(table, policy.for_report(table.cells, table.source, table.sha256, deciding.forced))
    if deciding.cutoff is not None:
        return by_policy(table, Policy.of_cutoff(deciding.cutoff, "given with --cutoff"))
    if "verdict" in table.cells:
        return by_column(table)
    return by_capture(table, 1.0)


def _with_pictures(context: Context, table: ScoredTable, pictures: PictureFiles) -> Context:
    folder = Path(pictures.images_dir)
    if not folder.is_dir():
        raise InputError(f"--images-dir {folder}: there is no such folder")
    show = show_files(table, folder, pictures.lights, pictures.extension)
    named = {
        **{name: table.cells[name] for name in PATH_COLUMNS},
        "label": table.label,
    }  # whatever their column's name is
    pairs = PairTable(table.source, folder, {name: list(cells) for name, cells in named.items()})
    layout = named_layout(pictures.lights, pictures.extension)
    with progress_bar("Looking at goldens") as progress:
        odd = odd_goldens(pairs, layout, progress)
        better = better_goldens(pairs, layout, progress) if len(pairs) <= MOST_COMPARED else None
    return replace(context, show=show, lights=pictures.lights, odd_goldens=odd, better_goldens=better)
