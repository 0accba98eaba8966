"""The spec of `visual_changenet` (pairs classified or segmented): TAO's fields and defaults, and ours beside them.

Actions run task classify; all else can be read and checked, and is refused when it is to run.
"""

from pathlib import Path
from typing import ClassVar, Literal

from goldenpair.errors import InputError
from goldenpair.specs.backbones import (
    FAN,
    IMAGENET,
    TAO_NAMES,
    imagenet_file,
    name_problem,
    strides_of,
)
from goldenpair.specs.common import (
    AugmentationConfig,
    Dataset,
    NetworkSpec,
    RandomColor,
    RandomFlip,
    RandomRotate,
    ScoringCommon,
    SplitFiles,
    TrainCommon,
)
from goldenpair.specs.deploy import ExportCommon, GenTrtEngine, Quantize, TensorRt
from goldenpair.specs.fields import MISSING, Section, meta, option, section

_NEVER = "TAO never made it work"
_BATCH = "as in TAO, dataset.classify.batch_size or dataset.segment.batch_size counts"
_LOSS_OF = {"learnable": "ce", "euclidean": "contrastive"}
_LOWEST_OPSET = 14  # the lowest that knows how attention is computed
_LATEST = "${results_dir}/train/changenet_model_classify_latest.pth"


class Backbone(Section):
    type: str = option(
        "fan_small_12_p4_hybrid",
        "The network that sees both pictures: a name of TAO's, or any of timm's that has four maps",
        examples=TAO_NAMES,
    )
    feat_downsample: bool = option(False, "FAN: one more step down, to 768 channels")
    pretrained_backbone_path: str | None = option(
        None, "File of weights to start from, or imagenet: those of an installed package; unset: random weights"
    )
    freeze_backbone: bool = option(False, "Keep the backbone's weights as they are")


class DecodeHead(Section):
    in_channels: list[int] = option(
        [128, 256, 384, 384], "Channels of the four maps", no_effect="the backbone's name says them"
    )
    in_index: list[int] = option([0, 1, 2, 3], "Which of the four maps to use")
    feature_strides: list[int] = option([4, 8, 16, 16], "Strides of the four maps; wrong ones are said and corrected")
    align_corners: bool = option(False, "Align corners when maps are resized", no_effect="it is always false")
    decoder_params: dict[str, int] = option({"embed_dim": 256}, "embed_dim is the decoder's width")
    use_summary_token: bool = option(False, "Mix summary tokens into the maps; vit_large_nvdinov2 always does")


class ModelClassify(Section):
    train_margin_euclid: float = option(
        2.0, "Distance that training pushes defects beyond, for difference_module euclidean", ge=1, automl=True
    )
    eval_margin: float = option(2.0, "The cutoff where none is set", ge=0, automl=True)
    embedding_vectors: int = option(5, "Length of the embedding, for euclidean", ge=1)
    embed_dec: int = option(5, "Width of the classifier, for learnable", ge=1)
    learnable_difference_modules: int = option(
        4, "How many of the four maps are compared, the coarsest first, for learnable", ge=1, le=4, automl=True
    )
    difference_module: Literal["learnable", "euclidean"] | None = option(
        "euclidean", "How pictures are compared: by a distance, or by a network that learns to"
    )


class ChangenetModel(Section):
    backbone: Backbone = section(Backbone, "The backbone")
    decode_head: DecodeHead = section(DecodeHead, "The decoder")
    classify: ModelClassify = section(ModelClassify, "What task classify adds")
    precise_msda: bool = option(
        False, "Deformable attention that repeats exactly", no_effect="no backbone here has such attention"
    )


class ScaleCrop(Section):
    scale_range: list[float] = option([1.0, 1.2], "Smallest and largest enlargement", length=2)
    enable: bool = option(True, "Switch of this step", automl=True)


class UnreadScaleCrop(Section):
    scale_range: list[float] = option([1.0, 1.2], "Enlargement", no_effect="only task segment reads it")
    enable: bool = option(True, "Switch of this step", automl=True, no_effect="only task segment reads it")


class SegmentColor(RandomColor):
    color_probability: float = option(
        0.5, "Chance of a colour change", ge=0, le=1, automl=True, no_effect="task segment never read it"
    )


class SegmentAugmentation(Section):
    random_flip: RandomFlip = section(RandomFlip, "Flips, the same for both pictures")
    random_rotate: RandomRotate = section(RandomRotate, "Turns, the same for both pictures")
    random_color: SegmentColor = section(SegmentColor, "Colour changes, the same for both pictures")
    with_scale_random_crop: ScaleCrop = section(ScaleCrop, "Enlarge, and crop a random part")
    with_random_blur: bool = option(True, "Blur with a Gaussian")
    with_random_crop: bool = option(True, "Crop a random part")
    mean: list[float] = option([0.5, 0.5, 0.5], "Mean of each colour channel", length=3)
    std: list[float] = option([0.5, 0.5, 0.5], "Standard deviation of each colour channel", length=3)


class ClassifyAugmentation(AugmentationConfig):
    with_scale_random_crop: UnreadScaleCrop = section(UnreadScaleCrop, "Enlarge, and crop a random part")


class CalibrationImages(Section):
    images_dir: str = option("", "Folder of the pictures that quantize looks at")


class SegmentDataset(Section):
    root_dir: str = option("", "Folder that holds the pictures' folders and the lists")
    label_transform: Literal["norm", "None"] = option("norm", "norm: masks are 0 and 255; None: class indices")
    data_name: Literal["LEVIR", "LandSCD", "custom"] = option("LEVIR", "Whose colours to draw masks in")
    dataset: Literal["CNDataset"] = option("CNDataset", "The only kind there is")
    multi_scale_train: bool = option(True, "Learn from all scales", automl=True, no_effect=_NEVER)
    multi_scale_infer: bool = option(False, "Predict from all scales", no_effect=_NEVER)
    num_classes: int = option(2, "Classes of the masks", ge=2, math_cond=">0")
    img_size: int = option(224, "Side that pictures are resized to, in pixels", ge=1)
    batch_size: int = option(8, "Pairs per step, in every action", ge=1)
    workers: int = option(8, "Threads that decode pictures", ge=0, tao_template=1)
    shuffle: bool = option(True, "Shuffle", no_effect="training always does, the rest never")
    image_folder_name: str = option("A", "Folder of the samples")
    change_image_folder_name: str = option("B", "Folder of the goldens")
    list_folder_name: str = option("list", "Folder of the lists of names")
    annotation_folder_name: str = option("label", "Folder of the masks")
    augmentation: SegmentAugmentation = section(SegmentAugmentation, "Normalisation and augmentation")
    train_split: str = option("train", "List of the pairs that training learns from")
    validation_split: str = option("val", "List of the pairs that training is checked on")
    test_split: str = option("test", "List of the pairs that evaluate reads")
    predict_split: str = option("test", "List of the pairs that inference reads")
    label_suffix: str = option(".png", "File extension of the masks, with its dot")
    color_map: dict[str, list[int]] | None = option(
        None, "Colour of each class, as its index: [red, green, blue]", tao_leaves_open=True
    )
    quant_calibration_dataset: CalibrationImages = section(CalibrationImages, "What quantize looks at")


class OptionalFiles(SplitFiles):
    """Files that task segment does not need."""

    csv_path: str = option("", "Table of the split: input_path, golden_path, label, object_name", start=MISSING)
    images_dir: str = option("", "Folder that input_path and golden_path start from", start=MISSING)


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


class TrainSegment(Section):
    loss: Literal["ce", "mmiou"] = option("ce", "Cross entropy, or smallest and mean intersection over union")
    weights: list[float] = option([0.5, 0.5, 0.5, 0.8, 1.0], "Weight of each scale", no_effect=_NEVER)


class ChangenetTrain(TrainCommon):
    clip_grad_norm: float = option(0.0, "Largest norm of the gradient; 0: no limit", ge=0, not_in_tao=True)
    optim: ChangenetOptim = section(ChangenetOptim, "The optimiser")
    classify: TrainClassify = section(TrainClassify, "What task classify adds")
    segment: TrainSegment = section(TrainSegment, "What task segment adds")
    precision: str = option("32-true", "Number format, in Lightning's words")
    sync_batchnorm: bool = option(False, "Batch norms see the batches of all GPUs")
    use_distributed_sampler: bool = option(
        False, "Let Lightning divide the data among GPUs", no_effect="the rows are always divided among the GPUs"
    )


class ChangenetScoring(ScoringCommon):
    checkpoint: str = option(MISSING, "Checkpoint to score with", start=_LATEST)
    batch_size: int = option(-1, "Batch size", ge=-1, tao_template=8, no_effect=_BATCH)
    vis_after_n_batches: int = option(16, "segment: pictures of every so many batches", ge=1, tao_template=1)


class ChangenetExport(ExportCommon):
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
    serialize_nvdsinfer: bool = option(False, "classify: also write DeepStream's configuration")


class ChangenetTensorRt(TensorRt):
    max_batch_size: int = option(8, "Largest batch of the profile", ge=1)


class ChangenetGenTrtEngine(GenTrtEngine):
    tensorrt: ChangenetTensorRt = section(ChangenetTensorRt, "How to build")


class VisualChangenetSpec(NetworkSpec):
    """Visual ChangeNet: a backbone sees both pictures, and what follows classifies or segments the difference."""

    network: ClassVar[str] = "visual_changenet"
    pairs_path: ClassVar[str] = "dataset.classify"
    title: ClassVar[str] = "Visual ChangeNet"

    model: ChangenetModel = section(ChangenetModel, "The network")
    dataset: ChangenetDataset = section(ChangenetDataset, "Pictures of task classify, and of task segment")
    train: ChangenetTrain = section(ChangenetTrain, "Training")
    evaluate: ChangenetScoring = section(ChangenetScoring, "Evaluation", needed_by=("evaluate",))
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
        return self.dataset.classify

    @property
    def pretrained_backbone(self) -> str | None:
        backbone = self.model.backbone
        if backbone.pretrained_backbone_path != IMAGENET:
            return backbone.pretrained_backbone_path
        return str(imagenet_file(backbone.type))

    def not_offered(self) -> list[str]:
        """What no action can run yet, as lines `path: sentence`."""
        if self.task is None:
            return ["task: say classify or segment"]
        if self.task == "segment":
            return ["task: segment is not offered yet; there is classify"]
        backbone, head, found = self.model.backbone, self.model.decode_head, []
        if backbone.feat_downsample:
            found.append("model.backbone.feat_downsample: its map is one that no decoder reads; set it to false")
        if head.changed("in_index"):
            found.append(
                "model.decode_head.in_index: the decoder knows all four maps; leave it out (model.classify."
                "learnable_difference_modules says how many are compared)"
            )
        if self.dataset.classify.num_golden > 1:
            found.append("dataset.classify.num_golden: several goldens are not offered yet; set it to 1")
        if self.model.classify.difference_module is None:
            found.append("model.classify.difference_module: say learnable or euclidean")
        return found

    def problems(self, action: str) -> list[str]:
        if self.task != "classify":
            return self.not_offered()
        model = Path(getattr(self, action).checkpoint) if action in ("evaluate", "inference") else Path()
        exported = model.suffix == ".onnx" or (model.name and model.is_dir())  # it needs nothing of its backbone
        backbone = [] if exported else self._misfits_of_backbone()
        return self.not_offered() + super().problems(action) + backbone + self._misfits() + self._misfits_of(action)

    def _misfits_of_backbone(self) -> list[str]:
        kind, data = self.model.backbone.type, self.dataset.classify
        if problem := name_problem(kind):
            return [f"model.backbone.type: {problem}"]
        multiple = max(strides_of(kind), default=0)
        if not multiple:
            return [f"model.backbone.type: {kind} has no four feature maps whose strides divide each other"]
        rows, columns = data.grid
        return [
            f"dataset.classify.image_{side}: the joined picture's {side} is {size}; {kind} wants a multiple of "
            f"{multiple}"
            for side, size in (("height", rows * data.image_height), ("width", columns * data.image_width))
            if size % multiple
        ]

    def _misfits(self) -> list[str]:
        found, data = [], self.dataset.classify
        if data.num_classes != 2:
            found.append(
                f"dataset.classify.num_classes: it is {data.num_classes}, but a pair is PASS or a defect; set it to 2"
            )
        params = self.model.decode_head.decoder_params
        if params.keys() != {"embed_dim"} or params["embed_dim"] < 1:
            found.append(f"model.decode_head.decoder_params: {params} must be {{embed_dim: WIDTH}}, such as 256")
        return found

    def _misfits_of(self, action: str) -> list[str]:
        found, train, classify = [], self.train, self.model.classify
        if action == "train":
            wanted = _LOSS_OF.get(classify.difference_module or "", train.classify.loss)
            if train.classify.loss != wanted:
                found.append(
                    f"train.classify.loss: it is {train.classify.loss}, but difference_module is "
                    f"{classify.difference_module}, which learns by {wanted}; change one of the two"
                )
            path = self.model.backbone.pretrained_backbone_path
            if self.model.backbone.freeze_backbone and not (path or train.pretrained_model_path):
                found.append(
                    "model.backbone.freeze_backbone: a frozen backbone of random weights never learns; give "
                    "pretrained_backbone_path"
                )
            try:
                _ = self.pretrained_backbone
            except InputError as error:
                found.append(f"model.backbone.pretrained_backbone_path: {error}")
            for name in train.changed("precision", "sync_batchnorm"):
                found.append(f"train.{name}: {getattr(train, name)} is not offered yet; leave it out")
        if action == "export" and self.export.opset_version < _LOWEST_OPSET:
            found.append(f"export.opset_version: it is {self.export.opset_version}; this network needs {_LOWEST_OPSET}")
        if action == "export" and self.export.serialize_nvdsinfer:
            found.append("export.serialize_nvdsinfer: it is not offered yet; set it to false")
        cutoff, path = self.cutoff(action)
        if classify.difference_module == "learnable" and cutoff >= 1:
            found.append(f"{path}: {cutoff} is no probability, which the score of learnable is: nothing could be FAIL")
        return found

    def idle(self) -> dict[str, str]:
        head, kind = self.model.decode_head, self.model.backbone.type
        unread = self.train.optim.changed("momentum") if self.train.optim.optim != "sgd" else []
        idle = {f"train.optim.{name}": "only sgd uses it" for name in unread}
        token = head.changed("use_summary_token")
        if kind == "vit_large_nvdinov2":
            idle |= {f"model.decode_head.{name}": "vit_large_nvdinov2 always does it" for name in token}
        if kind in FAN:
            idle |= {f"model.decode_head.{name}": "FAN has no summary token" for name in token}
        if head.changed("feature_strides") and not name_problem(kind):
            strides = list(strides_of(kind))
            if head.feature_strides != strides:
                idle["model.decode_head.feature_strides"] = f"{kind} has the strides {strides}, which are taken"
        return self.dataset.classify.idle(self.pairs_path) | idle

    @property
    def margin(self) -> tuple[float, str]:
        margin = self.model.classify.eval_margin
        if self.model.classify.difference_module == "learnable" and margin >= 1:
            return 0.5, "the middle of 0 and 1, as model.classify.eval_margin is no probability,"
        return margin, "model.classify.eval_margin"
