"""`goldenpair synthesize`: its words, and what they start."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from goldenpair.arguments import add_debug
from goldenpair.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console


def add_synthesize(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Sets `run`, which takes what was given and a console."""
    command = commands.add_parser("synthesize", help="make defects of good parts, for training only")
    command.add_argument("--csv", required=True, metavar="TRAIN.csv", help="table of a training split, with goldens")
    command.add_argument("--images-dir", required=True, metavar="DIR", help="folder that its paths start from")
    command.add_argument("--out", required=True, metavar="DIR", help="folder to make")
    command.add_argument("--kinds", metavar="A,B", help="which defects (default: all but flip, of polar parts only)")
    number = command.add_mutually_exclusive_group()
    number.add_argument("--count", metavar="N", help="how many defects to make")
    number.add_argument("--share", metavar="X", help="how many for each good part of the table (default: 0.1)")
    command.add_argument("--min-severity", metavar="X", help="0 is barely visible (default: 0)")
    command.add_argument("--max-severity", metavar="X", help="1 is plain (default: 1)")
    command.add_argument("--lights", metavar="A,B", help="suffixes of the pictures' names, in the order of the spec")
    command.add_argument("--ext", metavar=".jpg", help="extension of the pictures (default: .jpg)")
    command.add_argument("--seed", metavar="N", help="the same seed gives the same files (default: 1234)")
    add_debug(command)
    command.set_defaults(run=_synthesize)


def _synthesize(given: argparse.Namespace, console: "Console") -> None:
    """Raises InputError for whatever cannot be used; then nothing was written."""
    from goldenpair.progress import progress_bar
    from goldenpair.specs.load import load_section
    from goldenpair.specs.synthetic import LABELS, SynthesizeSpec
    from goldenpair.storage.uris import is_uri, without_secrets
    from goldenpair.synthesis.writing import synthesize

    for word, path in (("--csv", given.csv), ("--images-dir", given.images_dir), ("--out", given.out)):
        if is_uri(path):
            raise InputError(f"{word} {without_secrets(path)}: synthesize works on local files only; copy them first")
    values = {
        "kinds": given.kinds and f"[{given.kinds}]",
        "count": given.count,
        "share": given.share,
        "min_severity": given.min_severity,
        "max_severity": given.max_severity,
        "lights": given.lights and f"[{given.lights}]",
        "image_ext": given.ext,
        "seed": given.seed,
    }
    spec = load_section(SynthesizeSpec, [f"{name}={value}" for name, value in values.items() if value is not None])
    with progress_bar("Making defects") as progress:
        made = synthesize(Path(given.csv), Path(given.images_dir), Path(given.out), spec, progress)
    for number, kind in enumerate(spec.kinds):
        wanted = len(range(number, made.wanted, len(spec.kinds)))
        short = "" if made.counts[kind] == wanted else f" of {wanted}: too few good parts here can have it"
        print(f"{LABELS[kind]}: {made.counts[kind]}{short}")
    if made.unreadable:
        print(f"{len(made.unreadable)} good parts could not be used; the first: {next(iter(made.unreadable.values()))}")
    print(f"Look at {made.out / 'contact_sheet.png'} before you train: what no line does teaches nothing")
    print(f"Next: train with dataset.train_dataset.csv_path={made.csv_path}, and images_dir as it was")
