"""What another spec may not change of a model."""

import re
from pathlib import Path

import pytest

from goldenpair.errors import CheckpointError
from goldenpair.specs.load import load_spec
from goldenpair.trained import refuse_other_network, refuse_other_pictures, refuse_other_scores, refuse_unlearnt
from masked_pairs import spec_of

LEARNABLE = "model.classify.difference_module=learnable"
SCALE = "dataset.segment.multi_scale_infer"


def segment(*overrides):
    return spec_of(Path("pairs"), *overrides)


def classify(*overrides):
    return segment("task=classify", *overrides)


@pytest.mark.parametrize(
    ("trained", "spec", "said"),
    [
        (segment(), classify(), "it is of task segment, and the spec is of task classify;"),
        (
            load_spec("optical_inspection", {}),
            classify(),
            "it is of network optical_inspection, and the spec is of network visual_changenet;",
        ),
        (
            segment("model.backbone.type=resnet18"),
            segment(),
            "of model.backbone.type resnet18, and the spec is of model.backbone.type fan_tiny_8_p4_hybrid;",
        ),
        (
            segment(),
            segment("dataset.segment.num_classes=3"),
            "of dataset.segment.num_classes 2, and the spec is of dataset.segment.num_classes 3;",
        ),
        (
            classify(LEARNABLE),
            classify(),
            "of model.classify.difference_module learnable, and the spec is of model.classify.difference_module euc",
        ),
        (
            segment("model.decode_head.decoder_params={embed_dim: 16}"),
            segment(),
            "decoder_params {'embed_dim': 16}, and the spec is of model.decode_head.decoder_params {'embed_dim': 8};",
        ),
        (
            segment("model.backbone.type=resnet18"),
            classify(),
            "of task segment and model.backbone.type resnet18, and the spec is of task classify and model.backbone.",
        ),
        (
            classify(LEARNABLE, "dataset.classify.num_golden=2", "model.classify.golden_fusion=attention"),
            classify(LEARNABLE, "dataset.classify.num_golden=2"),
            "of model.classify.golden_fusion attention, and the spec is of model.classify.golden_fusion best_match;",
        ),
    ],
)
def test_another_network_is_told_in_one_sentence(trained, spec, said):
    for refuse in (refuse_other_network, refuse_other_pictures):
        with pytest.raises(CheckpointError, match=re.escape(said)) as caught:
            refuse("checkpoint a.pth", trained, spec)
        assert "\n" not in str(caught.value) and str(caught.value).startswith("checkpoint a.pth: it is of ")


@pytest.mark.parametrize(
    ("trained", "spec"),
    [
        (None, segment()),
        (segment(), segment("train.num_epochs=9", "dataset.segment.root_dir=other", "model.classify.embed_dec=7")),
        (classify(), classify("model.decode_head.decoder_params={embed_dim: 16}")),  # euclidean has no decoder
        (classify(), classify("dataset.classify.num_golden=3")),
        (classify(), classify("model.classify.golden_fusion=attention")),  # of one golden
    ],
)
def test_what_makes_no_other_network_may_differ(trained, spec):
    refuse_other_pictures("checkpoint a.pth", trained, spec)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("dataset.segment.img_size=64", "dataset.segment.img_size: trained with 32, the spec says 64"),
        (
            "dataset.segment.augmentation.mean=[0,0,0]",
            "dataset.segment.augmentation.mean: trained with [0.5, 0.5, 0.5]",
        ),
        ("dataset.segment.augmentation.std=[1,1,1]", "the spec says [1.0, 1.0, 1.0]"),
    ],
)
def test_other_pictures_are_told_by_the_options_of_the_task(change, said):
    with pytest.raises(CheckpointError, match="was trained on other pictures") as caught:
        refuse_other_pictures("checkpoint a.pth", segment(), segment(change))
    assert said in str(caught.value) and "rgb_input" not in str(caught.value)


def test_pictures_of_classify_are_told_by_its_options():
    with pytest.raises(CheckpointError) as caught:
        refuse_other_pictures("checkpoint a.pth", classify(), classify("dataset.classify.image_width=64"))
    assert "  dataset.classify.image_width: trained with 224, the spec says 64" in str(caught.value)


def test_what_never_learnt_makes_no_scores():
    wish, final = segment(f"{SCALE}=true"), segment("dataset.segment.multi_scale_train=false")
    with pytest.raises(CheckpointError, match="multi_scale_train was false in its training"):
        refuse_unlearnt("checkpoint a.pth", final, wish)
    with pytest.raises(CheckpointError, match=f"{SCALE} is true, but it holds no spec.*TAO never trains"):
        refuse_unlearnt("checkpoint a.pth", None, wish)
    refuse_unlearnt("checkpoint a.pth", segment(), wish)
    for trained in (None, final):
        refuse_unlearnt("checkpoint a.pth", trained, segment())
        refuse_unlearnt("checkpoint a.pth", trained, classify(f"{SCALE}=true"))  # not read


@pytest.mark.parametrize("value", [False, True])
def test_an_exported_model_keeps_what_its_scores_are_made_of(value):
    exported, other = segment(f"{SCALE}={value}"), segment(f"{SCALE}={not value}")
    with pytest.raises(CheckpointError, match=f"{SCALE}: exported with {value}, the spec says {not value}"):
        refuse_other_scores("exported model a.onnx", exported, other)
    refuse_other_scores("exported model a.onnx", exported, segment(f"{SCALE}={value}", "evaluate.cutoff=0.9"))
