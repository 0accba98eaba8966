"""Wrong values bring no false errors of others, and hide none that have nothing to do with them."""

import pytest

from goldenpair.errors import SpecError
from goldenpair.specs.load import load_spec

VCN = "visual_changenet"
SPLIT = {"csv_path": "t.csv", "images_dir": "pictures"}
CLASSIFY = {
    "task": "classify",
    "results_dir": "r",
    "model": {"classify": {"difference_module": "learnable"}},
    "train": {"classify": {"loss": "ce"}},
    "dataset": {"classify": {"train_dataset": SPLIT, "validation_dataset": SPLIT, "num_input": 1}},
}
SEGMENT = {"task": "segment", "results_dir": "r", "dataset": {"segment": {"root_dir": "pictures"}}}


def told(spec, *wish):
    with pytest.raises(SpecError) as caught:
        load_spec(VCN, spec, wish, "train")
    return [line.split(": ")[0] for line in caught.value.problems]


@pytest.mark.parametrize(
    "wish",
    [
        "model.classify.learnable_difference_modules=5",
        "model.classify.difference_module=learnabel",
        "model.classify.eval_margin=much",
        "model.clasify.eval_margin=1",
        "train.classify.loss=cee",
        "train.validation_interval=99",
        "dataset.classify.num_input=four",
        "train.gpu_ids=[a]",
        "evaluate.cutoff=-1",
        "export.opset_version=0",
        "nonsense=1",
    ],
)
def test_one_wrong_value_is_one_line(wish):
    path = wish.split("=")[0]
    (line,) = told(CLASSIFY, wish)
    assert line.startswith(path) or path.startswith(line)


def test_a_wrong_task_says_nothing_of_what_the_tasks_need():
    assert told(SEGMENT, "task=detect") == ["task"]
    assert told(CLASSIFY, "task=detect") == ["task"]


def test_what_has_nothing_to_do_with_a_wrong_value_is_told_beside_it():
    wish = ["model.classify.learnable_difference_modules=5", "train.classify.loss=contrastive", "train.precision=8"]
    assert sorted(told(CLASSIFY, *wish, "dataset.classify.num_input=3")) == [
        "dataset.classify.num_input",
        "model.classify.learnable_difference_modules",
        "train.classify.loss",
        "train.precision",
    ]
    assert told(SEGMENT, "train.num_epochs=0", "dataset.segment.batch_size=1") == [
        "train.num_epochs",
        "dataset.segment.batch_size",
    ]


def test_advice_of_the_other_task_is_not_given():
    for spec, advised in ((CLASSIFY, True), (SEGMENT, False)):
        with pytest.raises(SpecError) as caught:
            load_spec(VCN, spec, ["model.decode_head.in_index=[0,1]"], "train")
        (line,) = caught.value.problems
        assert ("learnable_difference_modules" in line) == advised
        assert line.startswith("model.decode_head.in_index: the decoder knows all four maps; leave it out")
