"""TAO's options as facts (TAO 7.3, field table of visual_changenet), against ours, and the shapes of its spec files."""

import json
import math

import pytest
import yaml
from jsonschema import Draft202012Validator

from goldenpair.cli import main
from goldenpair.errors import SpecError
from goldenpair.run import Run
from goldenpair.specs.fields import meta
from goldenpair.specs.load import default_spec, load_spec, walk, without_effect
from goldenpair.specs.segment import ListedPairs, ListFiles, MaskRule
from goldenpair.specs.visual_changenet import VisualChangenetSpec
from test_optical_inspection import BAD, GOOD, Fact, accepts, as_tao_writes_it, leaves

VCN = "visual_changenet"

# path | type | command-line default | template default where different | bounds or choices | flags
# P popular, A open to AutoML, I ignored by TAO
TAO = """
model_name | opt[str] | null |
encryption_key | opt[str] | null |
results_dir | opt[str] | "" |
wandb.enable | bool | true |
wandb.project | str | TAO Toolkit |
wandb.entity | opt[str] | "" |
wandb.group | opt[str] | "" |
wandb.tags | List[str] | ["training", "tao-toolkit"] | ["tao-toolkit"]
wandb.reinit | bool | false | | | I
wandb.sync_tensorboard | bool | false | | | I
wandb.save_code | bool | false | | | I
wandb.name | str | TAO Toolkit training experiment | TAO Toolkit Training
wandb.run_id | str | "" |
model.backbone.type | str | fan_small_12_p4_hybrid | | BACKBONES
model.backbone.feat_downsample | bool | false |
model.backbone.pretrained_backbone_path | opt[str] | null |
model.backbone.freeze_backbone | bool | false |
model.decode_head.in_channels | List[int] | [128, 256, 384, 384] | | | I
model.decode_head.in_index | List[int] | [0, 1, 2, 3] |
model.decode_head.feature_strides | List[int] | [4, 8, 16, 16] |
model.decode_head.align_corners | bool | false | | | I
model.decode_head.decoder_params | Dict[str, int] | {"embed_dim": 256} |
model.decode_head.use_summary_token | bool | false |
model.classify.train_margin_euclid | float | 2.0 | | >= 1 | A
model.classify.eval_margin | float | 2.0 | | >= 0 | A
model.classify.embedding_vectors | int | 5 | | >= 1
model.classify.embed_dec | int | 5 | | >= 1
model.classify.learnable_difference_modules | int | 4 | | >= 1; <= 4 | A
model.classify.difference_module | opt[str] | euclidean | | learnable, euclidean
model.precise_msda | bool | false |
dataset.segment.root_dir | str | "" |
dataset.segment.label_transform | str | norm | | norm, None
dataset.segment.data_name | str | LEVIR | | LEVIR, LandSCD, custom
dataset.segment.dataset | str | CNDataset | | CNDataset
dataset.segment.multi_scale_train | bool | true | | | A
dataset.segment.multi_scale_infer | bool | false |
dataset.segment.num_classes | int | 2 | | >= 2
dataset.segment.img_size | int | 224 |
dataset.segment.batch_size | int | 8 | | >= 1
dataset.segment.workers | int | 8 | 1 | >= 0
dataset.segment.shuffle | bool | true | | | I
dataset.segment.image_folder_name | str | A |
dataset.segment.change_image_folder_name | str | B |
dataset.segment.list_folder_name | str | list |
dataset.segment.annotation_folder_name | str | label |
dataset.segment.augmentation.random_flip.vflip_probability | float | 0.5 | | >= 0; <= 1 | A
dataset.segment.augmentation.random_flip.hflip_probability | float | 0.5 | | >= 0; <= 1 | A
dataset.segment.augmentation.random_flip.enable | bool | true | | | A
dataset.segment.augmentation.random_rotate.rotate_probability | float | 0.5 | | >= 0; <= 1 | A
dataset.segment.augmentation.random_rotate.angle_list | List[float] | [90, 180, 270] |
dataset.segment.augmentation.random_rotate.enable | bool | true | | | A
dataset.segment.augmentation.random_color.brightness | float | 0.3 | | >= 0.0; <= 2.0 | A
dataset.segment.augmentation.random_color.contrast | float | 0.3 | | >= 0.0; <= 2.0 | A
dataset.segment.augmentation.random_color.saturation | float | 0.3 | | >= 0.0; <= 2.0 | A
dataset.segment.augmentation.random_color.hue | float | 0.3 | | >= 0.0; <= 0.5 | A
dataset.segment.augmentation.random_color.enable | bool | true | | | A
dataset.segment.augmentation.random_color.color_probability | float | 0.5 | | >= 0; <= 1 | A
dataset.segment.augmentation.with_scale_random_crop.scale_range | List[float] | [1, 1.2] |
dataset.segment.augmentation.with_scale_random_crop.enable | bool | true | | | A
dataset.segment.augmentation.with_random_blur | bool | true |
dataset.segment.augmentation.with_random_crop | bool | true |
dataset.segment.augmentation.mean | List[float] | [0.5, 0.5, 0.5] |
dataset.segment.augmentation.std | List[float] | [0.5, 0.5, 0.5] |
dataset.segment.train_split | str | train |
dataset.segment.validation_split | str | val |
dataset.segment.test_split | str | test |
dataset.segment.predict_split | str | test |
dataset.segment.label_suffix | str | .png |
dataset.segment.color_map | opt[Dict[str, List[int]]] | null |
dataset.segment.quant_calibration_dataset.images_dir | str | "" |
dataset.classify.train_dataset.csv_path | str | "" |
dataset.classify.train_dataset.images_dir | str | "" |
dataset.classify.validation_dataset.csv_path | str | "" |
dataset.classify.validation_dataset.images_dir | str | "" |
dataset.classify.test_dataset.csv_path | str | "" |
dataset.classify.test_dataset.images_dir | str | "" |
dataset.classify.infer_dataset.csv_path | str | "" |
dataset.classify.infer_dataset.images_dir | str | "" |
dataset.classify.image_ext | opt[str] | null | .jpg
dataset.classify.batch_size | int | 8 | | >= 1
dataset.classify.workers | int | 8 | 1 | >= 0
dataset.classify.fpratio_sampling | float | 0.1 | | >= 0.0; <= 1.0 | A
dataset.classify.num_input | int | 8 | 4 | >= 1
dataset.classify.input_map | opt[Dict[str, int]] | null | LIGHTS
dataset.classify.grid_map | opt[Dict[str, int]] | null | {"x": 2, "y": 2}
dataset.classify.concat_type | opt[str] | null | linear | linear, grid
dataset.classify.image_width | int | 224 |
dataset.classify.image_height | int | 224 |
dataset.classify.augmentation_config.rgb_input_mean | List[float] | [0.485, 0.456, 0.406] |
dataset.classify.augmentation_config.rgb_input_std | List[float] | [0.229, 0.224, 0.225] | [0.226, 0.226, 0.226]
dataset.classify.augmentation_config.random_flip.vflip_probability | float | 0.5 | | >= 0; <= 1 | A
dataset.classify.augmentation_config.random_flip.hflip_probability | float | 0.5 | | >= 0; <= 1 | A
dataset.classify.augmentation_config.random_flip.enable | bool | true | | | A
dataset.classify.augmentation_config.random_rotate.rotate_probability | float | 0.5 | | >= 0; <= 1 | A
dataset.classify.augmentation_config.random_rotate.angle_list | List[float] | [90, 180, 270] |
dataset.classify.augmentation_config.random_rotate.enable | bool | true | | | A
dataset.classify.augmentation_config.random_color.brightness | float | 0.3 | | >= 0.0; <= 2.0 | A
dataset.classify.augmentation_config.random_color.contrast | float | 0.3 | | >= 0.0; <= 2.0 | A
dataset.classify.augmentation_config.random_color.saturation | float | 0.3 | | >= 0.0; <= 2.0 | A
dataset.classify.augmentation_config.random_color.hue | float | 0.3 | | >= 0.0; <= 0.5 | A
dataset.classify.augmentation_config.random_color.enable | bool | true | | | A
dataset.classify.augmentation_config.random_color.color_probability | float | 0.5 | | >= 0; <= 1 | A
dataset.classify.augmentation_config.with_scale_random_crop.scale_range | List[float] | [1, 1.2] | | | I
dataset.classify.augmentation_config.with_scale_random_crop.enable | bool | true | | | AI
dataset.classify.augmentation_config.with_random_blur | bool | true |
dataset.classify.augmentation_config.with_random_crop | bool | true |
dataset.classify.augmentation_config.augment | bool | false | | | A
dataset.classify.num_classes | int | 2 | | >= 2 |
dataset.classify.num_golden | int | 1 | | >= 1
dataset.classify.quant_calibration_dataset.images_dir | str | "" |
train.num_gpus | int | 1 | | >= 1 | P
train.gpu_ids | List[int] | [0] | | | P
train.num_nodes | int | 1 | | >= 1 | P
train.seed | int | 1234 | | >= -1
train.cudnn.benchmark | bool | false |
train.cudnn.deterministic | bool | true |
train.num_epochs | int | 10 | | >= 1 | P
train.checkpoint_interval | int | 1 | | >= 1 | P
train.checkpoint_interval_unit | str | epoch | | epoch, step
train.validation_interval | int | 1 | | >= 1 | P
train.resume_training_checkpoint_path | opt[str] | null |
train.results_dir | opt[str] | null |
train.checkpointer.enable_topk | bool | false |
train.checkpointer.replace_periodic | bool | false |
train.checkpointer.monitor | opt[str] | null |
train.checkpointer.mode | opt[str] | null | | min, max
train.checkpointer.save_top_k | int | 1 | | >= 1
train.checkpointer.filename | str | model_best_{epoch:03d} |
train.checkpointer.dirpath | opt[str] | null |
train.checkpointer.auto_insert_metric_name | bool | false |
train.optim.monitor_name | str | val_loss | | | I
train.optim.optim | str | adamw | | adamw, adam, sgd
train.optim.lr | float | 0.0001 | | >= 0 | A
train.optim.policy | str | linear | | linear, step
train.optim.momentum | float | 0.9 | | >= 0.0; <= 1.0 | A
train.optim.weight_decay | float | 0.01 | | >= 0.0; <= 1.0 | A
train.pretrained_model_path | opt[str] | null |
train.classify.loss | str | contrastive | | ce, contrastive
train.classify.cls_weight | List[float] | [1.0, 10.0] |
train.segment.loss | str | ce | | ce
train.segment.weights | List[float] | [0.5, 0.5, 0.5, 0.8, 1.0] |
train.tensorboard.enabled | bool | false |
train.tensorboard.infrequent_logging_frequency | int | 2 | | >= 0
train.precision | str | 32-true |
train.sync_batchnorm | bool | false |
train.use_distributed_sampler | bool | false |
evaluate.num_gpus | int | 1 | | >= 1 | P
evaluate.gpu_ids | List[int] | [0] | | | P
evaluate.num_nodes | int | 1 | | >= 1 | P
evaluate.checkpoint | str | ??? |
evaluate.trt_engine | opt[str] | null |
evaluate.results_dir | opt[str] | null |
evaluate.batch_size | int | -1 | 8 | >= 1 | I
evaluate.vis_after_n_batches | int | 16 | 1 | >= 1
inference.num_gpus | int | 1 | | >= 1 | P
inference.gpu_ids | List[int] | [0] | | | P
inference.num_nodes | int | 1 | | >= 1 | P
inference.checkpoint | str | ??? |
inference.trt_engine | opt[str] | null |
inference.results_dir | opt[str] | null |
inference.batch_size | int | -1 | 8 | >= 1 | I
inference.vis_after_n_batches | int | 16 | 1 | >= 1
export.results_dir | opt[str] | null |
export.gpu_id | int | 0 |
export.checkpoint | str | ??? |
export.onnx_file | str | ??? |
export.on_cpu | bool | false |
export.input_channel | int | 3 |
export.input_width | int | 224 |
export.input_height | int | 224 |
export.opset_version | int | 17 | | >= 1
export.batch_size | int | -1 | | >= -1
export.verbose | bool | false |
export.format | str | onnx | | onnx, xdl | I
export.serialize_nvdsinfer | bool | false |
gen_trt_engine.results_dir | opt[str] | null |
gen_trt_engine.gpu_id | int | 0 | | >= 0 | P
gen_trt_engine.onnx_file | str | ??? |
gen_trt_engine.trt_engine | opt[str] | ??? |
gen_trt_engine.timing_cache | opt[str] | null |
gen_trt_engine.batch_size | int | -1 | | >= -1 | P
gen_trt_engine.verbose | bool | false |
gen_trt_engine.tensorrt.workspace_size | int | 1024 | | >= 0
gen_trt_engine.tensorrt.min_batch_size | int | 1 | | >= 1 | P
gen_trt_engine.tensorrt.opt_batch_size | int | 1 | | >= 1 | P
gen_trt_engine.tensorrt.max_batch_size | int | 8 | | >= 1
gen_trt_engine.tensorrt.layers_precision | opt[List[str]] | [] |
gen_trt_engine.tensorrt.data_type | str | fp32 | fp32,fp16
gen_trt_engine.tensorrt.calibration.cal_image_dir | List[str] | ??? |
gen_trt_engine.tensorrt.calibration.cal_cache_file | str | ??? |
gen_trt_engine.tensorrt.calibration.cal_batch_size | int | 1 | | >= 1 | P
gen_trt_engine.tensorrt.calibration.cal_batches | int | 1 | | >= 1 | P
quantize.backend | opt[str] | torchao | | modelopt.pytorch, torchao, modelopt.onnx
quantize.mode | opt[str] | weight_only_ptq | | static_ptq, weight_only_ptq
quantize.algorithm | opt[str] | minmax | | minmax, max, entropy, awq_clip, awq_lite, awq_full, rtn_dq
quantize.layers | opt[List[LayerQuantizationConfig]] | [] |
quantize.skip_names | opt[List[str]] | [] |
quantize.model_path | opt[str] | "" |
quantize.results_dir | opt[str] | "" |
quantize.backend_kwargs | opt[Dict[str, Any]] | {} |
quantize.device | str | cuda |
task | opt[str] | segment | | segment, classify
"""

# Where we differ from the table on purpose.
TEMPLATE_DEFAULTS = {
    "dataset.classify.image_ext": ".jpg",  # TAO's own cannot work
    "dataset.classify.num_input": 4,
    "evaluate.vis_after_n_batches": 1,  # TAO's own leaves out 15 of 16 results
    "inference.vis_after_n_batches": 1,
}
BACKBONES = [
    *(f"fan_{size}_p4_hybrid" for size in ("tiny_8", "small_12", "base_16", "large_16")),
    "vit_large_nvdinov2",
    *(f"vit_{size}_dinov3" for size in ("small", "small_plus", "base", "large", "huge_plus", "7b")),
]
RADIO = [
    *(f"c_radio_{which}_vit_huge_patch16_224_mlpnorm" for which in ("p1", "p2", "p3")),
    *(f"c_radio_v2_vit_{size}_patch16_224" for size in ("base", "large", "huge")),
]
CHOICES = {
    "model.backbone.type": [*BACKBONES, *RADIO],  # TAO lists no C-RADIO, and its code takes them
    "train.segment.loss": ["ce", "mmiou"],  # so does its code
}
LOWER_BOUND = {
    "train.tensorboard.infrequent_logging_frequency": 1,  # 0 divides by zero in TAO
    "evaluate.batch_size": -1,  # TAO's own default is out of its bounds
    "inference.batch_size": -1,
    "dataset.segment.img_size": 1,
    "dataset.classify.image_width": 1,
    "dataset.classify.image_height": 1,
    "export.input_height": 1,
    "export.input_width": 1,
    "export.input_channel": 1,
}
NULL_ACCEPTED = {
    "export.batch_size",  # as -1, in TAO's code
    "export.onnx_file",  # the checkpoint's name, as in TAO's optical_inspection
    "export.input_height",  # as the dataset section says
    "export.input_width",
}
UP_TO_EPOCHS = {"train.checkpoint_interval", "train.validation_interval"}
THREE = [f"dataset.segment.augmentation.{name}" for name in ("mean", "std")]
_CROP = "with_scale_random_crop.scale_range"
_SCALE = f"dataset.segment.augmentation.{_CROP}"
TWO = ["train.classify.cls_weight"]

JITTER = "dataset.classify.augmentation_config.relative_jitter"
OURS = {
    *(f"{JITTER}.{name}" for name in ("enable", "jitter_probability", "max_shift", "max_rotation", "max_exposure")),
    *(f"dataset.{task}.cache.{name}" for task in ("classify", "segment") for name in ("enable", "dir", "limit_gb")),
    *(
        f"dataset.classify.synthetic_defects.{name}"
        for name in ("enable", "share", "kinds", "min_severity", "max_severity")
    ),
    *(f"gen_trt_engine.input_{side}" for side in ("channel", "width", "height")),
    *(f"storage.{name}" for name in ("limit_gb", "max_files", "max_gb", "max_ratio", "workers")),
    "evaluate.cutoff",
    *(f"evaluate.targets.{name}" for name in ("capture", "escapes_ppm", "false_calls_ppm")),
    "inference.cutoff",
    "evaluate.policy",
    "inference.policy",
    "evaluate.policy_forced",
    "evaluate.label_map",
    *(
        f"{action}.{name}"
        for action in ("evaluate", "inference")
        for name in ("explain", "heatmap_scale", "heatmap_limit")
    ),
    "evaluate.robustness",
    "evaluate.robustness_rows",
    "model.classify.golden_fusion",
    *(f"{action}.{name}" for action in ("train", "evaluate", "inference") for name in ("channels_last", "compile")),
    "train.clip_grad_norm",
    "train.keep_checkpoints",
    *(f"train.early_stopping.{name}" for name in ("enable", "monitor", "mode", "patience", "min_delta")),
    "export.overwrite",
    "export.do_constant_folding",
}

LIGHTS = {"LowAngleLight": 0, "SolderLight": 1, "UniformLight": 2, "WhiteLight": 3}
TAO = TAO.replace("LIGHTS", json.dumps(LIGHTS)).replace("BACKBONES", ", ".join(BACKBONES))
FACTS = [Fact(line, TEMPLATE_DEFAULTS, CHOICES, LOWER_BOUND) for line in TAO.strip().splitlines()]
FIELDS = {path: (field, value) for path, field, value in walk(default_spec(VCN))}
every = pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.path)


def test_the_table_is_whole():
    assert len({fact.path for fact in FACTS}) == 202


def test_options_are_taos_and_these_of_ours():
    assert set(FIELDS) == {fact.path for fact in FACTS} | OURS


@every
def test_defaults(fact):
    found = FIELDS[fact.path][1]
    found = found.model_dump() if hasattr(found, "model_dump") else found
    assert found == fact.default
    if fact.kind in ("int", "bool", "str"):
        assert type(found) is type(fact.default)
    assert meta(FIELDS[fact.path][0]).tao_template == fact.template


@every
def test_flags(fact):
    said = meta(FIELDS[fact.path][0])
    assert said.popular == ("P" in fact.flags)
    assert said.automl == ("A" in fact.flags)
    if "I" in fact.flags:
        assert said.no_effect
    assert len(FIELDS[fact.path][0].description) > 2


def takes(path, value):
    return accepts(path, value, VisualChangenetSpec)


FURTHER = {
    "Dict[str, List[int]]": ([{"0": [1, 2, 3]}], [5, [1], {"a": 1}, {"a": ["word"]}]),
    "Dict[str, Any]": ([{"a": [1, {"b": None}]}], [5, [1], "a"]),
    "List[LayerQuantizationConfig]": (
        [[{"module_name": "fc*", "weights": {"dtype": "int8"}, "activations": None}]],
        [5, [1], [{"module_name": "a", "other": 1}], [{"weights": {"dtype": "int7"}}]],
    ),
}


@every
def test_types(fact):
    good, bad = FURTHER.get(fact.kind, (GOOD.get(fact.kind, []), BAD.get(fact.kind)))
    if fact.path in THREE:
        good, bad = [[1, 2, 3]], [*bad, [1, 2], *([[1, 0, 1]] if fact.path.endswith("std") else [])]
    if fact.path == "train.segment.weights":
        good, bad = [[1, 2, 3, 4, 5]], [*bad, [1, 2, 3, 4]]
    if fact.path == _SCALE:
        good, bad = [[1, 1.5], [1, 1]], [*bad, [0.8, 1.2], [1.2, 1.1], [1, 2, 3]]
    if fact.path in TWO:
        good, bad = [[1, 2]], [*bad, [1, 2, 3]]
    if fact.path == "quantize.device":
        good, bad = ["cuda:3", "cpu", "trt"], [*bad, "gpu", "cuda:", "xcpu"]
    if fact.high is not None:
        good = [value for value in good if value <= fact.high]
    if not fact.choices:
        assert all(takes(fact.path, value) for value in [fact.default, *good])
    assert [value for value in bad if takes(fact.path, value)] == []
    assert takes(fact.path, None) == (fact.nullable or fact.path in NULL_ACCEPTED)


@every
def test_bounds_and_choices(fact):
    step = 1 if fact.kind == "int" else 1e-6
    if fact.low is not None:
        low = int(fact.low) if fact.kind == "int" else fact.low
        assert takes(fact.path, low) and not takes(fact.path, low - step)
    if fact.high is not None:
        high = int(fact.high) if fact.kind == "int" else fact.high
        assert takes(fact.path, high) and not takes(fact.path, high + step)
    elif fact.kind in ("int", "float"):
        assert takes(fact.path, 10 if fact.path in UP_TO_EPOCHS else 10**9)
    if fact.kind == "float":
        assert not takes(fact.path, math.nan)
    for choice in fact.choices:
        assert takes(fact.path, choice)
    if fact.choices and fact.path != "model.backbone.type":  # which may be any name of timm's
        assert not takes(fact.path, "another") and not takes(fact.path, fact.choices[0].swapcase())


# the shapes of the spec files that TAO ships, which users own

CLASSIFY = """
encryption_key: tlt_encode
results_dir: /results
task: classify
model:
  backbone: {type: fan_small_12_p4_hybrid, pretrained_backbone_path: null}
  classify:
    {train_margin_euclid: 2.0, eval_margin: 0.005, embed_dec: 30, difference_module: euclidean}
dataset:
  classify:
    train_dataset: {csv_path: /data/train.csv, images_dir: /data/images}
    validation_dataset: {csv_path: /data/val.csv, images_dir: /data/images}
    test_dataset: {csv_path: /data/test.csv, images_dir: /data/images}
    infer_dataset: {csv_path: /data/infer.csv, images_dir: /data/images}
    image_ext: .jpg
    batch_size: 16
    workers: 2
    fpratio_sampling: 0.2
    num_input: 4
    input_map: {LowAngleLight: 0, SolderLight: 1, UniformLight: 2, WhiteLight: 3}
    concat_type: linear
    grid_map: {x: 2, y: 2}
    image_width: 128
    image_height: 128
    augmentation_config: {rgb_input_mean: [0.485, 0.456, 0.406], rgb_input_std: [0.229, 0.224, 0.225]}
    num_classes: 2
train:
  pretrained_model_path: null
  optim: {lr: 0.00005, optim: adamw, policy: linear}
  classify: {loss: contrastive, cls_weight: [1.0, 10.0]}
  num_epochs: 30
  num_nodes: 1
  validation_interval: 1
  checkpoint_interval: 1
  seed: 1234
  tensorboard: {enabled: true}
  results_dir: "${results_dir}/train"
evaluate: {checkpoint: "${results_dir}/train/changenet_model_classify_latest.pth", batch_size: 16}
inference:
  checkpoint: "${results_dir}/train/changenet_model_classify_latest.pth"
  trt_engine: "${gen_trt_engine.results_dir}/changenet.engine"
  batch_size: 16
export:
  checkpoint: "${results_dir}/train/changenet_model_classify_latest.pth"
  onnx_file: "${results_dir}/export/changenet.onnx"
  input_height: 512
  input_width: 128
gen_trt_engine:
  results_dir: "${results_dir}/gen_trt_engine"
  onnx_file: "${export.onnx_file}"
  trt_engine: "${gen_trt_engine.results_dir}/changenet.engine"
  batch_size: -1
  input_channel: 3
  input_height: 512
  input_width: 128
  tensorrt: {data_type: fp32, workspace_size: 1024, min_batch_size: 1, opt_batch_size: 10, max_batch_size: 10}
"""

SEGMENT = """
results_dir: /results
task: segment
model: {backbone: {type: fan_small_12_p4_hybrid, pretrained_backbone_path: null, freeze_backbone: false}}
dataset:
  segment:
    dataset: CNDataset
    root_dir: /data/LEVIR-CD
    data_name: LEVIR
    label_transform: norm
    batch_size: 2
    workers: 2
    multi_scale_train: true
    multi_scale_infer: false
    num_classes: 2
    img_size: 256
    image_folder_name: A
    change_image_folder_name: B
    list_folder_name: list
    annotation_folder_name: label
    train_split: train
    validation_split: val
    test_split: test
    predict_split: test
    label_suffix: .png
    augmentation:
      random_flip: {vflip_probability: 0.5, hflip_probability: 0.5, enable: true}
      random_rotate: {rotate_probability: 0.5, angle_list: [90, 180, 270], enable: true}
      random_color: {brightness: 0.3, contrast: 0.3, saturation: 0.3, hue: 0.3, enable: true}
      with_scale_random_crop: {enable: true}
      with_random_crop: true
      with_random_blur: true
train:
  optim: {lr: 0.0002, optim: adamw, policy: linear, momentum: 0.9, weight_decay: 0.01}
  segment: {loss: ce, weights: [0.5, 0.5, 0.5, 0.8, 1.0]}
  num_epochs: 100
evaluate: {checkpoint: a.pth, vis_after_n_batches: 10}
inference: {checkpoint: a.pth, vis_after_n_batches: 1}
quantize:
  model_path: a.pth
  results_dir: /results/quantize
  layers: [{module_name: "*", weights: {dtype: int8}, activations: {dtype: native}}]
"""


@pytest.mark.parametrize("action", ["train", "evaluate", "inference"])
@pytest.mark.parametrize("content", [CLASSIFY, SEGMENT], ids=["classify", "segment"])
@pytest.mark.parametrize("form", ["yaml", "json"])
def test_taos_samples_load(tmp_path, action, content, form):
    path = tmp_path / f"spec.{form}"
    path.write_text(content if form == "yaml" else json.dumps(yaml.safe_load(content)))
    spec = load_spec(VCN, path, action=action)
    assert isinstance(spec, VisualChangenetSpec)
    if content == CLASSIFY:
        assert spec.inference.trt_engine == "/results/gen_trt_engine/changenet.engine"
        assert spec.gen_trt_engine.onnx_file == "/results/export/changenet.onnx"
        assert spec.train.optim.lr == 5e-5 and spec.cutoff("evaluate") == (0.005, "model.classify.eval_margin")
        assert spec.latest_checkpoint == "changenet_model_classify_latest.pth"
        assert spec.pairs.num_input == 4
    else:
        assert spec.latest_checkpoint == "changenet_model_segment_latest.pth"
        assert spec.quantize.layers and spec.quantize.layers[0].weights
        assert spec.pairs.train_dataset.csv_path == "/data/LEVIR-CD/list/train.txt"
        assert spec.cutoff(action) == (0.5, "the middle of 0 and 1") and spec.fpratio is None
        assert spec.evaluate.vis_after_n_batches == 10


def test_the_sample_with_colours():
    wish = ["dataset.segment.data_name=LandSCD", "dataset.segment.label_transform=None", "train.num_epochs=350"]
    wish += ["dataset.segment.num_classes=10", "dataset.segment.img_size=416"]
    spec = load_spec(VCN, yaml.safe_load(SEGMENT), wish)
    assert spec.model_dump()["dataset"]["segment"]["label_transform"] == "None"


def test_what_a_task_needs():
    for action, splits in (("train", ("train", "validation")), ("evaluate", ("test",)), ("inference", ("infer",))):
        wish = ["task=classify", "dataset.classify.num_input=1", f"{action}.results_dir=r"]
        with pytest.raises(SpecError) as caught:
            load_spec(VCN, {"evaluate": {"checkpoint": "c"}, "inference": {"checkpoint": "c"}}, wish, action)
        named = {problem.split(": ")[0] for problem in caught.value.problems}
        assert named == {f"dataset.classify.{s}_dataset.{key}" for s in splits for key in ("csv_path", "images_dir")}
    with pytest.raises(SpecError, match="task: say classify or segment"):
        load_spec(VCN, {"task": None}, (), "train")


def test_lights_are_checked_under_their_path():
    with pytest.raises(
        SpecError, match=r"dataset\.classify\.num_input: it is 3, but dataset\.classify\.input_map names 4"
    ):
        load_spec(VCN, yaml.safe_load(CLASSIFY), ["dataset.classify.num_input=3"], "train")


# options without effect

UNREAD = [
    *("wandb.reinit=true", "wandb.sync_tensorboard=true", "wandb.save_code=true"),
    *("model.decode_head.in_channels=[1,2,3,4]", "model.decode_head.align_corners=true"),
    "dataset.segment.shuffle=false",
    "dataset.classify.augmentation_config.with_scale_random_crop.enable=false",
    "dataset.classify.augmentation_config.with_scale_random_crop.scale_range=[1]",
    *("train.use_distributed_sampler=true", "model.precise_msda=true", "model.decode_head.use_summary_token=true"),
    "model.decode_head.feature_strides=[4,8,16,32]",
    *("train.optim.monitor_name=val_acc", "train.optim.momentum=0.5"),
    *("export.format=xdl", "evaluate.batch_size=8", "inference.batch_size=8"),
    *(f"gen_trt_engine.input_{side}=3" for side in ("channel", "width", "height")),
]  # fmt: skip


@pytest.mark.parametrize("override", UNREAD)
def test_options_without_effect_are_accepted_and_named(override):
    spec = default_spec(VCN, [override])
    (sentence,) = without_effect(spec, VisualChangenetSpec.model_fields)
    assert sentence.startswith(f"{override.split('=')[0]} is accepted and has no effect: ")


@pytest.mark.parametrize(
    ("wish", "path"),
    [
        (
            ["model.backbone.type=vit_large_nvdinov2", "model.decode_head.use_summary_token=true"],
            "model.decode_head.use_summary_token",
        ),
        (["dataset.classify.input_map={b: 1, a: 0}"], "dataset.classify.input_map.b"),
        (
            ["dataset.segment.multi_scale_train=false", "train.segment.weights=[1,1,1,1,1]"],
            "train.segment.weights",
        ),
    ],
)
def test_options_that_the_others_make_idle(wish, path):
    (sentence,) = without_effect(default_spec(VCN, wish), VisualChangenetSpec.model_fields)
    assert sentence.startswith(f"{path} is accepted and has no effect: ")


@pytest.mark.parametrize(
    "wish",
    [
        [],
        ["train.optim.optim=sgd", "train.optim.momentum=0.5"],
        ["train.optim.weight_decay=0.5", "model.backbone.type=vit_small_dinov3"],
        ["model.backbone.type=vit_small_dinov3", "model.decode_head.use_summary_token=true"],
        ["model.backbone.type=vit_small_dinov3", "model.decode_head.feature_strides=[4,8,16,32]"],
        ["dataset.segment.augmentation.with_scale_random_crop.enable=false", "dataset.segment.num_classes=5"],
        ["dataset.classify.input_map={b: 0, a: 1}"],
        ["dataset.segment.multi_scale_infer=true", "dataset.segment.multi_scale_train=false"],
        ["dataset.segment.augmentation.random_color.color_probability=0.1", "train.segment.weights=[0,0,0,0,1]"],
    ],
)
def test_options_with_effect_are_not_named(wish):
    assert without_effect(default_spec(VCN, wish), VisualChangenetSpec.model_fields) == []


def test_a_run_says_each_once(tmp_path, caplog):
    spec = default_spec(VCN, [*UNREAD, f"results_dir={tmp_path}"])
    with Run(spec, "train"):
        pass
    said = [record.getMessage().split(" ")[0] for record in caplog.records]
    read = ("model", "dataset", "train", "wandb", "gen_trt_engine")
    assert sorted(said) == sorted(path.split("=")[0] for path in UNREAD if path.startswith(read))


def test_a_spec_written_by_a_run_is_read_again(tmp_path):
    spec = load_spec(VCN, yaml.safe_load(CLASSIFY), [f"results_dir={tmp_path}", f"train.results_dir={tmp_path}"])
    with Run(spec, "train") as run:
        run.write_spec()
    again = load_spec(VCN, run.folder / "experiment.yaml")
    assert again == spec.model_copy(update={"encryption_key": None})


def test_everything_null_empty_and_open_as_tao_writes_it():
    plain = as_tao_writes_it(TAO)
    spec = load_spec(VCN, plain)
    assert dict(leaves(spec.model_dump()))["dataset.classify.image_ext"] is None
    with pytest.raises(SpecError, match=r"dataset\.classify\.image_ext: None must start with a dot"):
        load_spec(VCN, plain, ["task=classify"], "train")


def test_taos_template_loads():
    spec = load_spec(VCN, as_tao_writes_it(TAO, template=True), ["dataset.segment.root_dir=d"])
    assert spec.model_name == "" and spec.pairs.num_input == 1 and spec.pairs.workers == 1
    assert isinstance(spec, VisualChangenetSpec) and spec.dataset.classify.num_input == 4


# the command line


@pytest.mark.parametrize("task", [None, "classify", "segment"])
@pytest.mark.parametrize("action", [None, "train", "evaluate", "inference"])
def test_its_template_and_its_schema_are_printed(tmp_path, capsys, action, task):
    words = [VCN] if action is None else [VCN, action]
    assert main(["spec", *words, *(["--task", task] if task else [])]) == 0
    path = tmp_path / "spec.yaml"
    text = capsys.readouterr().out
    path.write_text(text.replace("???", "filled_in"))
    spec = load_spec(VCN, path, action=action)
    assert spec.model_dump()["task"] == (task or "classify")
    inside = set(dict(leaves(yaml.safe_load(text))))
    other = "classify" if task == "segment" else "segment"
    assert not [name for name in inside if f".{other}." in name]
    assert main(["schema", *words]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert list(Draft202012Validator(schema).iter_errors(yaml.safe_load(path.read_text()))) == []
    assert list(Draft202012Validator(schema).iter_errors({"task": "neither"}))


def test_templates_are_of_tasks_that_there_are(capsys):
    assert main(["spec", VCN, "--task", "detect"]) == 2
    assert "'detect' is no task; there is segment, classify" in capsys.readouterr().err
    assert main(["spec", "optical_inspection", "--task", "segment"]) == 2
    assert "optical_inspection has none to choose" in capsys.readouterr().err


# what does not fit together


MISFITS = [
    ("train", ["model.backbone.type=fan_smal_12_p4_hybrid"], "model.backbone.type", "fan_small_12_p4_hybrid"),
    ("export", ["model.backbone.feat_downsample=true"], "model.backbone.feat_downsample", "no decoder reads"),
    ("evaluate", ["model.decode_head.in_index=[0,1]"], "model.decode_head.in_index", "learnable_difference_modules"),
    ("train", ["model.backbone.pretrained_backbone_path=imagenet"], "model.backbone.pretrained_backbone_path",
     "imagenet stands for weights of tf_efficientnet_lite0"),
    ("train", ["model.backbone.pretrained_backbone_path=no.pth"], "model.backbone.pretrained_backbone_path",
     "there is no file no.pth (looked in"),
    ("train", ["model.backbone.pretrained_backbone_path=."], "model.backbone.pretrained_backbone_path", "a folder"),
    ("train", ["train.checkpointer.enable_topk=true", "train.checkpointer.monitor=val_miou"],
     "train.checkpointer.monitor", "'val_miou' is not logged; there is train_loss, train_acc"),
    ("evaluate", ["model.backbone.type=resnet18", "model.decode_head.use_summary_token=true",
                  "dataset.classify.image_width=128", "dataset.classify.image_height=128"],
     "model.decode_head.use_summary_token", "resnet18 has no summary tokens; set it to false"),
    ("train", ["model.classify.difference_module=null"], "model.classify.difference_module", "say learnable or"),
    ("export", ["export.serialize_nvdsinfer=true", "dataset.classify.num_golden=2"], "export.serialize_nvdsinfer",
     "for task classify with one golden"),
    ("train", ["model.classify.difference_module=learnable"], "train.classify.loss", "learnable, which learns by ce"),
    ("train", ["train.classify.loss=ce"], "train.classify.loss", "euclidean, which learns by contrastive"),
    ("train", ["model.backbone.freeze_backbone=true"], "model.backbone.freeze_backbone", "pretrained_backbone_path"),
    ("export", ["export.opset_version=13"], "export.opset_version", "it is 13; this network needs 14"),
    ("evaluate", ["dataset.classify.num_classes=3"], "dataset.classify.num_classes", "it is 3"),
    ("train", ["model.decode_head.decoder_params={embed_dim: 0}"], "model.decode_head.decoder_params", "such as 256"),
    ("train", ["model.decode_head.decoder_params.depth=3"], "model.decode_head.decoder_params", "such as 256"),
    ("train", ["dataset.classify.image_width=130"], "dataset.classify.image_width", "is 130; fan_small_12_p4_hybrid"),
    ("inference", ["dataset.classify.image_height=30", "export.input_height=null"], "dataset.classify.image_height",
     "the joined picture's height is 120"),
    ("inference", ["model.classify.difference_module=learnable", "inference.cutoff=1"], "inference.cutoff", "be FAIL"),
]  # fmt: skip


@pytest.mark.parametrize(("action", "wish", "path", "sentence"), MISFITS)
def test_each_misfit_is_one_line(action, wish, path, sentence):
    with pytest.raises(SpecError) as caught:
        load_spec(VCN, yaml.safe_load(CLASSIFY), wish, action)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{path}: ") and sentence in problem


def test_loss_and_module_matter_to_training_only():
    wish = ["model.classify.difference_module=learnable"]
    assert load_spec(VCN, yaml.safe_load(CLASSIFY), wish, "inference")


@pytest.mark.parametrize("weights", ["model.backbone.pretrained_backbone_path", "train.pretrained_model_path"])
def test_a_backbone_that_has_weights_may_be_frozen(weights, tmp_path):
    (tmp_path / "file.pth").touch()
    wish = ["model.backbone.freeze_backbone=true", f"{weights}={tmp_path / 'file.pth'}"]
    assert load_spec(VCN, yaml.safe_load(CLASSIFY), wish, "train")


def test_lights_that_join_to_a_fitting_picture_fit():
    wish = ["dataset.classify.image_height=12", "export.input_height=48"]
    assert load_spec(VCN, yaml.safe_load(CLASSIFY), wish, "export")


def test_taos_default_margin_is_no_cutoff_of_probabilities():
    wish = ["model.classify.difference_module=learnable", "model.classify.eval_margin=2"]
    assert load_spec(VCN, yaml.safe_load(CLASSIFY), wish, "inference").cutoff("inference")[0] == 0.5
    wish[1] = "model.classify.eval_margin=0.3"
    found = load_spec(VCN, yaml.safe_load(CLASSIFY), wish, "inference").cutoff("inference")
    assert found == (0.3, "model.classify.eval_margin")


def test_what_is_said_without_a_cutoff_is_true_of_each_network():
    learnable = ["model.classify.difference_module=learnable"]
    said = {
        "euclidean": default_spec(VCN, ["task=classify"]),
        "learnable": default_spec(VCN, ["task=classify", *learnable]),
        "chosen": default_spec(VCN, ["task=classify", *learnable, "model.classify.eval_margin=0.3"]),
        "segment": default_spec(VCN),
    }
    advice = {name: spec.margin_advice for name, spec in said.items()}
    assert "model.classify.eval_margin (2.0) serves, as in TAO" in advice["euclidean"]
    assert "model.classify.eval_margin (2.0) is no probability, so 0.5 serves" in advice["learnable"]
    assert "model.classify.eval_margin (0.3) serves, as in TAO" in advice["chosen"]
    assert "0.5 serves: a pair is FAIL if a pixel" in advice["segment"] and "TAO" not in advice["segment"]
    probabilities = [name for name, spec in said.items() if spec.scores_are_probabilities]
    assert probabilities == ["learnable", "chosen", "segment"]


# task segment


SEGMENT_MISFITS = [
    ("train", ["train.early_stopping.enable=true", "train.early_stopping.monitor=val_far"],
     "train.early_stopping.monitor", "'val_far' is not logged; there is train_loss, val_loss, val_acc, val_miou"),
    ("train", ["dataset.segment.root_dir=''"], "dataset.segment.root_dir", "train of task segment needs it"),
    ("evaluate", ["dataset.segment.root_dir=''"], "dataset.segment.root_dir", "evaluate of task segment needs it"),
    ("train", ["dataset.segment.validation_split=''"], "dataset.segment.validation_split", "the name of a list"),
    ("inference", ["dataset.segment.predict_split=''"], "dataset.segment.predict_split", "the name of a list"),
    ("train", ["dataset.segment.batch_size=1"], "dataset.segment.batch_size", "1 is too small to train"),
    ("train", ["dataset.segment.img_size=250"], "dataset.segment.img_size", "250; fan_small_12_p4_hybrid wants a mult"),
    ("evaluate", ["dataset.segment.num_classes=256"], "dataset.segment.num_classes", "room for 255 classes"),
    ("inference", ["dataset.segment.multi_scale_infer=true", "dataset.segment.multi_scale_train=false"],
     "dataset.segment.multi_scale_infer", "maps that never learn"),
    ("evaluate", ["evaluate.cutoff=1"], "evaluate.cutoff", "the score of segment is: nothing could be FAIL"),
    ("inference", ["dataset.segment.change_image_folder_name=A"], "dataset.segment.change_image_folder_name", "'A'"),
    ("evaluate", ["dataset.segment.color_map={0: [0, 0, 0]}"], "dataset.segment.color_map", "no colour for class 1"),
    ("evaluate", ["dataset.segment.color_map={0: [0,0,0], 1: [9,9]}"], "dataset.segment.color_map.1", "is no colour"),
    ("evaluate", ["dataset.segment.color_map={0: [0,0,0], 1: [9,9,256]}"], "dataset.segment.color_map.1", "0 to 255"),
    ("evaluate", ["dataset.segment.color_map={0: [0,0,0], 1: [9,9,9], red: [1,2,3]}"], "dataset.segment.color_map",
     "red is no class; there are 0 to 1"),
    ("export", ["export.input_width=224"], "export.input_width", "224, but what the dataset section joins has 256"),
    ("export", ["export.serialize_nvdsinfer=true"], "export.serialize_nvdsinfer", "for task classify with one golden"),
]  # fmt: skip


@pytest.mark.parametrize(("action", "wish", "path", "sentence"), SEGMENT_MISFITS)
def test_each_misfit_of_segment_is_one_line(action, wish, path, sentence):
    given = {**yaml.safe_load(SEGMENT), "export": {"checkpoint": "a.pth"}}
    with pytest.raises(SpecError) as caught:
        load_spec(VCN, given, wish, action)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{path}: ") and sentence in problem


def test_what_classify_asks_for_is_not_asked_of_segment():
    wish = ["model.classify.difference_module=learnable", "dataset.classify.num_classes=3", "train.classify.loss=ce"]
    for action in ("train", "evaluate", "inference"):
        assert load_spec(VCN, yaml.safe_load(SEGMENT), wish, action)


def test_a_split_of_segment_is_a_list():
    spec = load_spec(VCN, yaml.safe_load(SEGMENT), ["dataset.segment.test_split=t", "dataset.segment.img_size=64"])
    pairs = spec.pairs
    test, infer = pairs.test_dataset, pairs.infer_dataset
    assert isinstance(test, ListFiles) and isinstance(infer, ListFiles)
    assert (test.csv_path, test.images_dir) == ("/data/LEVIR-CD/list/t.txt", "/data/LEVIR-CD")
    assert (test.sample_folder, test.golden_folder) == ("A", "B")
    assert test.masks == MaskRule(folder="label", suffix=".png", transform="norm", classes=2)
    assert infer.masks is None and infer.csv_path.endswith("/test.txt")
    assert (pairs.image_height, pairs.image_width, pairs.batch_size, pairs.grid) == (64, 64, 2, (1, 1))
    config = pairs.augmentation_config
    assert config.augment and config.rgb_input_mean == [0.5, 0.5, 0.5] and not config.relative_jitter.enable
    assert isinstance(pairs, ListedPairs) and pairs.scale_range == (1.0, 1.2)
    off = load_spec(VCN, yaml.safe_load(SEGMENT), ["dataset.segment.augmentation.with_scale_random_crop.enable=false"])
    assert isinstance(off.pairs, ListedPairs) and off.pairs.scale_range is None
    assert not default_spec(VCN).pairs.train_dataset.given  # no root_dir
    assert default_spec(VCN).pairs_path == "dataset.segment"


def attention(*wish: str) -> list[str]:
    """What is said of golden_fusion: attention in an otherwise fitting spec of one light."""
    fit = ["num_input=1", "input_map=null", "num_golden=2", "image_height=224", "image_width=224"]
    given = [*(f"dataset.classify.{one}" for one in fit), "model.classify.golden_fusion=attention", *wish]
    try:
        spec = load_spec(VCN, yaml.safe_load(CLASSIFY), given)
    except SpecError as error:
        return error.problems
    return [line for line in spec.problems("inference") if "golden_fusion" in line]


def test_attention_says_what_it_wants():
    learnable, vit = "model.classify.difference_module=learnable", "model.backbone.type=vit_small_dinov3"
    assert attention(learnable, vit) == []
    path = "model.classify.golden_fusion: attention"
    (line,) = attention("model.classify.difference_module=euclidean", vit)
    assert line.startswith(path) and "set difference_module to learnable" in line
    (line,) = attention(learnable)
    assert line.startswith(path) and "strides 4, 8, 16, 32, not 4, 8, 16, 16" in line
    for side, size in (("height", 448), ("width", 256)):
        (line,) = attention(learnable, vit, f"dataset.classify.image_{side}={size}")
        assert line.startswith(path) and "multiples of 224" in line and str(size) in line
    assert attention("dataset.classify.num_golden=1") == []
    spec = load_spec(VCN, yaml.safe_load(CLASSIFY), ["model.classify.golden_fusion=attention"])
    assert spec.idle()["model.classify.golden_fusion"] == "there is one golden for each sample"


@pytest.mark.parametrize("module", ["learnable", "euclidean"])
def test_several_goldens_fit_every_network(module):
    wish = ["dataset.classify.num_golden=5", f"model.classify.difference_module={module}"]
    assert load_spec(VCN, yaml.safe_load(CLASSIFY), wish, "inference").pairs.goldens == 5


def test_synthetic_defects_are_for_classification():
    wish = "dataset.classify.synthetic_defects.enable=true"
    classify = default_spec("visual_changenet", ["task=classify", wish])
    assert classify.pairs.synthetic_defects.enable
    assert not [line for line in classify.problems("train") if "synthetic" in line]
    segment = default_spec("visual_changenet", ["task=segment", wish])
    (told,) = [line for line in segment.problems("train") if "synthetic" in line]
    assert told == "dataset.classify.synthetic_defects.enable: it is for task classify; set it to false"
