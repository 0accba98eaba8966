"""Training end to end on small drawn boards: files, names, resume, determinism, and that it learns."""

import csv
import json
import math
import re
import warnings
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch

from goldenpair import CheckpointError, DataError, InputError, RunError, load_spec, train
from goldenpair.errors import SpecError
from goldenpair.resume import checkpoint_to_resume
from goldenpair.specs.common import Cudnn
from goldenpair.training import PairModule, _say_unrepeatable


@pytest.fixture
def spec_of(boards, tmp_path):
    """A function that loads the boards' spec with a results folder of this test and overrides."""

    def load(*overrides, results="results"):
        fixed = ["train.num_epochs=2", "dataset.batch_size=8", f"results_dir={tmp_path / results}"]
        return load_spec("optical_inspection", boards.spec_path, [*fixed, *overrides], "train")

    return load


def weights(path):
    return torch.load(path, weights_only=True)["state_dict"]


def records(folder: Path):
    return [json.loads(line) for line in (folder / "status.json").read_text().splitlines()]


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_writes_what_tao_writes(spec_of, boards):
    result = train(spec_of())
    names = sorted(path.name for path in result.folder.glob("*.pth"))
    steps = (len(boards.train_csv.read_text().splitlines()) - 1) // 8  # of whole batches in an epoch
    assert names == [
        f"model_epoch_000_step_{steps:05d}.pth",
        f"model_epoch_001_step_{2 * steps:05d}.pth",
        "oi_model_latest.pth",
    ]
    assert result.checkpoint.resolve().name == names[1]
    assert list((result.folder / "lightning_logs" / "version_1").glob("events.out.tfevents.*"))
    assert (result.folder / "experiment.yaml").exists() and (result.folder / "log.txt").exists()


def test_status_lines_stand_in_taos_order(spec_of):
    folder = train(spec_of()).folder
    epoch = ["Eval metrics generated.", "Training loop in progress", "Train metrics generated."]
    found = records(folder)
    assert [record["message"] for record in found] == [
        "Starting Optical Inspection train.",
        "Starting Training Loop.",
        *epoch,
        *epoch,
        "Training loop complete.",
        "Train finished successfully.",
        "Execution status: PASS",
    ]
    assert found[0]["status"] == found[1]["status"] == "STARTED" and found[-1]["status"] == "SUCCESS"
    progress = found[3]
    assert (progress["epoch"], progress["max_epoch"]) == (0, 1)
    assert progress["max_step"] == 2 * progress["step"]
    assert set(found[4]["kpi"]) == {"train_loss", "train_acc", "train_fpr"}
    assert {"val_loss", "val_acc", "val_fpr"} <= set(found[2]["kpi"])
    for key in ("time_per_epoch", "time_per_step", "eta"):
        hours, minutes, seconds = progress[key].split(":")
        assert timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds)) >= timedelta(0)


def test_same_seed_same_weights_other_seed_other_weights(spec_of):
    first, again, other = (
        weights(train(spec_of(f"train.seed={seed}", results=name)).checkpoint)
        for name, seed in (("a", 7), ("b", 7), ("c", 8))
    )
    assert same(first, again)
    assert not same(first, other)


def test_going_on_from_the_newest_checkpoint_ends_where_an_unbroken_run_does(spec_of):
    unbroken = weights(train(spec_of("train.num_epochs=3", results="unbroken")).checkpoint)
    train(spec_of("train.num_epochs=2"))
    resumed = train(spec_of("train.num_epochs=3"))
    assert "Resuming training from checkpoint" in (resumed.folder / "status.json").read_text()
    assert same(unbroken, weights(resumed.checkpoint))


@pytest.mark.parametrize("step", [2, 5])
def test_going_on_within_an_epoch_ends_where_an_unbroken_run_does(spec_of, step):
    every_step = ["train.checkpoint_interval=1", "train.checkpoint_interval_unit=step", "dataset.batch_size=8"]
    unbroken = train(spec_of("train.num_epochs=2", *every_step, results="unbroken"))
    start = next(unbroken.folder.glob(f"model_epoch_*_step_{step:05d}.pth"))
    resumed = train(spec_of("train.num_epochs=2", f"train.resume_training_checkpoint_path={start}"))
    assert same(weights(unbroken.checkpoint), weights(resumed.checkpoint))
    spent = [record["time_per_epoch"] for record in records(resumed.folder) if "time_per_epoch" in record]
    assert all(text.startswith("0:00:") for text in spent)


def test_a_finished_run_is_not_trained_again_and_says_so(spec_of, caplog):
    first = weights(train(spec_of()).checkpoint)
    with caplog.at_level("WARNING", logger="goldenpair"):
        again = train(spec_of())
    assert same(first, weights(again.checkpoint))
    assert "Nothing was trained" in caplog.text


def test_resume_path_beats_the_newest(spec_of, tmp_path):
    folder = train(spec_of()).folder
    first = next(folder.glob("model_epoch_000_*.pth"))
    assert checkpoint_to_resume(spec_of(f"train.resume_training_checkpoint_path={first}"), folder).path == first
    assert checkpoint_to_resume(spec_of(), folder).path == (folder / "oi_model_latest.pth").resolve()
    assert checkpoint_to_resume(spec_of(), tmp_path) is None
    for wrong in ("nothing.pth", "spec.yaml"):
        with pytest.raises(InputError, match="resume_training_checkpoint_path"):
            checkpoint_to_resume(spec_of(f"train.resume_training_checkpoint_path={wrong}"), folder)


def test_a_checkpoint_of_another_network_is_named_not_loaded(spec_of):
    train(spec_of())
    with pytest.raises(CheckpointError, match=r"fc1\.4\.weight: \[5, "):
        train(spec_of("train.num_epochs=3", "model.embedding_vectors=7"))


@pytest.mark.parametrize(
    ("override", "fact"),
    [
        ("dataset.image_width=20", "dataset.image_width: trained with"),
        ("dataset.input_map={WhiteLight: 0, SolderLight: 1}", "dataset.input_map"),
        ("dataset.augmentation_config.rgb_input_std=[1, 1, 1]", "rgb_input_std"),
    ],
)
def test_going_on_with_other_pictures_is_refused(spec_of, override, fact):
    folder = train(spec_of()).folder
    before = (folder / "experiment.yaml").read_bytes()
    with pytest.raises(CheckpointError, match=fact):
        train(spec_of("train.num_epochs=3", override))
    assert (folder / "experiment.yaml").read_bytes() == before


def test_ctrl_c_is_a_failure_that_is_told_and_training_goes_on_from_the_last_checkpoint(spec_of, monkeypatch, tmp_path):
    unbroken = weights(train(spec_of("train.num_epochs=3", results="unbroken")).checkpoint)
    original = PairModule.training_step

    def interrupted(self, batch, index):
        if self.current_epoch == 1:
            raise KeyboardInterrupt
        return original(self, batch, index)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(PairModule, "training_step", interrupted)
        train(spec_of("train.num_epochs=3"))
    last = records(tmp_path / "results" / "train")[-1]
    assert (last["status"], last["message"]) == ("FAILURE", "User/System interruption: stopped by the user")
    assert same(unbroken, weights(train(spec_of("train.num_epochs=3")).checkpoint))


def test_pretrained_weights_are_where_training_starts(spec_of):
    start = train(spec_of(results="start")).checkpoint
    moved = spec_of(f"train.pretrained_model_path={start}", "train.optim.lr=0", results="moved")
    after, before = weights(train(moved).checkpoint), weights(start)
    assert torch.equal(after["model.fc1.0.weight"], before["model.fc1.0.weight"])


def test_steps_as_unit_of_the_checkpoint_interval(spec_of):
    folder = train(spec_of("train.checkpoint_interval=2", "train.checkpoint_interval_unit=step")).folder
    steps = sorted(int(path.stem.split("_")[-1]) for path in folder.glob("model_epoch_*.pth"))
    last = steps[-1]
    assert steps == sorted({*range(2, last + 1, 2), last})


@pytest.mark.parametrize("replace", [False, True])
def test_best_checkpoints_by_any_metric(spec_of, replace):
    wish = [
        "train.num_epochs=3",
        "train.checkpointer.enable_topk=true",
        f"train.checkpointer.replace_periodic={str(replace).lower()}",
        "train.checkpointer.monitor=val_auroc",
        "train.checkpointer.mode=max",
    ]
    folder = train(spec_of(*wish)).folder
    best = list(folder.glob("model_best_*.pth"))
    values = [record["kpi"]["val_auroc"] for record in records(folder) if record["message"].startswith("Eval")]
    assert [path.name for path in best] == [f"model_best_{int(np.argmax(values)):03d}.pth"]
    assert bool(list(folder.glob("model_epoch_*.pth"))) is not replace
    assert ((folder / "oi_model_latest.pth").resolve() == best[0].resolve()) is replace


def test_a_metric_that_is_not_logged_is_refused_with_those_that_are(spec_of):
    with pytest.raises(InputError, match="val_f1.*val_auroc"):
        train(spec_of("train.checkpointer.enable_topk=true", "train.checkpointer.monitor=val_f1"))


def test_sgd_and_clipping_and_tensorboard_details(spec_of):
    wish = ["train.optim.type=SGD", "train.optim.lr=0.001", "train.clip_grad_norm=1", "train.tensorboard.enabled=true"]
    result = train(spec_of(*wish))
    assert math.isfinite(result.metrics["train_loss"])
    event = next((result.folder / "lightning_logs" / "version_1").glob("events*"))
    content = event.read_bytes()
    assert b"train_loss_step" in content and b"train_loss_epoch" in content
    assert b"image/golden_sample" in content and b"histogram/model.cnn1.1.weight" in content


def test_nan_loss_fails_the_run_and_says_what_to_do(spec_of, tmp_path):
    with pytest.raises(RunError, match=r"loss is .*train\.optim\.lr"):
        train(spec_of("train.optim.type=SGD", "train.optim.lr=1e30"))
    last = records(tmp_path / "results" / "train")[-1]
    assert last["status"] == "FAILURE" and "the loss is" in last["message"]


def test_augmentation_changes_training_but_not_its_repetition(spec_of):
    on = ["dataset.augmentation_config.augment=true", "dataset.augmentation_config.with_random_blur=true"]
    plain = ["dataset.augmentation_config.augment=false"]
    first, again, without = (
        weights(train(spec_of(*wish, results=name)).checkpoint) for name, wish in (("a", on), ("b", on), ("c", plain))
    )
    assert same(first, again) and not same(first, without)


@pytest.mark.parametrize("kind", ["PASS", "MISSING"])
def test_one_kind_of_pair_only_trains_with_a_warning(spec_of, boards, tmp_path, caplog, kind):
    lines = boards.train_csv.read_text().splitlines()
    at = lines[0].split(",").index("label")
    rows = [line.split(",") for line in lines[1:]]
    table = tmp_path / "one.csv"
    table.write_text("\n".join([lines[0], *(",".join([*row[:at], kind, *row[at + 1 :]]) for row in rows)]) + "\n")
    with caplog.at_level("WARNING", logger="goldenpair"):
        result = train(spec_of(f"dataset.train_dataset.csv_path={table}"))
    assert math.isfinite(result.metrics["train_loss"])
    assert ("no defects" if kind == "PASS" else "only defects") in caplog.text


def test_fewer_rows_than_a_batch_still_train(spec_of):
    result = train(spec_of("dataset.batch_size=4096"))
    assert records(result.folder)[3]["step"] == 1


@pytest.fixture
def break_rows(boards_copy):
    """A function that breaks one picture of the rows of a split that `which` chooses; gives the overrides."""

    def harm(split: str, which) -> list[str]:
        table = boards_copy.train_csv if split == "train" else boards_copy.validation_csv
        with table.open(newline="") as file:
            rows = list(csv.DictReader(file))
        for i, row in enumerate(rows):
            if which(i, row):
                broken = next((boards_copy.images_dir / row["input_path"]).glob(f"{row['object_name']}_*"))
                broken.write_bytes(broken.read_bytes()[:100])
        return [f"dataset.{name}_dataset.images_dir={boards_copy.images_dir}" for name in ("train", "validation")]

    return harm


def validations(folder: Path) -> int:
    return [record["message"] for record in records(folder)].count("Eval metrics generated.")


@pytest.mark.parametrize("cache", ["true", "false"])
def test_a_broken_picture_is_left_out_and_no_validation_is_skipped(spec_of, break_rows, caplog, cache):
    wish = break_rows("train", lambda i, row: i < 3)
    few = ["dataset.batch_size=2", "train.early_stopping.enable=true", "train.num_epochs=3"]
    with caplog.at_level("INFO", logger="goldenpair"):
        result = train(spec_of(*wish, *few, f"dataset.cache.enable={cache}"))
    # without a cache only those are met that are drawn
    assert ("3 could not be used" if cache == "true" else "could not be used (left out of training)") in caplog.text
    assert ("3 of the" in caplog.text and "their pictures cannot be read" in caplog.text) is (cache == "true")
    assert validations(result.folder) == 3
    assert math.isfinite(result.metrics["train_loss"])


@pytest.mark.parametrize("cache", ["true", "false"])
def test_a_validation_batch_without_readable_pictures_is_no_end(spec_of, break_rows, cache):
    wish = break_rows("validation", lambda i, row: i < 2)
    few = ["dataset.batch_size=2", f"dataset.cache.enable={cache}"]
    assert validations(train(spec_of(*wish, *few)).folder) == 2


def test_what_is_said_of_the_training_table_is_true_of_its_readable_rows(spec_of, break_rows, boards, caplog):
    wish = break_rows("train", lambda i, row: row["label"] != "PASS")
    with boards.train_csv.open(newline="") as file:
        labels = [row["label"] for row in csv.DictReader(file)]
    good = labels.count("PASS")
    with caplog.at_level("INFO", logger="goldenpair"):
        result = train(spec_of(*wish, "dataset.batch_size=4", "train.num_epochs=1"))
    assert f"Training on {good} pairs, 0 of them defects." in caplog.text
    bad = len(labels) - good
    assert f"{bad} of the {len(labels)} training pairs ({bad} defects) are left out" in caplog.text
    assert "has no defects that can be read" in caplog.text and "Sampling" not in caplog.text
    progress = next(record for record in records(result.folder) if record["message"] == "Training loop in progress")
    assert progress["step"] == good // 4


@pytest.mark.parametrize(("cache", "split"), [("true", "train"), ("true", "validation"), ("false", "validation")])
def test_a_split_without_readable_rows_is_named(spec_of, break_rows, cache, split):
    wish = break_rows(split, lambda i, row: i > 0 or split == "validation")
    said = {"train": "train_dataset: 1 of its", "validation": "validation_dataset: none of its"}[split]
    with pytest.raises(DataError, match=said):
        train(spec_of(*wish, f"dataset.cache.enable={cache}"))


@pytest.mark.parametrize("cache", ["true", "false"])
def test_a_monitored_metric_that_broken_pictures_make_undefined_is_named(spec_of, break_rows, cache):
    wish = break_rows("validation", lambda i, row: row["label"] != "PASS")
    early = ["train.early_stopping.enable=true", "train.early_stopping.monitor=val_auroc"]
    with pytest.raises(InputError, match=r"val_auroc .*needs defects and PASS rows"):
        train(spec_of(*wish, *early, f"dataset.cache.enable={cache}"))


# options that change when training goes on


@pytest.mark.parametrize(("then", "now"), [("Adam", "SGD"), ("SGD", "Adam")])
def test_going_on_with_another_optimiser_is_refused_before_anything_is_written(spec_of, then, now):
    slow = "train.optim.lr=0.0001"
    folder = train(spec_of(f"train.optim.type={then}", slow, "train.num_epochs=1")).folder
    before = (folder / "experiment.yaml").read_bytes()
    with pytest.raises(InputError, match=f"trained with {then}.*asks for {now}.*pretrained_model_path="):
        train(spec_of(f"train.optim.type={now}", slow))
    assert (folder / "experiment.yaml").read_bytes() == before


def test_a_changed_learning_rate_counts_from_the_resumption_on(spec_of, caplog):
    first = weights(train(spec_of("train.num_epochs=1")).checkpoint)
    with caplog.at_level("INFO", logger="goldenpair"):
        result = train(spec_of("train.optim.lr=0"))
    after = weights(result.checkpoint)
    assert "train.optim.lr is 0 from here on; the checkpoint was trained with 0.0005" in caplog.text
    assert all(torch.equal(first[name], after[name]) for name in first if name.endswith("weight") and "fc1" in name)
    state = torch.load(result.checkpoint, weights_only=True)["optimizer_states"][0]
    assert state["param_groups"][0]["lr"] == 0


def test_changed_momentum_and_weight_decay_count_too(spec_of):
    sgd = ["train.optim.type=SGD", "train.optim.lr=0.0001"]
    train(spec_of(*sgd, "train.num_epochs=1"))
    result = train(spec_of(*sgd, "train.optim.momentum=0.5", "train.optim.weight_decay=0.25"))
    (group,) = torch.load(result.checkpoint, weights_only=True)["optimizer_states"][0]["param_groups"]
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.0001, 0.5, 0.25)


def test_pretrained_weights_do_not_count_where_training_goes_on_and_it_is_said(spec_of, caplog):
    start = train(spec_of("train.num_epochs=1")).checkpoint
    with caplog.at_level("INFO", logger="goldenpair"):
        train(spec_of(f"train.pretrained_model_path={start.with_name('nothing.pth')}"))
    assert "pretrained_model_path is not read" in caplog.text


@pytest.mark.parametrize("change", ["dataset.batch_size=4", "dataset.batch_size=16", "train.seed=99"])
def test_an_epoch_whose_batches_have_changed_starts_anew(spec_of, boards, caplog, change):
    wish = ["train.checkpoint_interval=2", "train.checkpoint_interval_unit=step"]
    folder = train(spec_of(*wish, "train.num_epochs=1", results="first")).folder
    within = folder / "model_epoch_000_step_00002.pth"
    with caplog.at_level("WARNING", logger="goldenpair"):
        result = train(spec_of(f"train.resume_training_checkpoint_path={within}", change))
    assert "lies within epoch 1" in caplog.text and "starts anew" in caplog.text
    rows = len(boards.train_csv.read_text().splitlines()) - 1
    steps = rows // result_batch_size(change)
    told = [record for record in records(result.folder) if record["message"] == "Training loop in progress"]
    assert [(one["epoch"], one["step"]) for one in told] == [(0, 2 + steps), (1, 2 + 2 * steps)]
    assert validations(result.folder) == 2


def result_batch_size(change: str) -> int:
    return int(change.split("=")[1]) if "batch_size" in change else 8


# what is said


@pytest.mark.parametrize("module", ["torch.autograd.graph", "pytorch_lightning.trainer.setup", "goldenpair.tasks"])
def test_warnings_of_libraries_do_not_reach_the_user_and_ours_do(spec_of, monkeypatch, module):
    original = PairModule.training_step

    def warning(self, batch, index):
        warnings.warn_explicit("backward has no deterministic implementation", UserWarning, "x.py", 1, module=module)
        return original(self, batch, index)

    monkeypatch.setattr(PairModule, "training_step", warning)
    expected = pytest.warns(UserWarning) if module.startswith("goldenpair") else nullcontext()
    with expected:
        train(spec_of("train.num_epochs=1"))


@pytest.mark.parametrize(("benchmark", "device", "said"), [(True, "cuda", 1), (False, "cuda", 0), (True, "cpu", 0)])
def test_benchmark_beside_deterministic_is_said_where_it_counts(caplog, benchmark, device, said):
    with caplog.at_level("WARNING", logger="goldenpair"):
        _say_unrepeatable(Cudnn(benchmark=benchmark), [torch.device(device, 0)])
    assert len(caplog.messages) == said


def test_it_learns(spec_of):
    """On its own training pairs the network separates defects after a few epochs: the loss can do its work."""
    wish = ["train.num_epochs=14", "train.checkpoint_interval=14", "dataset.fpratio_sampling=1.0"]
    plain = ["dataset.augmentation_config.augment=false", "train.optim.lr=0.001"]
    own = ["dataset.validation_dataset.csv_path=${dataset.train_dataset.csv_path}"]
    metrics = train(spec_of(*wish, *plain, *own)).metrics
    assert metrics["val_auroc"] > 0.9


def test_training_with_synthetic_defects_resumes_to_the_same_weights(spec_of, caplog):
    wish = ["dataset.synthetic_defects.enable=true", "dataset.synthetic_defects.share=0.5"]
    wish += ["dataset.synthetic_defects.kinds=[scratch,contamination]", "dataset.augmentation_config.augment=false"]
    large = ["dataset.image_height=24", "dataset.image_width=24"]  # as in those of the other tests none can be made
    every_step = ["train.checkpoint_interval=1", "train.checkpoint_interval_unit=step"]
    with caplog.at_level("INFO"):
        whole = train(spec_of(*wish, *large, *every_step))
    assert "50 % of the good parts drawn are made defective where they can have a defect: scratch" in caplog.text
    made = [int(count) for count in re.findall(r"Synthetic defects: (\d+) made", caplog.text)]
    assert len(made) == 2 and min(made) > 0
    start = next(whole.folder.glob("model_epoch_*_step_00002.pth"))  # within the first epoch
    go_on = f"train.resume_training_checkpoint_path={start}"
    assert same(weights(whole.checkpoint), weights(train(spec_of(*wish, *large, go_on, results="rest")).checkpoint))
    plain = train(spec_of(*wish[3:], *large, results="plain"))
    assert not same(weights(whole.checkpoint), weights(plain.checkpoint))


def test_synthetic_defects_of_pictures_too_small_for_them_are_refused(spec_of):
    with pytest.raises(SpecError, match="no defect can be made in pictures of 12 x 12 pixels; give an image_height"):
        train(spec_of("dataset.synthetic_defects.enable=true"))


def test_a_table_without_defects_can_be_trained_on_with_synthetic_ones(spec_of, boards, tmp_path, caplog):
    header, *rows = boards.train_csv.read_text().splitlines()
    table = tmp_path / "good.csv"
    table.write_text("\n".join([header, *(row for row in rows if ",PASS," in row)]) + "\n")
    only = [f"dataset.train_dataset.csv_path={table}", "train.num_epochs=1"]
    large = ["dataset.image_height=24", "dataset.image_width=24"]
    train(spec_of(*only, *large, "dataset.synthetic_defects.enable=true", "dataset.synthetic_defects.share=0.5"))
    assert "nothing teaches" not in caplog.text
    train(spec_of(*only, results="without"))
    assert "no defects: nothing teaches what a defect is" in caplog.text


def test_training_says_how_many_of_its_defects_are_synthetic(spec_of, boards, tmp_path, caplog):
    header, *rows = boards.train_csv.read_text().splitlines()
    place = next(i for i, row in enumerate(rows) if ",PASS," not in row)
    table = tmp_path / "marked.csv"
    table.write_text(
        "\n".join([header + ",synthetic", *(row + (",x" * (i == place) or ",") for i, row in enumerate(rows))])
    )
    with caplog.at_level("INFO"):
        train(spec_of(f"dataset.train_dataset.csv_path={table}", "train.num_epochs=1"))
    defects = sum(",PASS," not in row for row in rows)
    assert f"1 of the {defects} defects to train on are synthetic." in caplog.text
    with pytest.raises(DataError, match="synthetic defect; these are for training only"):
        train(spec_of(f"dataset.validation_dataset.csv_path={table}"))
