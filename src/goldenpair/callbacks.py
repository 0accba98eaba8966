"""What happens beside training: checkpoints under TAO's names and details for TensorBoard."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, Checkpoint, ModelCheckpoint, RichProgressBar
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.plugins.io import TorchCheckpointIO

from goldenpair import checkpoint as checkpoints
from goldenpair.data.augment import join
from goldenpair.data.pairs import PairBatch
from goldenpair.specs.common import Checkpointer
from goldenpair.tasks import Task


class PeriodicCheckpoint(Checkpoint):
    """Saves every n epochs or steps, and at the end, under TAO's names; the latest link follows the newest."""

    def __init__(self, folder: Path, every: int, unit: str, latest: str):
        self._folder, self._every, self._unit, self._latest = folder, every, unit, folder / latest
        self._saved_at = -1

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._unit == "step" and trainer.global_step % self._every == 0:
            self._save(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        last = trainer.current_epoch + 1 == trainer.max_epochs
        if last or (self._unit == "epoch" and (trainer.current_epoch + 1) % self._every == 0):
            self._save(trainer)

    def _save(self, trainer: pl.Trainer) -> None:
        path = self._folder / f"model_epoch_{trainer.current_epoch:03d}_step_{trainer.global_step:05d}.pth"
        if trainer.global_step == self._saved_at:
            return
        self._saved_at = trainer.global_step
        trainer.save_checkpoint(path, weights_only=False)
        if trainer.is_global_zero:
            checkpoints.point_at(self._latest, path)


class BestCheckpoint(ModelCheckpoint):
    """Keeps the best checkpoints by a metric; with `latest` the best one is also the latest."""

    FILE_EXTENSION = ".pth"

    def __init__(self, wish: Checkpointer, folder: Path, latest: Path | None):
        super().__init__(
            dirpath=wish.dirpath or folder,
            filename=wish.filename,
            monitor=wish.monitor or "val_loss",
            mode=wish.mode or ("max" if (wish.monitor or "").endswith(("_acc", "_auroc")) else "min"),
            save_top_k=wish.save_top_k,
            auto_insert_metric_name=wish.auto_insert_metric_name,
        )
        self._latest = latest

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        super().on_validation_end(trainer, module)
        if self._latest and self.best_model_path and trainer.is_global_zero:
            checkpoints.point_at(self._latest, Path(self.best_model_path))


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
                joined = join(pictures[:8], self._task.layout)
                trainer.logger.experiment.add_images(f"image/{name}", joined, trainer.current_epoch)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self._due(trainer):
            assert isinstance(trainer.logger, TensorBoardLogger)
            for name, parameter in module.named_parameters():
                trainer.logger.experiment.add_histogram(f"histogram/{name}", parameter, trainer.current_epoch)
