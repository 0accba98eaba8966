"""Whole sets: what is there, that it is the same each time, and that a stopped one goes on."""

import csv
import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from goldenpair import __version__
from goldenpair.data.table import PASS
from goldenpair.errors import DataError
from goldenpair.simulation.line import SimulatedSet, simulate
from goldenpair.simulation.plan import SPLITS
from goldenpair.simulation.tables import COLUMNS
from goldenpair.specs.load import load_spec
from goldenpair.specs.optical_inspection import OpticalInspectionSpec
from goldenpair.specs.simulate import LIGHTS, SimulateSpec
from goldenpair.tasks import create_task

SMALL = SimulateSpec(
    boards=5, designs=2, parts_per_board=8, size=24, defect_rate=0.5, image_ext=".png", seed=3,
    segment="WhiteLight", lights=["SolderLight", "WhiteLight"],
)  # fmt: skip
TINY = {"boards": 3, "designs": 1, "parts_per_board": 3, "lights": ["WhiteLight"]}


def with_values(**values) -> SimulateSpec:
    return SimulateSpec(**{**SMALL.model_dump(), **values})


def rows_of(drawn: SimulatedSet, split: str) -> list[dict[str, str]]:
    with (drawn.out / f"{split}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def all_rows(drawn: SimulatedSet) -> list[dict[str, str]]:
    return [row for split in SPLITS for row in rows_of(drawn, split)]


def pictures(drawn: SimulatedSet, row: dict[str, str], column: str = "input_path") -> np.ndarray:
    """[lights, size, size, 3]"""
    files = [drawn.images_dir / row[column] / f"{row['object_name']}_{light}.png" for light in SMALL.lights]
    return np.stack([np.asarray(Image.open(file)) for file in files]).astype(np.int16)


def mask_of(drawn: SimulatedSet, row: dict[str, str]) -> Path:
    return drawn.masks_dir / row["input_path"] / f"{row['object_name']}.png"


def contents(out: Path) -> dict[str, bytes]:
    """Every file by its name; the folder's own name is put out of those that tell it."""
    files = (path for path in out.rglob("*") if path.is_file())
    own = out.as_posix().encode()
    return {path.relative_to(out).as_posix(): path.read_bytes().replace(own, b"OUT") for path in files}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> SimulatedSet:
    return simulate(tmp_path_factory.mktemp("sets") / "drawn", SMALL)


@pytest.fixture(scope="module")
def bytes_of_drawn(drawn) -> dict[str, bytes]:
    return contents(drawn.out)


# what is there


def test_tables_name_every_part_and_its_files_exist(drawn):
    rows = all_rows(drawn)
    assert list(rows[0]) == list(COLUMNS)
    assert len(rows) == SMALL.boards * SMALL.parts_per_board
    assert len({(row["board"], row["object_name"]) for row in rows}) == len(rows)
    for row in rows:
        for column in ("input_path", "golden_path"):
            assert pictures(drawn, row, column).shape == (2, SMALL.size, SMALL.size, 3)
    files = sum(path.is_file() for path in drawn.images_dir.rglob("*"))
    assert files == (SMALL.boards + SMALL.designs) * SMALL.parts_per_board * 2


def test_paths_are_those_of_a_factory(drawn):
    for row in all_rows(drawn):
        project, side, capture, last = row["input_path"].split("/")
        assert (project, side, last) == (row["design"], "AOI_T", "PerComponent")
        assert capture.startswith(f"{row['board']}_")
        assert row["golden_path"] == f"golden/images/{project}TOP"
        assert row["object_name"].endswith(f"@{row['panel']}")


def test_no_board_is_in_two_splits(drawn):
    boards = {split: {row["board"] for row in rows_of(drawn, split)} for split in SPLITS}
    assert {split: len(found) for split, found in boards.items()} == {"train": 3, "validation": 1, "test": 1}
    assert len(set.union(*boards.values())) == SMALL.boards


def test_share_of_defects_and_counts(drawn):
    for split in SPLITS:
        labels = Counter(row["label"] for row in rows_of(drawn, split))
        assert labels[PASS] == labels.total() / 2
        assert drawn.counts[split] == labels


def test_masks_and_boxes_belong_to_defects_only(drawn):
    for row in all_rows(drawn):
        file = mask_of(drawn, row)
        assert file.exists() == (row["label"] != PASS) == bool(row["box"]) == bool(row["severity"])
        if file.exists():
            mask = np.asarray(Image.open(file))
            assert mask.shape == (SMALL.size, SMALL.size) and mask.dtype == np.uint8
            assert set(np.unique(mask)) <= {0, 255}
            x0, y0, x1, y1 = map(int, row["box"].split())
            down, across = np.nonzero(mask)
            assert (x0, y0, x1 - 1, y1 - 1) == (across.min(), down.min(), across.max(), down.max())


def test_a_defect_changes_the_part_within_its_mask_and_nothing_else(tmp_path):
    """The same seed without defects draws the same parts good: lots, placement, exposure and noise are equal."""
    values = {"boards": 3, "designs": 1, "parts_per_board": 16, "size": 48, "segment": None, "min_severity": 0.8}
    spoilt = simulate(tmp_path / "spoilt", with_values(**values))
    good = simulate(tmp_path / "good", with_values(**values, defect_rate=0))
    for row in all_rows(spoilt):
        change = np.abs(pictures(spoilt, row) - pictures(good, row)).max(axis=(0, 3))
        if row["label"] == PASS:
            assert not change.any()
            continue
        mask = np.asarray(Image.open(mask_of(spoilt, row))) > 0
        assert change[mask].mean() > 3 * change[~mask].mean(), row
        assert change[mask].max() > 25, row


def test_good_parts_vary_and_goldens_are_shared(drawn):
    same = {}
    for row in all_rows(drawn):
        if row["label"] == PASS:
            same.setdefault((row["golden_path"], row["object_name"]), []).append(pictures(drawn, row))
    several = [found for found in same.values() if len(found) > 1]
    assert several
    assert all(np.abs(found[0] - found[1]).mean() > 2 for found in several)


def test_the_segmentation_layout_has_the_same_parts(drawn):
    root = drawn.out / "segment"
    for split, name in zip(SPLITS, ("train", "val", "test"), strict=True):
        listed = (root / "list" / f"{name}.txt").read_text().split()
        rows = rows_of(drawn, split)
        assert listed == [f"{row['board']}_{row['object_name']}.png" for row in rows]
        for file, row in zip(listed, rows, strict=True):
            picture = f"{row['object_name']}_WhiteLight.png"
            assert (root / "A" / file).read_bytes() == (drawn.images_dir / row["input_path"] / picture).read_bytes()
            assert (root / "B" / file).read_bytes() == (drawn.images_dir / row["golden_path"] / picture).read_bytes()
            mask = np.asarray(Image.open(root / "label" / file))
            wanted = np.asarray(Image.open(mask_of(drawn, row))) if row["label"] != PASS else np.zeros_like(mask)
            assert np.array_equal(mask, wanted)


def test_the_export_has_a_table_for_each_board_and_design(drawn):
    export = drawn.out / "export"
    everything = {path.name: path.read_bytes() for path in (export / "all").iterdir()}
    assert len(everything) == SMALL.boards
    divided = {path.name: path.read_bytes() for name in ("train", "val", "test") for path in (export / name).iterdir()}
    assert divided == everything
    assert {path.name for path in (export / "golden").iterdir()} == {"GP100TOP.csv", "GP101TOP.csv"}
    boards = {split: {row["board"] for row in rows_of(drawn, split)} for split in SPLITS}
    found = {split: {path.stem.split("_")[3] for path in (export / name).iterdir()}
             for split, name in zip(SPLITS, ("train", "val", "test"), strict=True)}  # fmt: skip
    assert found == boards


def test_whole_boards_are_pictures_of_the_designs_shape(tmp_path):
    drawn = simulate(tmp_path / "set", with_values(**TINY, segment=None, board_pictures=True))
    files = sorted(path.name for path in (drawn.out / "boards").iterdir())
    assert files == [f"SN00000{number}_WhiteLight.jpg" for number in (1, 2, 3)]
    with Image.open(drawn.out / "boards" / files[0]) as picture:
        assert picture.format == "JPEG" and 200 < picture.width <= 400
        assert np.asarray(picture).std() > 10


def test_one_light_as_jpeg(tmp_path):
    drawn = simulate(tmp_path / "one", with_values(**TINY, segment=None, image_ext=".jpg"))
    names = {path.name for path in drawn.images_dir.rglob("*") if path.is_file()}
    assert names == {f"{row['object_name']}_WhiteLight.jpg" for row in all_rows(drawn)}
    golden = drawn.images_dir / "golden/images/GP100TOP" / sorted(names)[0]
    with Image.open(golden) as picture:
        assert (picture.format, picture.size, picture.mode) == ("JPEG", (24, 24), "RGB")
    dataset = OmegaConf.load(drawn.spec_path).dataset
    assert (dataset.num_input, dict(dataset.input_map)) == (1, {"WhiteLight": 0})
    assert not (drawn.out / "segment").exists() and not (drawn.out / "boards").exists()


# spec.yaml


def test_spec_is_ready_for_optical_inspection(drawn):
    values = OmegaConf.to_container(OmegaConf.load(drawn.spec_path), resolve=True)
    spec = OpticalInspectionSpec.model_validate(values)
    for use, split in (("train", "train"), ("validation", "validation"), ("test", "test"), ("infer", "test")):
        files = getattr(spec.dataset, f"{use}_dataset")
        assert Path(files.csv_path) == drawn.out / f"{split}.csv"
        assert Path(files.images_dir) == drawn.images_dir
    assert list(spec.dataset.input_map) == SMALL.lights
    assert (spec.dataset.num_input, spec.dataset.image_width, spec.dataset.image_ext) == (2, 24, ".png")
    assert spec.dataset.augmentation_config.relative_jitter.enable
    assert Path(spec.evaluate.checkpoint) == drawn.out / "results/train/oi_model_latest.pth"


@pytest.mark.parametrize("action", ["train", "evaluate", "inference", "export"])
def test_the_spec_lacks_nothing_that_an_action_needs(drawn, action):
    spec = load_spec("optical_inspection", drawn.spec_path, ["evaluate.cutoff=0.4"], action)
    latest = f"{spec.results_dir}/train/{spec.latest_checkpoint}"
    assert action == "train" or getattr(spec, action).checkpoint == latest


def test_the_spec_says_of_its_network_what_is_true(drawn):
    said = next(line for line in drawn.spec_path.read_text().splitlines() if "model_type:" in line)
    network = create_task(load_spec("optical_inspection", drawn.spec_path)).model
    assert "without batch norms between its linear layers" in said
    assert not [layer for layer in network.fc1 if isinstance(layer, torch.nn.BatchNorm1d)]


# the same bytes, whoever draws and however often it was stopped


@pytest.mark.parametrize("workers", [1, 2])
def test_same_options_same_bytes(bytes_of_drawn, tmp_path, workers):
    again = simulate(tmp_path / "again", with_values(workers=workers))
    assert contents(again.out) == bytes_of_drawn


def test_another_seed_draws_another_set(bytes_of_drawn, tmp_path):
    others = contents(simulate(tmp_path / "other", with_values(seed=4)).out)
    assert others["train.csv"] != bytes_of_drawn["train.csv"]
    common = [name for name in others if name in bytes_of_drawn and name.startswith("images/")]
    assert all(others[name] != bytes_of_drawn[name] for name in common)


def test_a_stopped_set_goes_on_and_draws_no_board_twice(bytes_of_drawn, tmp_path):
    def stop(done: int, total: int) -> None:
        if done == 4 * SMALL.parts_per_board:  # both designs' goldens and two boards
            raise KeyboardInterrupt

    out, told = tmp_path / "set", []
    with pytest.raises(KeyboardInterrupt):
        simulate(out, SMALL, stop)
    tables = {path: path.stat().st_mtime_ns for path in (out / "export/all").iterdir()}
    assert len(tables) == 2 and not (out / "spec.yaml").exists()
    simulate(out, with_values(workers=2), lambda done, total: told.append((done, total)))
    assert contents(out) == bytes_of_drawn
    assert {path: path.stat().st_mtime_ns for path in tables} == tables
    assert told == [(8 * count, 56) for count in (5, 6, 7)]


def test_a_killed_run_is_gone_on_with(tmp_path):
    words = ["--boards", "6", "--parts-per-board", "8", "--size", "24", "--lights", "1", "--workers", "2"]
    out = tmp_path / "set"
    command = [sys.executable, "-m", "goldenpair", "simulate", str(out), *words]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not list(out.glob("export/all/L1*.csv")) and time.monotonic() < until:
        assert first.poll() is None, first.stderr.read()
        time.sleep(0.01)
    first.kill()
    first.communicate()
    assert not (out / "train.csv").exists()
    wish = SimulateSpec(boards=6, parts_per_board=8, size=24, lights=1)
    assert contents(simulate(out, wish).out) == contents(simulate(tmp_path / "unbroken", wish).out)


def test_half_a_board_is_drawn_anew(bytes_of_drawn, tmp_path):
    """What a killed process may leave: half a file under its first name, pictures, but no table of the board."""
    out = tmp_path / "set"
    with pytest.raises(KeyboardInterrupt):
        simulate(out, SMALL, lambda done, total: (_ for _ in ()).throw(KeyboardInterrupt))
    name = next(name for name in bytes_of_drawn if "/AOI_T/" in name)
    picture = out / name
    picture.parent.mkdir(parents=True)
    picture.with_name(f".{picture.name}.tmp").write_bytes(b"half")
    simulate(out, SMALL)
    assert contents(out) == bytes_of_drawn


# what is refused


def test_a_complete_set_is_refused(drawn, bytes_of_drawn):
    with pytest.raises(DataError, match="holds a complete set; remove it or name another folder"):
        simulate(drawn.out, SMALL)
    assert contents(drawn.out) == bytes_of_drawn


@pytest.fixture
def begun(tmp_path) -> Path:
    """A set that was stopped after its goldens."""
    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path / "set", with_values(**TINY, segment=None),
                 lambda done, total: (_ for _ in ()).throw(KeyboardInterrupt))  # fmt: skip
    return tmp_path / "set"


def test_other_options_are_refused_in_a_set_that_was_begun(begun):
    before = contents(begun)
    wish = with_values(**{**TINY, "parts_per_board": 4}, segment=None, seed=9)
    with pytest.raises(DataError) as refused:
        simulate(begun, wish)
    assert "parts_per_board was 3 and is 4" in str(refused.value) and "seed was 3 and is 9" in str(refused.value)
    assert contents(begun) == before


def test_another_version_is_refused(begun):
    state = json.loads((begun / "simulation.json").read_text())
    assert state["goldenpair"] == __version__
    (begun / "simulation.json").write_text(json.dumps({**state, "goldenpair": "0.0.1"}))
    with pytest.raises(DataError, match="begun by goldenpair 0.0.1"):
        simulate(begun, with_values(**TINY, segment=None))


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"options": 3}', "no json"])
def test_a_spoilt_state_is_refused(begun, content):
    (begun / "simulation.json").write_text(content)
    with pytest.raises(DataError, match="not an empty folder"):
        simulate(begun, with_values(**TINY, segment=None))


def test_two_runs_do_not_draw_in_one_folder(tmp_path):
    wish = with_values(**TINY, segment=None)

    def second(done: int, total: int) -> None:
        with pytest.raises(DataError, match="another run works in it; wait for its end, or give another folder"):
            simulate(tmp_path / "set", wish)

    assert simulate(tmp_path / "set", wish, second).spec_path.exists()


def test_an_existing_folder_is_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "note.txt").write_text("keep", encoding="utf-8")
    with pytest.raises(DataError, match="not an empty folder; remove it or name another"):
        simulate(tmp_path / "mine", SMALL)
    with pytest.raises(DataError, match="not an empty folder"):
        simulate(tmp_path / "mine" / "note.txt", SMALL)
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "note.txt"]


def test_an_empty_folder_is_used(tmp_path):
    (tmp_path / "empty").mkdir()
    assert simulate(tmp_path / "empty", with_values(**TINY, segment=None)).train_csv.exists()


def test_lights_keep_their_order(tmp_path):
    wish = with_values(**{**TINY, "lights": ["WhiteLight", "LowAngleLight"]}, segment=None)
    drawn = simulate(tmp_path / "two", wish)
    assert dict(OmegaConf.load(drawn.spec_path).dataset.input_map) == {"WhiteLight": 0, "LowAngleLight": 1}
    assert set(LIGHTS) > {"WhiteLight", "LowAngleLight"}


def test_drawing_needs_no_torch():
    code = "import sys, goldenpair.simulation.line; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
