"""The command line: `goldenpair NETWORK ACTION -e SPEC [key.path=value ...]` and a few helpers.

It adds nothing that a spec does not have. Exit code 0: done; 1: failed; 2: the input is wrong.
"""

import argparse
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from goldenpair import __version__
from goldenpair.arguments import Command, add_debug
from goldenpair.closed_pipes import readers_may_leave
from goldenpair.commands import add_commands
from goldenpair.errors import DataError, GoldenpairError, InputError, RunError
from goldenpair.policy_command import add_policy
from goldenpair.reporting.command import add_report
from goldenpair.simulation.command import add_simulate
from goldenpair.storage.uris import is_uri, joined, without_secrets
from goldenpair.synthesis.command import add_synthesize

if TYPE_CHECKING:
    from rich.console import Console

    from goldenpair.specs.common import NetworkSpec

NETWORKS = ("optical_inspection", "visual_changenet")
ACTIONS = {
    "train": "learn from train_dataset, check on validation_dataset",
    "evaluate": "score test_dataset and measure capture, escapes and false calls",
    "inference": "give every row of infer_dataset a verdict",
    "export": "write a checkpoint as ONNX, with proof that the scores stay the same",
    "dataset_convert": "make tables of the export of an AOI machine (optical_inspection)",
    "default_specs": "write all defaults, to results_dir=FOLDER or to the terminal",
}
_EPILOG = "examples: goldenpair demo; goldenpair optical_inspection train -e spec.yaml train.num_epochs=20"

log = logging.getLogger("goldenpair")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    with readers_may_leave():
        return _main(sys.argv[1:] if arguments is None else arguments)


def _main(words: Sequence[str]) -> int:
    parser = _parser()
    try:
        given, rest = parser.parse_known_args(words)
        if any(word.startswith("-") for word in rest) or (rest and "overrides" not in given):
            parser.error(f"unrecognized arguments: {' '.join(rest)}")
    except SystemExit as stop:  # argparse has said why
        if stop.code and words and words[0] in NETWORKS:
            print("Execution status: FAIL")
        raise
    if rest:  # argparse ends a list of words at the first flag; overrides may follow it too
        given.overrides += rest
    with _messages():
        code = _guarded(given)
    if given.command in NETWORKS:
        print(f"Execution status: {'FAIL' if code else 'PASS'}", flush=True)
    return code


def optical_inspection() -> int:
    """The console command of TAO's containers: the same words without the network's name."""
    return main(["optical_inspection", *sys.argv[1:]])


def visual_changenet() -> int:
    """The other console command of TAO's containers."""
    return main(["visual_changenet", *sys.argv[1:]])


@contextmanager
def _messages() -> Iterator[None]:
    """The package's messages on the terminal, once: the demo runs commands within a command."""
    if log.handlers:
        yield
        return
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Plain())
    log.addHandler(handler)
    handler.setLevel(logging.INFO)
    log.setLevel(logging.DEBUG)  # what is only for log.txt
    try:
        yield
    finally:
        log.removeHandler(handler)


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        message = without_secrets(record.getMessage())
        return f"{record.levelname.lower()}: {message}" if record.levelno >= logging.WARNING else message


def _guarded(given: argparse.Namespace) -> int:
    try:
        given.run(given, _console())
        return 0
    except KeyboardInterrupt as error:
        print(str(error) or "stopped by the user", file=sys.stderr)
        return 1
    except Exception as error:  # the edge of the process: everything becomes a message and an exit code
        if given.debug:
            raise
        if isinstance(error, GoldenpairError):
            print(f"error: {without_secrets(str(error))}", file=sys.stderr)
        else:
            said = without_secrets(str(error))
            print(f"error: {type(error).__name__}: {said}\n(--debug shows where)", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1


def _console() -> "Console":
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=120)  # a file has no width


def _template(given: argparse.Namespace, console: "Console") -> None:
    schema = import_module("goldenpair.specs.schema")
    print(schema.template(given.network, given.action, given.task), end="")


def _schema(given: argparse.Namespace, console: "Console") -> None:
    from goldenpair.specs.schema import schema_text
    from goldenpair.specs.tao_schema import tao_files, tao_schema_text

    if given.dialect == "json" and given.out:
        raise InputError("--out goes with --dialect tao; a standard schema is printed")
    if given.dialect == "json":
        print(schema_text(given.network, given.action))
    elif not given.out:
        print(tao_schema_text(given.network, given.action), end="")
    else:
        files = tao_files(given.network, (given.action,)) if given.action else tao_files(given.network)
        for path, content in files.items():
            _write(Path(given.out) / path, content)


def _network(given: argparse.Namespace, console: "Console") -> None:
    from goldenpair.specs.load import default_spec, load_spec

    if given.action == "default_specs":
        wish = load_spec(given.command, given.spec, given.overrides) if given.spec else None
        _default_specs(wish or default_spec(given.command, given.overrides))
        return
    if not given.spec:
        raise InputError(f"{given.action} needs a spec: -e SPEC; `goldenpair spec {given.command}` writes one")
    spec = load_spec(given.command, given.spec, given.overrides, given.action)
    actions = import_module("goldenpair.actions")
    result = getattr(actions, given.action)(spec)
    if given.action == "dataset_convert":
        console.print(result.table())
    if given.action == "evaluate":
        from goldenpair.report import cutoff_table, kpi_table, pixel_table, target_table, verdict_table

        console.print(kpi_table(result.metrics))
        if result.by_verdict:
            console.print(verdict_table(result.by_verdict))
        if result.targets.findings:
            console.print(target_table(result.targets))
        if result.pixels:
            console.print(pixel_table(result.pixels, result.metrics.parts - result.metrics.errors))
        console.print(cutoff_table(result.metrics.table))
        if result.robustness:
            from goldenpair.quality.robustness import robustness_table

            console.print(robustness_table(result.robustness))


def _audit(given: argparse.Namespace, console: "Console") -> None:
    from goldenpair.specs.load import load_spec

    spec = load_spec(given.network, given.spec, given.overrides)
    report = import_module("goldenpair.auditing").audit(spec, given.spec, given.deep)
    report.show(console)
    if report.fatal:
        kinds = sum(fault.fatal for fault in report.faults)
        raise DataError(f"the data cannot be used: {kinds} of the faults above {'is' if kinds == 1 else 'are'} fatal")


def _default_specs(spec: "NetworkSpec") -> None:
    from goldenpair.run import as_yaml

    if is_uri(spec.results_dir) and spec.results_dir:
        from goldenpair.storage.fetching import write_text

        place = joined(spec.results_dir, "experiment.yaml")
        write_text(place, as_yaml(spec))
        print(f"Wrote {without_secrets(place)}")
    elif spec.results_dir:
        _write(Path(spec.results_dir) / "experiment.yaml", as_yaml(spec))
    else:
        print(as_yaml(spec), end="")


def _write(path: Path, text: str) -> None:
    from goldenpair.run import write_text

    write_text(path, text)
    print(f"Wrote {path}")


def _demo(given: argparse.Namespace, console: "Console") -> None:
    import_module("goldenpair.demo").run(Path(given.out))


def _cache(given: argparse.Namespace, console: "Console") -> None:
    from goldenpair.data.packs import clear, contents
    from goldenpair.storage import kept
    from goldenpair.storage.folders import default_folder

    folder = Path(given.dir) if given.dir else default_folder()
    if given.action == "clear":
        gone, freed, stayed = map(sum, zip(clear(folder), kept.clear(folder), strict=True))
        for unsent in kept.unsent(folder):
            print(f"{unsent}: results that have not arrived where they belong; left there")
        print(f"Removed {_files(gone)}, {freed / 1e9:.2f} GB, from {folder}")
        if stayed:
            raise RunError(f"{folder}: {_files(stayed)} in use, or not to be removed by you; left there")
        return
    from goldenpair.report import cache_table, fetched_table

    console.print(cache_table(folder, contents(folder)))
    if fetched := kept.contents(folder):
        console.print(fetched_table(fetched))


def _backbones(given: argparse.Namespace, console: "Console") -> None:
    from goldenpair.listing import backbones_table, names_like
    from goldenpair.progress import progress_bar
    from goldenpair.specs.backbones import FAN, import_timm

    names = names_like(given.pattern)
    with progress_bar("Building networks without their weights") as progress:
        table = backbones_table(names, progress)
    console.print(table)
    if set(names) <= set(FAN):
        try:
            import_timm()
        except InputError as error:
            print(f"More than 1,000 others need timm: {error}")


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _import(given: argparse.Namespace, console: "Console") -> None:
    from goldenpair.importing import import_checkpoint, import_table, read_foreign, refuse_existing
    from goldenpair.specs.load import load_spec

    source = Path(given.checkpoint)
    out = Path(given.out) if given.out else source.with_name(f"{source.stem}_goldenpair.pth")
    foreign = read_foreign(source)
    if given.spec:
        refuse_existing(out)
    elif given.out or given.overrides:
        raise InputError("--out and overrides need the spec that the checkpoint was trained with: -e SPEC")
    spec = load_spec(foreign.network, given.spec, given.overrides) if given.spec else None
    console.print(import_table(foreign.compare(spec)))
    print(f"{foreign.network}: {', '.join(f'{path} {value}' for path, value in foreign.facts().items())}")
    if foreign.pixels is not None:
        print(f"num_input x image_height x image_width = {foreign.pixels}")
    if foreign.left_out:
        print(f"Not read, and nothing of it run: {', '.join(foreign.left_out)}")
    if spec is None:
        print("Nothing was written. Next: the same with -e SPEC, the spec that it was trained with")
    else:
        import_checkpoint(foreign, spec, out)
        print("Order of the lights, height against width and normalisation are the spec's: weights cannot tell them")
        print(f"Wrote {out}, which needs no spec")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="goldenpair",
        description="Compares pictures of parts with golden ones: trains, evaluates and runs such models.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"goldenpair {__version__}")
    commands: argparse._SubParsersAction[argparse.ArgumentParser] = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=Command
    )
    for network in NETWORKS:
        command = commands.add_parser(network, help=f"train, evaluate or run {network}")
        command.add_argument("action", choices=ACTIONS, help="; ".join(f"{k}: {v}" for k, v in ACTIONS.items()))
        _spec(command)
        _finish(command, _network)
    command = commands.add_parser("audit", help="check the tables and pictures of a spec")
    command.add_argument("--network", choices=NETWORKS, default=NETWORKS[0], help=f"default: {NETWORKS[0]}")
    _spec(command, required=True)
    command.add_argument("--deep", action="store_true", help="look at every golden and label too; writes a page")
    _finish(command, _audit)
    for name, what in (("spec", "print a commented spec to start from"), ("schema", "print the JSON schema of a spec")):
        command = commands.add_parser(name, help=what)
        command.add_argument("network", choices=NETWORKS)
        command.add_argument("action", nargs="?", choices=[a for a in ACTIONS if a != "default_specs"])
        if name == "spec":
            command.add_argument("--task", help="of a network with several: visual_changenet classify or segment")
        else:
            command.add_argument("--dialect", choices=("json", "tao"), default="json", help="standard, or as TAO's")
            command.add_argument("--out", metavar="DIR", help="with tao: write schemas, manifest and templates there")
        _finish(command, _template if name == "spec" else _schema)
    command = commands.add_parser("import", help="make a checkpoint of TAO's, old ones too, one of ours")
    command.add_argument("checkpoint", help="TAO's .pth file; no code in it runs")
    _spec(command)
    command.add_argument("--out", metavar="FILE", help="file to write (default: CHECKPOINT_goldenpair.pth beside it)")
    _finish(command, _import)
    add_policy(commands)
    add_simulate(commands)
    add_synthesize(commands)
    command = commands.add_parser("cache", help="show or clear the folder of decoded, fetched and unpacked files")
    command.add_argument("action", nargs="?", choices=("show", "clear"), default="show", help="default: show")
    command.add_argument("--dir", help="the folder, if not GOLDENPAIR_CACHE or the user's cache folder")
    _finish(command, _cache)
    command = commands.add_parser("backbones", help="list backbones of visual_changenet and whose weights are here")
    command.add_argument("pattern", nargs="?", help="a part of the name, or a pattern such as 'mobilenetv4*'")
    _finish(command, _backbones)
    add_report(commands)
    add_commands(commands)
    command = commands.add_parser("demo", help="simulate, train, inspect, evaluate and export, in a few minutes")
    command.add_argument("out", nargs="?", default="demo", help="folder to make (default: demo)")
    _finish(command, _demo)
    return parser


def _spec(command: argparse.ArgumentParser, required: bool = False) -> None:
    flags = ("-e", "--experiment_spec", "--experiment_spec_file")
    command.add_argument(
        *flags, dest="spec", metavar="SPEC", required=required, help="YAML or JSON file, local or a URI"
    )
    command.add_argument("overrides", nargs="*", metavar="key.path=value", help="changes to the spec")


def _finish(command: argparse.ArgumentParser, run: Callable[[argparse.Namespace, "Console"], None]) -> None:
    """`run` takes what was given and a console, as that of every command does."""
    add_debug(command)
    command.set_defaults(run=run)
