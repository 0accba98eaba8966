"""What holds the shape of the package: who may import whom, how long things get, what is public."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import goldenpair
from goldenpair import actions, cli
from goldenpair.errors import InputError
from goldenpair.specs.load import SPECS, default_spec
from goldenpair.tasks import create_task

ROOT = Path(__file__).parent.parent
TESTS = ROOT / "tests"
PACKAGE = ROOT / "src" / "goldenpair"

LAYERS = [
    {"errors", "progress", "arguments"},
    {"storage"},
    {"specs"},
    {"run", "localising", "stopping", "data", "simulation", "synthesis", "models", "metrics", "pixels", "pages", "seen"}
    | {"devices", "unpickling"},
    {"quality"},
    {"tasks"},
    {"trained", "checkpoint", "resume", "callbacks", "running", "training", "evaluation", "backbones"}
    | {"explain", "robustness", "deployment", "deepstream", "onnx_writing", "exporting"},
    {"inspection", "report", "reporting", "overlays", "maps", "heatmaps", "importing", "listing", "converting"}
    | {"deep_audit"},
    {"actions", "auditing", "commands", "policy_command"},
    {"closed_pipes", "cli", "demo"},
    {"__main__"},
]
# the command line starts the demo, and the demo types commands
LOOPS = {("cli", "demo")}

PUBLIC = [
    "AuditReport",
    "CheckpointError",
    "ConvertResult",
    "DataError",
    "EvaluateResult",
    "ExportResult",
    "GoldenpairError",
    "InferenceResult",
    "InputError",
    "Inspector",
    "Policy",
    "RunError",
    "SpecError",
    "TrainResult",
    "Verdict",
    "__version__",
    "audit",
    "dataset_convert",
    "default_spec",
    "evaluate",
    "export",
    "inference",
    "load_spec",
    "train",
]

NAMES_OF_NETWORKS = {"cli.py", "demo.py"}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): ast.parse(path.read_text("utf-8"), str(path)) for path in sorted(PACKAGE.rglob("*.py"))}
MODULES = set(SOURCES) - {""}  # "" is the package itself, whose imports are late


def imports(name: str) -> set[str]:
    """Modules of the package that a module imports, anywhere in it, also by a name in quotes."""
    found: set[str] = set()
    for node in ast.walk(SOURCES[name]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    inside = {one.removeprefix("goldenpair.") for one in found if one.startswith("goldenpair.")} & MODULES
    return inside - {name}


IMPORTS = {name: imports(name) for name in MODULES}


def layer(name: str) -> int:
    top = name.split(".")[0]
    return next(i for i, names in enumerate(LAYERS) if top in names)


def test_imports_are_seen():
    assert {"specs.load", "actions", "demo", "simulation.command", "specs.schema"} <= IMPORTS["cli"]
    assert "checkpoint" in IMPORTS["training"]


@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_module_has_a_layer_and_imports_from_below(name):
    above = {other for other in IMPORTS[name] if layer(other) > layer(name)}
    assert not above


def test_no_import_cycles():
    graph = {name: {other for other in others if (name, other) not in LOOPS} for name, others in IMPORTS.items()}
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError
    assert set(order) == MODULES


def test_models_know_nothing_of_the_package():
    for name in MODULES:
        if name.startswith("models"):
            assert all(other.startswith("models") for other in IMPORTS[name]), name


def test_data_knows_nothing_of_running():
    for name in MODULES:
        if name.startswith("data"):
            tops = {other.split(".")[0] for other in IMPORTS[name]}
            assert tops <= {"data", "specs", "storage", "errors", "progress"}, name


def test_packages_export_nothing():
    """Import cycles are born where an __init__ re-exports."""
    for name in ("storage", "specs", "data", "models", "quality", "reporting", "simulation", "synthesis"):
        assert not IMPORTS[name]


def test_the_package_itself_imports_late():
    eager = [node for node in SOURCES[""].body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert {node.module for node in eager if isinstance(node, ast.ImportFrom)} == {"importlib", "typing"}


def test_modules_are_short():
    lines = {path: len(path.read_text("utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}
    assert not {str(path): count for path, count in lines.items() if count >= 400}


def test_functions_are_short():
    long = {
        f"{name}.{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for name, tree in SOURCES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno + 1 >= 60
    }
    assert not long


def test_there_are_at_least_as_many_lines_of_tests_as_of_code():
    lines = {
        folder: [path.read_text("utf-8").splitlines() for path in folder.rglob("*.py")] for folder in (PACKAGE, TESTS)
    }
    assert sum(map(len, lines[TESTS])) >= sum(map(len, lines[PACKAGE])) > 1000


def test_modules_say_what_they_are():
    assert not [name for name, tree in SOURCES.items() if not ast.get_docstring(tree)]


# public names


def test_public_names():
    assert goldenpair.__all__ == PUBLIC
    assert dir(goldenpair) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_are_there(name):
    found = getattr(goldenpair, name)
    assert found is not None
    if name != "__version__":
        assert found.__name__ == name
        assert found.__doc__


def test_other_names_are_not_there():
    with pytest.raises(AttributeError, match="module 'goldenpair' has no attribute 'trian'"):
        goldenpair.trian  # noqa: B018


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import goldenpair", {"torch", "pydantic", "numpy", "yaml", "omegaconf"}),
        ("import goldenpair; goldenpair.load_spec", {"torch", "numpy"}),
        ("import goldenpair; goldenpair.train", {"torch", "pytorch_lightning", "sklearn"}),
        ("import goldenpair.simulation.line", {"torch"}),
        ("import goldenpair.actions", {"fsspec", "aiohttp", "s3fs"}),
        ("from goldenpair import cli; cli._parser()", {"torch", "timm", "pydantic"}),
    ],
)
def test_what_comes_without_torch(statement, absent):
    program = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert "goldenpair" in imported
    assert not absent & imported


# names of networks, and the tables that belong together


def test_names_of_networks_stand_in_few_places():
    strays = {
        name
        for name, tree in SOURCES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in SPECS
    }
    paths = {f"{name.replace('.', '/')}.py" for name in strays}
    assert {path for path in paths if not path.startswith("specs/")} <= NAMES_OF_NETWORKS
    assert any(path.startswith("specs/") for path in paths)


def test_the_command_line_offers_the_networks_there_are():
    assert set(cli.NETWORKS) == set(SPECS)
    assert all(kind.network == name for name, kind in SPECS.items())
    assert len(set(cli.NETWORKS)) == len(cli.NETWORKS)


@pytest.mark.parametrize("network", SPECS)
def test_the_command_line_runs_the_networks_that_have_a_task(network):
    wish = ["task=classify"] if "task" in SPECS[network].model_fields else []
    try:
        create_task(default_spec(network, wish))
        offered = True
    except InputError as error:
        assert "not offered yet" in str(error)
        offered = False
    assert offered == (network in cli.NETWORKS)


def test_the_command_line_offers_the_actions_there_are():
    verbs = set(cli.ACTIONS) - {"default_specs"}
    assert verbs == {"train", "evaluate", "inference", "export", "dataset_convert"}
    assert all(callable(getattr(actions, verb)) for verb in verbs)
    sections = [verbs & set(kind.model_fields) for kind in SPECS.values()]  # each has one with its results_dir
    assert sections == [verbs, verbs - {"dataset_convert"}]  # as in TAO


def test_every_network_has_a_console_command():
    assert all(callable(getattr(cli, network)) for network in cli.NETWORKS)


# files


def texts() -> list[Path]:
    folders = (PACKAGE, ROOT / "docs", ROOT / "tests", ROOT / "benchmarks")
    kinds = {".py", ".md", ".yaml", ".json", ".txt", ".toml", ""}
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file() and path.suffix in kinds]
    return [path for path in [*found, *ROOT.glob("*.md"), ROOT / "Makefile"] if "__pycache__" not in path.parts]


def test_no_file_names_a_place_on_our_machines():
    places = re.compile("|".join(f"(?<![\\w.])/{place}/" for place in ("work", "root")))
    assert len(texts()) > 40
    assert not [str(path) for path in texts() if places.search(path.read_text("utf-8"))]


def test_the_version_stands_in_the_changelog():
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.fullmatch(r"\d+\.\d+\.\d+", goldenpair.__version__)
    assert re.search(rf"^## \[?{re.escape(goldenpair.__version__)}\b", changelog, re.MULTILINE)


def test_docs_tell_of_every_module():
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    files = {path.name for path in PACKAGE.rglob("*.py")} - {"__init__.py", "__main__.py"}
    assert not {name for name in files if name not in page}
