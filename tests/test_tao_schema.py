"""The schema in TAO's dialect against TAO 7.3's own, field by field, as facts."""

import json
import math
from typing import Any

import pytest
import yaml

from goldenpair.cli import main
from goldenpair.specs.fields import meta
from goldenpair.specs.load import default_spec, load_spec, walk
from goldenpair.specs.tao_schema import tao_files, tao_schema, tao_schema_text
from test_visual_changenet import BACKBONES, RADIO

OI, VCN = "optical_inspection", "visual_changenet"
NETWORKS = (OI, VCN)

# path | type | default of the schema | minimum | maximum | options, or condition | search: yes or off
OI_TABLE = """
model_name | string | ""
encryption_key | string | ""
results_dir | string | ""
wandb.enable | bool | true
wandb.project | string | TAO Toolkit
wandb.entity | string | ""
wandb.group | string | ""
wandb.tags | list | [tao-toolkit] | | | | off
wandb.reinit | bool | false
wandb.sync_tensorboard | bool | false
wandb.save_code | bool | false
wandb.name | string | TAO Toolkit Training
wandb.run_id | string | ""
model.model_type | categorical | Siamese_3 | | | Siamese, Siamese_3
model.margin | float | 2.0 | 1.0 | inf | | yes
model.model_backbone | string | custom
model.embedding_vectors | int | 5 | 1 | inf
model.imagenet_pretrained | bool | false
dataset.train_dataset.csv_path | string | ???
dataset.train_dataset.images_dir | string | ???
dataset.validation_dataset.csv_path | string | ???
dataset.validation_dataset.images_dir | string | ???
dataset.test_dataset.csv_path | string | ???
dataset.test_dataset.images_dir | string | ???
dataset.infer_dataset.csv_path | string | ???
dataset.infer_dataset.images_dir | string | ???
dataset.image_ext | string | .jpg
dataset.batch_size | int | 8 | 1 | inf
dataset.workers | int | 1 | 0 | inf
dataset.fpratio_sampling | float | 0.1 | 0.0 | 1.0 | | yes
dataset.num_input | int | 4 | 1 | inf
dataset.input_map | collection | LIGHTS | | | | off
dataset.grid_map | collection | {x: 2, y: 2} | | | | off
dataset.concat_type | categorical | linear | | | linear, grid
dataset.image_width | int | 128
dataset.image_height | int | 128
dataset.augmentation_config.rgb_input_mean | list | [0.485, 0.456, 0.406] | | | | off
dataset.augmentation_config.rgb_input_std | list | [0.226, 0.226, 0.226] | | | | off
dataset.augmentation_config.random_flip.vflip_probability | float | 0.5 | 0.0 | 1.0 | | yes
dataset.augmentation_config.random_flip.hflip_probability | float | 0.5 | 0.0 | 1.0 | | yes
dataset.augmentation_config.random_flip.enable | bool | true | | | | yes
dataset.augmentation_config.random_rotate.rotate_probability | float | 0.5 | 0.0 | 1.0 | | yes
dataset.augmentation_config.random_rotate.angle_list | list | [90, 180, 270] | | | | off
dataset.augmentation_config.random_rotate.enable | bool | true | | | | yes
dataset.augmentation_config.random_color.brightness | float | 0.3 | 0.0 | 2.0 | cond > 0.0 | yes
dataset.augmentation_config.random_color.contrast | float | 0.3 | 0.0 | 2.0 | cond > 0.0 | yes
dataset.augmentation_config.random_color.saturation | float | 0.3 | 0.0 | 2.0 | cond > 0.0 | yes
dataset.augmentation_config.random_color.hue | float | 0.3 | 0.0 | 0.5 | cond > 0.0 | yes
dataset.augmentation_config.random_color.enable | bool | true | | | | yes
dataset.augmentation_config.random_color.color_probability | float | 0.5 | 0.0 | 1.0 | | yes
dataset.augmentation_config.with_random_blur | bool | true
dataset.augmentation_config.with_random_crop | bool | true
dataset.augmentation_config.augment | bool | false | | | | yes
train.num_gpus | int | 1 | 1
train.gpu_ids | list | [0] | | | | off
train.num_nodes | int | 1 | 1
train.seed | int | 1234 | -1 | inf
train.cudnn.benchmark | bool | false
train.cudnn.deterministic | bool | true
train.num_epochs | int | 10 | 1 | inf
train.checkpoint_interval | int | 1 | 1
train.checkpoint_interval_unit | categorical | epoch | | | epoch, step
train.validation_interval | int | 1 | 1
train.resume_training_checkpoint_path | string | ""
train.results_dir | string | ""
train.checkpointer.enable_topk | bool | false
train.checkpointer.replace_periodic | bool | false
train.checkpointer.monitor | string | —
train.checkpointer.mode | categorical | — | | | min, max
train.checkpointer.save_top_k | int | 1 | 1
train.checkpointer.filename | string | model_best_{epoch:03d}
train.checkpointer.dirpath | string | —
train.checkpointer.auto_insert_metric_name | bool | false
train.optim.type | string | Adam
train.optim.lr | float | 0.0005 | 0.0 | inf | | yes
train.optim.momentum | float | 0.9 | 0.0 | 1.0 | cond > 0.0 | yes
train.optim.weight_decay | float | 0.0005 | 0.0 | inf
train.loss | string | contrastive
train.clip_grad_norm | float | 1.0 | 0.0 | inf
train.tensorboard.enabled | bool | false
train.tensorboard.infrequent_logging_frequency | int | 2 | 0 | inf
train.pretrained_model_path | string | ""
dataset_convert.root_dataset_dir | string | ""
dataset_convert.data_convert_output_dir | string | ""
dataset_convert.train_pcb_dataset_dir | string | ""
dataset_convert.val_pcb_dataset_dir | string | ""
dataset_convert.all_pcb_dataset_dir | string | ""
dataset_convert.golden_csv_dir | string | ""
dataset_convert.project_name | string | ""
dataset_convert.bot_top | string | ""
evaluate.num_gpus | int | 1 | 1
evaluate.gpu_ids | list | [0] | | | | off
evaluate.num_nodes | int | 1 | 1
evaluate.checkpoint | string | ???
evaluate.trt_engine | string | ""
evaluate.results_dir | string | ""
evaluate.batch_size | int | 8 | 1 | inf
inference.num_gpus | int | 1 | 1
inference.gpu_ids | list | [0] | | | | off
inference.num_nodes | int | 1 | 1
inference.checkpoint | string | ???
inference.trt_engine | string | ""
inference.results_dir | string | ""
inference.batch_size | int | 1 | 1 | inf
export.results_dir | string | ""
export.gpu_id | int | 0
export.checkpoint | string | ???
export.onnx_file | string | ???
export.opset_version | int | 12 | 1
export.on_cpu | bool | false
export.input_height | int | 512
export.input_width | int | 128
export.input_channel | int | 3
export.batch_size | int | -1
export.do_constant_folding | bool | false
gen_trt_engine.results_dir | string | ""
gen_trt_engine.gpu_id | int | 0 | 0
gen_trt_engine.onnx_file | string | ???
gen_trt_engine.trt_engine | string | ???
gen_trt_engine.timing_cache | string | ""
gen_trt_engine.batch_size | int | -1 | -1
gen_trt_engine.verbose | bool | false
gen_trt_engine.tensorrt.workspace_size | int | 1024 | 0
gen_trt_engine.tensorrt.min_batch_size | int | 1 | 1
gen_trt_engine.tensorrt.opt_batch_size | int | 1 | 1
gen_trt_engine.tensorrt.max_batch_size | int | 1 | 1
gen_trt_engine.tensorrt.layers_precision | list | [] | | | | off
gen_trt_engine.tensorrt.data_type | string | fp32,fp16
gen_trt_engine.tensorrt.calibration.cal_image_dir | list | ??? | | | | off
gen_trt_engine.tensorrt.calibration.cal_cache_file | string | ???
gen_trt_engine.tensorrt.calibration.cal_batch_size | int | 1 | 1
gen_trt_engine.tensorrt.calibration.cal_batches | int | 1 | 1
"""

VCN_TABLE = """
model_name | string | ""
encryption_key | string | ""
results_dir | string | ""
wandb.enable | bool | true
wandb.project | string | TAO Toolkit
wandb.entity | string | ""
wandb.group | string | ""
wandb.tags | list | [tao-toolkit] | | | | off
wandb.reinit | bool | false
wandb.sync_tensorboard | bool | false
wandb.save_code | bool | false
wandb.name | string | TAO Toolkit Training
wandb.run_id | string | ""
model.backbone.type | categorical | fan_small_12_p4_hybrid | | | BACKBONES
model.backbone.feat_downsample | bool | false
model.backbone.pretrained_backbone_path | string | ""
model.backbone.freeze_backbone | bool | false
model.decode_head.in_channels | list | [128, 256, 384, 384] | | | | off
model.decode_head.in_index | list | [0, 1, 2, 3] | | | | off
model.decode_head.feature_strides | list | [4, 8, 16, 16] | | | | off
model.decode_head.align_corners | bool | false
model.decode_head.decoder_params | collection | {embed_dim: 256} | | | | off
model.decode_head.use_summary_token | bool | false
model.classify.train_margin_euclid | float | 2.0 | 1.0 | inf | | yes
model.classify.eval_margin | float | 2.0 | 0.0 | inf | | yes
model.classify.embedding_vectors | int | 5 | 1 | inf
model.classify.embed_dec | int | 5 | 1 | inf
model.classify.learnable_difference_modules | int | 4 | 1 | 4 | | yes
model.classify.difference_module | categorical | euclidean | | | learnable, euclidean
model.precise_msda | bool | false
dataset.segment.root_dir | string | ""
dataset.segment.label_transform | categorical | norm | | | norm, None
dataset.segment.data_name | categorical | LEVIR | | | LEVIR, LandSCD, custom
dataset.segment.dataset | categorical | CNDataset | | | CNDataset
dataset.segment.multi_scale_train | bool | true | | | | yes
dataset.segment.multi_scale_infer | bool | false
dataset.segment.num_classes | int | 2 | 2 | inf | cond >0
dataset.segment.img_size | int | 224
dataset.segment.batch_size | int | 8 | 1 | inf
dataset.segment.workers | int | 1 | 0 | inf
dataset.segment.shuffle | bool | true
dataset.segment.image_folder_name | string | A
dataset.segment.change_image_folder_name | string | B
dataset.segment.list_folder_name | string | list
dataset.segment.annotation_folder_name | string | label
dataset.segment.augmentation.random_flip.vflip_probability | float | 0.5 | 0.0 | 1.0 | | yes
dataset.segment.augmentation.random_flip.hflip_probability | float | 0.5 | 0.0 | 1.0 | | yes
dataset.segment.augmentation.random_flip.enable | bool | true | | | | yes
dataset.segment.augmentation.random_rotate.rotate_probability | float | 0.5 | 0.0 | 1.0 | | yes
dataset.segment.augmentation.random_rotate.angle_list | list | [90, 180, 270] | | | | off
dataset.segment.augmentation.random_rotate.enable | bool | true | | | | yes
dataset.segment.augmentation.random_color.brightness | float | 0.3 | 0.0 | 2.0 | cond > 0.0 | yes
dataset.segment.augmentation.random_color.contrast | float | 0.3 | 0.0 | 2.0 | cond > 0.0 | yes
dataset.segment.augmentation.random_color.saturation | float | 0.3 | 0.0 | 2.0 | cond > 0.0 | yes
dataset.segment.augmentation.random_color.hue | float | 0.3 | 0.0 | 0.5 | cond > 0.0 | yes
dataset.segment.augmentation.random_color.enable | bool | true | | | | yes
dataset.segment.augmentation.random_color.color_probability | float | 0.5 | 0.0 | 1.0 | | yes
dataset.segment.augmentation.with_scale_random_crop.scale_range | list | [1, 1.2] | | | | off
dataset.segment.augmentation.with_scale_random_crop.enable | bool | true | | | | yes
dataset.segment.augmentation.with_random_blur | bool | true
dataset.segment.augmentation.with_random_crop | bool | true
dataset.segment.augmentation.mean | list | [0.5, 0.5, 0.5] | | | | off
dataset.segment.augmentation.std | list | [0.5, 0.5, 0.5] | | | | off
dataset.segment.train_split | string | train
dataset.segment.validation_split | string | val
dataset.segment.test_split | string | test
dataset.segment.predict_split | string | test
dataset.segment.label_suffix | string | .png
dataset.segment.color_map | collection | — | | | | off
dataset.segment.quant_calibration_dataset.images_dir | string | ""
dataset.classify.train_dataset.csv_path | string | ""
dataset.classify.train_dataset.images_dir | string | ""
dataset.classify.validation_dataset.csv_path | string | ""
dataset.classify.validation_dataset.images_dir | string | ""
dataset.classify.test_dataset.csv_path | string | ""
dataset.classify.test_dataset.images_dir | string | ""
dataset.classify.infer_dataset.csv_path | string | ""
dataset.classify.infer_dataset.images_dir | string | ""
dataset.classify.image_ext | string | .jpg
dataset.classify.batch_size | int | 8 | 1 | inf
dataset.classify.workers | int | 1 | 0 | inf
dataset.classify.fpratio_sampling | float | 0.1 | 0.0 | 1.0 | | yes
dataset.classify.num_input | int | 4 | 1 | inf
dataset.classify.input_map | collection | LIGHTS | | | | off
dataset.classify.grid_map | collection | {x: 2, y: 2} | | | | off
dataset.classify.concat_type | categorical | linear | | | linear, grid
dataset.classify.image_width | int | 224
dataset.classify.image_height | int | 224
dataset.classify.augmentation_config.rgb_input_mean | list | [0.485, 0.456, 0.406] | | | | off
dataset.classify.augmentation_config.rgb_input_std | list | [0.226, 0.226, 0.226] | | | | off
dataset.classify.augmentation_config.random_flip.vflip_probability | float | 0.5 | 0.0 | 1.0 | | yes
dataset.classify.augmentation_config.random_flip.hflip_probability | float | 0.5 | 0.0 | 1.0 | | yes
dataset.classify.augmentation_config.random_flip.enable | bool | true | | | | yes
dataset.classify.augmentation_config.random_rotate.rotate_probability | float | 0.5 | 0.0 | 1.0 | | yes
dataset.classify.augmentation_config.random_rotate.angle_list | list | [90, 180, 270] | | | | off
dataset.classify.augmentation_config.random_rotate.enable | bool | true | | | | yes
dataset.classify.augmentation_config.random_color.brightness | float | 0.3 | 0.0 | 2.0 | cond > 0.0 | yes
dataset.classify.augmentation_config.random_color.contrast | float | 0.3 | 0.0 | 2.0 | cond > 0.0 | yes
dataset.classify.augmentation_config.random_color.saturation | float | 0.3 | 0.0 | 2.0 | cond > 0.0 | yes
dataset.classify.augmentation_config.random_color.hue | float | 0.3 | 0.0 | 0.5 | cond > 0.0 | yes
dataset.classify.augmentation_config.random_color.enable | bool | true | | | | yes
dataset.classify.augmentation_config.random_color.color_probability | float | 0.5 | 0.0 | 1.0 | | yes
dataset.classify.augmentation_config.with_scale_random_crop.scale_range | list | [1, 1.2] | | | | off
dataset.classify.augmentation_config.with_scale_random_crop.enable | bool | true | | | | yes
dataset.classify.augmentation_config.with_random_blur | bool | true
dataset.classify.augmentation_config.with_random_crop | bool | true
dataset.classify.augmentation_config.augment | bool | false | | | | yes
dataset.classify.num_classes | int | 2 | 2 | inf | cond >0
dataset.classify.num_golden | int | 1 | 1 | inf
dataset.classify.quant_calibration_dataset.images_dir | string | ""
train.num_gpus | int | 1 | 1
train.gpu_ids | list | [0] | | | | off
train.num_nodes | int | 1 | 1
train.seed | int | 1234 | -1 | inf
train.cudnn.benchmark | bool | false
train.cudnn.deterministic | bool | true
train.num_epochs | int | 10 | 1 | inf
train.checkpoint_interval | int | 1 | 1
train.checkpoint_interval_unit | categorical | epoch | | | epoch, step
train.validation_interval | int | 1 | 1
train.resume_training_checkpoint_path | string | ""
train.results_dir | string | ""
train.checkpointer.enable_topk | bool | false
train.checkpointer.replace_periodic | bool | false
train.checkpointer.monitor | string | —
train.checkpointer.mode | categorical | — | | | min, max
train.checkpointer.save_top_k | int | 1 | 1
train.checkpointer.filename | string | model_best_{epoch:03d}
train.checkpointer.dirpath | string | —
train.checkpointer.auto_insert_metric_name | bool | false
train.optim.monitor_name | string | val_loss
train.optim.optim | categorical | adamw | | | adamw, adam, sgd
train.optim.lr | float | 0.0001 | 0.0 | inf | | yes
train.optim.policy | categorical | linear | | | linear, step
train.optim.momentum | float | 0.9 | 0.0 | 1.0 | cond > 0.0 | yes
train.optim.weight_decay | float | 0.01 | 0.0 | 1.0 | cond > 0.0 | yes
train.pretrained_model_path | string | ""
train.classify.loss | categorical | contrastive | | | ce, contrastive
train.classify.cls_weight | list | [1.0, 10.0] | | | | off
train.segment.loss | categorical | ce | | | ce
train.segment.weights | list | [0.5, 0.5, 0.5, 0.8, 1.0] | | | | off
train.tensorboard.enabled | bool | false
train.tensorboard.infrequent_logging_frequency | int | 2 | 0 | inf
train.precision | string | 32-true
train.sync_batchnorm | bool | false
train.use_distributed_sampler | bool | false
task | categorical | segment | | | segment, classify
evaluate.num_gpus | int | 1 | 1
evaluate.gpu_ids | list | [0] | | | | off
evaluate.num_nodes | int | 1 | 1
evaluate.checkpoint | string | ???
evaluate.trt_engine | string | ""
evaluate.results_dir | string | ""
evaluate.batch_size | int | 8 | 1 | inf
evaluate.vis_after_n_batches | int | 1 | 1 | inf
inference.num_gpus | int | 1 | 1
inference.gpu_ids | list | [0] | | | | off
inference.num_nodes | int | 1 | 1
inference.checkpoint | string | ???
inference.trt_engine | string | ""
inference.results_dir | string | ""
inference.batch_size | int | 8 | 1 | inf
inference.vis_after_n_batches | int | 1 | 1 | inf
export.results_dir | string | ""
export.gpu_id | int | 0
export.checkpoint | string | ???
export.onnx_file | string | ???
export.on_cpu | bool | false
export.input_channel | int | 3
export.input_width | int | 224
export.input_height | int | 224
export.opset_version | int | 17 | 1
export.batch_size | int | -1 | -1
export.verbose | bool | false
export.format | categorical | onnx | | | onnx, xdl
export.serialize_nvdsinfer | bool | false
gen_trt_engine.results_dir | string | ""
gen_trt_engine.gpu_id | int | 0 | 0
gen_trt_engine.onnx_file | string | ???
gen_trt_engine.trt_engine | string | ???
gen_trt_engine.timing_cache | string | ""
gen_trt_engine.batch_size | int | -1 | -1
gen_trt_engine.verbose | bool | false
gen_trt_engine.tensorrt.workspace_size | int | 1024 | 0
gen_trt_engine.tensorrt.min_batch_size | int | 1 | 1
gen_trt_engine.tensorrt.opt_batch_size | int | 1 | 1
gen_trt_engine.tensorrt.max_batch_size | int | 8 | 1
gen_trt_engine.tensorrt.layers_precision | list | [] | | | | off
gen_trt_engine.tensorrt.data_type | string | fp32,fp16
gen_trt_engine.tensorrt.calibration.cal_image_dir | list | ??? | | | | off
gen_trt_engine.tensorrt.calibration.cal_cache_file | string | ???
gen_trt_engine.tensorrt.calibration.cal_batch_size | int | 1 | 1
gen_trt_engine.tensorrt.calibration.cal_batches | int | 1 | 1
quantize.backend | categorical | torchao | | | modelopt.pytorch, torchao, modelopt.onnx
quantize.mode | categorical | weight_only_ptq | | | static_ptq, weight_only_ptq
quantize.algorithm | categorical | minmax | | | minmax, max, entropy, awq_clip, awq_lite, awq_full, rtn_dq
quantize.layers | list | [] | | | | off
quantize.skip_names | list | [] | | | | off
quantize.model_path | string | ""
quantize.results_dir | string | ""
quantize.backend_kwargs | collection | — | | | | off
quantize.device | string | cuda
"""

# Where ours says more or something else on purpose.
TYPES = {  # we check what TAO takes as any text
    (OI, "model.model_backbone"): ("categorical", ["custom"]),
    (OI, "train.optim.type"): ("categorical", ["Adam", "SGD"]),
    (OI, "model.model_type"): ("categorical", ["Siamese", "Siamese_1", "Siamese_3"]),
    (VCN, "model.backbone.type"): ("categorical", [*BACKBONES, *RADIO]),
    (VCN, "train.segment.loss"): ("categorical", ["ce", "mmiou"]),
}
MINIMUM = {
    "train.tensorboard.infrequent_logging_frequency": 1,  # 0 divides by zero in TAO
    "evaluate.batch_size": -1,  # TAO's command-line default is out of its bounds
    "inference.batch_size": -1,
    "export.batch_size": -1,
    **{f"export.input_{side}": 1 for side in ("height", "width", "channel")},
    **{f"dataset.{task}image_{side}": 1 for task in ("", "classify.") for side in ("height", "width")},
    "dataset.segment.img_size": 1,
}
LIGHTS = {"LowAngleLight": 0, "SolderLight": 1, "UniformLight": 2, "WhiteLight": 3}


class Row:
    def __init__(self, network: str, line: str):
        line = line.replace("LIGHTS", json.dumps(LIGHTS)).replace("BACKBONES", ", ".join(BACKBONES))
        cells = [cell.strip() for cell in line.split("|")]
        self.network = network
        self.path, kind, default, low, high, further, self.search = cells + [""] * (7 - len(cells))
        self.left_open = default == "—"
        self.default = yaml.safe_load(default) if default else ""
        options = further.split(", ") if further and not further.startswith("cond ") else None
        self.type, self.options = TYPES.get((network, self.path), (kind, options))
        self.condition = further.removeprefix("cond ") if further.startswith("cond ") else None
        self.low = MINIMUM.get(self.path, float(low) if low else None)
        self.high = float(high) if high else None


ROWS = [
    Row(network, line) for network, table in ((OI, OI_TABLE), (VCN, VCN_TABLE)) for line in table.strip().splitlines()
]
every = pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.network}:{row.path}")
SCHEMAS = {network: tao_schema(network) for network in NETWORKS}


def node_of(schema: dict[str, Any], path: str) -> dict[str, Any]:
    node = schema
    for name in path.split("."):
        node = node["properties"][name]
    return node


def leaves_of(node: dict[str, Any], prefix: str = "") -> list[str]:
    return [
        path
        for name, below in node["properties"].items()
        for path in (leaves_of(below, f"{prefix}{name}.") if "properties" in below else [f"{prefix}{name}"])
    ]


@pytest.mark.parametrize(("network", "count"), [(OI, 132), (VCN, 202)])
def test_the_schema_holds_taos_options_and_no_others(network, count):
    rows = [row.path for row in ROWS if row.network == network]
    assert len(rows) == count
    assert sorted(leaves_of(SCHEMAS[network])) == sorted(rows)


@pytest.mark.parametrize("network", NETWORKS)
def test_what_is_left_out_is_marked_as_not_taos(network):
    known = set(leaves_of(SCHEMAS[network]))
    left_out = {path for path, _, _ in walk(default_spec(network))} - known
    extra = {
        "evaluate.cutoff",
        "inference.cutoff",
        "evaluate.policy",
        "evaluate.policy_forced",
        "evaluate.label_map",
        "inference.policy",
        *(
            f"{action}.{name}"
            for action in ("evaluate", "inference")
            for name in ("explain", "heatmap_scale", "heatmap_limit")
        ),
        "evaluate.robustness",
        "evaluate.robustness_rows",
        "export.overwrite",
        "train.keep_checkpoints",
        *(f"gen_trt_engine.input_{x}" for x in ("channel", "width", "height")),
    }
    if network == OI:
        names = ("test_pcb_dataset_dir", "images_dir", "results_dir", "split", "lights", "pass_texts", "overwrite")
        extra |= {
            f"dataset_convert.{name}" for name in (*names, "missing_verdict", "check_pictures", "unreadable_tables")
        }
    else:
        extra |= {"train.clip_grad_norm", "export.do_constant_folding", "model.classify.golden_fusion"}
        extra |= {f"{x}.{name}" for x in ("train", "evaluate", "inference") for name in ("channels_last", "compile")}
    whole_sections = (
        ".relative_jitter.",
        ".cache.",
        ".synthetic_defects.",
        ".early_stopping.",
        ".targets.",
        "storage.",
    )
    assert {path for path in left_out if not any(one in path for one in whole_sections)} == extra
    assert all(meta(field).not_in_tao for path, field, _ in walk(default_spec(network)) if path in extra)


@every
def test_node(row):
    node = node_of(SCHEMAS[row.network], row.path)
    assert node["type"] == row.type
    assert node["title"] and node["description"]
    if row.left_open:
        assert "default" not in node
    else:
        assert node["default"] == row.default
        assert isinstance(node["default"], bool) == isinstance(row.default, bool)
    assert node.get("minimum") == row.low
    # an end that is open may be told or not: it is Infinity wherever the other end is told
    assert node.get("maximum", math.inf) == (math.inf if row.high is None else row.high)
    assert ("maximum" in node) == (row.low is not None)
    assert node.get("enum") == row.options
    assert node.get("math_cond") == row.condition
    assert node.get("automl_enabled") == {"yes": True, "off": False, "": None}[row.search]
    if row.type in ("int", "float") and "minimum" in node:
        assert type(node["minimum"]) is (int if row.type == "int" else float)


@pytest.mark.parametrize(("network", "searched", "never"), [(OI, 16, 34), (VCN, 33, 64)])
def test_lists_of_what_is_searched(network, searched, never):
    schema = SCHEMAS[network]
    assert schema["automl_default_parameters"] == sorted(
        row.path for row in ROWS if row.network == network and row.search == "yes"
    )
    assert len(schema["automl_default_parameters"]) == searched
    assert len(schema["automl_disabled_parameters"]) == never == len(set(schema["automl_disabled_parameters"]))
    assert {row.path for row in ROWS if row.network == network and row.search == "off"} < set(
        schema["automl_disabled_parameters"]
    )
    assert {"model", "train.optim"} <= set(schema["automl_disabled_parameters"])


def test_popular_at_each_level():
    schema = SCHEMAS[OI]
    assert node_of(schema, "train.num_epochs")["popular"] is True
    assert "popular" not in node_of(schema, "train.seed")
    wanted = ["num_gpus", "gpu_ids", "num_nodes", "num_epochs", "checkpoint_interval", "validation_interval"]
    assert schema["properties"]["train"]["popular"] == wanted
    assert schema["popular"]["train"] == dict(zip(wanted, (1, [0], 1, 10, 1, 1), strict=True))
    assert schema["popular"]["gen_trt_engine"]["tensorrt"]["max_batch_size"] == 1
    assert set(schema["popular"]) == {"train", "evaluate", "inference", "gen_trt_engine"}


def test_sections_are_collections_with_their_defaults():
    node = node_of(SCHEMAS[OI], "dataset.augmentation_config.random_flip")
    assert node["type"] == "collection" and node["automl_enabled"] is False
    assert node["default"] == {"vflip_probability": 0.5, "hflip_probability": 0.5, "enable": True}


def test_a_pattern_is_told():
    assert node_of(SCHEMAS[VCN], "quantize.device")["pattern"] == "^(cuda|cpu|trt|cuda:[0-9]+)$"


@pytest.mark.parametrize("action", ["train", "evaluate", "inference"])
@pytest.mark.parametrize("network", NETWORKS)
def test_root_of_an_action(network, action):
    schema = tao_schema(network, action)
    common = {"model_name", "encryption_key", "results_dir", "wandb", "model", "dataset", "train", action}
    common |= {"dataset_convert"} if network == OI else {"task", "quantize"}
    assert set(schema["properties"]) == common == set(schema["default"])
    assert schema["type"] == "object" and schema["required"] == []
    assert schema["x_tao_schema"] | {"source": ""} == {
        "action": action,
        "core_module": f"goldenpair.specs.{network}",
        "model": network,
        "network_arch": network,
        "schema_action": action,
        "schema_version": 1,
        "source": "",
    }
    assert all(path.split(".")[0] in common for path in schema["automl_disabled_parameters"])


def test_open_ends_are_bare_infinity():
    text = tao_schema_text(OI, "train")
    assert '"maximum": Infinity' in text
    assert json.loads(text)["properties"]["model"]["properties"]["margin"]["maximum"] == math.inf


# files


@pytest.mark.parametrize("network", NETWORKS)
def test_manifest_names_the_files(network):
    files = tao_files(network)
    manifest = json.loads(files["schemas/manifest.json"])
    assert {key: value for key, value in manifest.items() if key != "actions"} == {
        "schema_version": 1,
        "model": network,
        "network_arch": network,
        "automl_enabled": True,
        "failures": {},
    }
    named = {entry[key] for entry in manifest["actions"].values() for key in ("path", "spec_template")}
    assert named | {"schemas/manifest.json"} == set(files)
    for action, entry in manifest["actions"].items():
        schema = json.loads(files[entry["path"]])
        assert schema == tao_schema(network, action)
        assert entry["schema_action"] == action and entry["core_module"] == schema["x_tao_schema"]["core_module"]
        for key in ("automl_default_parameters", "automl_disabled_parameters", "popular"):
            assert entry[key] == schema[key]
        assert yaml.safe_load(files[entry["spec_template"]]) == schema["default"]


FILLED = {
    "train": ["train_dataset", "validation_dataset"],
    "evaluate": ["test_dataset"],
    "inference": ["infer_dataset"],
}


@pytest.mark.parametrize("action", FILLED)
@pytest.mark.parametrize(("network", "at"), [(OI, "dataset"), (VCN, "dataset.classify")])
def test_a_template_runs_once_filled_in(tmp_path, network, at, action):
    path = tmp_path / "spec.yaml"
    path.write_text(tao_files(network)[f"references/spec_template_{action}.yaml"])
    wish = [f"{at}.{split}={{csv_path: a, images_dir: b}}" for split in FILLED[action]]
    wish += [] if action == "train" else [f"{action}.checkpoint=c.pth"]
    spec = load_spec(network, path, [*wish, *(["task=classify"] if network == VCN else [])], action)
    assert list(spec.pairs.input_map or {}) == list(LIGHTS)


@pytest.mark.parametrize("action", [[], ["evaluate"]])
def test_the_command_writes_them(tmp_path, capsys, action):
    assert main(["schema", OI, *action, "--dialect", "tao", "--out", str(tmp_path / "made")]) == 0
    files = tao_files(OI, tuple(action)) if action else tao_files(OI)
    found = {path.relative_to(tmp_path / "made").as_posix() for path in (tmp_path / "made").rglob("*.*")}
    assert found == set(files)
    for path, content in files.items():
        assert (tmp_path / "made" / path).read_text(encoding="utf-8") == content
    assert capsys.readouterr().out.count("Wrote ") == len(files)


def test_the_command_prints_one(capsys):
    assert main(["schema", OI, "train", "--dialect", "tao"]) == 0
    assert json.loads(capsys.readouterr().out) == tao_schema(OI, "train")


def test_a_standard_schema_is_printed_only(tmp_path, capsys):
    assert main(["schema", OI, "--out", str(tmp_path)]) == 2
    assert "--out goes with --dialect tao" in capsys.readouterr().err and not list(tmp_path.iterdir())
