"""TAO's options as facts (TAO 7.3, field table of optical_inspection), against ours."""

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
from omegaconf import OmegaConf
from pydantic import ValidationError

from goldenpair.errors import SpecError
from goldenpair.run import Run
from goldenpair.specs.fields import Section, meta
from goldenpair.specs.load import default_spec, load_spec, walk, without_effect
from goldenpair.specs.optical_inspection import OpticalInspectionSpec
from goldenpair.specs.synthetic import KINDS

OI = "optical_inspection"

# path | type | command-line default | template default where different | bounds or choices | flags
# P popular, A open to AutoML, I ignored by TAO. Two defaults are the template's, since TAO's own cannot work.
TAO = """
model_name | opt[str] | null |  |
encryption_key | opt[str] | null |  |
results_dir | opt[str] | "" |  |
wandb.enable | bool | true |  |
wandb.project | str | TAO Toolkit |  |
wandb.entity | opt[str] | "" |  |
wandb.group | opt[str] | "" |  |
wandb.tags | List[str] | ["training", "tao-toolkit"] | ["tao-toolkit"] |
wandb.reinit | bool | false |  |  | I
wandb.sync_tensorboard | bool | false |  |  | I
wandb.save_code | bool | false |  |  | I
wandb.name | str | TAO Toolkit training experiment | TAO Toolkit Training |
wandb.run_id | str | "" |  |
model.model_type | str | Siamese_3 |  | Siamese, Siamese_3
model.margin | float | 2.0 |  | >= 1.0 | A
model.model_backbone | str | custom |  |
model.embedding_vectors | int | 5 |  | >= 1
model.imagenet_pretrained | bool | false |  |  | I
dataset.train_dataset.csv_path | str | ??? |  |
dataset.train_dataset.images_dir | str | ??? |  |
dataset.validation_dataset.csv_path | str | ??? |  |
dataset.validation_dataset.images_dir | str | ??? |  |
dataset.test_dataset.csv_path | str | ??? |  |
dataset.test_dataset.images_dir | str | ??? |  |
dataset.infer_dataset.csv_path | str | ??? |  |
dataset.infer_dataset.images_dir | str | ??? |  |
dataset.image_ext | opt[str] | null | .jpg |
dataset.batch_size | int | 32 | 8 | >= 1
dataset.workers | int | 8 | 1 | >= 0
dataset.fpratio_sampling | float | 0.1 |  | >= 0.0; <= 1.0 | A
dataset.num_input | int | 8 | 4 | >= 1
dataset.input_map | opt[Dict[str, int]] | null | {"LowAngleLight":0, "SolderLight":1, "UniformLight":2, "WhiteLight":3}
dataset.grid_map | opt[Dict[str, int]] | null | {"x": 2, "y": 2}
dataset.concat_type | opt[str] | null | linear | linear, grid
dataset.image_width | int | 128 |  |
dataset.image_height | int | 128 |  |
dataset.augmentation_config.rgb_input_mean | List[float] | [0.485, 0.456, 0.406] |  |
dataset.augmentation_config.rgb_input_std | List[float] | [0.229, 0.224, 0.225] | [0.226, 0.226, 0.226] |
dataset.augmentation_config.random_flip.vflip_probability | float | 0.5 |  | >= 0; <= 1 | A
dataset.augmentation_config.random_flip.hflip_probability | float | 0.5 |  | >= 0; <= 1 | A
dataset.augmentation_config.random_flip.enable | bool | true |  |  | A
dataset.augmentation_config.random_rotate.rotate_probability | float | 0.5 |  | >= 0; <= 1 | A
dataset.augmentation_config.random_rotate.angle_list | List[float] | [90, 180, 270] |  |
dataset.augmentation_config.random_rotate.enable | bool | true |  |  | A
dataset.augmentation_config.random_color.brightness | float | 0.3 |  | >= 0.0; <= 2.0 | A
dataset.augmentation_config.random_color.contrast | float | 0.3 |  | >= 0.0; <= 2.0 | A
dataset.augmentation_config.random_color.saturation | float | 0.3 |  | >= 0.0; <= 2.0 | A
dataset.augmentation_config.random_color.hue | float | 0.3 |  | >= 0.0; <= 0.5 | A
dataset.augmentation_config.random_color.enable | bool | true |  |  | A
dataset.augmentation_config.random_color.color_probability | float | 0.5 |  | >= 0; <= 1 | A
dataset.augmentation_config.with_random_blur | bool | true |  |
dataset.augmentation_config.with_random_crop | bool | true |  |
dataset.augmentation_config.augment | bool | false |  |  | A
train.num_gpus | int | 1 |  | >= 1 | P
train.gpu_ids | List[int] | [0] |  |  | P
train.num_nodes | int | 1 |  | >= 1 | P
train.seed | int | 1234 |  | >= -1
train.cudnn.benchmark | bool | false |  |
train.cudnn.deterministic | bool | true |  |
train.num_epochs | int | 10 |  | >= 1 | P
train.checkpoint_interval | int | 1 |  | >= 1 | P
train.checkpoint_interval_unit | str | epoch |  | epoch, step
train.validation_interval | int | 1 |  | >= 1 | P
train.resume_training_checkpoint_path | opt[str] | null |  |
train.results_dir | opt[str] | null |  |
train.checkpointer.enable_topk | bool | false |  |
train.checkpointer.replace_periodic | bool | false |  |
train.checkpointer.monitor | opt[str] | null |  |
train.checkpointer.mode | opt[str] | null |  | min, max
train.checkpointer.save_top_k | int | 1 |  | >= 1
train.checkpointer.filename | str | model_best_{epoch:03d} |  |
train.checkpointer.dirpath | opt[str] | null |  |
train.checkpointer.auto_insert_metric_name | bool | false |  |
train.optim.type | str | Adam |  |
train.optim.lr | float | 0.0005 |  | >= 0 | A
train.optim.momentum | float | 0.9 |  | >= 0.0; <= 1.0 | A
train.optim.weight_decay | float | 0.0005 |  | >= 0
train.loss | opt[str] | null | contrastive |  | I
train.clip_grad_norm | float | 0.0 | 1 | >= 0.0
train.tensorboard.enabled | bool | false |  |
train.tensorboard.infrequent_logging_frequency | int | 2 |  | >= 0
train.pretrained_model_path | opt[str] | null |  |
evaluate.num_gpus | int | 1 |  | >= 1 | P
evaluate.gpu_ids | List[int] | [0] |  |  | P
evaluate.num_nodes | int | 1 |  | >= 1 | P
evaluate.checkpoint | str | ??? |  |
evaluate.trt_engine | opt[str] | null |  |
evaluate.results_dir | opt[str] | null |  |
evaluate.batch_size | int | -1 | 8 | >= 1 | I
export.results_dir | opt[str] | null |  |
export.gpu_id | int | 0 |  |
export.checkpoint | str | ??? |  |
export.onnx_file | opt[str] | ??? |  |
export.opset_version | int | 17 | 12 | >= 1
export.on_cpu | bool | false |  |
export.input_height | int | 512 |  |
export.input_width | int | 128 |  |
export.input_channel | int | 3 |  |
export.batch_size | int | -1 |  |
export.do_constant_folding | bool | false |  |
inference.num_gpus | int | 1 |  | >= 1 | P
inference.gpu_ids | List[int] | [0] |  |  | P
inference.num_nodes | int | 1 |  | >= 1 | P
inference.checkpoint | str | ??? |  |
inference.trt_engine | opt[str] | null |  |
inference.results_dir | opt[str] | null |  |
inference.batch_size | int | 1 |  | >= 1 | I
dataset_convert.root_dataset_dir | opt[str] | null |  |
dataset_convert.data_convert_output_dir | opt[str] | null |  |
dataset_convert.train_pcb_dataset_dir | opt[str] | null |  |
dataset_convert.val_pcb_dataset_dir | opt[str] | null |  |
dataset_convert.all_pcb_dataset_dir | opt[str] | null |  |
dataset_convert.golden_csv_dir | opt[str] | null |  |
dataset_convert.project_name | opt[str] | null |  |
dataset_convert.bot_top | opt[str] | null |  |
gen_trt_engine.results_dir | opt[str] | null |  |
gen_trt_engine.gpu_id | int | 0 |  | >= 0 | P
gen_trt_engine.onnx_file | str | ??? |  |
gen_trt_engine.trt_engine | opt[str] | ??? |  |
gen_trt_engine.timing_cache | opt[str] | null |  |
gen_trt_engine.batch_size | int | -1 |  | >= -1 | P
gen_trt_engine.verbose | bool | false |  |
gen_trt_engine.tensorrt.workspace_size | int | 1024 |  | >= 0
gen_trt_engine.tensorrt.min_batch_size | int | 1 |  | >= 1 | P
gen_trt_engine.tensorrt.opt_batch_size | int | 1 |  | >= 1 | P
gen_trt_engine.tensorrt.max_batch_size | int | 1 |  | >= 1 | P
gen_trt_engine.tensorrt.layers_precision | opt[List[str]] | [] |  |
gen_trt_engine.tensorrt.data_type | str | fp32 | fp32,fp16 |
gen_trt_engine.tensorrt.calibration.cal_image_dir | List[str] | ??? |  |
gen_trt_engine.tensorrt.calibration.cal_cache_file | str | ??? |  |
gen_trt_engine.tensorrt.calibration.cal_batch_size | int | 1 |  | >= 1 | P
gen_trt_engine.tensorrt.calibration.cal_batches | int | 1 |  | >= 1 | P
"""

TEMPLATE_DEFAULTS = {"dataset.image_ext": ".jpg", "dataset.num_input": 4}
NO_DEFAULT = {"export.input_height", "export.input_width"}  # the dataset section knows; TAO's fit one size only

# Where we differ from the table on purpose.
NULL_ACCEPTED = {
    "export.batch_size",  # as -1, in TAO's code
    "export.input_height",  # as the dataset section says
    "export.input_width",
}
CHOICES = {
    "model.model_type": ["Siamese", "Siamese_1", "Siamese_3"],  # TAO takes any text for Siamese_1
    "model.model_backbone": ["custom"],  # anything else is not implemented in TAO
    "train.optim.type": ["Adam", "SGD"],  # TAO takes any other text for SGD
}
LOWER_BOUND = {
    "train.tensorboard.infrequent_logging_frequency": 1,  # 0 divides by zero in TAO
    "evaluate.batch_size": -1,  # TAO's own default is out of its bounds
    "inference.batch_size": -1,  # as evaluate's; neither has an effect
    "dataset.image_width": 1,
    "dataset.image_height": 1,
    "export.input_height": 1,
    "export.input_width": 1,
    "export.input_channel": 1,
    "export.batch_size": -1,
}
UP_TO_EPOCHS = {"train.checkpoint_interval", "train.validation_interval"}

OURS = {
    "dataset.augmentation_config.relative_jitter.enable": False,
    "dataset.augmentation_config.relative_jitter.max_shift": 0.04,
    "dataset.augmentation_config.relative_jitter.jitter_probability": 0.5,
    "dataset.augmentation_config.relative_jitter.max_rotation": 2.0,
    "dataset.augmentation_config.relative_jitter.max_exposure": 0.1,
    "dataset.cache.enable": True,
    "dataset.cache.dir": None,
    "dataset.cache.limit_gb": 20.0,
    "dataset.synthetic_defects.enable": False,
    "dataset.synthetic_defects.share": 0.1,
    "dataset.synthetic_defects.kinds": [kind for kind in KINDS if kind != "flip"],
    "dataset.synthetic_defects.min_severity": 0.0,
    "dataset.synthetic_defects.max_severity": 1.0,
    "storage.limit_gb": 100.0,
    "storage.max_files": 2_000_000,
    "storage.max_gb": 200.0,
    "storage.max_ratio": 200.0,
    "storage.workers": 16,
    "export.overwrite": False,
    "evaluate.cutoff": None,
    "evaluate.targets.capture": None,
    "evaluate.targets.escapes_ppm": None,
    "evaluate.targets.false_calls_ppm": None,
    "inference.cutoff": None,
    "evaluate.policy": None,
    "inference.policy": None,
    "evaluate.policy_forced": False,
    "evaluate.label_map": None,
    **{f"{action}.explain": False for action in ("evaluate", "inference")},
    **{f"{action}.heatmap_scale": None for action in ("evaluate", "inference")},
    **{f"{action}.heatmap_limit": 100 for action in ("evaluate", "inference")},
    "evaluate.robustness": False,
    "evaluate.robustness_rows": 200,
    "train.keep_checkpoints": None,
    "train.early_stopping.enable": False,
    "train.early_stopping.monitor": None,
    "train.early_stopping.mode": None,
    "train.early_stopping.patience": 5,
    "train.early_stopping.min_delta": 0.0,
    **{
        f"dataset_convert.{name}": None
        for name in ("test_pcb_dataset_dir", "split", "lights", "images_dir", "results_dir")
    },
    "dataset_convert.pass_texts": ["PASS"],
    "dataset_convert.missing_verdict": "leave_out",
    "dataset_convert.unreadable_tables": "refuse",
    "dataset_convert.check_pictures": True,
    "dataset_convert.overwrite": False,
    "gen_trt_engine.input_channel": None,  # of older TAO
    "gen_trt_engine.input_height": None,
    "gen_trt_engine.input_width": None,
}


class Fact:
    """A row of TAO's table; the mappings say, by path, where we differ on purpose."""

    def __init__(
        self, line: str, template_defaults: dict[str, Any], choices: dict[str, list[str]], bounds: dict[str, float]
    ):
        cells = [cell.strip() for cell in line.split("|")]
        self.path, self.type, default, template, allowed, self.flags = cells + [""] * (6 - len(cells))
        self.default = template_defaults.get(self.path, as_value(default))
        self.template = as_value(template) if template and self.path not in template_defaults else None
        if self.path in NO_DEFAULT:
            self.default, self.template = None, self.default
        words = [word.strip() for word in allowed.split(";") if word.strip()]
        self.low = bounds.get(self.path, limit(words, ">="))
        self.high = limit(words, "<=")
        listed = allowed.split(", ") if words and self.low is None else []
        self.choices = choices.get(self.path, listed)
        self.nullable = self.type.startswith("opt[")
        self.kind = self.type.removeprefix("opt[").removesuffix("]") if self.type.startswith("opt[") else self.type


def as_value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def limit(words: list[str], sign: str) -> float | None:
    found = [float(word.removeprefix(sign)) for word in words if word.startswith(sign)]
    return found[0] if found else None


FACTS = [Fact(line, TEMPLATE_DEFAULTS, CHOICES, LOWER_BOUND) for line in TAO.strip().splitlines()]
FIELDS = {path: (field, value) for path, field, value in walk(default_spec(OI))}
every = pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.path)


def leaves(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def accepts(path: str, value: Any, kind: type[Section] = OpticalInspectionSpec) -> bool:
    tree: Any = value
    for name in reversed(path.split(".")):
        tree = {name: tree}
    try:
        kind.model_validate(tree)
    except ValidationError:
        return False
    return True


def test_the_table_is_whole():
    assert len({fact.path for fact in FACTS}) == 132


def test_options_are_taos_and_these_of_ours():
    ours = dict(leaves(default_spec(OI).model_dump()))
    assert set(ours) == {fact.path for fact in FACTS} | set(OURS)
    assert {path: ours[path] for path in OURS} == OURS


@every
def test_default(fact):
    found = dict(leaves(OpticalInspectionSpec().model_dump()))[fact.path]
    assert found == fact.default
    if fact.kind in ("int", "bool", "str"):
        assert type(found) is type(fact.default)


@every
def test_template_default(fact):
    assert meta(FIELDS[fact.path][0]).tao_template == fact.template


@every
def test_flags(fact):
    said = meta(FIELDS[fact.path][0])
    assert said.popular == ("P" in fact.flags)
    assert said.automl == ("A" in fact.flags)
    if "I" in fact.flags:
        assert said.no_effect


GOOD = {
    "str": ["text", "a/b.pth", 7],
    "int": [7],
    "bool": [True, False],
    "List[str]": [[], ["a", "b"]],
    "List[int]": [[0, 1]],
    "List[float]": [[0.5, 1, 0.25]],
    "Dict[str, int]": [{"x": 1, "y": 2}],
}
BAD = {
    "str": [["a"], {"a": 1}, True],
    "int": [0.5, "word", True, [1]],
    "float": ["word", True, [1.0]],
    "bool": [7, "word", [True]],
    "List[str]": [5, "a", {"a": 1}],
    "List[int]": [0, "word", ["word"], [0.5]],
    "List[float]": [0.5, "word", ["a", "b", "c"]],
    "Dict[str, int]": [5, [1], {"x": "word"}],
}


@every
def test_type(fact):
    if not fact.choices:
        assert all(accepts(fact.path, value) for value in [fact.default, *GOOD.get(fact.kind, [])])
    wrongly = [value for value in BAD[fact.kind] if accepts(fact.path, value)]
    assert wrongly == []


@every
def test_null(fact):
    assert accepts(fact.path, None) == (fact.nullable or fact.path in NULL_ACCEPTED)


@every
def test_bounds(fact):
    step = 1 if fact.kind == "int" else 1e-6
    if fact.low is not None:
        low = int(fact.low) if fact.kind == "int" else fact.low
        assert accepts(fact.path, low)
        assert not accepts(fact.path, low - step)
    if fact.high is not None:
        assert accepts(fact.path, fact.high)
        assert not accepts(fact.path, fact.high + step)
    elif fact.kind in ("int", "float"):
        assert accepts(fact.path, 10 if fact.path in UP_TO_EPOCHS else 10**9)
    if fact.kind == "float":
        assert not accepts(fact.path, math.nan)


@every
def test_choices(fact):
    for choice in fact.choices:
        assert accepts(fact.path, choice)
    if fact.choices:
        assert not accepts(fact.path, "another")
        assert not accepts(fact.path, fact.choices[0].swapcase())


def test_every_option_is_described():
    for path, (field, _) in FIELDS.items():
        assert field.description and len(field.description) > 2, path


# the shape of the spec file that TAO ships, which users own
SAMPLE = """
results_dir: /results
encryption_key: nvidia_tlt
model: {model_type: Siamese_3, model_backbone: custom, embedding_vectors: 5, margin: 2.0}
dataset:
  train_dataset: {csv_path: /data/train.csv, images_dir: /data/images}
  validation_dataset: {csv_path: /data/val.csv, images_dir: /data/images}
  test_dataset: {csv_path: /data/test.csv, images_dir: /data/images}
  infer_dataset: {csv_path: /data/infer.csv, images_dir: /data/images}
  image_ext: .jpg
  batch_size: 16
  workers: 8
  fpratio_sampling: 0.1
  num_input: 4
  input_map: {LowAngleLight: 0, SolderLight: 1, UniformLight: 2, WhiteLight: 3}
  concat_type: linear
  grid_map: {x: 2, y: 2}
  image_width: 128
  image_height: 128
  augmentation_config:
    rgb_input_mean: [0.485, 0.456, 0.406]
    rgb_input_std: [0.229, 0.224, 0.225]
train:
  pretrained_model_path: null
  optim: {type: Adam, lr: 0.0005}
  loss: contrastive
  num_epochs: 15
  checkpoint_interval: 5
  validation_interval: 5
  results_dir: "${results_dir}/train"
  seed: 1234
  tensorboard: {enabled: true, infrequent_logging_frequency: 2}
evaluate:
  checkpoint: "${results_dir}/train/oi_model_latest.pth"
  results_dir: "${results_dir}/evaluate"
export:
  checkpoint: "${results_dir}/train/oi_model_latest.pth"
  results_dir: "${results_dir}/export"
  onnx_file: "${export.results_dir}/oi_model.onnx"
  batch_size: -1
  input_height: 512
  input_width: 128
inference:
  checkpoint: "${results_dir}/train/oi_model_latest.pth"
  trt_engine: "${gen_trt_engine.results_dir}/oi_model.engine"
  results_dir: "${results_dir}/inference"
  batch_size: 8
gen_trt_engine:
  results_dir: "${results_dir}/gen_trt_engine"
  onnx_file: "${results_dir}/export/oi_model.onnx"
  trt_engine: "${gen_trt_engine.results_dir}/oi_model.engine"
  batch_size: -1
"""


@pytest.mark.parametrize("action", ["train", "evaluate", "inference"])
def test_taos_sample_loads(tmp_path, action):
    path = tmp_path / "spec.yaml"
    path.write_text(SAMPLE)
    spec = load_spec(OI, path, action=action)
    assert isinstance(spec, OpticalInspectionSpec)
    assert spec.train.results_dir == "/results/train"
    assert spec.inference.trt_engine == "/results/gen_trt_engine/oi_model.engine"
    assert list(spec.dataset.input_map or {}) == ["LowAngleLight", "SolderLight", "UniformLight", "WhiteLight"]


def as_tao_writes_it(table: str, template: bool = False) -> dict[str, Any]:
    """Every key: as `default_specs` writes it, with null, "" and ??? where nothing is set, or as TAO's templates."""
    plain: dict[str, Any] = {}
    for fact in (Fact(line, {}, {}, {}) for line in table.strip().splitlines()):
        owner = plain
        *sections, last = fact.path.split(".")
        for name in sections:
            owner = owner.setdefault(name, {})
        value = fact.default if fact.template is None or not template else fact.template
        owner[last] = "" if template and value is None and fact.kind == "str" and not fact.choices else value
    return plain


SPLITS = [f"dataset.{split}_dataset={{csv_path: a, images_dir: b}}" for split in ("train", "validation")]


def test_everything_null_empty_and_open_as_tao_writes_it(tmp_path):
    path = tmp_path / "experiment.yaml"
    path.write_text(OmegaConf.to_yaml(OmegaConf.create(as_tao_writes_it(TAO))))
    assert load_spec(OI, path).model_dump()["dataset"]["image_ext"] is None
    assert load_spec(OI, path, [*SPLITS, "dataset.image_ext=.jpg", "dataset.num_input=1"], "train")
    with pytest.raises(SpecError) as caught:
        load_spec(OI, path, SPLITS, "train")
    assert [problem.split(": ")[0] for problem in caught.value.problems] == ["dataset.num_input", "dataset.image_ext"]
    assert "None must start with a dot, as in '.jpg'" in str(caught.value)


def test_taos_template_loads():
    spec = load_spec(OI, as_tao_writes_it(TAO, template=True), SPLITS, "train")
    assert spec.model_name == "" and spec.model_dump()["gen_trt_engine"]["tensorrt"]["data_type"] == "fp32,fp16"
    named = {sentence.split(" ")[0] for sentence in without_effect(spec, OpticalInspectionSpec.model_fields)}
    assert named == {"wandb.tags", "wandb.name", "train.loss", "evaluate.batch_size"}  # and nothing that is just empty


UNREAD = [
    *("wandb.reinit=true", "wandb.sync_tensorboard=true", "wandb.save_code=true", "encryption_key=secret"),
    *("model.imagenet_pretrained=true", "train.loss=foo"),
    *("train.optim.momentum=0.5", "train.optim.weight_decay=0.1"),  # the optimiser is Adam
    *("evaluate.batch_size=3", "inference.batch_size=3", "evaluate.num_nodes=2", "inference.num_nodes=2"),
    *("evaluate.trt_engine=a", "inference.trt_engine=a", "dataset.input_map={b: 1, a: 0}"),
    *(f"gen_trt_engine.input_{side}=3" for side in ("channel", "width", "height")),
]


@pytest.mark.parametrize("override", UNREAD)
def test_options_without_effect_are_accepted_and_named(override):
    (sentence,) = without_effect(default_spec(OI, [override]), OpticalInspectionSpec.model_fields)
    light = ".b" if "input_map" in override else ""
    assert sentence.startswith(f"{override.split('=')[0]}{light} is accepted and has no effect: ")


def test_with_sgd_its_options_have_an_effect():
    spec = default_spec(OI, ["train.optim.type=SGD", "train.optim.momentum=0.5", "train.optim.weight_decay=0.1"])
    assert without_effect(spec, OpticalInspectionSpec.model_fields) == []


@pytest.mark.parametrize("action", ["train", "evaluate", "inference"])
def test_a_run_says_each_once(tmp_path, caplog, action):
    with Run(default_spec(OI, [*UNREAD, f"results_dir={tmp_path}"]), action):
        pass
    said = [record.getMessage().split(" ")[0].removesuffix(".b") for record in caplog.records]
    read = ("encryption_key", "model", "dataset", action, "gen_trt_engine", *(["wandb"] if action == "train" else []))
    assert sorted(said) == sorted(path.split("=")[0] for path in UNREAD if path.startswith(read))


@pytest.mark.parametrize(
    ("overrides", "evaluate", "inference"),
    [
        (["model.margin=1.5"], (1.5, "model.margin"), (1.5, "model.margin")),
        (["evaluate.cutoff=0.25"], (0.25, "evaluate.cutoff"), (0.25, "evaluate.cutoff")),
        (["inference.cutoff=0.5"], (2.0, "model.margin"), (0.5, "inference.cutoff")),
        (["evaluate.cutoff=0.25", "inference.cutoff=0"], (0.25, "evaluate.cutoff"), (0.0, "inference.cutoff")),
    ],
)
def test_cutoff(overrides, evaluate, inference):
    spec = default_spec(OI, overrides)
    assert spec.cutoff("evaluate") == evaluate
    assert spec.cutoff("inference") == inference


@pytest.mark.parametrize(
    ("overrides", "evaluate", "inference"),
    [
        (["evaluate.cutoff=0.25"], None, None),
        (["evaluate.policy=a.json"], ("a.json", "evaluate.policy"), ("a.json", "evaluate.policy")),
        (["evaluate.policy=a.json", "inference.cutoff=0.5"], ("a.json", "evaluate.policy"), None),
        (["evaluate.cutoff=0.5", "inference.policy=b.json"], None, ("b.json", "inference.policy")),
    ],
)
def test_policy_file(overrides, evaluate, inference):
    spec = default_spec(OI, overrides)
    assert spec.policy_file("evaluate") == evaluate
    assert spec.policy_file("inference") == inference


def test_a_policy_and_a_cutoff_in_one_section_contradict_each_other():
    wish = ["evaluate.policy=a.json", "evaluate.cutoff=0.5", "inference.policy=a.json", "inference.cutoff=0.25"]
    for action in ("evaluate", "inference", "export"):
        told = [line for line in default_spec(OI, wish).problems(action) if "policy" in line]
        assert told == [
            "evaluate.policy: evaluate.cutoff (0.5) is given too; leave one of them out",
            "inference.policy: inference.cutoff (0.25) is given too; leave one of them out",
        ]
    assert not [line for line in default_spec(OI, [wish[0], wish[3]]).problems("inference") if "policy" in line]


def test_what_the_package_knows_of_the_network():
    assert OpticalInspectionSpec.network == OI
    assert OpticalInspectionSpec.title == "Optical Inspection"
    spec = OpticalInspectionSpec()
    assert spec.latest_checkpoint == "oi_model_latest.pth"
    assert spec.pairs is spec.dataset
