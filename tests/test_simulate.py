import csv
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image
from pydantic import ValidationError

from goldenpair.data.simulate import COLUMNS, DEFECTS, PASS, SPLITS, SimulatedSet, simulate
from goldenpair.errors import DataError
from goldenpair.specs.load import load_spec
from goldenpair.specs.optical_inspection import OpticalInspectionSpec
from goldenpair.specs.simulate import SimulateSpec
from goldenpair.tasks import create_task

LIGHTS = ["LowAngleLight", "SolderLight", "UniformLight", "WhiteLight"]
SMALL = SimulateSpec(boards=5, parts_per_board=8, size=32, defect_share=0.5, image_ext=".png", seed=3)


def with_values(**values):
    return SimulateSpec(**{**SMALL.model_dump(), **values})


def rows_of(drawn: SimulatedSet, split: str) -> list[dict[str, str]]:
    with (drawn.out / f"{split}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def all_rows(drawn: SimulatedSet) -> list[dict[str, str]]:
    return [row for split in SPLITS for row in rows_of(drawn, split)]


def pictures(drawn: SimulatedSet, row: dict[str, str], column: str = "input_path") -> np.ndarray:
    """[lights, size, size, 3]"""
    files = [drawn.images_dir / row[column] / f"{row['object_name']}_{light}.png" for light in LIGHTS]
    return np.stack([np.asarray(Image.open(file)) for file in files]).astype(np.int16)


def mask_file(drawn: SimulatedSet, row: dict[str, str]) -> Path:
    return drawn.masks_dir / row["input_path"] / f"{row['object_name']}.png"


def contents(drawn: SimulatedSet) -> dict[str, bytes]:
    out = drawn.out.as_posix().encode()
    files = (path for path in drawn.out.rglob("*") if path.is_file())
    return {path.relative_to(drawn.out).as_posix(): path.read_bytes().replace(out, b"OUT") for path in files}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> SimulatedSet:
    return simulate(tmp_path_factory.mktemp("sets") / "drawn", SMALL)


def test_same_seed_same_bytes(drawn, tmp_path):
    assert contents(simulate(tmp_path / "again", SMALL)) == contents(drawn)


def test_another_seed_draws_another_set(drawn, tmp_path):
    ours, others = contents(drawn), contents(simulate(tmp_path / "other", with_values(seed=4)))
    samples = [name for name in ours if name.startswith("images/board_") and name in others]
    assert samples and all(ours[name] != others[name] for name in samples)
    assert ours["train.csv"] != others["train.csv"]


def test_tables_name_every_part_and_its_files_exist(drawn):
    rows = all_rows(drawn)
    assert list(rows[0]) == list(COLUMNS)
    assert len(rows) == SMALL.boards * SMALL.parts_per_board
    assert len({(row["board"], row["object_name"]) for row in rows}) == len(rows)
    assert {row["component_type"] for row in rows} == {"RESISTOR", "CAPACITOR", "IC"}
    for row in rows:
        for column in ("input_path", "golden_path"):
            shape = (len(LIGHTS), SMALL.size, SMALL.size, 3)
            assert pictures(drawn, row, column).shape == shape
    files = {path.relative_to(drawn.images_dir).parts[0] for path in drawn.images_dir.rglob("*.png")}
    assert files == {"golden", *(row["input_path"] for row in rows)}
    expected = (len(rows) + SMALL.parts_per_board) * len(LIGHTS)
    assert sum(1 for path in drawn.images_dir.rglob("*") if path.is_file()) == expected


def test_no_board_is_in_two_splits(drawn):
    boards = {split: {row["board"] for row in rows_of(drawn, split)} for split in SPLITS}
    assert {split: len(found) for split, found in boards.items()} == {"train": 3, "validation": 1, "test": 1}
    assert len(set.union(*boards.values())) == SMALL.boards


def test_share_of_defects_and_counts(drawn):
    for split in SPLITS:
        labels = Counter(row["label"] for row in rows_of(drawn, split))
        assert set(labels) <= {PASS, *DEFECTS}
        assert labels[PASS] == labels.total() / 2
        assert drawn.counts[split] == labels
    assert {row["label"] for row in all_rows(drawn)} == {PASS, *DEFECTS}
    standing = {row["component_type"] for row in all_rows(drawn) if row["label"] == "TOMBSTONE"}
    assert standing and "IC" not in standing


def test_masks_belong_to_defects_only(drawn):
    for row in all_rows(drawn):
        file = mask_file(drawn, row)
        assert file.exists() == (row["label"] != PASS)
        if file.exists():
            mask = np.asarray(Image.open(file))
            assert mask.shape == (SMALL.size, SMALL.size) and mask.dtype == np.uint8
            assert set(np.unique(mask)) == {0, 255}, row


def test_a_defect_changes_the_part_within_its_mask_and_nothing_else(tmp_path):
    """The same seed without defects draws the same parts good: lots, placement, exposure and noise are equal."""
    values = {"boards": 8, "size": 64, "lights": LIGHTS}
    spoilt = simulate(tmp_path / "spoilt", with_values(**values, defect_share=0.6))
    good = simulate(tmp_path / "good", with_values(**values, defect_share=0))
    seen = set()
    for row in all_rows(spoilt):
        change = np.abs(pictures(spoilt, row) - pictures(good, row)).max(axis=(0, 3))
        if row["label"] == PASS:
            assert not change.any()
            continue
        mask = np.asarray(Image.open(mask_file(spoilt, row))) > 0
        seen.add((row["label"], row["component_type"]))
        assert change[mask].mean() > 25, row
        assert change[mask].mean() > 5 * change[~mask].mean(), row
        assert (change[mask] > 40).sum() >= 6, row
    assert {label for label, _ in seen} == set(DEFECTS)
    assert ("BRIDGE", "IC") in seen


def test_good_parts_vary_and_goldens_are_shared(drawn):
    good = [row for row in all_rows(drawn) if row["label"] == PASS]
    assert {row["golden_path"] for row in good} == {"golden"}
    name = Counter(row["object_name"] for row in good).most_common(1)[0][0]
    same_part = [pictures(drawn, row) for row in good if row["object_name"] == name]
    assert len(same_part) >= 2
    assert np.abs(same_part[0] - same_part[1]).mean() > 3


def test_lights_show_different_things(drawn):
    chips = [row for row in all_rows(drawn) if row["component_type"] == "RESISTOR" and row["label"] == PASS]
    low, solder, uniform, white = pictures(drawn, chips[0], "golden_path")
    for one, other in ((low, solder), (low, uniform), (solder, uniform), (uniform, white)):
        assert np.abs(one - other).mean() > 8
    blue = [int((picture[..., 2] - picture[..., :2].max(axis=2)).max()) for picture in (low, solder, uniform, white)]
    assert blue[1] > 60 > 30 > max(blue[0], blue[2], blue[3])  # steep solder is blue under the coloured rings only
    assert low.mean() < uniform.mean()


def test_spec_is_ready_for_optical_inspection(drawn):
    values = OmegaConf.to_container(OmegaConf.load(drawn.spec_path), resolve=True)
    spec = OpticalInspectionSpec.model_validate(values)
    for use, split in (("train", "train"), ("validation", "validation"), ("test", "test"), ("infer", "test")):
        files = getattr(spec.dataset, f"{use}_dataset")
        assert Path(files.csv_path) == drawn.out / f"{split}.csv"
        assert Path(files.images_dir) == drawn.images_dir
    assert list(spec.dataset.input_map) == LIGHTS
    assert (spec.dataset.num_input, spec.dataset.image_width, spec.dataset.image_ext) == (4, 32, ".png")
    assert spec.dataset.augmentation_config.relative_jitter.enable
    assert Path(spec.evaluate.checkpoint) == drawn.out / "results/train/oi_model_latest.pth"


def test_one_light_as_jpeg(tmp_path):
    drawn = simulate(tmp_path / "one", with_values(lights=["WhiteLight"], image_ext=".jpg", boards=3))
    names = {path.name for path in drawn.images_dir.rglob("*") if path.is_file()}
    assert names == {f"{row['object_name']}_WhiteLight.jpg" for row in all_rows(drawn)}
    with Image.open(drawn.images_dir / "golden" / "R1_WhiteLight.jpg") as picture:
        assert (picture.format, picture.size, picture.mode) == ("JPEG", (32, 32), "RGB")
    dataset = OmegaConf.load(drawn.spec_path).dataset
    assert (dataset.num_input, dict(dataset.input_map)) == (1, {"WhiteLight": 0})


def test_lights_keep_their_order(tmp_path):
    drawn = simulate(tmp_path / "two", with_values(lights=["WhiteLight", "LowAngleLight"], boards=3))
    assert dict(OmegaConf.load(drawn.spec_path).dataset.input_map) == {"WhiteLight": 0, "LowAngleLight": 1}


def test_progress_counts_every_part(tmp_path):
    told = []
    simulate(tmp_path / "set", with_values(boards=3, size=24), lambda done, total: told.append((done, total)))
    assert told == [(count, 32) for count in range(1, 33)]


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
    assert simulate(tmp_path / "empty", with_values(boards=3, size=24)).train_csv.exists()


def test_a_set_that_fails_leaves_nothing(tmp_path):
    def stop(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path / "set", SMALL, stop)
    assert not list(tmp_path.iterdir())


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


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("boards", 2, "greater than or equal to 3"),
        ("size", 23, "greater than or equal to 24"),
        ("defect_share", 0.95, "less than or equal to 0.9"),
        ("defect_share", -0.1, "greater than or equal to 0"),
        ("seed", -1, "greater than or equal to 0"),
        ("lights", [], "name at least one"),
        ("lights", ["WhiteLight", "WhiteLight"], "WhiteLight named more than once"),
        ("lights", ["Moonlight"], "LowAngleLight"),
        ("image_ext", ".bmp", "'.jpg' or '.png'"),
        ("light", ["WhiteLight"], "not permitted"),
    ],
)
def test_wrong_options_are_refused(option, value, message):
    with pytest.raises(ValidationError, match=message):
        SimulateSpec(**{option: value})


def test_drawing_needs_no_torch():
    code = "import sys, goldenpair.data.simulate; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
