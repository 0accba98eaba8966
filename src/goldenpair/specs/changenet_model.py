"""The section `model` of `visual_changenet`: backbone, decoder, and what task classify adds."""

from pathlib import Path
from typing import Literal

from goldenpair.errors import InputError
from goldenpair.specs.backbones import IMAGENET, TAO_NAMES, imagenet_file, weights_problem
from goldenpair.specs.fields import Section, option, section
from goldenpair.storage.uris import is_uri


class Backbone(Section):
    type: str = option(
        "fan_small_12_p4_hybrid",
        "The network that sees both pictures: a name of TAO's, or any of timm's that has four maps",
        examples=TAO_NAMES,
    )
    feat_downsample: bool = option(False, "FAN: one more step down, to 768 channels")
    pretrained_backbone_path: str | None = option(
        None,
        "File of weights to start from, or imagenet: those of an installed package; unset: random weights",
        path="file",
    )
    freeze_backbone: bool = option(False, "Keep the backbone's weights as they are")

    @property
    def weights(self) -> Path | None:
        """The file of weights to start from, if one is wished; InputError if imagenet stands for none."""
        if self.pretrained_backbone_path == IMAGENET:
            return imagenet_file(self.type)
        return Path(self.pretrained_backbone_path) if self.pretrained_backbone_path else None

    def weights_problem(self) -> str:
        """Why training cannot start from the weights that are wished; empty if all is well."""
        if is_uri(self.pretrained_backbone_path):  # it is looked at when it has been fetched
            return ""
        try:
            return weights_problem(self.weights) if self.weights else ""
        except InputError as error:
            return str(error)


class DecodeHead(Section):
    in_channels: list[int] = option(
        [128, 256, 384, 384], "Channels of the four maps", no_effect="the backbone's name says them"
    )
    in_index: list[int] = option([0, 1, 2, 3], "Which of the four maps to use")
    feature_strides: list[int] = option(
        [4, 8, 16, 16],
        "Strides of the maps: the backbone's own count; wrong ones are said, if not the default",
    )
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
    golden_fusion: Literal["best_match", "attention"] = option(
        "best_match",
        "How several goldens count: by the one that fits best, or mixed by attention, as in TAO (learnable only)",
        not_in_tao=True,
    )


class ChangenetModel(Section):
    backbone: Backbone = section(Backbone, "The backbone")
    decode_head: DecodeHead = section(DecodeHead, "The decoder")
    classify: ModelClassify = section(ModelClassify, "What task classify adds")
    precise_msda: bool = option(
        False, "Deformable attention that repeats exactly", no_effect="no backbone here has such attention"
    )
