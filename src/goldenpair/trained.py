"""What another spec may not change of a model: its network, its pictures, and what its scores are made of."""

from goldenpair.data.table import Layout
from goldenpair.errors import CheckpointError
from goldenpair.specs.common import NetworkSpec
from goldenpair.specs.segment import ListedPairs
from goldenpair.specs.visual_changenet import VisualChangenetSpec

Facts = dict[str, object]
"""Path in the spec, or words -> value."""


def refuse_other_network(source: str, trained: NetworkSpec | None, spec: NetworkSpec) -> None:
    """`trained` is the spec that the model in `source` was trained with; TAO's checkpoints hold none.

    Raises CheckpointError if `spec` describes another network.
    """
    if trained is None:
        return
    then, now = _network_facts(trained), _network_facts(spec)
    if different := [name for name in then if name in now and then[name] != now[name]]:
        of, wanted = (" and ".join(f"{name} {facts[name]}" for name in different) for facts in (then, now))
        raise CheckpointError(
            f"{source}: it is of {of}, and the spec is of {wanted}; give the spec that it was trained with"
        )


def refuse_other_pictures(source: str, trained: NetworkSpec | None, spec: NetworkSpec) -> None:
    """A network fed with other lights or another normalisation than in training still gives scores: wrong ones.

    Raises CheckpointError for these, and for another network, as `refuse_other_network`.
    """
    if trained is None:
        return
    refuse_other_network(source, trained, spec)
    then, now = _picture_facts(trained), _picture_facts(spec)
    if different := _different(then, now, "trained"):
        raise CheckpointError(
            f"{source} was trained on other pictures than the spec describes:\n  " + "\n  ".join(different)
        )


def refuse_unlearnt(source: str, trained: NetworkSpec | None, spec: NetworkSpec) -> None:
    """Raises CheckpointError if `spec` makes scores of maps that the checkpoint never learnt."""
    if not (asked := [name for name, wished in _score_facts(spec).items() if wished]):
        return
    if trained is None:
        why = "it holds no spec, as TAO's do not, and TAO never trains the coarse maps that this predicts from"
    elif isinstance(trained, VisualChangenetSpec) and not trained.dataset.segment.multi_scale_train:
        why = (
            "its coarse maps, which this predicts from, never learnt (dataset.segment.multi_scale_train was false in "
            "its training)"
        )
    else:
        return
    raise CheckpointError(f"{source}: {', '.join(asked)} is true, but {why}; set it to false")


def refuse_other_scores(source: str, exported: NetworkSpec, spec: NetworkSpec) -> None:
    """Raises CheckpointError if `spec` makes other scores of an exported model than those that were proved."""
    if different := _different(_score_facts(exported), _score_facts(spec), "exported"):
        raise CheckpointError(
            f"{source} was exported, and its scores proved, with other settings than the spec's; keep those of the "
            "export, or export again:\n  " + "\n  ".join(different)
        )


def _score_facts(spec: NetworkSpec) -> Facts:
    """What the scores of one network for the same pictures depend on: false is what TAO does."""
    if isinstance(spec, VisualChangenetSpec) and spec.task == "segment":
        return {f"{spec.pairs_path}.multi_scale_infer": spec.dataset.segment.multi_scale_infer}
    return {}


def _network_facts(spec: NetworkSpec) -> Facts:
    facts: Facts = {"network": spec.network}
    if not isinstance(spec, VisualChangenetSpec):
        return facts
    facts |= {"task": spec.task, "model.backbone.type": spec.model.backbone.type}
    width = {"model.decode_head.decoder_params": spec.model.decode_head.decoder_params}
    if spec.task == "segment":
        return facts | width | {f"{spec.pairs_path}.num_classes": spec.dataset.segment.num_classes}
    classify = spec.model.classify
    # with one golden nothing is fused, as best_match is with any number of them
    fusion = classify.golden_fusion if spec.pairs.goldens > 1 else "best_match"
    facts |= {"model.classify.difference_module": classify.difference_module, "model.classify.golden_fusion": fusion}
    return facts | width if classify.difference_module == "learnable" else facts


def _picture_facts(spec: NetworkSpec) -> Facts:
    at, layout, config = spec.pairs_path, Layout.of(spec.pairs), spec.pairs.augmentation_config
    mean, std = config.rgb_input_mean, config.rgb_input_std
    if isinstance(spec.pairs, ListedPairs):
        return {f"{at}.img_size": layout.height, f"{at}.augmentation.mean": mean, f"{at}.augmentation.std": std}
    return {
        f"{at}.input_map": list(layout.lights),
        f"{at}.image_height": layout.height,
        f"{at}.image_width": layout.width,
        "rows and columns of the joined picture": [layout.rows, layout.columns],
        f"{at}.augmentation_config.rgb_input_mean": mean,
        f"{at}.augmentation_config.rgb_input_std": std,
    }


def _different(then: Facts, now: Facts, made: str) -> list[str]:
    return [f"{name}: {made} with {then[name]}, the spec says {now[name]}" for name in then if then[name] != now[name]]
