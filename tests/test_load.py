import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from goldenpair.errors import SpecError
from goldenpair.specs.load import default_spec, load_section, load_spec, spec_class, walk, without_effect
from goldenpair.specs.optical_inspection import OpticalInspectionSpec
from goldenpair.specs.simulate import SimulateSpec

OI = "optical_inspection"
LIGHTS = {"Low": 0, "White": 1}


def load(source: Any, overrides: Sequence[str] = (), action: str | None = None) -> Any:
    return load_spec(OI, source, overrides, action)


def mistakes(source: Any, overrides: Sequence[str] = (), action: str | None = None) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load(source, overrides, action)
    return caught.value.problems


def about(path: str, problems: list[str]) -> str:
    """The one problem of a path."""
    (found,) = [problem for problem in problems if problem.startswith(f"{path}: ")]
    return found


def files(name: str) -> dict[str, str]:
    return {"csv_path": f"{name}.csv", "images_dir": name}


def complete(**dataset: Any) -> dict[str, Any]:
    """What all actions need, for two lights."""
    splits = {f"{name}_dataset": files(name) for name in ("train", "validation", "test", "infer")}
    return {
        "dataset": {**splits, "num_input": 2, "input_map": LIGHTS, **dataset},
        "evaluate": {"checkpoint": "a.pth"},
        "inference": {"checkpoint": "a.pth"},
    }


@pytest.fixture
def file(tmp_path):
    def write(content: str | bytes, name: str = "spec.yaml") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


# files


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("spec.yaml", "train:\n  num_epochs: 3\n  optim: {lr: 1e-3}\n"),
        ("spec.yaml", "\ufefftrain:\r\n  num_epochs: 3\r\n  optim:\r\n    lr: 0.001\r\n"),
        ("spec.json", '{"train": {"num_epochs": 3, "optim": {"lr": 1e-3}}}'),
        ("spec.json", '{\n\t"train": {\n\t\t"num_epochs": 3,\n\t\t"optim": {"lr": 0.001}\n\t}\n}\n'),
        ("spec.json", '\ufeff{"train": {"num_epochs": 3, "optim": {"lr": 0.001}}}'),
        ("spec", "train: {num_epochs: 3, optim: {lr: 0.001}}"),
    ],
)
def test_reads_yaml_and_json(file, name, content):
    train = load(file(content, name)).train
    assert (train.num_epochs, train.optim.lr) == (3, 0.001)
    assert train.optim.momentum == 0.9  # not in the file: the default


def test_a_path_may_be_text(file):
    assert load(str(file("train: {num_epochs: 3}"))).train.num_epochs == 3


@pytest.mark.parametrize("content", ["", "\n\n", "# nothing\n", "---\n", "null\n", "{}"])
def test_an_empty_file_gives_the_defaults(file, content):
    assert load(file(content)) == default_spec(OI)


def test_no_such_file(tmp_path):
    with pytest.raises(SpecError, match=r"nowhere\.yaml:\n  there is no such file \(looked in ") as caught:
        load(tmp_path / "nowhere.yaml")
    assert str(Path.cwd()) in str(caught.value)


def test_a_folder_is_no_file(tmp_path):
    assert "cannot be read" in mistakes(tmp_path)[0]


def test_bytes_that_are_no_text(file):
    assert mistakes(file("train: {}".encode("utf-16"))) == ["is not UTF-8 text (invalid start byte, byte 0)"]


@pytest.mark.parametrize(
    "content",
    ["train: [1\n", '{"train": {"num_epochs": 3}', "train:\n\tnum_epochs: 3\n", "train: 1\n---\ntrain: 2\n"],
)
def test_neither_yaml_nor_json(file, content):
    (problem,) = mistakes(file(content))
    assert "is not YAML or JSON" in problem
    assert "line" in problem and "unicode string" not in problem  # where


@pytest.mark.parametrize("content", ["- train\n- evaluate\n", "42\n", "true\n", "3.5\n"])
def test_a_file_without_keys(file, content):
    assert "key: value" in mistakes(file(content))[0]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("spec.yaml", "train:\n  num_epochs: 1\n  num_epochs: 2\n"),
        ("spec.json", '{"train": {"num_epochs": 1, "num_epochs": 2}}'),
    ],
)
def test_a_key_given_twice(file, name, content):
    assert "duplicate key num_epochs" in mistakes(file(content, name))[0]


def test_yaml_tags_run_nothing(file, tmp_path):
    ran = tmp_path / "ran"
    assert mistakes(file(f"results_dir: !!python/object/apply:os.mkdir ['{ran}']\n"))
    assert not ran.exists()


def test_no_such_network():
    with pytest.raises(SpecError, match="'visual_inspektion' is no network; there is optical_inspection"):
        spec_class("visual_inspektion")


@pytest.mark.parametrize(
    ("network", "given", "other"),
    [
        ("visual_changenet", {"model": {"margin": 2}, "dataset": {"input_width": 64}}, OI),
        (OI, {"task": "classify", "dataset": {"classify": {"batch_size": 4}}}, "visual_changenet"),
        (OI, {"task": "classify", "model": {"margins": 2}}, ""),  # of neither
        (OI, {"train": {"num_epochs": 0}}, ""),  # of both
    ],
)
def test_a_spec_of_the_other_network_is_recognised(network, given, other):
    with pytest.raises(SpecError) as caught:
        load_spec(network, given)
    first = str(caught.value).splitlines()[0]
    assert (f"(which reads like one of {other}, not of {network})" in first) if other else "reads like" not in first


def test_the_error_names_its_file(file):
    path = file("model: {margin: 0}")
    with pytest.raises(SpecError) as caught:
        load(path)
    assert str(caught.value).startswith(f"1 problem in the spec {path}:\n  model.margin: ")


# overrides


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("train.num_epochs=3", "train.num_epochs", 3),
        ("+train.num_epochs=3", "train.num_epochs", 3),
        ("++train.num_epochs=3", "train.num_epochs", 3),
        ("train.optim.lr=1e-3", "train.optim.lr", 0.001),
        ("train.gpu_ids=[0,1]", "train.gpu_ids", [0, 1]),
        ("train.gpu_ids=[2]", "train.gpu_ids", [2]),
        ("dataset.input_map={a:0,b:1}", "dataset.input_map", {"a": 0, "b": 1}),
        ("dataset.input_map={a: 0, b: 1}", "dataset.input_map", {"a": 0, "b": 1}),
        ("dataset.input_map=null", "dataset.input_map", None),
        ("dataset.augmentation_config.augment=true", "dataset.augmentation_config.augment", True),
        ("dataset.augmentation_config.augment=False", "dataset.augmentation_config.augment", False),
        ("results_dir=/data/run=7", "results_dir", "/data/run=7"),
        ("results_dir=/data/my runs", "results_dir", "/data/my runs"),
        ("results_dir=/data/a,b:c", "results_dir", "/data/a,b:c"),
        ("results_dir='/data/x'", "results_dir", "/data/x"),
        ("train.results_dir=null", "train.results_dir", None),
        ("train.results_dir=", "train.results_dir", None),
        ("dataset.grid_map={x:4,y:1}", "dataset.grid_map.x", 4),
        ("dataset.grid_map.y=3", "dataset.grid_map.y", 3),
        ("train.optim={type:SGD}", "train.optim.type", "SGD"),
        ("train.checkpointer.filename=best_{epoch:03d}", "train.checkpointer.filename", "best_{epoch:03d}"),
    ],
)
def test_overrides(override, path, value):
    found: Any = default_spec(OI, [override])
    for name in path.split("."):
        found = getattr(found, name)
    assert found == value


def test_the_last_override_wins_over_the_file():
    given = {"train": {"num_epochs": 2, "seed": 5}}
    spec = load(given, ["train.num_epochs=3", "train.num_epochs=4"])
    assert (spec.train.num_epochs, spec.train.seed) == (4, 5)


def test_a_map_of_lights_is_replaced_whole():
    assert load({"dataset": {"input_map": LIGHTS}}, ["dataset.input_map={c:0}"]).dataset.input_map == {"c": 0}


def test_the_mapping_given_is_left_alone():
    given = complete(input_width=64)
    before = json.dumps(given)
    load(given, ["train.num_gpus=2", "dataset.workers=1"], "train")
    assert json.dumps(given) == before


@pytest.mark.parametrize("override", ["train.num_epochs", "=3", "+=3", " = 3"])
def test_an_override_without_key_or_value(override):
    assert mistakes({}, [override]) == [f"override {override!r}: expected key.path=value, as in train.num_epochs=3"]


def test_an_override_that_is_no_yaml():
    assert mistakes({}, ["train.gpu_ids=[0,1"])[0].startswith("override 'train.gpu_ids=[0,1': ")


def test_mistakes_of_file_and_overrides_come_together():
    problems = mistakes({"model": {"margin": 0}}, ["train", "train.num_epochs=0"])
    assert len(problems) == 3


# texts, sections and values without content


@pytest.mark.parametrize("action", [None, "train"])
@pytest.mark.parametrize("text", ["just text", "just\ntwo lines", "'quoted'", "word  # and a comment"])
def test_a_text_is_no_spec_and_that_is_all(file, text, action):
    with pytest.raises(SpecError) as caught:
        load_spec("optical_inspection", file(text), action=action)
    assert caught.value.problems == ["holds no 'key: value' pairs"]


def test_an_empty_section_is_a_spec(file):
    assert load(file("train:")) == load({})


def test_an_empty_value_says_how_to_unset(file):
    (problem,) = mistakes({}, ["dataset.train_dataset.csv_path="])
    assert problem == (
        "dataset.train_dataset.csv_path: it is empty, and must be a text; to unset it, leave it out or write ???"
    )
    given = file("dataset: {train_dataset: {csv_path: a.csv, images_dir: b}}")
    assert load(given, ["dataset.train_dataset.csv_path=???"]).dataset.train_dataset.csv_path == "???"


# what an action needs

NEEDS = {
    "train": {
        "dataset.train_dataset.csv_path",
        "dataset.train_dataset.images_dir",
        "dataset.validation_dataset.csv_path",
        "dataset.validation_dataset.images_dir",
    },
    "evaluate": {"dataset.test_dataset.csv_path", "dataset.test_dataset.images_dir", "evaluate.checkpoint"},
    "inference": {"dataset.infer_dataset.csv_path", "dataset.infer_dataset.images_dir", "inference.checkpoint"},
}


@pytest.mark.parametrize("action", NEEDS)
def test_an_action_asks_for_what_it_needs(action):
    problems = mistakes({"dataset": {"num_input": 1}}, action=action)
    assert {problem.split(": ")[0] for problem in problems} == NEEDS[action]
    assert all(f"{action} needs it" in problem for problem in problems)


@pytest.mark.parametrize("action", NEEDS)
def test_an_action_does_not_ask_for_more(action):
    assert load(complete(), action=action).dataset.num_input == 2


@pytest.mark.parametrize("value", ["???", "", None])
def test_a_mandatory_value_left_open(value):
    given = complete(test_dataset={"csv_path": value, "images_dir": "i"})
    assert about("dataset.test_dataset.csv_path", mistakes(given, action="evaluate"))


def test_a_reference_to_a_value_left_open():
    given = {**complete(), "evaluate": {"checkpoint": "${inference.checkpoint}"}, "inference": {}}
    assert "evaluate needs it" in about("evaluate.checkpoint", mistakes(given, action="evaluate"))


@pytest.mark.parametrize("path", ["results_dir", "train.results_dir", "train.num_epochs", "dataset.image_ext"])
def test_a_mark_left_in_another_place_is_no_value(path):
    assert about(path, mistakes(complete(), [f"{path}=???"], "train"))


def test_without_an_action_nothing_is_needed():
    assert load({}).evaluate.checkpoint == "???"


# mistakes


def test_every_mistake_is_told_at_once(file):
    path = file(
        """
        resuts_dir: out
        model: {margin: 0.5, model_type: Siamese_4}
        dataset:
          num_input: four
          fpratio_sampling: 1.5
          workers: -1
          augmentation_config: {rgb_input_mean: [0.5]}
        train:
          num_epoch: 3
          num_epochs: 2.5
          optim: {lr: -1}
          gpu_ids: 0
        evaluate: 7
        """
    )
    problems = mistakes(path, ["inference.cutoff=low"], "evaluate")
    told = {problem.split(": ")[0]: problem for problem in problems}
    expected = {
        "resuts_dir": ["unknown key", "'results_dir'"],
        "model.margin": ["0.5", "at least 1"],
        "model.model_type": ["'Siamese_4'", "'Siamese'", "'Siamese_1'", "'Siamese_3'"],
        "dataset.num_input": ["'four'", "whole number"],
        "dataset.fpratio_sampling": ["1.5", "at most 1"],
        "dataset.workers": ["-1", "at least 0"],
        "dataset.augmentation_config.rgb_input_mean": ["[0.5]", "must have 3"],
        "train.num_epoch": ["unknown key", "'num_epochs'"],
        "train.num_epochs": ["2.5", "whole number"],
        "train.optim.lr": ["-1", "at least 0"],
        "train.gpu_ids": ["0", "a list such as [0, 1]"],
        "evaluate": ["7", "a section"],
        "inference.cutoff": ["'low'", "a number"],
        "dataset.test_dataset.csv_path": ["evaluate needs it"],
        "dataset.test_dataset.images_dir": ["evaluate needs it"],
    }
    assert set(told) == set(expected)
    for where, words in expected.items():
        assert all(word in told[where] for word in words), told[where]
    assert len(problems) == len(told)  # each once


def test_the_message_holds_every_line():
    error = SpecError("the spec a.yaml", ["a: one", "b: two"])
    assert str(error) == "2 problems in the spec a.yaml:\n  a: one\n  b: two"


def test_what_does_not_fit_together_is_told_with_the_rest():
    problems = mistakes(complete(num_input=3), ["model.margin=0"], "train")
    assert about("model.margin", problems)
    assert about("dataset.num_input", problems)


@pytest.mark.parametrize(
    ("given", "path", "hint"),
    [
        ({"model": {"margn": 2}}, "model.margn", "'margin'"),
        ({"train": {"optim": {"learning_rate": 1, "typ": "SGD"}}}, "train.optim.typ", "'type'"),
        ({"lr": 0.1}, "lr", "'train.optim.lr'"),
        ({"modell": {}}, "modell", "'model'"),
        ({"train": {"zzz": 1}}, "train.zzz", "num_epochs"),
        ({"zzz": {"a": 1}}, "zzz", "model"),
    ],
)
def test_suggestions(given, path, hint):
    problem = about(path, mistakes(given))
    assert "unknown key" in problem
    assert hint in problem


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize("path", ["train.num_epochs", "model.margin", "dataset.workers", "evaluate.cutoff"])
def test_true_and_false_are_not_numbers(path, value):
    problem = about(path, mistakes({}, [f"{path}={value}"]))
    assert str(value) in problem
    assert "number" in problem


@pytest.mark.parametrize("override", ["train.gpu_ids=[true]", "dataset.input_map={a:true}"])
def test_true_is_not_a_number_within_lists_and_mappings(override):
    assert mistakes({}, [override])


@pytest.mark.parametrize("name", ["train", "dataset", "model", "wandb"])
def test_a_section_without_content_is_left_out(file, name):
    assert load(file(f"{name}:\n")) == default_spec(OI)


def test_a_nested_section_without_content(file):
    assert load(file("train:\n  optim:\n  num_epochs: 3\n")).train.optim.type == "Adam"


def test_a_path_below_an_alternative_is_the_users():
    (problem,) = mistakes({"gen_trt_engine": {"tensorrt": {"calibration": {"cal_image_dir": {"a": 1}}}}})
    assert problem.startswith("gen_trt_engine.tensorrt.calibration.cal_image_dir: {'a': 1}")


# aliases


@pytest.mark.parametrize("side", ["width", "height"])
def test_aliases_of_the_picture_size(side):
    assert getattr(load({"dataset": {f"input_{side}": 64}}).dataset, f"image_{side}") == 64
    assert getattr(default_spec(OI, [f"dataset.input_{side}=64"]).dataset, f"image_{side}") == 64


def test_both_names_of_an_option():
    assert load({"dataset": {"input_width": 64, "image_width": 64}}).dataset.image_width == 64


@pytest.mark.parametrize("order", [("input_width", "image_width"), ("image_width", "input_width")])
def test_both_names_with_different_values(order):
    values = {order[0]: 64, order[1]: 96}
    (problem,) = mistakes({"dataset": values})
    assert all(word in problem for word in ("dataset.input_width", "dataset.image_width", "64", "96"))


def test_an_override_by_the_other_name():
    assert load({"dataset": {"image_width": 64}}, ["dataset.input_width=32"]).dataset.image_width == 32
    assert load({"dataset": {"input_width": 64}}, ["dataset.image_width=32"]).dataset.image_width == 32


# what has to fit together


@pytest.mark.parametrize(
    "dataset",
    [
        {"num_input": 2, "input_map": LIGHTS},
        {"num_input": 1, "input_map": None},
        {"num_input": 1, "input_map": {}},
        {"num_input": 1, "input_map": {"Low": 0}},
        {"concat_type": "grid", "grid_map": {"x": 2, "y": 1}},
        {"concat_type": "grid", "grid_map": {"x": 1, "y": 2}},
        {"concat_type": "linear", "grid_map": {"x": 5, "y": 5}},
        {"concat_type": None},
        {"batch_size": 2},
    ],
)
def test_datasets_that_fit(dataset):
    assert load(complete(**dataset), action="train")


@pytest.mark.parametrize(
    ("dataset", "path", "words"),
    [
        ({"num_input": 4}, "dataset.num_input", ["4", "2", "Low", "White"]),
        ({"input_map": None}, "dataset.num_input", ["2", "empty"]),
        ({"input_map": {}}, "dataset.num_input", ["2", "empty"]),
        ({"concat_type": "grid"}, "dataset.grid_map", ["x", "y"]),
        ({"concat_type": "grid", "grid_map": {"x": 2, "y": 2}}, "dataset.grid_map", ["4", "2 lights"]),
        ({"image_ext": "jpg"}, "dataset.image_ext", ["'jpg'", "dot"]),
        ({"batch_size": 1}, "dataset.batch_size", ["1", "at least 2"]),
    ],
)
def test_datasets_that_do_not_fit(dataset, path, words):
    (problem,) = mistakes(complete(**dataset), action="train")
    assert problem.startswith(f"{path}: ")
    assert all(word in problem for word in words)


@pytest.mark.parametrize("action", ["evaluate", "inference"])
def test_a_batch_of_one_is_enough_to_score(action):
    assert load(complete(batch_size=1), action=action).dataset.batch_size == 1


def test_lights_may_have_numbers_for_names(file):
    spec = load(file("dataset:\n  num_input: 2\n  input_map:\n    1: 0\n    2: 1\n"))
    assert spec.dataset.input_map == {"1": 0, "2": 1}


def test_the_order_of_the_lights_is_that_of_the_file(file):
    spec = load(file("dataset: {input_map: {White: 1, Low: 0}}"))
    assert list(spec.dataset.input_map) == ["White", "Low"]


@pytest.mark.parametrize(
    ("train", "words"),
    [
        ({"num_epochs": 3, "validation_interval": 4}, ["validation_interval is 4", "num_epochs", "3"]),
        ({"num_epochs": 3, "checkpoint_interval": 4}, ["checkpoint_interval is 4"]),
        ({"num_epochs": 1, "tensorboard": {"enabled": True}}, ["infrequent_logging_frequency is 2"]),
    ],
)
def test_intervals_longer_than_the_training(train, words):
    problem = about("train", mistakes({"train": train}))
    assert all(word in problem for word in words)


@pytest.mark.parametrize(
    "train",
    [
        {"num_epochs": 3, "validation_interval": 3, "checkpoint_interval": 3},
        {"num_epochs": 3, "checkpoint_interval": 500, "checkpoint_interval_unit": "step"},
        {"num_epochs": 1, "tensorboard": {"enabled": False}},
    ],
)
def test_intervals_that_fit(train):
    assert load({"train": train})


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ({"random_rotate": {"angle_list": []}}, "angle_list"),
        ({"rgb_input_std": [0.2, 0, 0.2]}, "rgb_input_std"),
        ({"rgb_input_std": [0.2, -1, 0.2]}, "rgb_input_std"),
    ],
)
def test_augmentation_that_cannot_work(config, word):
    (problem,) = mistakes({"dataset": {"augmentation_config": config}})
    assert problem.startswith("dataset.augmentation_config")
    assert word in problem


def test_no_angles_are_needed_without_rotation():
    assert load({"dataset": {"augmentation_config": {"random_rotate": {"angle_list": [], "enable": False}}}})


# GPUs: an override of one stands alone (tao_models.md 6.10)


@pytest.mark.parametrize(
    ("overrides", "num_gpus", "gpu_ids"),
    [
        ([], 4, [4, 5, 6, 7]),
        (["train.num_gpus=2"], 2, [0]),
        (["train.gpu_ids=[1]"], 1, [1]),
        (["+train.gpu_ids=[1,3]"], 1, [1, 3]),
        (["train.num_gpus=2", "train.gpu_ids=[2,3]"], 2, [2, 3]),
        (["evaluate.num_gpus=2"], 4, [4, 5, 6, 7]),
        (["train.num_nodes=2"], 4, [4, 5, 6, 7]),
    ],
)
def test_an_override_of_gpus_stands_alone(overrides, num_gpus, gpu_ids):
    train = load({"train": {"num_gpus": 4, "gpu_ids": [4, 5, 6, 7], "seed": 3}}, overrides).train
    assert (train.num_gpus, train.gpu_ids, train.seed) == (num_gpus, gpu_ids, 3)


# options without effect


def test_defaults_are_not_remarked_upon():
    spec = default_spec(OI)
    assert without_effect(spec, set(OpticalInspectionSpec.model_fields)) == []


@pytest.mark.parametrize(
    "override",
    [
        "encryption_key=secret",
        "wandb.enable=false",
        "model.imagenet_pretrained=true",
        "train.loss=contrastive",
        "evaluate.batch_size=8",
        "inference.trt_engine=a.engine",
    ],
)
def test_options_without_effect_are_named(override):
    path = override.split("=")[0]
    spec = default_spec(OI, [override])
    (sentence,) = without_effect(spec, set(OpticalInspectionSpec.model_fields))
    assert sentence.startswith(f"{path} is accepted and has no effect: ")
    assert len(sentence) > len(f"{path} is accepted and has no effect: ") + 5
    assert "secret" not in sentence


def test_only_the_sections_asked_for():
    spec = default_spec(OI, ["evaluate.batch_size=8", "model.imagenet_pretrained=true"])
    (sentence,) = without_effect(spec, {"model", "train"})
    assert sentence.startswith("model.imagenet_pretrained ")


def test_options_with_effect_are_not_named():
    spec = default_spec(OI, ["train.num_epochs=3", "model.margin=3", "dataset.workers=0"])
    assert without_effect(spec, set(OpticalInspectionSpec.model_fields)) == []


# sections by themselves, and walking


def test_load_section():
    spec = load_section(SimulateSpec, ["boards=5", "lights=[WhiteLight]"])
    assert (spec.boards, spec.lights, spec.size) == (5, ["WhiteLight"], 64)


def test_load_section_tells_every_mistake():
    with pytest.raises(SpecError) as caught:
        load_section(SimulateSpec, ["boards=2", "seeds=1", "lights=[]", "image_ext=.gif"])
    problems = caught.value.problems
    assert "at least 3" in about("boards", problems)
    assert "'seed'" in about("seeds", problems)
    assert "name at least one" in about("lights", problems)
    assert "'.jpg'" in about("image_ext", problems)


def test_walk_gives_every_leaf_in_order():
    spec = default_spec(OI, ["train.num_epochs=3"])
    found = {path: value for path, _, value in walk(spec)}
    assert found["train.num_epochs"] == 3
    assert list(found)[0] == "model_name"
    assert "train" not in found
