"""`goldenpair simulate`: its flags are the spec's options, declared once and read late."""

import subprocess
import sys

import pytest

from goldenpair import cli
from goldenpair.specs.simulate import SimulateSpec


def flags() -> set[str]:
    return {f"--{name.replace('_', '-')}" for name in SimulateSpec.model_fields}


def help_text(capsys) -> str:
    with pytest.raises(SystemExit):
        cli.main(["simulate", "--help"])
    return capsys.readouterr().out


def test_every_option_is_a_flag_with_its_description_and_default(capsys):
    text = " ".join(help_text(capsys).split())
    assert flags() <= set(text.replace("[", " ").replace("]", " ").split())
    for name, field in SimulateSpec.model_fields.items():
        assert field.description.split(";")[0] in text, name
    assert "default: 24)" in text and ">= 3" in text and ".jpg or .png" in text


def test_the_help_of_others_reads_no_spec():
    program = "import sys; from goldenpair import cli; cli._parser().parse_known_args(['cache']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "goldenpair.cli" in done.stdout and "pydantic" not in done.stdout


def given(monkeypatch, *words: str) -> SimulateSpec:
    """The options that `goldenpair simulate OUT ...` draws with."""
    asked = []

    def draw(out, spec, progress):
        asked.append(spec)
        raise KeyboardInterrupt("enough")

    monkeypatch.setattr("goldenpair.simulation.line.simulate", draw)
    assert cli.main(["simulate", "out", *words]) == 1
    return asked[0]


def test_ctrl_c_says_that_the_same_command_goes_on(monkeypatch, capsys):
    given(monkeypatch)
    assert "the boards that are drawn stay in out, and the same command goes on" in capsys.readouterr().err


def test_without_flags_there_are_the_defaults(monkeypatch):
    assert given(monkeypatch) == SimulateSpec()


def test_flags_replace_them(monkeypatch):
    words = "--boards 5 --designs 2 --parts-per-board 9 --size 32 --defect-rate 0.5 --min-severity 0.25 --seed 7"
    words += " --validation-share 0.2 --test-share 0.4 --image-ext .png --segment WhiteLight --workers 3"
    words += " --board-pictures --kinds MISSING,CRACK"
    assert given(monkeypatch, *words.split()) == SimulateSpec(
        boards=5, designs=2, parts_per_board=9, size=32, defect_rate=0.5, min_severity=0.25, seed=7,
        validation_share=0.2, test_share=0.4, image_ext=".png", segment="WhiteLight", board_pictures=True, workers=3,
        kinds=["MISSING", "CRACK"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "lights"),
    [
        ("1", ["LowAngleLight"]),
        ("4", ["LowAngleLight", "SolderLight", "UniformLight", "WhiteLight"]),
        ("WhiteLight", ["WhiteLight"]),
        ("WhiteLight,SolderLight", ["WhiteLight", "SolderLight"]),
    ],
)
def test_lights_are_a_number_or_names(monkeypatch, words, lights):
    assert given(monkeypatch, "--lights", words).lights == lights


@pytest.mark.parametrize("words", [["--board", "3"], ["boards=3"], ["--size"], ["--fast"]])
def test_what_is_no_flag_is_refused(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as refused:
        cli.main(["simulate", "out", *words])
    assert refused.value.code == 2 and "error:" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
