"""What `${a.b}` in a spec stands for, and the mistakes in it."""

from pathlib import Path
from typing import Any

import pytest

from goldenpair.errors import SpecError
from goldenpair.specs.load import load_spec
from goldenpair.specs.optical_inspection import OpticalInspectionSpec
from goldenpair.specs.references import resolve


def load(source: Any, overrides: list[str] | None = None) -> Any:
    return load_spec("optical_inspection", source, overrides or [])


def mistakes(source: Any, overrides: list[str] | None = None) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load(source, overrides)
    return caught.value.problems


@pytest.mark.parametrize("more", [{}, {"results_dir": "${model_name}", "model_name": "m"}])
def test_what_refers_to_nothing_is_left_as_it_is(more):
    """Whether something beside it does or not."""
    given = {
        "dataset": {"input_map": {1: 0, "White": 1}, "image_ext": ".png", "train_dataset": {"csv_path": "???"}},
        "train": {"gpu_ids": [0, 1], "optim": {"lr": 0.5}, "seed": None},
    }
    problems: list[str] = []
    found, spoilt = resolve(OpticalInspectionSpec, {**given, **more}, problems)
    assert found["dataset"] == {**given["dataset"], "input_map": {"1": 0, "White": 1}}
    assert found["train"] == given["train"] and found.keys() == {**given, **more}.keys()
    assert not problems and not spoilt
    found["train"]["gpu_ids"].append(2)
    assert given["train"]["gpu_ids"] == [0, 1]


def test_a_value_to_be_given_has_no_place_in_a_list():
    (problem,) = mistakes({"train": {"gpu_ids": [0, "???"]}})
    assert problem.startswith("train.gpu_ids[1]: '???'")


@pytest.mark.parametrize(
    ("given", "path", "value"),
    [
        ({"results_dir": "/r", "train": {"results_dir": "${results_dir}/t"}}, "train.results_dir", "/r/t"),
        ({"train": {"validation_interval": "${train.num_epochs}"}}, "train.validation_interval", 10),
        ({"train": {"optim": {"lr": "${train.optim.weight_decay}"}}}, "train.optim.lr", 0.0005),
        ({"evaluate": {"checkpoint": "${inference.checkpoint}"}}, "evaluate.checkpoint", "???"),
        (
            {"dataset": {"validation_dataset": {"csv_path": "v.csv"}, "test_dataset": "${dataset.validation_dataset}"}},
            "dataset.test_dataset.csv_path",
            "v.csv",
        ),
        ({"dataset": {"input_width": 64}, "train": {"seed": "${dataset.image_width}"}}, "train.seed", 64),
        ({"dataset": {"input_width": 64}, "train": {"seed": "${dataset.input_width}"}}, "train.seed", 64),
        ({"train": {"gpu_ids": [0, "${train.num_gpus}"]}}, "train.gpu_ids", [0, 1]),
        ({"evaluate": "${inference}", "inference": {"checkpoint": "e.pth"}}, "evaluate.checkpoint", "e.pth"),
    ],
)
def test_references(given, path, value):
    found: Any = load(given)
    for name in path.split("."):
        found = getattr(found, name)
    assert found == value


def test_a_reference_in_an_override_sees_the_file():
    spec = load({"results_dir": "/r"}, ["evaluate.checkpoint=${results_dir}/train/x.pth"])
    assert spec.evaluate.checkpoint == "/r/train/x.pth"


def test_references_follow_overrides():
    given = {"results_dir": "/r", "train": {"results_dir": "${results_dir}/t"}}
    assert load(given, ["results_dir=/s"]).train.results_dir == "/s/t"


def test_a_reference_to_nothing():
    problems = mistakes({"train": {"num_epochs": "${train.epochs}", "seed": -7}})
    assert problems[0] == "train.num_epochs: '${train.epochs}' refers to nothing in this spec"
    assert problems[1].startswith("train.seed: -7")  # the others are still found
    assert len(problems) == 2


@pytest.mark.parametrize(
    "given",
    [
        {"results_dir": "${results_dir}"},
        {"results_dir": "${model_name}", "model_name": "${results_dir}"},
        {"results_dir": "${train.results_dir}", "train": {"results_dir": "${results_dir}/train"}},
    ],
)
def test_references_in_a_circle(given):
    (problem,) = mistakes(given)
    assert "refers to itself in a circle" in problem and "results_dir" in problem


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        (
            {"results_dir": "${nothing}", "train": {"results_dir": "${results_dir}/a", "num_epochs": "${results_dir}"}},
            "results_dir: '${nothing}' refers to nothing in this spec",
        ),
        (
            {"results_dir": "${model_name}", "model_name": "${results_dir}", "train": {"seed": "${model_name}"}},
            "model_name: '${results_dir}' refers to itself in a circle",
        ),
        (
            {"evaluate": {"checkpoint": "${train.none}", "cutoff": "${train.seed}"}, "train": {"seed": "${train.num}"}},
            None,  # two causes
        ),
    ],
)
def test_one_cause_is_told_once_however_many_refer_to_it(given, cause):
    problems = mistakes(given)
    if cause:
        assert problems == [cause]
    else:
        assert [line.split(":")[0] for line in problems] == ["train.seed", "evaluate.checkpoint"]


@pytest.mark.parametrize("value", ["${", "${train", "${train.}", "${..}"])
def test_a_reference_that_is_not_well_formed(tmp_path: Path, value):
    (tmp_path / "spec.yaml").write_text(f"results_dir: '{value}'")
    assert mistakes(tmp_path / "spec.yaml")


@pytest.mark.parametrize("name", ["eval", "python", "oc.eval"])
def test_eval_never_runs(tmp_path, name):
    ran = tmp_path / "ran"
    text = f"${{{name}:\"__import__('os').mkdir('{ran}')\"}}"
    assert mistakes({"results_dir": text})
    assert mistakes({}, [f"results_dir={text}"])
    assert not ran.exists()
