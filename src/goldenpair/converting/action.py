"""The action dataset_convert: the export of a factory in, tables of pairs out."""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from goldenpair.converting.dividing import board_of, divided, shares_of
from goldenpair.converting.judging import (
    LEFT_OUT,
    Verdicts,
    boards_in_two,
    common_lights,
    give_goldens,
    keep_apart,
    need_lights,
    need_pictures,
    same_name,
    shared_numbers,
)
from goldenpair.converting.naming import SIDES
from goldenpair.converting.outcome import (
    FILES,
    LEFT_OUT_FILE,
    REPORT_FILE,
    ConvertResult,
    InputTable,
    SplitCount,
    lines_fault,
    name_as_asked,
    write_left_out,
    write_report,
    write_tables,
)
from goldenpair.converting.places import Places, files_in, find_places
from goldenpair.converting.raw_tables import BoardTable, GoldenTable, Part, read_board, read_goldens
from goldenpair.data.faults import EXAMPLES, AuditReport, Fault
from goldenpair.data.table import PASS
from goldenpair.errors import DataError, SpecError, TableError
from goldenpair.localising import localised
from goldenpair.progress import Progress, progress_bar
from goldenpair.run import Run, working_folder
from goldenpair.specs.dataset_convert import DatasetConvert
from goldenpair.specs.load import without_effect
from goldenpair.specs.optical_inspection import OpticalInspectionSpec
from goldenpair.storage.fetching import Storage

log = logging.getLogger(__name__)
ACTION = "dataset_convert"


def dataset_convert(spec: OpticalInspectionSpec) -> ConvertResult:
    """Make train_combined.csv and valid_combined.csv (and test_combined.csv) of the tables of an AOI machine.

    Writes them, `conversion.json` and, if parts were left out, `left_out.csv` into data_convert_output_dir; with a
    results_dir also `experiment.yaml`, `status.json` and `log.txt` into the folder of the action. Raises SpecError for
    options that are missing, DataError with every fault where no tables can be made, or where some are there already.
    """
    problems = spec.problems(ACTION)
    if problems:
        raise SpecError("the spec", problems)
    if not (spec.results_dir or spec.dataset_convert.results_dir):
        for sentence in without_effect(spec, {ACTION}):
            log.warning(sentence)
        with Storage(spec.storage.limits) as storage:
            return _from_elsewhere(localised(spec, ACTION, storage, {}))
    with Run(spec, ACTION) as run, run.localised() as local:
        assert isinstance(local, OpticalInspectionSpec)
        result = _from_elsewhere(local)
        run.write_spec()
        return result


def _from_elsewhere(spec: OpticalInspectionSpec) -> ConvertResult:
    """Tables for a remote folder are written here and sent when they are complete.

    What an earlier conversion left there and this one does not write goes first: its boards may be in another table.
    """
    wish, asked = spec.dataset_convert, spec.as_written()[ACTION]
    folder, mirror = working_folder(wish.data_convert_output_dir or "")
    there = mirror.there() if mirror else {}
    if mirror:
        mirror.begin(there, {*FILES.values(), REPORT_FILE, LEFT_OUT_FILE})
    result = _convert(wish, folder)
    names = {str(getattr(wish, option)): text for option, text in asked.items() if isinstance(text, str)}
    name_as_asked(folder / REPORT_FILE, asked, names | ({str(folder): mirror.told} if mirror else {}))
    if mirror:
        for name in (*FILES.values(), LEFT_OUT_FILE):
            if name in there and not (folder / name).exists():
                mirror.remove(name)
        mirror.send()
        log.info("The tables are in %s", mirror.told)
    return result


@dataclass
class _Read:
    """What the tables hold, as they are read one after the other."""

    parts: list[Part] = field(default_factory=list)
    goldens: dict[tuple[str, str], GoldenTable | str] = field(default_factory=dict)
    inputs: list[InputTable] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)
    strange: set[str] = field(default_factory=set)
    others: Counter[str] = field(default_factory=Counter)
    """Parts of projects and sides that are not asked for."""


def _convert(wish: DatasetConvert, folder: Path) -> ConvertResult:
    _refuse_existing(folder, wish.overwrite)
    places = find_places(wish)
    AuditReport((), places.faults).refuse()
    read = _Read(faults=list(places.faults))
    with progress_bar("Reading tables") as progress:
        _read_boards(read, wish, places, progress)
    faults = read.faults
    if not wish.split:
        what = "board in two tables: its parts would be judged by what was learnt of them"
        faults += lines_fault("board_in_two_splits", what, boards_in_two(read.parts), fatal=True)
    _read_goldens(read, places.goldens)
    lights = _judge(read, wish, places.images)
    used = [part for part in read.parts if not part.cause]
    by_split = _tables(used, wish, faults)
    reasons = Counter(part.cause for part in read.parts if part.cause)
    faults += _left_out(read.parts)
    faults.sort(key=lambda fault: not fault.fatal)
    notes = tuple(_notes(read, places))
    AuditReport((), tuple(faults), notes).refuse()
    _name_boards_apart(used, faults)
    written = write_tables(folder, by_split, read.kept)
    write_left_out(folder, [part for part in read.parts if part.cause])
    report = AuditReport(tuple(written.values()), tuple(faults), notes)
    result = ConvertResult(
        folder,
        {split: folder / FILES[split] for split in by_split},
        {split: SplitCount.of(parts) for split, parts in by_split.items()},
        tuple(lights),
        Counter(part.extension for part in used).most_common(1)[0][0],
        tuple(read.inputs),
        len(read.parts),
        sum(part.is_defect for part in read.parts if part.cause),
        report,
    )
    write_report(result, wish, {cause: reasons[cause] for cause in LEFT_OUT if reasons[cause]})
    _say(result)
    return result


def _refuse_existing(folder: Path, overwrite: bool) -> None:
    there = [name for name in (*FILES.values(), REPORT_FILE, LEFT_OUT_FILE) if (folder / name).exists()]
    if there and not overwrite:
        raise DataError(f"{folder}: {', '.join(there)} there already; {ACTION}.overwrite=true replaces them")


def _read_boards(read: _Read, wish: DatasetConvert, places: Places, progress: Progress) -> None:
    broken: dict[str, list[str]] = {}
    misnamed, repeated = [], []
    for done, (split, path) in enumerate(places.boards):
        try:
            table = read_board(path, split)
        except TableError as error:
            broken.setdefault(split, []).extend(f"{path}: {problem}" for problem in error.problems)
            continue
        read.inputs.append(InputTable(split, str(path), table.sha256, table.rows))
        read.parts += _asked_for(table, wish, read.others)
        read.kept |= table.kept
        read.strange |= table.strange
        misnamed += [table.misnamed] if table.misnamed else []
        repeated += [part.told() for part in table.parts if part.repeated]
        progress(done + 1, len(places.boards))
    for split, lines in broken.items():
        refused = wish.unreadable_tables == "refuse"
        what = "table of a board that cannot be read" + ("" if refused else ": its parts are in no table and no count")
        more = f"; {ACTION}.unreadable_tables=leave_out goes on without its parts" if refused else ""
        read.faults += lines_fault("board_table_unreadable", what + more, lines, split, refused)
    what = "file whose name has nothing to do with the project, side and board of its rows, which count"
    read.faults += lines_fault("file_misnamed", what, misnamed)
    read.faults += lines_fault("light_again", "part with a light in two rows", repeated)


def _asked_for(table: BoardTable, wish: DatasetConvert, others: Counter[str]) -> list[Part]:
    """Those of the project and side, and those that do not say of which they are: left_out.csv tells of them."""
    found = []
    project = (wish.project or "").casefold()
    for part in table.parts:
        if project and part.design and part.design.casefold() != project:
            others[f"project {part.design}"] += 1
        elif wish.side is not None and part.side in SIDES and part.side != wish.side:
            others[f"side {part.side}"] += 1
        else:
            found.append(part)
    return found


def _read_goldens(read: _Read, folder: Path) -> None:
    there = {path.name: path for path in files_in(folder)}
    twice, odd, broken = [], [], []
    for design, side in sorted({(part.design, part.side) for part in read.parts if not part.cause}):
        wanted = f"{design}{side}.csv"
        name = wanted if wanted in there else same_name(wanted, there)
        if name is None:
            read.goldens[design, side] = f"there is no {folder / wanted}"
            continue
        try:
            table = read_goldens(there[name], side)
        except TableError as error:
            read.goldens[design, side] = f"{there[name]} cannot be read"
            broken += [f"{there[name]}: {problem}" for problem in error.problems]
            continue
        read.goldens[design, side] = table
        read.inputs.append(InputTable("golden", str(table.path), table.sha256, len(table.folders)))
        twice += table.twice
        odd += table.odd
    read.faults += lines_fault("golden_table_unreadable", "table of goldens that cannot be read", broken, "golden")
    read.faults += lines_fault("golden_twice", "golden with two directories", twice, "golden")
    what = "row of a golden without CompName, or whose directory or TOP_BOT cannot be used"
    read.faults += lines_fault("golden_odd", what, odd, "golden")


def _judge(read: _Read, wish: DatasetConvert, images: Path | None) -> Sequence[str]:
    """Leave out what cannot stand in a table; gives the lights that all others have."""
    parts, faults = read.parts, read.faults
    lights: Sequence[str] = wish.lights or []
    if not lights:
        lights, rare = common_lights([part for part in parts if not part.cause])
        what = "light that fewer than half of the parts have, and that none needs; dataset_convert.lights names them"
        faults += lines_fault("light_rare", what, rare)
    need_lights(parts, lights)
    verdicts = Verdicts(wish.pass_texts, wish.missing_verdict == "machine")
    verdicts.judge(parts)
    faults += lines_fault("verdict_doubtful", "verdict to look at", verdicts.doubtful())
    machines = [part.told() for part in parts if part.by_machine and not part.cause]
    what = "part that nobody gave a verdict: the machine's counts, and column labelled_by says so"
    faults += lines_fault("labelled_by_machine", what, machines)
    give_goldens(parts, read.goldens)
    keep_apart(parts)
    if images:
        with progress_bar("Looking for pictures") as progress:
            need_pictures(parts, images, lights, progress)
    extensions = Counter(part.extension for part in parts if not part.cause)
    if len(extensions) > 1:
        told = [f"{extension}: {count} parts" for extension, count in extensions.most_common()]
        faults += lines_fault("extensions_differ", "file extension of pictures; a spec has one image_ext", told)
    return lights


def _tables(used: list[Part], wish: DatasetConvert, faults: list[Fault]) -> dict[str, list[Part]]:
    """The parts of each table, in the order in which they were read."""
    if wish.split:
        wanted = list(shares_of(wish.split))
        boards = len({board_of(part) for part in used})
        if boards < len(wanted):
            what = f"too few boards for the {len(wanted)} tables of dataset_convert.split"
            faults += lines_fault("boards_few", what, [f"{boards} that can be used"], fatal=True)
            return {}
        table = divided(used, wish.split)
        for part in used:
            part.split = table[board_of(part)]
    else:
        wanted = ["train", "val", "test"] if wish.test_pcb_dataset_dir else ["train", "val"]
    found: dict[str, list[Part]] = {split: [] for split in wanted}
    for part in used:
        found[part.split].append(part)
    for split, parts in found.items():
        if not parts:
            faults += lines_fault(
                "no_rows",
                f"no part is left for {FILES[split]}",
                ["see what was left out, and what was not asked for"],
                split,
                True,
            )
        elif not any(part.is_defect for part in parts):
            told = [f"{len(parts)} parts, all {PASS}"]
            faults += lines_fault("no_defects", "table without a defect", told, split)
    return found


def _left_out(parts: Sequence[Part]) -> list[Fault]:
    """A warning for each reason in each split."""
    found: dict[tuple[str, str], list[Part]] = {}
    for part in parts:
        if part.cause:
            found.setdefault((part.cause, part.split), []).append(part)
    faults = []
    for (cause, split), left in sorted(found.items(), key=lambda item: list(LEFT_OUT).index(item[0][0])):
        examples = tuple(part.told() for part in left[:EXAMPLES])
        faults.append(Fault(split, cause, f"left out: {LEFT_OUT[cause]}", len(left), examples, fatal=False))
    return faults


def _name_boards_apart(used: Iterable[Part], faults: list[Fault]) -> None:
    """Boards of two projects with one number get their projects' names too."""
    used = list(used)
    shared = shared_numbers(used)
    for part in used:
        if part.board in shared:
            part.board = f"{part.design}/{part.board}"
    what = "board number that two projects use: column board has the project before it"
    faults += lines_fault("board_of_two_projects", what, sorted(shared))


def _notes(read: _Read, places: Places) -> list[str]:
    notes = [f"Not asked for: {count:,} parts of {name}" for name, count in sorted(read.others.items())]
    if read.strange:
        notes.append(f"Columns that are not kept: {', '.join(sorted(read.strange))}")
    return notes + list(places.notes)


def _say(result: ConvertResult) -> None:
    say = log.warning if result.report.faults else log.info
    text = str(replace(result.report, tables=()))
    say("%s", f"Look at this:\n{text}" if result.report.faults else text)
    files = [*(path.name for path in result.tables.values()), REPORT_FILE]
    files += [LEFT_OUT_FILE] if (result.folder / LEFT_OUT_FILE).exists() else []
    log.info("Wrote %s to %s", ", ".join(files), result.folder)
    log.info("Section dataset of a spec for them: %s", result.next_words)
