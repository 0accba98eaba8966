"""Section dataset_convert of a spec."""

import pytest
import yaml

from goldenpair.errors import SpecError
from goldenpair.specs.dataset_convert import DatasetConvert
from goldenpair.specs.load import default_spec, load_spec, spec_class, without_effect
from goldenpair.specs.schema import json_schema, template
from goldenpair.specs.tao_schema import tao_schema

OI, ACTION = "optical_inspection", "dataset_convert"
LEAST = {
    "data_convert_output_dir": "out",
    "golden_csv_dir": "g",
    "train_pcb_dataset_dir": "t",
    "val_pcb_dataset_dir": "v",
}
SPLIT = {"data_convert_output_dir": "out", "golden_csv_dir": "g", "all_pcb_dataset_dir": "a", "split": {"val": 0.3}}


def problems(section, *overrides) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load_spec(OI, {ACTION: section}, overrides, ACTION)
    return [problem.split(": ")[0].removeprefix(f"{ACTION}.") for problem in caught.value.problems]


def test_nothing_else_of_a_spec_is_needed():
    spec = load_spec(OI, {ACTION: LEAST}, (), ACTION)
    assert spec.dataset.num_input == 4  # which training would refuse, without lights
    assert spec.problems("train") and not spec.problems(ACTION)


def test_what_is_needed_is_told_at_once():
    needed = ["data_convert_output_dir", "golden_csv_dir", "train_pcb_dataset_dir", "val_pcb_dataset_dir"]
    assert problems({}) == needed
    assert problems({"split": {}}) == ["data_convert_output_dir", "golden_csv_dir", "all_pcb_dataset_dir"]
    for name in LEAST:
        assert problems({**LEAST, name: ""}) == [name]


def test_a_split_needs_no_folders_of_its_tables():
    split = load_spec(OI, {ACTION: SPLIT}, (), ACTION).dataset_convert.split
    assert (split.by, split.val, split.test, split.seed) == ("board", 0.3, 0.2, 1234)
    by_override = load_spec(OI, {ACTION: SPLIT}, [f"{ACTION}.split.test=0"], ACTION).dataset_convert.split
    assert (by_override.val, by_override.test) == (0.3, 0)


@pytest.mark.parametrize(
    ("section", "named"),
    [
        ({"split": {"val": 0.5, "test": 0.5}}, "split"),
        ({"split": {"val": 0}}, "split.val"),
        ({"split": {"by": "part"}}, "split.by"),
        ({"split": {"seed": -1}}, "split.seed"),
        ({"split": {"train": 0.5}}, "split.train"),
        ({"bot_top": "LEFT"}, "bot_top"),
        ({"pass_texts": ["PASS", " "]}, "pass_texts"),
        ({"missing_verdict": "pass"}, "missing_verdict"),
        ({"lights": "SolderLight"}, "lights"),
    ],
)
def test_wrong_values(section, named):
    assert problems({**LEAST, **section}) == [named]


@pytest.mark.parametrize("text", [None, "", "all", "ALL"])
def test_all_is_all(text):
    section = DatasetConvert(bot_top=text, project_name=text)
    assert section.side is None and section.project is None


@pytest.mark.parametrize("text", ["TOP", "top", " Top"])
def test_a_side_in_any_case(text):
    assert DatasetConvert(bot_top=text).side == "TOP"


def test_a_project_as_it_is_written():
    assert DatasetConvert(project_name="Main_Board").project == "Main_Board"


def test_what_has_no_effect_is_told():
    given = {**LEAST, **SPLIT, "images_dir": "i", "check_pictures": False}
    told = without_effect(load_spec(OI, {ACTION: given}, (), ACTION), {ACTION})
    assert [sentence.split(" is accepted")[0] for sentence in told] == [
        f"{ACTION}.{name}" for name in ("train_pcb_dataset_dir", "val_pcb_dataset_dir", "images_dir")
    ]
    assert not without_effect(default_spec(OI), {ACTION})


def test_the_other_network_has_no_such_action():
    with pytest.raises(SpecError, match=r"visual_changenet has no dataset_convert.*use that of optical_inspection"):
        spec_class("visual_changenet", ACTION)
    for make in (template, json_schema, tao_schema):
        with pytest.raises(SpecError, match="has no dataset_convert"):
            make("visual_changenet", ACTION)
    with pytest.raises(SpecError, match="has no dataset_convert"):
        load_spec("visual_changenet", {}, (), ACTION)


def test_template_and_schema_of_the_action():
    made = yaml.safe_load(template(OI, ACTION))
    assert set(made) == {"results_dir", ACTION}
    assert set(made[ACTION]) == set(DatasetConvert.model_fields)
    assert load_spec(OI, {ACTION: {**made[ACTION], **LEAST}}, (), ACTION)
    assert set(json_schema(OI, ACTION)["properties"]) == {"results_dir", ACTION}
    assert ACTION not in json_schema(OI, "train")["properties"]
    assert "split" not in tao_schema(OI, ACTION)["properties"][ACTION]["properties"]
