import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from goldenpair.errors import SpecError
from goldenpair.specs.fields import meta
from goldenpair.specs.load import default_spec, load_spec, walk
from goldenpair.specs.schema import docs_table, json_schema, schema_text, spec_page, template
from test_optical_inspection import SAMPLE

OI = "optical_inspection"
ACTIONS = ["train", "evaluate", "inference"]
NOT_OFFERED = ("gen_trt_engine", "quantize")
SPLITS = {
    "train": ["train_dataset", "validation_dataset"],
    "evaluate": ["test_dataset"],
    "inference": ["infer_dataset"],
}


def leaves(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict) and value and key not in ("input_map", "grid_map"):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def nested(path: str, value: Any) -> dict[str, Any]:
    tree = value
    for name in reversed(path.split(".")):
        tree = {name: tree}
    return tree


def faults(schema: dict[str, Any], spec: dict[str, Any]) -> list[str]:
    return [error.json_path for error in Draft202012Validator(schema).iter_errors(spec)]


def needed(action: str) -> dict[str, Any]:
    """The least that an action needs."""
    spec: dict[str, Any] = {"dataset": {name: {"csv_path": "a", "images_dir": "b"} for name in SPLITS[action]}}
    return spec if action == "train" else {**spec, action: {"checkpoint": "c.pth"}}


@pytest.mark.parametrize("action", [None, *ACTIONS])
def test_schema_is_valid(action):
    schema = json_schema(OI, action)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(schema_text(OI, action)) == schema


def test_schema_accepts_defaults_and_taos_sample():
    schema = json_schema(OI)
    assert faults(schema, {}) == []
    assert faults(schema, default_spec(OI).model_dump()) == []
    assert faults(schema, yaml.safe_load(SAMPLE)) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("model.margin", 0.5),
        ("model.model_type", "Siamese_4"),
        ("train.num_epochs", 0),
        ("train.num_epochs", "three"),
        ("train.num_epochs", 2.5),
        ("train.num_epochs", True),
        ("train.gpu_ids", 0),
        ("train.gpu_ids", ["a"]),
        ("train.nonsense", 1),
        ("nonsense", 1),
        ("dataset.fpratio_sampling", 1.1),
        ("dataset.input_map", {"a": "first"}),
        ("dataset.grid_map", {"x": 0, "y": 1}),
        ("dataset.grid_map", {"z": 1}),
        ("dataset.augmentation_config.rgb_input_std", [0.2, 0.2]),
        ("dataset.augmentation_config.relative_jitter.max_exposure", 1),
        ("dataset.cache.limit_gb", 0),
        ("dataset.input_width", 0),
        ("evaluate.checkpoint", None),
        ("train", 5),
    ],
)
def test_schema_rejects_what_the_loader_rejects(path, value):
    spec = nested(path, value)
    assert faults(json_schema(OI), spec)
    with pytest.raises(SpecError):
        load_spec(OI, spec)


@pytest.mark.parametrize("side", ["width", "height"])
def test_schema_knows_the_aliases(side):
    schema = json_schema(OI)
    assert faults(schema, {"dataset": {f"input_{side}": 64}}) == []
    assert schema["$defs"]["Dataset"]["properties"][f"input_{side}"]["deprecated"] is True
    assert "deprecated" not in schema["$defs"]["Dataset"]["properties"][f"image_{side}"]


@pytest.mark.parametrize("action", ACTIONS)
def test_action_schema_accepts_the_least(action):
    assert faults(json_schema(OI, action), needed(action)) == []
    assert load_spec(OI, needed(action), ["dataset.num_input=1"], action)  # and so does the loader


@pytest.mark.parametrize(
    ("action", "path"),
    [(action, path) for action in ACTIONS for path, _ in leaves(needed(action))],
)
def test_action_schema_requires_what_the_action_needs(action, path):
    spec = needed(action)
    owner: Any = spec
    *sections, last = path.split(".")
    for name in sections:
        owner = owner[name]
    del owner[last]
    assert faults(json_schema(OI, action), spec)
    with pytest.raises(SpecError) as caught:
        load_spec(OI, spec, ["dataset.num_input=1"], action)
    assert [problem.split(": ")[0] for problem in caught.value.problems] == [path]


@pytest.mark.parametrize("action", ACTIONS)
def test_action_schema_leaves_out_other_actions(action):
    schema = json_schema(OI, action)
    assert not {*ACTIONS, *NOT_OFFERED} & set(schema["properties"]) - {action}
    splits = {name for name in schema["$defs"]["Dataset"]["properties"] if name.endswith("_dataset")}
    assert splits == set(SPLITS[action])


def test_an_action_schema_does_not_change_the_next():
    before = schema_text(OI)
    for action in ACTIONS:
        json_schema(OI, action)
    assert schema_text(OI) == before


@pytest.mark.parametrize(
    ("section", "name", "said"),
    [
        ("Train", "num_epochs", {"popular": True}),
        ("Model", "margin", {"automl": True}),
        ("Optim", "lr", {"automl": True}),
    ],
)
def test_schema_carries_what_forms_and_tuning_need(section, name, said):
    found = json_schema(OI)["$defs"][section]["properties"][name]
    assert found["x-goldenpair"] == said
    assert found["description"]
    assert "default" in found


@pytest.mark.parametrize("action", [None, *ACTIONS])
def test_template_loads_once_filled_in(tmp_path, action):
    path = tmp_path / "spec.yaml"
    path.write_text(template(OI, action).replace("???", "filled_in"))
    for each in [action] if action else ACTIONS:
        spec: Any = load_spec(OI, path, action=each)
        assert spec.dataset.num_input == len(spec.dataset.input_map) == 4
        assert spec.evaluate.checkpoint in ("results/train/oi_model_latest.pth", "???")


@pytest.mark.parametrize(
    ("network", "wish"),
    [(OI, []), ("visual_changenet", ["task=classify"]), ("visual_changenet", ["task=segment"])],
)
def test_checkpoints_of_a_template_are_those_that_training_writes(network, wish):
    plain = yaml.safe_load(template(network).replace("???", "filled_in"))
    spec: Any = load_spec(network, plain, [*wish, "results_dir=there"])
    for action in ("evaluate", "inference", "export"):
        assert getattr(spec, action).checkpoint == f"there/train/{spec.latest_checkpoint}"


@pytest.mark.parametrize("action", ACTIONS)
def test_template_marks_what_the_action_needs(tmp_path, action):
    path = tmp_path / "spec.yaml"
    path.write_text(template(OI, action))
    with pytest.raises(SpecError) as caught:
        load_spec(OI, path, action=action)
    marked = {name for name, value in leaves(yaml.safe_load(path.read_text())) if value == "???"}
    assert {problem.split(": ")[0] for problem in caught.value.problems} == marked
    assert marked == {f"dataset.{split}.{key}" for split in SPLITS[action] for key in ("csv_path", "images_dir")}


def test_every_option_with_effect_stands_in_the_template():
    inside = set(dict(leaves(yaml.safe_load(template(OI)))))
    wanted = {path for path, field, _ in walk(default_spec(OI)) if not meta(field).no_effect}
    assert inside == {path for path in wanted if not path.startswith(NOT_OFFERED)}


@pytest.mark.parametrize("action", ACTIONS)
def test_action_template_holds_only_what_it_reads(action):
    assert set(yaml.safe_load(template(OI, action))) == {"results_dir", "model", "dataset", "storage", action}


def test_template_differs_from_the_defaults_only_where_it_proposes_better():
    proposed = dict(leaves(yaml.safe_load(template(OI))))
    defaults = dict(leaves(default_spec(OI).model_dump()))
    assert {path for path, value in proposed.items() if value != defaults[path]} == {
        "results_dir",
        "dataset.batch_size",
        "dataset.workers",
        "dataset.fpratio_sampling",
        "dataset.input_map",
        "dataset.grid_map",
        "dataset.concat_type",
        "dataset.augmentation_config.augment",
        *(f"dataset.augmentation_config.random_color.{one}" for one in ("brightness", "contrast", "saturation", "hue")),
        "dataset.augmentation_config.relative_jitter.enable",
        "evaluate.checkpoint",
        "inference.checkpoint",
        "export.checkpoint",
        "export.onnx_file",
    }


def test_every_line_of_the_template_is_explained():
    for line in template(OI).splitlines():
        assert "# " in line, line


def test_docs_table_lists_every_option():
    rows = [line.split(" | ") for line in docs_table(OI).splitlines()[2:]]
    assert [row[0] for row in rows] == [f"| `{path}`" for path, _ in leaves(default_spec(OI).model_dump())]
    assert all(len(row) == 5 for row in rows)


@pytest.mark.parametrize(
    "row",
    [
        "| `model.margin` | number | `2.0` | >= 1 | ",
        '| `train.checkpoint_interval_unit` | text | `"epoch"` | epoch or step | ',
        "| `dataset.concat_type` | text or null |  | linear or grid | ",
        "| `train.gpu_ids` | list of integer | `[0]` |  | ",
        "| `dataset.augmentation_config.random_flip.enable` | true or false | `true` |  | ",
        "| `dataset.augmentation_config.random_color.hue` | number | `0.3` | >= 0, <= 0.5 | ",
        "| `dataset.input_map` | mapping or null |  |  | ",
        "| `evaluate.cutoff` | number or null |  | >= 0, <= 1e+09 | ",
    ],
)
def test_rows_of_the_docs_table(row):
    assert row in docs_table(OI)


def test_docs_table_says_what_else_there_is_to_know():
    table = docs_table(OI)
    assert "Also called `input_width`" in table
    assert "No effect: only NVIDIA's launchers read it" in table


def test_spec_page_holds_the_table():
    assert spec_page(OI).endswith(docs_table(OI))


@pytest.mark.parametrize("make", [template, json_schema, docs_table, spec_page])
def test_unknown_network(make):
    with pytest.raises(SpecError, match="'oi' is no network"):
        make("oi")
