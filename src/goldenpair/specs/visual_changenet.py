"""The spec of `visual_changenet` (pairs classified or segmented): TAO's fields and defaults, and ours beside them.

The section `model` is in `changenet_model`, what only task segment reads in `segment`, what is known of backbones by
their names in `backbones`.
"""

from pathlib import Path
from typing import ClassVar, Literal

from goldenpair.specs.augmentation import AugmentationConfig
from goldenpair.specs.backbones import FAN, has_summary_tokens, name_problem, strides_of
from goldenpair.specs.changenet_model import ChangenetModel
from goldenpair.specs.common import Dataset, NetworkSpec, SplitFiles, TrainCommon
from goldenpair.specs.deploy import ExportCommon, GenTrtEngine, Quantize, TensorRt
from goldenpair.specs.fields import MISSING, Section, meta, option, section
from goldenpair.specs.goldens import attention_misfits
from goldenpair.specs.metrics import PIXEL_METRICS
from goldenpair.specs.scoring import EvaluateCommon, ScoringCommon
from goldenpair.specs.segment import CalibrationImages, SegmentDataset, TrainSegment

_BATCH = "as in TAO, dataset.classify.batch_size or dataset.segment.batch_size counts"
_LOSS_OF = {"learnable": "ce", "euclidean": "contrastive"}
_MIDDLE = "the middle of 0 and 1"
_LOWEST_OPSET = 14  # the lowest that knows how attention is computed
_LATEST = "${results_dir}/train/changenet_model_${task}_latest.pth"
PRECISIONS = ("32-true", "32", "bf16-mixed", "bf16", "16-mixed", "16")


class UnreadScaleCrop(Section):
    scale_range: list[float] = option([1.0, 1.2], "Enlargement", no_effect="only task segment reads it")
    enable: bool = option(True, "Switch of this step", automl=True, no_effect="only task segment reads it")


class ClassifyAugmentation(AugmentationConfig):
    with_scale_random_crop: UnreadScaleCrop = section(UnreadScaleCrop, "Enlarge, and crop a random part")


class OptionalFiles(SplitFiles):
    """Files that task segment does not need."""

    csv_path: str = option(
        "", "Table of the split: input_path, golden_path, label, object_name", start=MISSING, path="file"
    )
    images_dir: str = option(
        "", "Folder (or its archive) that input_path and golden_path start from", start=MISSING, path="images"
    )


class ClassifyDataset(Dataset):
    train_dataset: OptionalFiles = section(OptionalFiles, "What training learns from", needed_by=("train",))
    validation_dataset: OptionalFiles = section(
        OptionalFiles, "What training is checked on after each epoch", needed_by=("train",)
    )
    test_dataset: OptionalFiles = section(OptionalFiles, "What evaluate reads", needed_by=("evaluate",))
    infer_dataset: OptionalFiles = section(
        OptionalFiles, "What inference reads; needs no label column", needed_by=("inference",)
    )
    batch_size: int = option(8, "Pairs per step, in every action", ge=1)
    image_width: int = option(224, "Width that each picture is resized to, in pixels", ge=1, alias="input_width")
    image_height: int = option(224, "Height that each picture is resized to, in pixels", ge=1, alias="input_height")
    augmentation_config: ClassifyAugmentation = section(ClassifyAugmentation, "Normalisation and augmentation")
    num_classes: int = option(2, "Classes; a pair is PASS or a defect: there are 2", ge=2, math_cond=">0")
    num_golden: int = option(1, "Goldens of each sample; more than 1: golden_path is a folder of goldens", ge=1)
    quant_calibration_dataset: CalibrationImages = section(CalibrationImages, "What quantize looks at")

    @property
    def goldens(self) -> int:
        return self.num_golden

    def problems(self, action: str, at: str) -> list[str]:
        open_paths = [
            f"{at}.{name}.{key}"
            for name, field in ClassifyDataset.model_fields.items()
            if isinstance(files := getattr(self, name), OptionalFiles) and action in meta(field).needed_by
            for key in ("csv_path", "images_dir")
            if not getattr(files, key)
        ]
        return [f"{path}: {action} of task classify needs it" for path in open_paths] + super().problems(action, at)


class ChangenetDataset(Section):
    segment: SegmentDataset = section(SegmentDataset, "What task segment reads")
    classify: ClassifyDataset = section(ClassifyDataset, "What task classify reads")


class ChangenetOptim(Section):
    monitor_name: str = option("val_loss", "Metric to watch", no_effect="neither policy watches a metric")
    optim: Literal["adamw", "adam", "sgd"] = option("adamw", "Optimiser")
    lr: float = option(0.0001, "Learning rate", ge=0, automl=True)
    policy: Literal["linear", "step"] = option(
        "linear", "linear: the rate falls to nearly 0 over the epochs; step: to a tenth after each third"
    )
    momentum: float = option(0.9, "Momentum, for sgd only", ge=0, le=1, automl=True, math_cond="> 0.0")
    weight_decay: float = option(0.01, "Weight decay", ge=0, le=1, automl=True, math_cond="> 0.0")


class TrainClassify(Section):
    loss: Literal["ce", "contrastive"] = option("contrastive", "ce for learnable, contrastive for euclidean")
    cls_weight: list[float] = option([1.0, 10.0], "Weight of PASS and of defects in the loss ce", length=2)


class Running(Section):
    """How the network is run: the same function, in other words to the processor."""

    channels_last: bool = option(False, "Lay maps out channels last; scores stay the same to 1e-3", not_in_tao=True)
    compile: bool = option(
        False, "Compile the network first (torch.compile); scores stay the same to 1e-3", not_in_tao=True
    )


class ChangenetTrain(TrainCommon, Running):
    clip_grad_norm: float = option(0.0, "Largest norm of the gradient; 0: no limit", ge=0, not_in_tao=True)
    optim: ChangenetOptim = section(ChangenetOptim, "The optimiser")
    classify: TrainClassify = section(TrainClassify, "What task classify adds")
    segment: TrainSegment = section(TrainSegment, "What task segment adds")
    precision: str = option(
        "32-true", "Number format of the sums: 32-true, bf16-mixed or 16-mixed; weights and losses are always float32"
    )
    sync_batchnorm: bool = option(False, "Batch norms see the batches of all GPUs")
    use_distributed_sampler: bool = option(
        False, "Let Lightning divide the data among GPUs", no_effect="the rows are always divided among the GPUs"
    )


class ChangenetScoring(ScoringCommon, Running):
    checkpoint: str = option(MISSING, "Checkpoint to score with", start=_LATEST, path="model")
    batch_size: int = option(-1, "Batch size", ge=-1, tao_template=8, no_effect=_BATCH)
    vis_after_n_batches: int = option(
        1, "segment: pictures of every so many batches (TAO's command-line default, 16, leaves most out)", ge=1
    )


class ChangenetEvaluate(ChangenetScoring, EvaluateCommon):
    """Evaluation of either task."""


class ChangenetExport(ExportCommon):
    checkpoint: str = option(MISSING, "Checkpoint to export", needed_by=("export",), start=_LATEST, path="file")
    opset_version: int = option(17, f"ONNX opset, {_LOWEST_OPSET} to 23 (up to 17 by PyTorch's older exporter)", ge=1)
    input_height: int | None = option(
        None, "Height of the joined picture; unset: as dataset says (TAO's is 224)", ge=1, tao_template=224
    )
    input_width: int | None = option(
        None, "Width of the joined picture; unset: as dataset says (TAO's is 224)", ge=1, tao_template=224
    )
    do_constant_folding: bool = option(True, "Compute in advance what does not depend on the pictures", not_in_tao=True)
    verbose: bool = option(False, "Say more")
    format: Literal["onnx", "xdl"] = option("onnx", "File format", no_effect="it is always onnx")
    serialize_nvdsinfer: bool = option(False, "classify: also write the configuration of DeepStream and Triton")

    @property
    def deepstream(self) -> bool:
        return self.serialize_nvdsinfer


class ChangenetTensorRt(TensorRt):
    max_batch_size: int = option(8, "Largest batch of the profile", ge=1)


class ChangenetGenTrtEngine(GenTrtEngine):
    tensorrt: ChangenetTensorRt = section(ChangenetTensorRt, "How to build")


class VisualChangenetSpec(NetworkSpec):
    """Visual ChangeNet: a backbone sees both pictures, and what follows classifies or segments the difference."""

    network: ClassVar[str] = "visual_changenet"
    title: ClassVar[str] = "Visual ChangeNet"

    model: ChangenetModel = section(ChangenetModel, "The network")
    dataset: ChangenetDataset = section(ChangenetDataset, "Pictures of task classify, and of task segment")
    train: ChangenetTrain = section(ChangenetTrain, "Training")
    evaluate: ChangenetEvaluate = section(ChangenetEvaluate, "Evaluation", needed_by=("evaluate",))
    export: ChangenetExport = section(ChangenetExport, "Export to ONNX")
    inference: ChangenetScoring = section(ChangenetScoring, "Inference", needed_by=("inference",))
    gen_trt_engine: ChangenetGenTrtEngine = section(
        ChangenetGenTrtEngine, "Building a TensorRT engine (not offered yet)"
    )
    quantize: Quantize = section(Quantize, "Quantisation (not offered yet)")
    task: Literal["segment", "classify"] | None = option(
        "segment", "classify: a score for each pair; segment: a mask", start="classify"
    )

    @property
    def latest_checkpoint(self) -> str:
        return f"changenet_model_{self.task}_latest.pth"

    @property
    def pairs(self) -> Dataset:
        return self.dataset.segment.pairs if self.task == "segment" else self.dataset.classify

    @property
    def pairs_path(self) -> str:
        return SegmentDataset.path if self.task == "segment" else "dataset.classify"

    @property
    def fpratio(self) -> float | None:
        return None if self.task == "segment" else super().fpratio

    @property
    def monitored(self) -> tuple[str, ...]:
        return PIXEL_METRICS if self.task == "segment" else super().monitored

    @property
    def pretrained_backbone(self) -> Path | None:
        return self.model.backbone.weights

    def not_offered(self) -> list[str]:
        """What no action can run yet, as lines `path: sentence`."""
        if self.task is None:
            return ["task: say classify or segment"]
        backbone, head, found = self.model.backbone, self.model.decode_head, []
        if backbone.feat_downsample:
            found.append("model.backbone.feat_downsample: its map is one that no decoder reads; set it to false")
        if head.changed("in_index"):
            compared = " (model.classify.learnable_difference_modules says how many are compared)"
            found.append(
                "model.decode_head.in_index: the decoder knows all four maps; leave it out"
                + (compared if self.task == "classify" else "")
            )
        if self.task == "segment":
            return found
        if self.model.classify.difference_module is None:
            found.append("model.classify.difference_module: say learnable or euclidean")
        return found

    def problems(self, action: str) -> list[str]:
        if self.task is None:
            return self.not_offered()
        model = Path(getattr(self, action).checkpoint) if action in ("evaluate", "inference") else Path()
        exported = model.suffix == ".onnx" or (model.name and model.is_dir())  # it needs nothing of its backbone
        found = self.not_offered() + super().problems(action) + ([] if exported else self._misfits_of_backbone())
        own = self.dataset.segment.problems(action) if self.task == "segment" else self._misfits_of_classify(action)
        return found + self._misfits() + self._misfits_of(action) + own

    def _misfits_of_backbone(self) -> list[str]:
        kind, data = self.model.backbone.type, self.pairs
        if problem := name_problem(kind):
            return [f"model.backbone.type: {problem}"]
        strides = strides_of(kind)
        if not strides:
            return [f"model.backbone.type: {kind} has no four feature maps whose strides divide each other"]
        found = []
        if self.model.decode_head.use_summary_token and kind not in FAN and not has_summary_tokens(kind):
            found.append(f"model.decode_head.use_summary_token: {kind} has no summary tokens; set it to false")
        rows, columns = data.grid
        sides = {"image_height": rows * data.image_height, "image_width": columns * data.image_width}
        classify, joined = self.model.classify, tuple(sides.values())
        if data.goldens > 1 and classify.golden_fusion == "attention":
            found += attention_misfits(classify.difference_module, strides, *joined)
        if self.task == "segment":
            sides = {"img_size": data.image_height}
        for name, size in sides.items():
            if size % max(strides):
                what = "it" if name == "img_size" else f"the joined picture's {name.removeprefix('image_')}"
                found.append(f"{self.pairs_path}.{name}: {what} is {size}; {kind} wants a multiple of {max(strides)}")
        return found

    def _misfits(self) -> list[str]:
        found = []
        params = self.model.decode_head.decoder_params
        if params.keys() != {"embed_dim"} or params["embed_dim"] < 1:
            found.append(f"model.decode_head.decoder_params: {params} must be {{embed_dim: WIDTH}}, such as 256")
        return found

    def _misfits_of(self, action: str) -> list[str]:
        found, train = [], self.train
        if action == "train":
            path = self.model.backbone.pretrained_backbone_path
            if self.model.backbone.freeze_backbone and not (path or train.pretrained_model_path):
                found.append(
                    "model.backbone.freeze_backbone: a frozen backbone of random weights never learns; give "
                    "pretrained_backbone_path"
                )
            if problem := self.model.backbone.weights_problem():
                found.append(f"model.backbone.pretrained_backbone_path: {problem}")
            if train.precision not in PRECISIONS:
                found.append(f"train.precision: {train.precision} is not offered; there is {', '.join(PRECISIONS)}")
        if action == "export" and self.export.opset_version < _LOWEST_OPSET:
            found.append(f"export.opset_version: it is {self.export.opset_version}; this network needs {_LOWEST_OPSET}")
        one_golden = self.task == "classify" and self.pairs.goldens == 1
        if action == "export" and self.export.serialize_nvdsinfer and not one_golden:
            found.append("export.serialize_nvdsinfer: it is for task classify with one golden; set it to false")
        if self.task == "segment" and self.dataset.classify.synthetic_defects.enable:
            found.append("dataset.classify.synthetic_defects.enable: it is for task classify; set it to false")
        kind = self.task if self.task == "segment" else self.model.classify.difference_module
        cutoff, path = self.cutoff(action)
        if kind != "euclidean" and cutoff >= 1 and not self.policy_file(action):
            found.append(f"{path}: {cutoff} is no probability, which the score of {kind} is: nothing could be FAIL")
        return found

    def _misfits_of_classify(self, action: str) -> list[str]:
        found, train, classify = [], self.train, self.model.classify
        wanted = _LOSS_OF.get(classify.difference_module or "", train.classify.loss)
        if action == "train" and train.classify.loss != wanted:
            found.append(
                f"train.classify.loss: it is {train.classify.loss}, but difference_module is "
                f"{classify.difference_module}, which learns by {wanted}; change one of the two"
            )
        if (classes := self.dataset.classify.num_classes) != 2:
            found.append(f"dataset.classify.num_classes: it is {classes}, but a pair is PASS or a defect; set it to 2")
        return found

    def idle(self) -> dict[str, str]:
        head, kind = self.model.decode_head, self.model.backbone.type
        unread = self.train.optim.changed("momentum") if self.train.optim.optim != "sgd" else []
        idle = {f"train.optim.{name}": "only sgd uses it" for name in unread}
        if self.dataset.classify.goldens == 1:
            once = self.model.classify.changed("golden_fusion")
            idle |= {f"model.classify.{name}": "there is one golden for each sample" for name in once}
        token = head.changed("use_summary_token")
        if kind == "vit_large_nvdinov2":
            idle |= {f"model.decode_head.{name}": "vit_large_nvdinov2 always does it" for name in token}
        if kind in FAN:
            idle |= {f"model.decode_head.{name}": "FAN has no summary token" for name in token}
        if head.changed("feature_strides") and not name_problem(kind):
            strides = list(strides_of(kind))
            if head.feature_strides != strides:
                idle["model.decode_head.feature_strides"] = f"{kind} has the strides {strides}, which are taken"
        if self.task == "segment" and not self.dataset.segment.multi_scale_train:
            weights = self.train.segment.changed("weights")
            idle |= {f"train.segment.{name}": "dataset.segment.multi_scale_train is false" for name in weights}
        return self.dataset.classify.idle("dataset.classify") | idle

    @property
    def margin(self) -> tuple[float, str]:
        margin = self.model.classify.eval_margin
        if self.task == "segment" or (self.scores_are_probabilities and margin >= 1):
            return 0.5, _MIDDLE
        return margin, "model.classify.eval_margin"

    @property
    def margin_advice(self) -> str:
        if self.margin[1] != _MIDDLE:
            return super().margin_advice
        advice = "evaluate prints for validation data what others would do; set evaluate.cutoff."
        if self.task == "segment":
            return f"No cutoff is set, so 0.5 serves: a pair is FAIL if a pixel of it is called changed; {advice}"
        margin = self.model.classify.eval_margin
        return f"No cutoff is set, and model.classify.eval_margin ({margin}) is no probability, so 0.5 serves; {advice}"

    @property
    def scores_are_probabilities(self) -> bool:
        return self.task == "segment" or self.model.classify.difference_module == "learnable"
