"""`evaluate` makes the same report as `goldenpair report`, and adds what only it knows."""

import json
import re
from pathlib import Path

import pytest

from goldenpair import actions
from goldenpair.deployment import sha256
from goldenpair.specs.load import load_spec
from test_page import Checked


@pytest.fixture(scope="module")
def evaluated(boards, tmp_path_factory):
    results = tmp_path_factory.mktemp("results")
    small = ["model.margin=1.0", "train.num_epochs=1", "dataset.batch_size=16"]
    spec = load_spec("optical_inspection", boards.spec_path, [f"results_dir={results}", *small], "train")
    done = actions.train(spec)
    wish = [f"evaluate.checkpoint={done.checkpoint}", "evaluate.cutoff=0.5", "evaluate.targets.capture=0.9"]
    spec = load_spec("optical_inspection", boards.spec_path, [f"results_dir={results}", *small, *wish], "evaluate")
    return actions.evaluate(spec), spec


@pytest.fixture(scope="module")
def page(evaluated):
    return (evaluated[0].folder / "report.html").read_text("utf-8")


def test_its_files(evaluated):
    result, _ = evaluated
    names = {path.name for path in result.folder.iterdir()}
    assert {"report.html", "metrics.json", "scores.csv", "evaluate.csv", "contact_sheet.png"} <= names
    told = json.loads((result.folder / "metrics.json").read_text("utf-8"))
    assert told["error_list"] == [] and told["policy"]["source"] and "tao" in told
    assert told["targets"]["result"] == result.targets.result
    scores = (result.folder / "scores.csv").read_text("utf-8").splitlines()
    assert len(scores) == result.metrics.parts + 1


def test_the_page_is_whole(page):
    read = Checked(page)
    assert not read.faults and len(read.ids) == len(set(read.ids))
    assert "http" not in page.replace("http-equiv", "")


def test_it_knows_model_machine_and_time(page, evaluated):
    _, spec = evaluated
    words = " ".join(" ".join(Checked(page).words).split())
    assert sha256(Path(spec.evaluate.checkpoint)) in page
    assert "torch " in words and "logical cores" in words and "CPU, " in words and "seed of training" in words
    p50, p95, p99 = (float(re.search(rf"p{one} ([\d.]+) ms", words)[1]) for one in (50, 95, 99))
    assert 0 < p50 <= p95 <= p99 and "pairs/s" in words
    assert "Time: how long" not in words


def test_it_compares_the_splits(page, boards):
    words = " ".join(" ".join(Checked(page).words).split())
    assert "Between the tables of the run:" in words
    for split in ("train", "validation", "test"):
        assert f"{split} " in words
    assert sha256(boards.images_dir.parent / "train.csv") in page


def test_escapes_and_false_calls_have_their_pictures(page, evaluated):
    figures = evaluated[0].metrics
    wrong = figures.point.escapes.count + min(20, figures.point.false_calls.count)
    tiles = page.split('id="parts"')[1].split('id="doubts"')[0]
    assert tiles.count("<article") == wrong
    assert tiles.count("<img") == 4 * wrong  # golden and sample under two lights
