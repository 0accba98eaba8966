"""The docs say what is there: blocks run, commands parse, generated pages are fresh, links lead somewhere."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from goldenpair import cli
from goldenpair.specs.load import SPECS
from goldenpair.specs.schema import spec_page

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")])


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), flags=re.S)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_parse(page):
    parser = cli._parser()
    makefile = (ROOT / "Makefile").read_text()
    for line in "\n".join(blocks(page, "bash")).splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["make"]:
            assert re.search(rf"^{words[1]}:", makefile, flags=re.M), line
        elif words[:1] == ["goldenpair"] and "ACTION" not in words:
            given, rest = parser.parse_known_args(words[1 : words.index(">")] if ">" in words else words[1:])
            assert not [word for word in rest if word.startswith("-")], line


def test_the_python_block_of_the_readme_runs(boards, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = boards.spec_path.read_text()
    (tmp_path / "spec.yaml").write_text(re.sub(r"^results_dir:.*$", "results_dir: results", text, flags=re.M))
    name = next(boards.images_dir.glob("GP100/*/*/*/*_SolderLight.*"))
    for role, folder in (("part", name.parent), ("golden", boards.images_dir / "golden" / "images" / "GP100TOP")):
        for light, short in (("SolderLight", "White"), ("WhiteLight", "Low")):
            shutil.copy(folder / name.name.replace("SolderLight", light), tmp_path / f"{role}_{short}.jpg")
    (code,) = blocks(ROOT / "README.md", "python")
    exec(compile(code, "README.md", "exec"), {})
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert last.split()[0] in ("PASS", "FAIL")


@pytest.mark.parametrize("network", [*SPECS, "simulate"])
def test_the_page_of_options_is_fresh(network):
    page = ROOT / "docs" / f"{network}_spec.md"
    assert page.read_text() == spec_page(network), "run `make docs`"


@pytest.mark.parametrize("network", cli.NETWORKS)
def test_every_action_has_a_chapter(network):
    text = (ROOT / "docs" / f"{network}.md").read_text()
    for action in cli.ACTIONS:
        assert f"\n## {action}\n" in text


def test_the_tree_names_every_module():
    text = (ROOT / "docs" / "architecture.md").read_text()
    tree = text.split("## The tree")[1]
    for path in (ROOT / "src" / "goldenpair").rglob("*.py"):
        if path.stat().st_size > 200:
            assert path.name in tree, path.name


def test_every_code_of_the_audit_is_explained():
    text = "".join(path.read_text() for path in (ROOT / "src" / "goldenpair").rglob("*.py"))
    codes = set(re.findall(r'Fault(?:\.of)?\(\s*[\w."]+,\s*"(\w+)"', text))
    codes |= {f"{role}_{kind}" for role in ("picture", "golden") for kind in ("missing", "light_missing")}
    codes |= {f"{role}_other_extension" for role in ("picture", "golden")}
    assert len(codes) > 15
    page = (ROOT / "docs" / "optical_inspection.md").read_text()
    assert not {code for code in codes if f"`{code}`" not in page}
