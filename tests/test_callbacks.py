"""Pruning and early stopping, in short trainings."""

import json
from pathlib import Path

import pytest
import torch

from goldenpair import SpecError, load_spec, train
from goldenpair.callbacks import better
from goldenpair.training import PairModule

EARLY = [f"train.early_stopping.{one}" for one in ("enable=true", "monitor=train_loss", "patience=2", "min_delta=1e9")]
SENTENCE = "Early stopping: train_loss has not improved in the last 2 checks; its best value is"


@pytest.fixture
def spec_of(boards, tmp_path):
    def load(*overrides, results="results"):
        fixed = ["train.num_epochs=6", "dataset.batch_size=8", f"results_dir={tmp_path / results}"]
        return load_spec("optical_inspection", boards.spec_path, [*fixed, *overrides], "train")

    return load


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "results" / "train"


def periodic(folder: Path) -> list[int]:
    """The epochs of the periodic checkpoints."""
    return sorted(int(path.name.split("_")[2]) for path in folder.glob("model_epoch_*.pth"))


def messages(folder: Path) -> list[str]:
    return [json.loads(line)["message"] for line in (folder / "status.json").read_text().splitlines()]


def same(one: Path, other: Path) -> bool:
    first, second = (torch.load(path, weights_only=True)["state_dict"] for path in (one, other))
    return all(torch.equal(first[name], second[name]) for name in first)


def stop_after(monkeypatch, epoch):
    original = PairModule.on_train_epoch_start

    def hooked(self):
        if self.current_epoch == epoch:
            raise KeyboardInterrupt
        original(self)

    monkeypatch.setattr(PairModule, "on_train_epoch_start", hooked)


# pruning


def test_only_the_newest_checkpoints_are_kept_and_nothing_foreign_is_removed(spec_of, folder):
    folder.mkdir(parents=True)
    foreign = [folder / "model_epoch_000_step_99999.pth", folder / "mine.pth"]
    for path in foreign:
        path.write_bytes(b"of someone else")
    best = ["train.checkpointer.enable_topk=true", "train.checkpointer.save_top_k=3"]
    train(spec_of("train.num_epochs=3", "train.keep_checkpoints=2", *best))
    assert all(path.read_bytes() == b"of someone else" for path in foreign)
    foreign[0].unlink()
    assert periodic(folder) == [1, 2]
    assert len(list(folder.glob("model_best_*.pth"))) == 3
    train(spec_of("train.num_epochs=4", "train.keep_checkpoints=1", *best))  # also what the first start has written
    assert periodic(folder) == [3]
    assert (folder / "oi_model_latest.pth").resolve().name.startswith("model_epoch_003")


def test_a_best_checkpoint_is_not_pruned_whatever_its_name(spec_of, folder):
    best = ["enable_topk=true", "monitor=train_loss", "mode=max", "filename='model_epoch_{epoch:03d}_step_{step:05d}'"]
    wish = [f"train.checkpointer.{one}" for one in best]
    train(spec_of("train.num_epochs=3", "train.keep_checkpoints=1", "train.optim.lr=0.001", *wish))
    losses = [
        json.loads(line)["kpi"]["train_loss"]
        for line in (folder / "status.json").read_text().splitlines()
        if "Train metrics" in line
    ]
    assert periodic(folder) == sorted({losses.index(max(losses)), 2})


@pytest.mark.parametrize("keep", [1, 2, 4])
def test_another_number_of_best_checkpoints_counts_from_the_resumption_on(spec_of, folder, keep):
    best = ["train.checkpointer.enable_topk=true", "train.checkpointer.monitor=train_loss"]
    train(spec_of("train.num_epochs=3", *best, "train.checkpointer.save_top_k=3"))
    train(spec_of("train.num_epochs=5", *best, f"train.checkpointer.save_top_k={keep}"))
    losses = [
        json.loads(line)["kpi"]["train_loss"]
        for line in (folder / "status.json").read_text().splitlines()
        if "Train metrics" in line
    ]
    wanted = set(sorted(range(5), key=losses.__getitem__)[:keep])
    assert {int(path.stem[-3:]) for path in folder.glob("model_best_*.pth")} == wanted


# early stopping


def test_it_stops_with_a_last_checkpoint_and_says_why(spec_of, folder, caplog):
    with caplog.at_level("INFO", logger="goldenpair"):
        train(spec_of("train.checkpoint_interval=6", *EARLY))
    assert periodic(folder) == [2]  # the first epoch is the best, two bring nothing
    assert (folder / "oi_model_latest.pth").resolve().name.startswith("model_epoch_002")
    assert SENTENCE in caplog.text
    assert sum(text.startswith(SENTENCE) for text in messages(folder)) == 1
    assert messages(folder)[-1] == "Execution status: PASS"


def test_started_again_it_trains_nothing_until_more_patience_is_given(spec_of, folder, caplog):
    first = train(spec_of(*EARLY)).checkpoint.resolve()
    before = first.read_bytes()
    with caplog.at_level("WARNING", logger="goldenpair"):
        train(spec_of(*EARLY))
    assert "Nothing was trained" in caplog.text and "early_stopping.patience" in caplog.text
    assert periodic(folder) == [0, 1, 2] and first.read_bytes() == before
    train(spec_of(*EARLY, "train.early_stopping.patience=3"))
    assert periodic(folder) == [0, 1, 2, 3]


def test_a_resumed_run_goes_on_counting(spec_of, folder, monkeypatch):
    unbroken = train(spec_of(*EARLY, results="unbroken"))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, epoch=2)
        train(spec_of(*EARLY))
    resumed = train(spec_of(*EARLY))
    assert periodic(folder) == periodic(unbroken.folder) == [0, 1, 2]
    assert same(resumed.checkpoint, unbroken.checkpoint)


def test_only_measurements_count_where_not_every_epoch_is_validated(spec_of, folder):
    wish = [*EARLY, "train.early_stopping.monitor=val_loss", "train.early_stopping.patience=1"]
    train(spec_of(*wish, "train.validation_interval=2"))
    assert periodic(folder) == [0, 1, 2, 3]


def test_without_early_stopping_its_count_in_a_checkpoint_is_no_hindrance(spec_of, folder):
    train(spec_of(*EARLY))
    train(spec_of("train.num_epochs=4"))
    assert periodic(folder) == [0, 1, 2, 3]


def test_every_metric_that_is_not_logged_is_named_at_once(spec_of):
    wrong = ["train.checkpointer.enable_topk=true", "train.checkpointer.monitor=val_f1"]
    with pytest.raises(SpecError) as caught:
        train(spec_of(*EARLY, "train.early_stopping.monitor=loss", *wrong))
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "train.checkpointer.monitor",
        "train.early_stopping.monitor",
    ]


@pytest.mark.parametrize(
    ("monitor", "mode"),
    [
        (None, "min"),
        ("val_loss", "min"),
        ("val_acc", "max"),
        ("val_auroc", "max"),
        ("val_far", "min"),
        ("val_miou", "max"),
    ],
)
def test_which_direction_is_better(monitor, mode):
    assert better(monitor) == mode
