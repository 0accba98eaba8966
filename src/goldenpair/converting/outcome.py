"""What a conversion made: tables, conversion.json, and everything that was left out."""

import csv
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.table import Table

from goldenpair import __version__
from goldenpair.converting.raw_tables import KEPT, Part, copied_columns
from goldenpair.data.faults import AuditedTable, AuditReport, Fault
from goldenpair.data.table import PASS, harmless
from goldenpair.run import whole_file, write_text
from goldenpair.specs.dataset_convert import DatasetConvert

FILES = {"train": "train_combined.csv", "val": "valid_combined.csv", "test": "test_combined.csv"}
"""The table of each split, by TAO's names."""
LEFT_OUT_FILE = "left_out.csv"
REPORT_FILE = "conversion.json"
_TAO = ("input_path", "golden_path", "label", "object_name")
_LEFT_OUT = ("reason", "split", "file", "line", "design", "board", "side", "panel", "comp_name", "verdict", "detail")


@dataclass(frozen=True)
class InputTable:
    """A table that was read; `split` is "golden" for goldens and "all" where the boards are divided afterwards."""

    split: str
    path: str
    sha256: str
    rows: int


@dataclass(frozen=True)
class SplitCount:
    """What is in a table: parts by label, the most frequent first, by project, and its boards in order."""

    labels: Mapping[str, int]
    designs: Mapping[str, int]
    boards: tuple[str, ...]

    @classmethod
    def of(cls, parts: Sequence[Part]) -> "SplitCount":
        labels = dict(Counter(part.label for part in parts).most_common())
        designs = dict(sorted(Counter(part.design for part in parts).items()))
        return cls(labels, designs, tuple(sorted({part.board for part in parts})))

    @property
    def parts(self) -> int:
        return sum(self.labels.values())

    @property
    def defects(self) -> int:
        return self.parts - self.labels.get(PASS, 0)


@dataclass(frozen=True)
class ConvertResult:
    """`tables` are the files by split, in `folder`; `report` says what was left out and what to look at.

    `parts` are all components that were asked for: those of the `splits` and those that were left out, of which
    `defects_left_out` are known to be defects.
    """

    folder: Path
    tables: Mapping[str, Path]
    splits: Mapping[str, SplitCount]
    lights: tuple[str, ...]
    image_ext: str
    inputs: tuple[InputTable, ...]
    parts: int
    defects_left_out: int
    report: AuditReport

    @property
    def left_out(self) -> int:
        return self.parts - sum(count.parts for count in self.splits.values())

    @property
    def next_words(self) -> str:
        """What a spec that reads these tables has to say of their pictures."""
        named = [light for light in self.lights if light]
        lights = ", ".join(f"{light}: {place}" for place, light in enumerate(named))
        mapped = f"{{{lights}}}" if named else "null"
        return f"num_input: {len(named) or 1}, input_map: {mapped}, image_ext: {self.image_ext}"

    def table(self) -> Table:
        """The counts for a terminal."""
        defects = f" ({self.defects_left_out:,} of them defects)" if self.left_out else ""
        title = f"{self.parts:,} parts, {self.left_out:,} left out{defects}"
        table = Table(title=title, title_justify="left", box=SIMPLE)
        for column in ("table", "parts", "PASS", "defects", "boards", "projects"):
            table.add_column(column, justify="left" if column == "table" else "right")
        for split, count in self.splits.items():
            numbers = (count.parts, count.parts - count.defects, count.defects, len(count.boards), len(count.designs))
            table.add_row(self.tables[split].name, *(f"{number:,}" for number in numbers))
        return table


def write_tables(folder: Path, by_split: Mapping[str, Sequence[Part]], kept: Iterable[str]) -> dict[str, AuditedTable]:
    """Write the table of each split; those of other splits, from an earlier conversion, are removed."""
    columns = [name for name in KEPT if name in set(kept)]
    if any(part.by_machine for parts in by_split.values() for part in parts):
        columns.append("labelled_by")
    written = {}
    for split, parts in by_split.items():
        path = folder / FILES[split]
        with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([*_TAO, *columns])
            writer.writerows(_row(part, columns) for part in parts)
        defects = sum(part.is_defect for part in parts)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        written[split] = AuditedTable(split, str(path), digest, "", len(parts), defects, (*_TAO, *columns))
    for split in set(FILES) - set(by_split):
        (folder / FILES[split]).unlink(missing_ok=True)
    return written


def _row(part: Part, columns: Sequence[str]) -> list[str]:
    cells = {
        **copied_columns(part),
        "board": part.board,
        "design": part.design,
        "panel": part.panel,
        "side": part.side,
        "comp_name": part.comp_name,
        "machine_verdict": part.machine_verdict,
        "machine_status": part.machine_status,
        "labelled_by": "machine" if part.by_machine else "operator",
    }
    return [part.folder, part.golden, part.label, part.object_name, *(cells[name] for name in columns)]


def write_left_out(folder: Path, parts: Sequence[Part]) -> None:
    """All parts that are in no table, with the reason; no such file if there are none."""
    if not parts:
        (folder / LEFT_OUT_FILE).unlink(missing_ok=True)
        return
    with whole_file(folder / LEFT_OUT_FILE) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_LEFT_OUT)
        for part in parts:
            verdict = " ".join(dict.fromkeys(part.verdicts))
            place = (part.design, part.board, part.side, part.panel, part.comp_name, verdict, part.detail)
            writer.writerow([part.cause, part.split, harmless(part.file), part.line, *map(harmless, place)])


def write_report(result: ConvertResult, options: DatasetConvert, reasons: Mapping[str, int]) -> None:
    content: dict[str, Any] = {
        "goldenpair": __version__,
        "options": options.model_dump(),
        "inputs": [asdict(one) for one in result.inputs],
        "rows": sum(one.rows for one in result.inputs if one.split != "golden"),
        "parts": result.parts,
        "left_out": dict(reasons),
        "defects_left_out": result.defects_left_out,
        "lights": list(result.lights),
        "image_ext": result.image_ext,
        "splits": {split: {"parts": count.parts, **asdict(count)} for split, count in result.splits.items()},
        **result.report.as_dict(),
    }
    write_text(result.folder / REPORT_FILE, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def name_as_asked(report: Path, options: Mapping[str, Any], names: Mapping[str, str]) -> None:
    """Let a report have the `options` as they were written, and `names` in place of what was fetched from there."""
    local = sorted((path for path, name in names.items() if path != name), key=len, reverse=True)
    if not local:
        return
    found = re.compile("|".join(map(re.escape, local)))

    def asked(value: Any) -> Any:
        if isinstance(value, str):
            return found.sub(lambda path: names[path[0]], value)
        if isinstance(value, dict):
            return {key: asked(inner) for key, inner in value.items()}
        return [asked(inner) for inner in value] if isinstance(value, list) else value

    content = {**asked(json.loads(report.read_text(encoding="utf-8"))), "options": options}
    write_text(report, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def lines_fault(code: str, what: str, lines: Sequence[str], split: str = "all", fatal: bool = False) -> list[Fault]:
    """A fault that stands at these lines; none if there are none."""
    return Fault.of(split, code, what, range(len(lines)), lines.__getitem__, fatal)
