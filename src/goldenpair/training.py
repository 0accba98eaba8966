"""Training from a spec: a Lightning Trainer around a Task, with TAO's file names, resume rules and status lines."""

import logging
import os
import secrets
import warnings
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from rich.console import Console
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from goldenpair import checkpoint as checkpoints
from goldenpair.backbones import load_backbone
from goldenpair.callbacks import (
    BestCheckpoint,
    EarlyStop,
    EpochBar,
    PeriodicCheckpoint,
    StopCheckpoint,
    StopWhenAsked,
    TensorboardDetails,
    WholeFiles,
)
from goldenpair.data.pairs import PairBatch, PairSet, TableLoader, TrainingLoader, refuse_too_few
from goldenpair.devices import devices
from goldenpair.errors import DataError, InputError, RunError, SpecError
from goldenpair.models.backbone import Backbone
from goldenpair.resume import checkpoint_to_resume, refuse_other_optimiser
from goldenpair.run import Run
from goldenpair.running import norm_plugins, precision, run_as
from goldenpair.seen import Seen, Split
from goldenpair.specs.common import Cudnn, NetworkSpec
from goldenpair.stopping import PutOff
from goldenpair.synthesis.on_the_fly import spoiler_of
from goldenpair.tasks import Task, create_task
from goldenpair.trained import refuse_other_network, refuse_other_pictures

log = logging.getLogger(__name__)

_TABLES: dict[Split, str] = {"train": "train_dataset", "val": "validation_dataset"}
_FROM_SPEC = ("lr", "momentum", "weight_decay")  # of an optimiser, as far as it has them


class PairModule(pl.LightningModule):
    """A Task as Lightning wants it. Parameter names start with `model.`, as in TAO's checkpoints."""

    def __init__(self, task: Task, run: Run, train: PairSet, validation: PairSet, seed: int):
        super().__init__()
        self.model = task.model
        self.task, self.run, self.spec = task, run, run.spec
        self.seed = seed
        self._pairs = {"train": train, "val": validation}
        self._cutoff = self.spec.cutoff("evaluate")[0]
        self._seen: dict[Split, Seen] = {split: task.seen(split, self._cutoff) for split in _TABLES}
        self._spoiler = spoiler_of(self.spec.pairs.synthetic_defects, train, seed)
        self._epoch_began = 0.0
        self._fresh: dict[str, float] = {}  # of this epoch
        self.metrics: dict[str, float] = {}
        """The newest value of everything that can be monitored and is defined."""

    def train_dataloader(self) -> TrainingLoader:
        pairs = self.spec.pairs
        return TrainingLoader(
            self._pairs["train"],
            pairs.batch_size,
            self.spec.fpratio,
            self.seed,
            epoch=lambda: self.current_epoch,
            rank=self.global_rank,
            world=self.trainer.world_size,
            spoiler=self._spoiler,
        )

    def val_dataloader(self) -> TableLoader:
        # every process validates everything, so each knows the same metrics without gathering
        return TableLoader(self._pairs["val"], self.spec.pairs.batch_size)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        optimizer = self.task.optimizer()
        schedule = self.task.schedule(optimizer)
        return {"optimizer": optimizer, "lr_scheduler": schedule} if schedule else optimizer

    def training_step(self, batch: PairBatch, _: int) -> Tensor:
        # a generator of its own for each step, so that a resumed run draws what an unbroken one would
        seed = self.seed * 1_000_003 + self.global_step
        torch.manual_seed(seed)  # of what the network draws by itself
        generator = torch.Generator().manual_seed(seed)
        sample, golden, truth = self.task.augmented(batch, generator)
        loss = self._loss("train", sample, golden, truth)
        self.log("train_loss_step", loss, prog_bar=True, batch_size=len(batch.row))
        return loss

    def validation_step(self, batch: PairBatch, _: int) -> None:
        if not len(batch.row):  # all of its pictures broke after the start
            return
        self._loss("val", batch.sample, batch.golden, self.task.truth(batch))

    def _loss(self, split: Split, sample: Tensor, golden: Tensor, truth: Tensor) -> Tensor:
        loss, found = self.task.loss(self.task.prepare(sample), self.task.prepare(golden), truth)
        if not torch.isfinite(loss):
            where = "" if split == "train" else " of the validation"
            raise RunError(
                f"the loss{where} is {loss.item()} in epoch {self.current_epoch}, step {self.global_step}; "
                "a smaller train.optim.lr or train.clip_grad_norm=1 often helps"
            )
        self._seen[split].add(loss.detach(), found.detach(), truth)
        return loss

    def on_train_start(self) -> None:
        self._epoch_began = perf_counter()  # a run resumed within an epoch has no start of that epoch
        self._keep_to_spec()
        self._start_changed_epoch_anew()
        self.run.status("Starting Training Loop.", "STARTED")

    def on_train_epoch_start(self) -> None:
        self._epoch_began = perf_counter()

    def on_validation_epoch_end(self) -> None:
        self._conclude("val", "Eval metrics generated.")

    def on_train_epoch_end(self) -> None:
        spent = perf_counter() - self._epoch_began
        epochs, steps = self.spec.train.num_epochs, int(self.trainer.num_training_batches)
        left = timedelta(seconds=spent * (epochs - 1 - self.current_epoch))
        self.run.status(
            "Training loop in progress",
            progress={
                "epoch": self.current_epoch,
                "step": self.global_step,
                "max_epoch": epochs - 1,
                "max_step": epochs * steps,
                "time_per_epoch": str(timedelta(seconds=spent)),
                "time_per_step": str(timedelta(seconds=spent / steps)),
                "eta": str(left),
            },
        )
        self._conclude("train", "Train metrics generated.")
        told = ", ".join(f"{name} {value:.4g}" for name, value in self._fresh.items())
        self._fresh = {}
        log.info("Epoch %d of %d: %s (%.1f s, %s left)", self.current_epoch + 1, epochs, told, spent, _short(left))
        if self._spoiler:
            self._spoiler.say_count()

    def _keep_to_spec(self) -> None:
        """The optimiser's state in a checkpoint brings the options along that it was made with: the spec's count."""
        for optimizer in self.trainer.optimizers:
            for group in optimizer.param_groups:
                for name in _FROM_SPEC:
                    # a schedule starts from initial_lr and sets lr
                    key = "initial_lr" if name == "lr" and "initial_lr" in group else name
                    if key in group and group[key] != (wish := optimizer.defaults[name]):
                        log.info(
                            "train.optim.%s is %g from here on; the checkpoint was trained with %g.",
                            *(name, wish, group[key]),
                        )
                        if key == "initial_lr" and group[key]:
                            group["lr"] *= wish / group[key]
                        group[key] = wish
        for config in self.trainer.lr_scheduler_configs:
            scheduler = config.scheduler
            assert isinstance(scheduler, LambdaLR)
            scheduler.base_lrs = [group["initial_lr"] for group in scheduler.optimizer.param_groups]

    def _start_changed_epoch_anew(self) -> None:
        """A checkpoint within an epoch counts batches, which means nothing where the epoch has other ones now."""
        loop, loader = self.trainer.fit_loop, self.trainer.train_dataloader
        assert isinstance(loader, TrainingLoader)
        within = loop.restarted_mid_epoch and not loop.epoch_loop.batch_progress.is_last_batch
        if within and loader.other_plan:
            log.warning(
                "The checkpoint lies within epoch %d, whose batches are others now (%s): this epoch starts anew.",
                self.current_epoch + 1,
                "; ".join(loader.other_plan),
            )
            self._seen["train"] = self.task.seen("train", self._cutoff)
            loop.restarting = False

    def on_train_end(self) -> None:
        self.run.status("Training loop complete.")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint.update(checkpoints.stamp(self.spec))
        checkpoint["seen_of_epoch"] = self._seen["train"].state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        for name in checkpoints.OF_THE_LOSS:
            checkpoint["state_dict"].pop(name, None)
        # TAO's have none
        self._seen["train"].load_state_dict(checkpoint.get("seen_of_epoch", {}), self.trainer.strategy.root_device)

    def _conclude(self, split: Split, message: str) -> None:
        seen, self._seen[split] = self._seen[split], self.task.seen(split, self._cutoff)
        if not seen.losses:
            raise DataError(f"{_TABLES[split]}: none of its rows has pictures that can be read")
        found = seen.metrics()
        self.metrics |= found
        self._fresh |= found
        self.run.status(message, kpi=found)
        names = {"train_loss": "train_loss_epoch"}  # in TensorBoard, as TAO
        self.log_dict({names.get(name, name): value for name, value in found.items()})
        if split == "train":
            self.log("train_loss", found["train_loss"], logger=False)  # for what monitors it


def _short(time: timedelta) -> str:
    return str(time).split(".")[0]


def fit(run: Run, train: PairSet, validation: PairSet) -> PairModule:
    """Train the network of the run's spec; checkpoints, TensorBoard events and status lines go to its folder."""
    spec = run.spec
    found = devices(spec.train)
    if spec.train.num_nodes > 1 and "MASTER_ADDR" not in os.environ:
        raise InputError(
            f"train.num_nodes: {spec.train.num_nodes} machines asked for; start training on each of them, with the "
            "environment variables MASTER_ADDR and MASTER_PORT of the first one, and NODE_RANK from 0 on"
        )
    _say_sampling(train, spec.fpratio, spec.pairs.synthetic_defects.enable)
    world = len(found) * spec.train.num_nodes
    refuse_too_few(train, world)
    if not len(validation.readable()):
        raise DataError(f"validation_dataset: none of its {len(validation)} rows has pictures that can be read")
    seed = spec.train.seed if spec.train.seed >= 0 else secrets.randbelow(2**31)
    torch.manual_seed(seed)
    _say_unrepeatable(spec.train.cudnn, found)
    task = create_task(spec)
    _check_monitors(spec, validation)
    log.info("%s with %s parameters.", spec.title, f"{sum(p.numel() for p in task.model.parameters()):,}")
    resume = _starting_weights(run, task)
    run_as(task.model, spec.train, "train", found[0])
    run.write_spec()
    module = PairModule(task, run, train, validation, seed)
    rows = len(train.readable()) // world
    steps = rows // min(spec.pairs.batch_size, rows)
    log.info("Number of steps for training: %d in each of %d epochs", steps, spec.train.num_epochs)
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)  # its greetings are not for our users
    _train(module, _trainer(task, run, found, steps, stop := PutOff()), stop, resume)
    if not module.metrics:
        log.warning(
            "Nothing was trained: the checkpoint has its %d epochs already, or early stopping has ended it. Raise "
            "train.num_epochs (or train.early_stopping.patience) to go on, or give another results_dir to start "
            "afresh.",
            spec.train.num_epochs,
        )
    return module


def _starting_weights(run: Run, task: Task) -> Path | None:
    """Load them into the task's model; the checkpoint that training goes on from, None for a start."""
    spec, pretrained = run.spec, run.spec.train.pretrained_model_path
    resume = checkpoint_to_resume(spec, run.folder)
    if not resume:
        if spec.pretrained_backbone:
            backbone = task.model.get_submodule("backbone")
            assert isinstance(backbone, Backbone)
            load_backbone(backbone, spec.pretrained_backbone)
        if pretrained:
            start = checkpoints.read_checkpoint(pretrained)
            refuse_other_network(f"checkpoint {start.path}", start.spec, spec)
            checkpoints.load_weights(task, start)
        return None
    refuse_other_pictures(f"checkpoint {resume.path}", resume.spec, spec)
    checkpoints.load_weights(task, resume)  # says clearly what does not fit
    refuse_other_optimiser(resume, task.optimizer())
    run.status(f"Resuming training from checkpoint: {resume.path}")
    log.info("Resuming training from checkpoint: %s", resume.path)
    starts = {"model.backbone.pretrained_backbone_path": spec.pretrained_backbone}
    for path, given in (starts | {"train.pretrained_model_path": pretrained}).items():
        if given:
            log.info("%s is not read: it counts for the start of a training only.", path)
    return resume.path


def _say_sampling(train: PairSet, ratio: float | None, synthetic: bool) -> None:
    is_defect = train.is_defect[train.readable()]
    defects, total = int(is_defect.sum()), len(is_defect)
    log.info("Training on %d pairs, %d of them defects.", total, defects)
    lost, lost_defects = len(train) - total, int(train.is_defect.sum()) - defects
    of_those = " that can be read" if lost else ""
    if lost:
        told = (lost, len(train), lost_defects)
        log.warning("%d of the %d training pairs (%d defects) are left out: their pictures cannot be read.", *told)
    if not defects and not synthetic:
        log.warning(f"The training table has no defects{of_those}: nothing teaches what a defect is.")
    elif ratio is None or not defects:
        return
    elif defects == total:
        log.warning(f"The training table has only defects{of_those}: nothing teaches what a good part is.")
    elif not ratio:
        log.warning("fpratio_sampling is 0: none of the %d defects is ever drawn.", defects)
    else:
        log.info("Sampling Defective components at %.2f:1 rate", (total - defects) / defects * ratio)


def _train(module: PairModule, trainer: pl.Trainer, stop: PutOff, resume: Path | None) -> None:
    # several processes could not agree where to stop: there a signal ends everything at once
    putting_off = stop.open() if trainer.world_size == 1 else nullcontext()
    with warnings.catch_warnings(), putting_off:
        # no user can act on what they say; what he can act on is checked and said by us
        warnings.filterwarnings("ignore", module=r"(torch|pytorch_lightning|lightning_fabric|lightning_utilities)\b")
        try:
            trainer.fit(module, ckpt_path=resume, weights_only=True)
        except SystemExit as end:  # what Lightning makes of an interruption
            cause = end.__context__
            raise KeyboardInterrupt(*(cause.args if isinstance(cause, KeyboardInterrupt) else ())) from None
        stop.interrupt_if_asked()


def _trainer(task: Task, run: Run, on: list[torch.device], steps: int, stop: PutOff) -> pl.Trainer:
    spec = run.spec
    train, on_gpu = spec.train, on[0].type == "cuda"
    callbacks: list[Callback] = [EpochBar()] if Console().is_terminal else []
    if train.tensorboard.enabled:
        callbacks.append(TensorboardDetails(task, train.tensorboard.infrequent_logging_frequency))
    if train.early_stopping.enable:
        callbacks.append(EarlyStop(run))
    # each knows what the ones before it have done in an epoch, and keeps it in its checkpoints
    wish = train.checkpointer
    if wish.enable_topk:
        latest = run.folder / spec.latest_checkpoint if wish.replace_periodic else None
        callbacks.append(best := BestCheckpoint(wish, run, latest))
        callbacks.append(StopCheckpoint(run, stop, best) if latest else PeriodicCheckpoint(run, stop))
    else:
        callbacks.append(PeriodicCheckpoint(run, stop))
    callbacks.append(StopWhenAsked(stop))
    return pl.Trainer(
        accelerator="gpu" if on_gpu else "cpu",
        devices=[device.index for device in on] if on_gpu else 1,
        num_nodes=train.num_nodes,
        max_epochs=train.num_epochs,
        check_val_every_n_epoch=train.validation_interval,
        gradient_clip_val=train.clip_grad_norm or None,
        benchmark=train.cudnn.benchmark,
        deterministic="warn" if train.cudnn.deterministic and on_gpu else None,
        num_sanity_val_steps=0,  # the tables were checked before
        log_every_n_steps=min(50, steps),
        logger=TensorBoardLogger(run.folder, version=1),
        callbacks=callbacks,
        precision=precision(train, on[0]),
        plugins=[WholeFiles(), *norm_plugins(train, on[0])],
        enable_model_summary=False,
        enable_progress_bar=bool(callbacks) and isinstance(callbacks[0], EpochBar),
        use_distributed_sampler=False,
    )


def _say_unrepeatable(cudnn: Cudnn, on: list[torch.device]) -> None:
    if cudnn.benchmark and cudnn.deterministic and on[0].type == "cuda":
        log.warning(
            "train.cudnn.benchmark is on, so train.cudnn.deterministic cannot hold: the same command may end with "
            "other weights."
        )


def _check_monitors(spec: NetworkSpec, validation: PairSet) -> None:
    labels = validation.is_defect[validation.readable()]
    one_kind = labels.all() or not labels.any()
    problems = [
        f"train.{section}.monitor: {monitor} needs defects and PASS rows in validation_dataset that can be read; it "
        "has one kind only"
        for section, monitor in spec.train.watched.items()
        if monitor in ("val_far", "val_auroc") and one_kind
    ]
    if problems:
        raise SpecError("the spec", problems)
