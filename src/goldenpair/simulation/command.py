"""`goldenpair simulate`: its words, and what they start."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from goldenpair.arguments import Command, add_debug

if TYPE_CHECKING:
    from rich.console import Console


def add_simulate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Sets `run`, which takes what was given and a console. Its flags are the options of SimulateSpec."""
    command = commands.add_parser("simulate", help="draw boards with known defects, as a data set with its spec")
    command.add_argument("out", help="folder to make; the same command goes on where one was stopped")
    assert isinstance(command, Command)
    command.late = _add_options
    add_debug(command)
    command.set_defaults(run=_simulate)


def _add_options(command: argparse.ArgumentParser) -> None:
    from goldenpair.specs.schema import flag_help
    from goldenpair.specs.simulate import SimulateSpec

    for name, field in SimulateSpec.model_fields.items():
        flag, text = f"--{name.replace('_', '-')}", flag_help(field)
        if field.annotation is bool:
            command.add_argument(flag, dest=name, action="store_const", const="true", help=text)
        else:  # texts: the spec checks all of them at once
            command.add_argument(flag, dest=name, metavar=name.split("_")[-1].upper(), help=text)


def _simulate(given: argparse.Namespace, console: "Console") -> None:
    """Raises InputError for options and folders that cannot be used, RunError where the disk is full."""
    from goldenpair.progress import progress_bar
    from goldenpair.simulation.line import simulate
    from goldenpair.specs.load import load_section
    from goldenpair.specs.simulate import SimulateSpec

    values = {name: getattr(given, name) for name in SimulateSpec.model_fields}
    spec = load_section(SimulateSpec, [f"{name}={value}" for name, value in values.items() if value is not None])
    try:
        with progress_bar("Drawing parts") as progress:
            made = simulate(Path(given.out), spec, progress)
    except KeyboardInterrupt:
        text = f"stopped by the user; the boards that are drawn stay in {given.out}, and the same command goes on"
        raise KeyboardInterrupt(text) from None
    for split, labels in made.counts.items():
        told = ", ".join(f"{count} {label}" for label, count in labels.items())
        print(f"{split}: {sum(labels.values())} parts ({told})")
    print(f"Next: goldenpair optical_inspection train -e {made.spec_path}")
