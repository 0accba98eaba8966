"""`goldenpair report`: its words, and what they start."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from goldenpair.arguments import add_columns, add_debug
from goldenpair.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console


def add_report(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Sets `run`, which takes what was given and a console."""
    command = commands.add_parser("report", help="figures, plots and tiles of a file of scores, as one page")
    command.add_argument("csv", metavar="INFERENCE_CSV", help="with a label and a score for each part, TAO's or ours")
    command.add_argument("--out", metavar="DIR", help="folder to write to (default: NAME_report beside the file)")
    add_columns(command)
    deciding = command.add_mutually_exclusive_group()
    deciding.add_argument("--cutoff", type=float, metavar="X", help="a score above it is FAIL")
    deciding.add_argument("--policy", metavar="FILE", help="policy.json; with neither, the column verdict decides")
    command.add_argument(
        "--same-parts", action="store_true", help="take a policy that was fitted on these parts; the page says so"
    )
    command.add_argument("--target-capture", type=float, metavar="SHARE", help="share of the defects to stop, 0..1")
    command.add_argument("--target-escapes-ppm", type=float, metavar="N", help="escapes per million of all parts")
    command.add_argument("--target-false-call-ppm", type=float, metavar="N", help="false calls per million good parts")
    command.add_argument("--images-dir", metavar="DIR", help="folder of the pictures, to show escapes and false calls")
    command.add_argument("--lights", metavar="A,B", help="suffixes of the pictures' names, if there are several")
    command.add_argument("--ext", metavar=".jpg", help="extension of the pictures (default: .jpg)")
    command.add_argument("--label-map", metavar="FILE", help="YAML or JSON from labels to categories of IPC-CFX")
    command.add_argument("--title", metavar="TEXT", help="heading of the page")
    add_debug(command)
    command.set_defaults(run=_report)


def _report(given: argparse.Namespace, console: "Console") -> None:
    """Raises InputError for whatever cannot be used; then nothing was written."""
    from goldenpair.quality.cfx import read_label_map
    from goldenpair.quality.targets import Targets
    from goldenpair.report import kpi_table, target_table, verdict_table
    from goldenpair.reporting.from_csv import Columns, Deciding, PictureFiles, report_csv
    from goldenpair.storage.fetching import Storage
    from goldenpair.storage.uris import is_uri, last_name

    _refuse(given)
    lights = [light for light in (given.lights or "").split(",") if light]
    with Storage() as storage:
        for name in ("csv", "labels", "policy", "label_map"):
            if is_uri(place := getattr(given, name)):
                given.out = given.out or (f"{Path(last_name(place)).stem}_report" if name == "csv" else None)
                setattr(given, name, storage.file(place))
        images = storage.folder_or_archive(given.images_dir) if given.images_dir else None
        names = read_label_map(given.label_map) if given.label_map else None
        report, folder = report_csv(
            given.csv,
            Columns(given.labels, given.score, given.label, given.board),
            Deciding(given.cutoff, given.policy, given.same_parts),
            Targets(given.target_capture, given.target_escapes_ppm, given.target_false_call_ppm),
            PictureFiles(images, lights, given.ext or ".jpg") if images else None,
            given.title or "",
            given.out,
            names,
        )
    console.print(kpi_table(report.figures))
    if report.by_verdict:
        console.print(verdict_table(report.by_verdict))
    if report.findings.findings:
        console.print(target_table(report.findings))
    print("\n".join(report.told()))
    if names and (unmapped := names.unmapped(report.table.label)):
        print(f"Labels that {names.source} does not map: {', '.join(unmapped)}")
    print(f"Wrote report.html, metrics.json and scores.csv to {folder}")


def _refuse(given: argparse.Namespace) -> None:
    problems = []
    if not given.images_dir and (given.lights or given.ext):
        problems.append("--lights and --ext say how pictures are named; they need --images-dir DIR")
    if given.same_parts and not given.policy:
        problems.append("--same-parts is about a policy; it needs --policy FILE")
    capture = given.target_capture
    if capture is not None and not 0 < capture <= 1:
        problems.append(f"--target-capture {capture:g}: give a share above 0 and up to 1, such as 0.97")
    for name, ppm in (("escapes", given.target_escapes_ppm), ("false-call", given.target_false_call_ppm)):
        if ppm is not None and not 0 <= ppm <= 1e6:
            problems.append(f"--target-{name}-ppm {ppm:g}: give a number from 0 to 1000000, such as 500")
    if problems:
        raise InputError("\n  ".join(problems))
