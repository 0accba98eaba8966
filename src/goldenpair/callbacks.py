"""What happens beside training: checkpoints under TAO's names, stopping early, details for TensorBoard."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, Checkpoint, EarlyStopping, ModelCheckpoint, RichProgressBar
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.plugins.io import TorchCheckpointIO

from goldenpair import checkpoint as checkpoints
from goldenpair.data.augment import join
from goldenpair.data.pairs import PairBatch
from goldenpair.errors import DataError
from goldenpair.run import Run
from goldenpair.specs.common import Checkpointer
from goldenpair.stopping import PutOff
from goldenpair.tasks import Task

log = logging.getLogger(__name__)


class PeriodicCheckpoint(Checkpoint):
    """Saves every n epochs or steps, at the end and when asked to stop, under TAO's names.

    The latest link follows the newest file. With `keep`, older files of this training are removed.
    """

    def __init__(self, run: Run, stop: PutOff):
        train = run.spec.train
        self._run, self._folder, self._latest = run, run.folder, run.folder / run.spec.latest_checkpoint
        self._every, self._unit = train.checkpoint_interval, train.checkpoint_interval_unit
        self._keep = train.keep_checkpoints
        self._stop = stop
        self._written: list[str] = []  # by this training, over its resumptions

    def state_dict(self) -> dict[str, Any]:
        return {"written": self._written}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._written = list(state_dict["written"])

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        # the last step of an epoch is saved when the epoch has ended: going on from it skips no validation
        if not trainer.is_last_batch and (self._on_step(trainer) or self._stop.asked):
            self._save(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self._on_epoch(trainer) or self._on_step(trainer) or self._stop.asked:
            self._save(trainer)

    def _on_epoch(self, trainer: pl.Trainer) -> bool:
        last = trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs
        return last or (self._unit == "epoch" and (trainer.current_epoch + 1) % self._every == 0)

    def _on_step(self, trainer: pl.Trainer) -> bool:
        return self._unit == "step" and trainer.global_step % self._every == 0

    def _save(self, trainer: pl.Trainer) -> None:
        path = self._folder / f"model_epoch_{trainer.current_epoch:03d}_step_{trainer.global_step:05d}.pth"
        self._written = [*(name for name in self._written if name != path.name), path.name]
        trainer.save_checkpoint(path, weights_only=False)
        if trainer.is_global_zero:
            checkpoints.point_at(self._latest, path)
            self._run.share()
            self._prune(trainer)

    def _prune(self, trainer: pl.Trainer) -> None:
        if self._keep is None:
            return
        callbacks = trainer.checkpoint_callbacks
        best = {Path(path).name for one in callbacks if isinstance(one, BestCheckpoint) for path in one.best_k_models}
        for name in self._written[: -self._keep]:
            if name not in best:
                self._run.discard(self._folder / name)
        self._written = self._written[-self._keep :]


class StopCheckpoint(PeriodicCheckpoint):
    """Saves only when asked to stop, where the best checkpoints replace the periodic ones.

    The latest link stands for such a file until the run that goes on from it has a new best checkpoint or has ended;
    then the file is removed.
    """

    def __init__(self, run: Run, stop: PutOff, best: "BestCheckpoint"):
        super().__init__(run, stop)
        self._best, self._keep = best, 1

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self._best.saved_at == trainer.global_step:  # which is what the link stands for now
            self._remove(trainer)
        super().on_train_epoch_end(trainer, module)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        best = Path(self._best.best_model_path)
        if self._written and best.is_file():
            if trainer.is_global_zero:
                checkpoints.point_at(self._latest, best)
            self._remove(trainer)

    def _on_epoch(self, trainer: pl.Trainer) -> bool:
        return False

    def _on_step(self, trainer: pl.Trainer) -> bool:
        return False

    def _remove(self, trainer: pl.Trainer) -> None:
        if trainer.is_global_zero:
            for name in self._written:
                self._run.discard(self._folder / name)
        self._written = []


class BestCheckpoint(ModelCheckpoint):
    """Keeps the best checkpoints by a metric; with `latest` the best one is also the latest."""

    FILE_EXTENSION = ".pth"

    def __init__(self, wish: Checkpointer, run: Run, latest: Path | None):
        super().__init__(
            dirpath=wish.dirpath or run.folder,
            filename=wish.filename,
            monitor=wish.monitor or "val_loss",
            mode=wish.mode or better(wish.monitor),
            save_top_k=wish.save_top_k,
            auto_insert_metric_name=wish.auto_insert_metric_name,
            # at the end of the epoch, where going on is exact, rather than at the end of its validation
            save_on_train_epoch_end=True,
            # a resumed run writes the file of an epoch again, not another beside it
            enable_version_counter="{epoch" not in wish.filename,
        )
        self._run, self._latest = run, latest
        self.saved_at: int | None = None
        """The step that the newest file was saved after, None before this run has saved one."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        # Lightning goes on with as many as it finds, even where save_top_k asks for fewer now
        ranked = sorted(
            self.best_k_models, key=lambda path: float(self.best_k_models[path]), reverse=self.mode == "max"
        )
        for path in ranked[self.save_top_k :]:
            del self.best_k_models[path]
            self._run.discard(Path(path))
        if len(ranked) >= self.save_top_k:
            self.kth_best_model_path = ranked[self.save_top_k - 1]
            self.kth_value = self.best_k_models[self.kth_best_model_path]

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if _is_news(trainer, str(self.monitor)):
            super().on_train_epoch_end(trainer, module)

    def _save_checkpoint(self, trainer: pl.Trainer, filepath: str) -> None:
        super()._save_checkpoint(trainer, filepath)
        self.saved_at = trainer.global_step
        # now, because what the link stands for may be removed next
        if self._latest and trainer.is_global_zero:
            checkpoints.point_at(self._latest, Path(self.best_model_path))
            self._run.share()

    def _remove_checkpoint(self, trainer: pl.Trainer, filepath: str) -> None:
        super()._remove_checkpoint(trainer, filepath)
        if trainer.is_global_zero:
            self._run.discard(Path(filepath))


class StopWhenAsked(Checkpoint):
    """Ends training after a signal, where all is saved. A Checkpoint because Lightning calls those last, in order."""

    def __init__(self, stop: PutOff):
        self._stop = stop

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._stop.take_over()  # from Lightning, which would stop in the middle of a validation

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if not trainer.is_last_batch:
            self._stop.interrupt_if_asked()

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._stop.interrupt_if_asked()


class EarlyStop(EarlyStopping):
    """Ends training when a metric has not become better for a while, and says so; a resumed run goes on counting."""

    def __init__(self, run: Run):
        self._run, self._wish = run, run.spec.train.early_stopping
        super().__init__(
            monitor=self._wish.monitor or "val_loss",
            mode=self._wish.mode or better(self._wish.monitor),
            min_delta=self._wish.min_delta,
            patience=self._wish.patience,
            check_on_train_epoch_end=True,
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict | {"patience": self.patience})  # the spec's, which may have been raised

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self.wait_count >= self.patience:
            self._end(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if _is_news(trainer, self.monitor):
            self._run_early_stopping_check(trainer)
            if trainer.should_stop:
                self._end(trainer)

    def _end(self, trainer: pl.Trainer) -> None:
        trainer.should_stop = True
        checks = "check" if self.wait_count == 1 else f"{self.wait_count} checks"
        sentence = (
            f"Early stopping: {self.monitor} has not improved in the last {checks}; "
            f"its best value is {self.best_score.item():.4g}."
        )
        log.info(sentence)
        self._run.status(sentence)


def better(monitor: str | None) -> str:
    """Which direction of a metric is better, unless the spec says so: 'max' or 'min'."""
    return "min" if (monitor or "val_loss").endswith(("_loss", "_fpr", "_far")) else "max"


def _is_news(trainer: pl.Trainer, monitor: str) -> bool:
    """Whether this epoch has measured the metric; else its value is still that of an earlier one."""
    every = trainer.check_val_every_n_epoch or 1
    due = monitor.startswith("train_") or (trainer.current_epoch + 1) % every == 0
    if due and monitor not in trainer.callback_metrics:
        raise DataError(
            f"{monitor} is monitored and has no value in epoch {trainer.current_epoch + 1}: it needs defects and PASS "
            "rows of validation_dataset whose pictures can be read"
        )
    return due


class EpochBar(RichProgressBar):
    """A bar for each epoch, on a terminal; the log says the rest."""

    def get_metrics(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        shown = super().get_metrics(trainer, pl_module)
        return {name: value for name, value in shown.items() if name == "train_loss_step"}


class WholeFiles(TorchCheckpointIO):
    """Checkpoints that appear whole or not at all, and run no code when they are read."""

    def save_checkpoint(self, checkpoint: Mapping[str, Any], path: Any, storage_options: Any | None = None) -> None:
        checkpoints.save(checkpoint, Path(path))

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        content: dict[str, Any] = torch.load(path, map_location=map_location or "cpu", weights_only=True)
        return content


class TensorboardDetails(Callback):
    """Histograms of the weights and pictures of the first pairs, every so many epochs."""

    def __init__(self, task: Task, every: int):
        self._task, self._every = task, every

    def _due(self, trainer: pl.Trainer) -> bool:
        return trainer.current_epoch % self._every == 0 and isinstance(trainer.logger, TensorBoardLogger)

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: PairBatch, batch_idx: int
    ) -> None:
        if batch_idx == 0 and self._due(trainer):
            assert isinstance(trainer.logger, TensorBoardLogger)
            for name, pictures in (("compare_sample", batch.sample), ("golden_sample", batch.golden)):
                joined = join(pictures[:8], self._task.layout).flatten(0, -4)  # several goldens one after the other
                trainer.logger.experiment.add_images(f"image/{name}", joined, trainer.current_epoch)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self._due(trainer):
            assert isinstance(trainer.logger, TensorBoardLogger)
            for name, parameter in module.named_parameters():
                trainer.logger.experiment.add_histogram(f"histogram/{name}", parameter, trainer.current_epoch)
