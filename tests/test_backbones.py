import logging

import pytest
import torch
from torch import nn

from goldenpair.backbones import load_backbone
from goldenpair.errors import CheckpointError, InputError
from goldenpair.models.backbone import Backbone
from goldenpair.models.choice import create_backbone
from goldenpair.models.fan import Fan, Size
from goldenpair.specs.backbones import imagenet_file

SIZE = Size(width=32, depth=1, heads=4, stem_blocks=(1, 1), map_3=0)


def fan(seed: int) -> Fan:
    torch.manual_seed(seed)
    return Fan(SIZE)


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


PREFIXES = [
    "",
    "module.",
    "backbone.",
    "model.backbone.",
    "model.encoder.",
    "model.decoder.",
    "model.",
    "module.model.",
    "timm_model.",
    "backbone.network.",
]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("key", ["state_dict", "model", None])
def test_weights_come_through_every_prefix(tmp_path, prefix, key, caplog):
    source, mine = fan(1), fan(2)
    state = {f"{prefix}{name}": value for name, value in source.state_dict().items()}
    torch.save({key: state} if key else state, tmp_path / "w.pth")
    assert not same(mine, source)
    with caplog.at_level(logging.INFO, "goldenpair"):
        load_backbone(mine, tmp_path / "w.pth")
    assert same(mine, source)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.endswith(f"{len(state)} of {len(state)} weights taken.")


def test_what_does_not_fit_is_named(tmp_path, caplog):
    state = {name: value for name, value in fan(1).state_dict().items() if not name.startswith("cls_attn_blocks.1.")}
    missing = len(fan(1).state_dict()) - len(state)
    torch.save({**state, "head.weight": torch.zeros(3, 32), "norm.bias": torch.zeros(32)}, tmp_path / "w.pth")
    mine = fan(2)
    load_backbone(mine, tmp_path / "w.pth")
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert f"{missing} weights do not fit (they stay random): cls_attn_blocks.1." in warned[0]
    assert warned[1].endswith("2 weights do not fit (left out): head.weight, norm.bias")
    assert torch.equal(mine.patch_embed.proj.weight, state["patch_embed.proj.weight"])


def test_another_size_is_refused_and_nothing_changes(tmp_path):
    torch.save(Fan(Size(width=48, depth=1, heads=4, stem_blocks=(1, 1), map_3=0)).state_dict(), tmp_path / "w.pth")
    mine = fan(2)
    with pytest.raises(CheckpointError, match=r"of another size .*\n  cls_token: \[1, 1, 48\], .* has \[1, 1, 32\]"):
        load_backbone(mine, tmp_path / "w.pth")
    assert same(mine, fan(2))


def test_files_that_cannot_serve_are_refused(tmp_path):
    torch.save({"layer1.weight": torch.zeros(3)}, tmp_path / "resnet.pth")
    torch.save({"a.cls_token": 1}, tmp_path / "numbers.pth")
    state = fan(1).state_dict()
    torch.save({**state, **{f"module.{name}": value for name, value in state.items()}}, tmp_path / "twice.pth")
    torch.save(fan(1), tmp_path / "code.pth")
    (tmp_path / "folder").mkdir()
    (tmp_path / "spec.yaml").write_text("task: segment\n")
    for name, said in {
        "gone.pth": r"pretrained backbone: there is no file .*gone\.pth \(looked in .*; give a file",
        "folder": "folder is a folder; give the file",
        "spec.yaml": r"pretrained backbone .*spec\.yaml: it is no PyTorch file or is cut off$",
        "resnet.pth": "none of its weights fits; it holds layer1.weight",
        "numbers.pth": "none of its weights fits",
        "twice.pth": "it holds cls_token twice",
        "code.pth": "could run code",
    }.items():
        with pytest.raises(CheckpointError, match=said):
            load_backbone(fan(2), tmp_path / name)


def test_safetensors_are_read_where_the_package_is(tmp_path):
    path = tmp_path / "w.safetensors"
    try:
        from safetensors.torch import save_file
    except ImportError:
        with pytest.raises(InputError, match=r"pip install 'goldenpair\[backbones\]'"):
            load_backbone(fan(2), path)
        return
    source, mine = fan(1), fan(2)
    save_file({f"backbone.{name}": value for name, value in source.state_dict().items()}, path)
    load_backbone(mine, path)
    assert same(mine, source)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="it cannot be read"):
        load_backbone(mine, path)


class Hidden(Backbone):
    """Names of its own start with what is else a prefix, and others call its layer by another name."""

    def __init__(self):
        super().__init__((1,) * 4, (1,) * 4)
        self.inside = nn.ModuleDict({"model": nn.Linear(2, 2), "norm": nn.Linear(2, 2)})

    @property
    def body(self) -> nn.Module:
        return self.inside

    def adapted(self, weights):
        return {name.replace("layernorm", "norm"): value for name, value in weights.items()}

    def forward(self, pictures):
        raise NotImplementedError


def test_weights_go_to_the_body_under_the_names_that_it_has(tmp_path, caplog):
    source, mine = Hidden(), Hidden()
    state = {f"module.{name.replace('norm', 'layernorm')}": value for name, value in source.body.state_dict().items()}
    torch.save(state, tmp_path / "w.pth")
    with caplog.at_level(logging.INFO, "goldenpair"):
        load_backbone(mine, tmp_path / "w.pth")
    assert same(mine, source) and "4 of 4 weights taken" in caplog.text and "rgb_input" not in caplog.text


def test_the_pictures_that_imagenet_weights_are_used_to_are_told(caplog):
    backbone = create_backbone("tf_efficientnet_lite0", 32, 32)
    with caplog.at_level(logging.INFO, "goldenpair"):
        load_backbone(backbone, imagenet_file("tf_efficientnet_lite0"))
    said = [record.getMessage() for record in caplog.records]
    count = len(backbone.body.state_dict())
    assert f"{count} of {count} weights taken" in said[0]
    assert "left out" in said[1] and "classifier.bias" in said[1]
    assert "rgb_input_mean [0.5, 0.5, 0.5], rgb_input_std [0.5, 0.5, 0.5]" in said[2]
    assert "padding of tf_efficientnet_lite0" in said[2]
    twin = create_backbone("efficientnet_lite0", 32, 32)
    load_backbone(twin, imagenet_file("efficientnet_lite0"))
    assert same(twin, backbone)


def test_weights_of_another_network_do_not_fit(tmp_path):
    torch.save({"embeddings.cls_token": torch.zeros(1, 1, 8), "mask_token": torch.zeros(1)}, tmp_path / "w.pth")
    for name in ("vit_tiny_patch16_224", "convnextv2_atto"):
        with pytest.raises(CheckpointError, match="none of its weights fits; it holds embeddings.cls_token"):
            load_backbone(create_backbone(name, 32, 32), tmp_path / "w.pth")


def test_a_frozen_backbone_has_all_its_weights_from_the_file(tmp_path):
    state = fan(1).state_dict()
    mean = next(name for name in state if name.endswith("running_mean"))
    mine = fan(2)
    mine.body.requires_grad_(False)
    for left, said in ({"cls_token"}, "1 weights"), ({mean}, "1 weights"), (set(state) - {mean}, "weights"):
        torch.save({name: value for name, value in state.items() if name not in left}, tmp_path / "w.pth")
        with pytest.raises(CheckpointError, match=rf"{said} of the backbone are not in it \({min(left)}.*stay random"):
            load_backbone(mine, tmp_path / "w.pth")
        assert same(mine, fan(2))
    without_counters = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    assert len(without_counters) < len(state)
    torch.save(without_counters, tmp_path / "w.pth")
    load_backbone(mine, tmp_path / "w.pth")
    assert same(mine, fan(1))


@pytest.mark.parametrize(("extra", "larger"), [(2, False), (40, True)])
def test_the_file_of_a_larger_network_is_suspected_and_all_names_are_logged(tmp_path, caplog, extra, larger):
    names = [f"layer.{number}.weight" for number in range(extra)]
    torch.save({**fan(1).state_dict(), **{name: torch.zeros(2) for name in names}}, tmp_path / "w.pth")
    with caplog.at_level(logging.DEBUG, "goldenpair"):
        load_backbone(fan(2), tmp_path / "w.pth")
    (warned,) = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert f"{extra} weights do not fit (left out" in warned
    assert ("it may be the file of another, larger network" in warned) == larger
    (full,) = [one.getMessage() for one in caplog.records if one.levelno == logging.DEBUG]
    assert sorted(full.split("): ")[1].split(", ")) == sorted(names)
