import csv
import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import goldenpair
from goldenpair import InputError, Inspector, SpecError, load_spec
from goldenpair.checkpoint import save, stamp
from goldenpair.explain import ExplainedPart, Heatmap
from goldenpair.heatmaps import FULL, heated, heatmap_page, level_told, rows_to_explain
from goldenpair.inspection import Verdict
from goldenpair.metrics import short
from goldenpair.quality.policy import Policy
from goldenpair.tasks import create_task

LIGHTS = ("Solder", "White")
GREY_PICTURE = np.full((3, 16, 16), 100, np.uint8)


def verdict_of(score: float, error: str) -> Verdict:
    if error:
        return Verdict("ERROR", None, 0.5, error)
    return Verdict("FAIL" if score > 0.5 else "PASS", score, 0.5)


def spot(level: float) -> np.ndarray:
    heat = np.zeros((16, 16), np.float32)
    heat[4:8, 4:8] = level
    return heat


@pytest.mark.parametrize("level", [0, 0.5, 1])
def test_up_to_what_good_parts_reach_the_picture_is_bare(level):
    assert np.array_equal(np.asarray(heated(GREY_PICTURE, spot(level))), GREY_PICTURE.transpose(1, 2, 0))


def test_hotter_is_brighter_in_grey_too():
    black = np.zeros_like(GREY_PICTURE)
    grey = [
        np.asarray(heated(black, spot(level)).convert("L")).astype(int)[5, 5] for level in (1.2, 1.6, 2, 2.5, FULL, 99)
    ]
    assert grey == sorted(grey) and grey[0] > 0 and grey[4] == grey[5] > grey[0] + 60


def test_only_the_hot_place_is_coloured():
    found = np.asarray(heated(GREY_PICTURE, spot(FULL)))
    assert (found[5, 5] != 100).any() and (found[12:, 12:] == 100).all()


def test_heat_is_spread_over_larger_pictures():
    found = np.asarray(heated(GREY_PICTURE.repeat(2, 1).repeat(2, 2), spot(FULL)))
    assert found.shape == (32, 32, 3)
    assert (found[11, 11] != 100).any() and (found[24:, 24:] == 100).all()


@pytest.mark.parametrize(("level", "below"), [(0.41, True), (1.0, True), (1.2, False)])
def test_below_the_level_of_good_parts_is_said(level, below):
    assert level_told(level).startswith(f"{level:.2f} times what good parts reach")
    assert ("below the level of good parts" in level_told(level)) is below


@pytest.mark.parametrize("lights", [LIGHTS, ()])
def test_a_page_has_a_line_for_each_light(lights):
    number = len(lights) or 1
    pictures = np.stack([GREY_PICTURE] * number)
    heat = Heatmap(np.stack([spot(1 + place) for place in range(number)]), lights)
    page = heatmap_page(ExplainedPart(3, pictures, pictures, heat), "R1 in b1", "SHIFT", Verdict("FAIL", 0.7, 0.5))
    one = heatmap_page(
        ExplainedPart(3, pictures[:1], pictures[:1], Heatmap(heat.heat[:1])), "R1", "", Verdict("FAIL", 0.7, 0.5)
    )
    assert page.height - one.height == (number - 1) * (192 + 6)


def test_escapes_come_first_the_lowest_scores_before_all_and_errors_never():
    score = np.float32([0.9, 0.1, 0.6, 0.3, 0.99, 0.2])
    verdicts = Verdict.all_of(score, Policy.of_cutoff(0.5, "given").decide(score), {4: "black"})
    labels = ["PASS", "SHIFT", "SHIFT", "SHIFT", "SHIFT", "PASS"]
    assert rows_to_explain(verdicts, labels, 9) == [1, 3, 0, 2]
    assert rows_to_explain(verdicts, labels, 3) == [1, 3, 0]
    assert rows_to_explain(verdicts, [""] * 6, 9) == [0, 2]


# runs


@pytest.fixture
def run(tao_set, tmp_path):
    """A function that runs an action of an untrained network and returns its folder."""
    made = tao_set(lights=LIGHTS, height=8, width=8)
    torch.manual_seed(0)
    plain = made.spec()
    weights = {f"model.{name}": value for name, value in create_task(plain).model.state_dict().items()}
    save({"state_dict": weights, **stamp(plain)}, tmp_path / "model.pth")

    def start(action: str, *overrides: str) -> Path:
        checkpoint = f"{action}.checkpoint={tmp_path / 'model.pth'}"
        spec = made.spec(f"results_dir={tmp_path / 'results'}", checkpoint, *overrides)
        getattr(goldenpair, action)(spec)
        return tmp_path / "results" / action

    start.made = made
    return start


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("action", ["evaluate", "inference"])
def test_heatmaps_of_what_does_not_pass(run, action, caplog):
    caplog.set_level(logging.INFO)
    plain = rows_of(run(action, f"{action}.cutoff=0") / f"{action}.csv")
    assert "heatmap" not in plain[0]
    scores = sorted(float(row["siamese_score"]) for row in plain)
    cutoff = f"{action}.cutoff={short((scores[1] + scores[2]) / 2)}"
    folder = run(action, cutoff, f"{action}.explain=true")
    rows = rows_of(folder / f"{action}.csv")
    shown = [row["heatmap"] for row in rows]
    seen = [row["verdict"] == "FAIL" or row["label"] != "PASS" for row in rows]
    assert [bool(one) for one in shown] == seen and sum(seen) >= 3
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg")} == set(shown) - {""}
    for place in filter(None, shown):
        with Image.open(folder / place) as page:
            assert page.size[1] > 2 * 192
    number, name = next(filter(None, shown)).removeprefix("heatmaps/").removesuffix(".jpg").split("_")
    assert rows[int(number)]["object_name"] == name
    told = json.loads((folder / "heatmap.json").read_text())
    assert told["good_parts"] == 3 and told["level"] > 0
    assert f"Wrote {sum(seen)} heatmaps" in caplog.text and f"{action}.heatmap_scale={told['level']:.4g}" in caplog.text


def test_the_limit_is_told(run, caplog):
    caplog.set_level(logging.INFO)
    folder = run("inference", "inference.cutoff=0", "inference.explain=true", "inference.heatmap_limit=2")
    assert sum(bool(row["heatmap"]) for row in rows_of(folder / "inference.csv")) == 2
    assert "inference.heatmap_limit leaves out 3" in caplog.text


def test_a_given_scale_needs_no_labelled_table(run):
    without = [f"dataset.{split}_dataset.csv_path=''" for split in ("validation", "test")]
    asked = ["inference.cutoff=0", "inference.explain=true", *without]
    with pytest.raises(InputError, match="name a labelled table in dataset.validation_dataset or dataset.test_dataset, "
                       "or set inference.heatmap_scale"):  # fmt: skip
        run("inference", *asked)
    folder = run("inference", *asked, "inference.heatmap_scale=0.01")
    assert len(list((folder / "heatmaps").iterdir())) == 5
    assert not (folder / "heatmap.json").exists()


def test_the_test_table_serves_where_no_other_is_named(run):
    folder = run("evaluate", "evaluate.explain=true", "evaluate.cutoff=0.001", "dataset.validation_dataset.csv_path=''")
    assert json.loads((folder / "heatmap.json").read_text())["source"] == str(run.made.csv_path)


def test_a_table_of_the_scale_that_is_broken_is_told_before_any_work(run, tmp_path):
    with pytest.raises(InputError, match="gone.csv"):
        run("inference", "inference.explain=true", f"dataset.validation_dataset.csv_path={tmp_path / 'gone.csv'}")
    assert not (tmp_path / "results" / "inference" / "inference.csv").exists()


@pytest.mark.parametrize("wish", ["heatmap_scale=0", "heatmap_scale=-1", "heatmap_limit=0", "explain=perhaps"])
def test_options_that_make_no_sense_are_refused(wish):
    with pytest.raises(SpecError, match=wish.split("=")[0]):
        load_spec("optical_inspection", {}, [f"inference.{wish}"])


# Python


def test_the_inspector_explains(run, tmp_path):
    made = run.made
    inspector = Inspector(tmp_path / "model.pth", cutoff=0.01)
    pair = made.files("b1", "R1"), made.files("golden", "R1")
    assert inspector.inspect(*pair).heatmap is None
    scale = inspector.fit_heatmap_scale(made.csv_path, made.images_dir)
    verdict = inspector.inspect(*pair, heatmap_scale=scale.level)
    heatmap = verdict.heatmap
    assert heatmap.heat.shape == (2, 8, 8) and heatmap.lights == LIGHTS and heatmap.light in LIGHTS
    assert np.array_equal(heatmap.heat, inspector.explain(*pair, scale.level).heat)
    assert verdict == replace(verdict, heatmap=None) == inspector.inspect(*pair)
    assert heatmap.peak == pytest.approx(inspector.explain(*pair, 1.0).peak / scale.level)


def test_without_a_score_there_is_no_heatmap(run, tmp_path):
    made = run.made
    inspector = Inspector(tmp_path / "model.pth", cutoff=0.01)
    black = [np.zeros((8, 8, 3), np.uint8)] * 2
    verdict = inspector.inspect(black, made.files("golden", "R1"), heatmap_scale=1.0)
    assert verdict.verdict == "ERROR" and verdict.heatmap is None
    with pytest.raises(goldenpair.DataError, match="entirely black"):
        inspector.explain(black, made.files("golden", "R1"), 1.0)


def test_robustness_is_written_and_returned(run, tmp_path, capsys):
    made = run.made
    run("evaluate", "evaluate.cutoff=0.01")
    assert not (tmp_path / "results" / "evaluate" / "robustness.json").exists()
    spec = made.spec(
        f"results_dir={tmp_path / 'results'}",
        f"evaluate.checkpoint={tmp_path / 'model.pth'}",
        "evaluate.cutoff=0.01",
        "evaluate.robustness=true",
        "evaluate.robustness_rows=2",
    )
    found = goldenpair.evaluate(spec).robustness
    assert (found.defects, found.good, found.of, found.cutoff) == (2, 2, 5, 0.01)
    written = json.loads((tmp_path / "results" / "evaluate" / "robustness.json").read_text())
    assert written == json.loads(json.dumps(found.as_dict()))


def test_an_exported_model_explains_as_its_checkpoint(run, tmp_path):
    made = run.made
    exported = run("export") / "model.onnx"
    pair = made.files("b1", "C1"), made.files("golden", "C1")
    wanted, found = (Inspector(model).explain(*pair, 0.05).heat for model in (tmp_path / "model.pth", exported))
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    assert wanted.max() > 0.01


def test_an_exported_model_is_as_robust_as_its_checkpoint(run, tmp_path):
    made, found = run.made, []
    for model in (tmp_path / "model.pth", run("export") / "model.onnx"):
        spec = made.spec(f"results_dir={tmp_path / 'again'}", f"evaluate.checkpoint={model}", "evaluate.cutoff=0.02",
                         "evaluate.robustness=true")  # fmt: skip
        found.append(goldenpair.evaluate(spec).robustness)
    assert [curve.name for curve in found[0].curves] == [curve.name for curve in found[1].curves]
    assert found[0] == found[1]
