"""Sections that several networks share, with TAO's names and command-line defaults.

Where TAO has two defaults the command-line one holds here, unless it cannot work: then TAO's template default,
and the description says so.
"""

from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import PrivateAttr, model_validator

from goldenpair.specs.augmentation import AugmentationConfig
from goldenpair.specs.deploy import ExportCommon
from goldenpair.specs.fields import MISSING, Section, meta, option, section
from goldenpair.specs.metrics import PAIR_METRICS
from goldenpair.specs.paths import leaf, plain_without_secrets, replaced
from goldenpair.specs.scoring import Devices, EvaluateCommon, ScoringCommon
from goldenpair.specs.storage import StorageLimits
from goldenpair.specs.synthetic import SyntheticDefects

SCALING = ("validation_dataset", "test_dataset")
"""The splits whose good parts say what is normal in a heatmap: the first that is given."""
PROVING = (*SCALING, "train_dataset", "infer_dataset")
"""The splits that an exported model is proved on: the first that is given."""
_LIGHTS = {"LowAngleLight": 0, "SolderLight": 1, "UniformLight": 2, "WhiteLight": 3}
_MLOPS = "Weights & Biases is not connected; TensorBoard files are always written"


class SplitFiles(Section):
    csv_path: str = option(MISSING, "Table of the split: input_path, golden_path, label, object_name", path="file")
    images_dir: str = option(
        MISSING, "Folder (or its archive) that input_path and golden_path start from", path="images"
    )

    @property
    def given(self) -> bool:
        """Whether a table is named."""
        return self.csv_path not in (MISSING, "")


class GridMap(Section):
    x: int = option(2, "Columns", ge=1)
    y: int = option(2, "Rows", ge=1)


class Cache(Section):
    """Pictures are decoded once and kept ready in a folder that may be deleted at any time."""

    enable: bool = option(True, "Keep decoded pictures on disk between runs")
    dir: str | None = option(None, "Folder of the cache; unset: goldenpair in the user's cache folder")
    limit_gb: float = option(20.0, "Size beyond which the oldest entries are removed, in GB", gt=0)


class Dataset(Section):
    train_dataset: SplitFiles = section(SplitFiles, "What training learns from", needed_by=("train",))
    validation_dataset: SplitFiles = section(
        SplitFiles, "What training is checked on after each epoch", needed_by=("train",)
    )
    test_dataset: SplitFiles = section(SplitFiles, "What evaluate reads", needed_by=("evaluate",))
    infer_dataset: SplitFiles = section(
        SplitFiles, "What inference reads; needs no label column", needed_by=("inference",)
    )
    image_ext: str | None = option(
        ".jpg", "File extension of the pictures, with its dot (TAO's command-line default, null, cannot work)"
    )
    batch_size: int = option(32, "Pairs per step, in every action", ge=1, tao_template=8, start=16)
    workers: int = option(8, "Threads that decode pictures", ge=0, tao_template=1, start=2)
    fpratio_sampling: float = option(
        0.1,
        "Defects drawn in training for each PASS pair, whatever the table holds",
        ge=0,
        le=1,
        automl=True,
        start=0.5,
    )
    num_input: int = option(
        4, "Number of lights, as in input_map (TAO's command-line default, 8, fits no input_map)", ge=1
    )
    input_map: dict[str, int] | None = option(
        None,
        "Lights in the order of their joining: the key is the file suffix, the number counts for nothing; unset: one "
        "picture without a suffix",
        tao_template=_LIGHTS,
        start=_LIGHTS,
    )
    grid_map: GridMap | None = option(
        None,
        "Columns x and rows y of concat_type grid",
        tao_template={"x": 2, "y": 2},
        start={"x": 2, "y": 2},
    )
    concat_type: Literal["linear", "grid"] | None = option(
        None, "How lights are joined: linear stacks them vertically; unset: linear", start="linear",
        tao_template="linear",
    )  # fmt: skip
    image_width: int = option(128, "Width that each picture is resized to, in pixels", ge=1, alias="input_width")
    image_height: int = option(128, "Height that each picture is resized to, in pixels", ge=1, alias="input_height")
    augmentation_config: AugmentationConfig = section(AugmentationConfig, "Normalisation and augmentation")
    cache: Cache = section(Cache, "Where decoded pictures are kept", not_in_tao=True)
    synthetic_defects: SyntheticDefects = section(
        SyntheticDefects, "Defects made of good parts while training, and only then", not_in_tao=True
    )

    @property
    def goldens(self) -> int:
        """How many goldens a sample is compared with."""
        return 1

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns in which the lights are joined."""
        if self.concat_type == "grid" and self.grid_map:
            return self.grid_map.y, self.grid_map.x
        return len(self.input_map or {}) or 1, 1

    def problems(self, action: str, at: str) -> list[str]:
        """What does not fit together here, one sentence each; asked when an action is to run. `at` is its path."""
        found = []
        lights = len(self.input_map or {}) or 1
        if self.num_input != lights:
            named = f"{at}.input_map names {lights}: {', '.join(self.input_map)}" if self.input_map else (
                f"{at}.input_map is empty, which means one picture without a light suffix"
            )  # fmt: skip
            found.append(f"{at}.num_input: it is {self.num_input}, but {named}; make the two agree")
        grid = self.grid_map
        if self.concat_type == "grid" and grid is None:
            found.append(f"{at}.grid_map: concat_type is grid; give x (columns) and y (rows)")
        elif self.concat_type == "grid" and grid is not None and grid.x * grid.y != lights:
            places = f"{grid.x} x {grid.y} = {grid.x * grid.y} places"
            found.append(f"{at}.grid_map: {places} for {lights} lights; make the two agree")
        if not (self.image_ext or "").startswith("."):
            found.append(f"{at}.image_ext: {self.image_ext!r} must start with a dot, as in '.jpg'")
        if action == "train" and self.batch_size < 2:
            found.append(f"{at}.batch_size: 1 is too small to train; batch norm needs at least 2 pairs")
        if action == "train":
            found += self.synthetic_defects.problems((self.image_height, self.image_width), at)
        return found

    def idle(self, at: str) -> dict[str, str]:
        """What of this section does nothing as it is set, as path -> reason; `at` is the section's path."""
        for place, (light, number) in enumerate((self.input_map or {}).items()):
            if number != place:
                return {f"{at}.input_map.{light}": f"lights are joined in the order of the keys, not by the {number}"}
        return {}


class Wandb(Section):
    enable: bool = option(True, "Log to Weights & Biases", no_effect=_MLOPS)
    project: str = option("TAO Toolkit", "Project", no_effect=_MLOPS)
    entity: str | None = option("", "Team or user", no_effect=_MLOPS)
    group: str | None = option("", "Group of runs", no_effect=_MLOPS)
    tags: list[str] = option(
        ["training", "tao-toolkit"], "Tags of the run", no_effect=_MLOPS, tao_template=["tao-toolkit"]
    )
    reinit: bool = option(False, "Allow several runs in one process", no_effect=_MLOPS)
    sync_tensorboard: bool = option(False, "Copy TensorBoard's events", no_effect=_MLOPS)
    save_code: bool = option(False, "Upload the code", no_effect=_MLOPS)
    name: str = option(
        "TAO Toolkit training experiment",
        "Name of the run",
        no_effect=_MLOPS,
        tao_template="TAO Toolkit Training",
    )
    run_id: str = option("", "Run to continue", no_effect=_MLOPS)


class Cudnn(Section):
    benchmark: bool = option(False, "Let cuDNN time its algorithms and keep the fastest (GPU only)")
    deterministic: bool = option(True, "Prefer algorithms that repeat exactly (GPU only)")


class Checkpointer(Section):
    enable_topk: bool = option(False, "Keep the best checkpoints by a metric, beside the periodic ones")
    replace_periodic: bool = option(False, "Keep only the best checkpoints; *_latest.pth is the best one")
    monitor: str | None = option(None, "Any logged metric; unset: val_loss", tao_leaves_open=True)
    mode: Literal["min", "max"] | None = option(
        None, "Which direction is better; unset: min for losses and shares of mistakes, else max", tao_leaves_open=True
    )
    save_top_k: int = option(1, "How many best checkpoints to keep", ge=1)
    filename: str = option("model_best_{epoch:03d}", "File name pattern of the best checkpoints")
    dirpath: str | None = option(
        None, "Folder of the best checkpoints; unset: the train folder", tao_leaves_open=True, path="output"
    )
    auto_insert_metric_name: bool = option(False, "Write metric=value into the file name")


class EarlyStopping(Section):
    """Ending training before num_epochs when it does not become better any more: not in TAO."""

    enable: bool = option(False, "Stop when the monitored metric has not improved for a while")
    monitor: str | None = option(None, "Metric, as in checkpointer.monitor; unset: val_loss")
    mode: Literal["min", "max"] | None = option(None, "Which direction is better; unset: as in checkpointer.mode")
    patience: int = option(5, "How many measurements in a row may bring no improvement", ge=1)
    min_delta: float = option(0.0, "A smaller change is no improvement", ge=0)


class Tensorboard(Section):
    enabled: bool = option(False, "Also log histograms of the weights and pictures of pairs")
    infrequent_logging_frequency: int = option(2, "Every how many epochs to log those", ge=1)


class TrainCommon(Devices):
    """What training has in every network."""

    num_nodes: int = option(1, "Number of machines", ge=1, popular=True)
    seed: int = option(1234, "Seed of everything random; -1 leaves it to chance", ge=-1)
    cudnn: Cudnn = section(Cudnn, "Choices of the GPU library")
    num_epochs: int = option(10, "Epochs after which training ends", ge=1, popular=True)
    checkpoint_interval: int = option(1, "Save every so many epochs or steps", ge=1, popular=True)
    checkpoint_interval_unit: Literal["epoch", "step"] = option("epoch", "Unit of checkpoint_interval")
    keep_checkpoints: int | None = option(
        None, "How many periodic checkpoints to keep, the newest ones; unset: all, as TAO", ge=1, not_in_tao=True
    )
    validation_interval: int = option(1, "Validate every so many epochs", ge=1, popular=True)
    resume_training_checkpoint_path: str | None = option(
        None, "Checkpoint to go on from; unset: the newest in the train folder, if there is one", path="file"
    )
    results_dir: str | None = option(None, "Folder of the results; unset: <results_dir>/train", path="results")
    checkpointer: Checkpointer = section(Checkpointer, "Keeping the best checkpoints")
    early_stopping: EarlyStopping = section(EarlyStopping, "Ending training early", not_in_tao=True)
    tensorboard: Tensorboard = section(Tensorboard, "What goes to TensorBoard")
    clip_grad_norm: float = option(0.0, "Largest norm of the gradient; 0: no limit", ge=0, tao_template=1.0)
    pretrained_model_path: str | None = option(None, "Checkpoint whose weights training starts from", path="file")

    @property
    def watched(self) -> dict[str, str]:
        """The metrics that are to be watched, by the section that asks for them."""
        wishes = {
            "checkpointer": self.checkpointer.monitor if self.checkpointer.enable_topk else None,
            "early_stopping": self.early_stopping.monitor if self.early_stopping.enable else None,
        }
        return {name: monitor for name, monitor in wishes.items() if monitor}

    @model_validator(mode="after")
    def _intervals_fit(self) -> "TrainCommon":
        intervals = {"validation_interval": self.validation_interval}
        if self.checkpoint_interval_unit == "epoch":
            intervals["checkpoint_interval"] = self.checkpoint_interval
        if self.tensorboard.enabled:
            intervals["tensorboard.infrequent_logging_frequency"] = self.tensorboard.infrequent_logging_frequency
        wrong = [f"{name} is {value}" for name, value in intervals.items() if value > self.num_epochs]
        if wrong:
            raise ValueError(f"{' and '.join(wrong)}, more than num_epochs, which is {self.num_epochs}")
        return self


class NetworkSpec(Section):
    """The root of every network's spec, and what the rest of the package has to know of each."""

    network: ClassVar[str]
    title: ClassVar[str]
    """The network's name in status messages."""

    model_name: str | None = option(None, "Name for launchers", no_effect="only NVIDIA's launchers read it")
    encryption_key: str | None = option(
        None, "Passphrase", no_effect="nothing is encrypted, in TAO neither; it is never written to a file"
    )
    results_dir: str | None = option(
        "", "Folder of all results; each action writes to <results_dir>/<action>", start="results", path="results"
    )
    wandb: Wandb = section(Wandb, "Weights & Biases")
    model: Section = section(Section, "The network")
    dataset: Section = section(Section, "Tables, pictures, lights and augmentation")
    train: TrainCommon = section(TrainCommon, "Training")
    evaluate: EvaluateCommon = section(EvaluateCommon, "Evaluation")
    export: ExportCommon = section(ExportCommon, "Export to ONNX")
    inference: ScoringCommon = section(ScoringCommon, "Inference")
    storage: StorageLimits = section(StorageLimits, "What is fetched and unpacked", not_in_tao=True)
    _written: dict[str, str] = PrivateAttr(default_factory=dict)

    def with_local(self, local: dict[str, str]) -> Self:
        """The same spec with other texts at some dotted paths, which stand for what is written there."""
        written = {path: self._written.get(path) or leaf(self, path) for path in local}
        made = self
        for path, value in local.items():
            made = replaced(made, path.split("."), value)
        made._written = {**self._written, **written}
        return made

    def as_written(self) -> dict[str, Any]:
        """The spec as plain data, with what was written in it, but without secrets in the names of remote files."""
        return plain_without_secrets(self, self._written)

    def splits(self, action: str) -> tuple[str, ...]:
        """The splits that an action reads. (evaluate compares its parts with the others' where these are local.)"""
        given = [name for name in PROVING if getattr(self.pairs, name).given]
        if action == "audit":
            return tuple(given)
        if action == "export":
            return tuple(given[:1])
        pairs = type(self.pairs).model_fields
        own = tuple(name for name, field in pairs.items() if action in meta(field).needed_by)
        wish = {"evaluate": self.evaluate, "inference": self.inference}.get(action)
        scaled = wish is not None and wish.explain and wish.heatmap_scale is None
        return own + tuple(name for name in given if name in SCALING and name not in own)[: 1 if scaled else 0]

    @property
    def latest_checkpoint(self) -> str:
        """File name under which the newest checkpoint of a training run can always be found."""
        raise NotImplementedError

    @property
    def pairs(self) -> Dataset:
        """The section that describes the tables of pairs."""
        raise NotImplementedError

    @property
    def pairs_path(self) -> str:
        """Where `pairs` stands in the spec."""
        raise NotImplementedError

    @property
    def fpratio(self) -> float | None:
        """Defects drawn in training for each PASS pair; None: every pair once in an epoch."""
        return self.pairs.fpratio_sampling

    @property
    def monitored(self) -> tuple[str, ...]:
        """Metrics that training can watch."""
        return PAIR_METRICS

    @property
    def pretrained_backbone(self) -> Path | None:
        """The file of weights that training starts its backbone from, if there is one."""
        return None

    def problems(self, action: str) -> list[str]:
        """What does not fit together when `action` is to run, as lines `path: sentence`."""
        found = self.pairs.problems(action, self.pairs_path)
        if action == "export":
            (rows, columns), pairs = self.pairs.grid, self.pairs
            found += self.export.problems((rows * pairs.image_height, columns * pairs.image_width))
        if action == "train":
            there = ", ".join(self.monitored)
            found += [
                f"train.{name}.monitor: {monitor!r} is not logged; there is {there}"
                for name, monitor in self.train.watched.items()
                if monitor not in self.monitored
            ]
        else:
            wishes = {"evaluate": self.evaluate, "inference": self.inference}
            found += [
                f"{name}.policy: {name}.cutoff ({wish.cutoff}) is given too; leave one of them out"
                for name, wish in wishes.items()
                if wish.policy and wish.cutoff is not None
            ]
        return found

    def idle(self) -> dict[str, str]:
        """Options that do nothing as the others are set, as path -> reason."""
        raise NotImplementedError

    @property
    def margin(self) -> tuple[float, str]:
        """What serves as cutoff where none is set, as in TAO, and its path."""
        raise NotImplementedError

    @property
    def margin_advice(self) -> str:
        """What is said where that serves."""
        value, source = self.margin
        return (
            f"No cutoff is set, so {source} ({value}) serves, as in TAO. It is seldom a good one: choose one from the "
            "table that evaluate prints for validation data, and set evaluate.cutoff."
        )

    @property
    def scores_are_probabilities(self) -> bool:
        return False

    def policy_file(self, action: str) -> tuple[str, str] | None:
        """The policy file of `action`, and the option that names it; None where `cutoff` decides."""
        if action == "inference" and self.inference.policy:
            return self.inference.policy, "inference.policy"
        if self.evaluate.policy and (action == "evaluate" or self.inference.cutoff is None):
            return self.evaluate.policy, "evaluate.policy"
        return None

    def cutoff(self, action: str) -> tuple[float, str]:
        """The cutoff of `action`, and the option that it comes from."""
        wishes = [("evaluate.cutoff", self.evaluate.cutoff)]
        if action == "inference":
            wishes.insert(0, ("inference.cutoff", self.inference.cutoff))
        for path, value in wishes:
            if value is not None:
                return value, path
        return self.margin
