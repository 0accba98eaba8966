"""What is written for DeepStream and Triton against the network that was exported."""

import json
import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import yaml

from goldenpair import export
from goldenpair.checkpoint import save, stamp
from goldenpair.models.fan import SIZES
from goldenpair.specs.load import load_spec
from goldenpair.tasks import create_task
from test_changenet import SMALL

MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.3, 0.25]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A function that gives the folder of an exported network of 16 x 32 pictures, made when it is first asked for."""
    made = {}

    def make(kind: str, batch: int = -1, wish: bool = True) -> Path:
        if (kind, batch, wish) in made:
            return made[kind, batch, wish]
        folder = tmp_path_factory.mktemp(kind)
        given = {
            "task": "classify",
            "results_dir": str(folder),
            "model": {
                "backbone": {"type": "fan_tiny_8_p4_hybrid"},
                "decode_head": {"decoder_params": {"embed_dim": 8}},
                "classify": {"difference_module": kind, "eval_margin": 0.25},
            },
            "dataset": {
                "classify": {
                    "num_input": 1,
                    "image_height": 16,
                    "image_width": 32,
                    "augmentation_config": {"rgb_input_mean": MEAN, "rgb_input_std": STD},
                }
            },
            "export": {"checkpoint": str(folder / "m.pth"), "serialize_nvdsinfer": wish, "batch_size": batch},
        }
        spec = load_spec("visual_changenet", given)
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(SIZES, "fan_tiny_8_p4_hybrid", SMALL)
            torch.manual_seed(0)
            weights = create_task(spec).model.state_dict()
            save({"state_dict": {f"model.{k}": v for k, v in weights.items()}, **stamp(spec)}, folder / "m.pth")
            made[kind, batch, wish] = export(spec).onnx_file.parent
        return made[kind, batch, wish]

    return make


@pytest.mark.parametrize("kind", ["learnable", "euclidean"])
def test_plain_pixels_give_the_outputs_of_normalised_pictures(exported, kind):
    folder = exported(kind)
    config = yaml.safe_load((folder / "nvdsinfer_config.yaml").read_text())["property"]
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 3, 16, 32)).astype(np.float32)
    # what DeepStream does with them: a factor, and an offset for each channel
    feeds = {}
    for place in (0, 1):
        wish = yaml.safe_load((folder / f"nvdspreprocess_config_{place}.yaml").read_text())
        offsets = np.array([float(one) for one in wish["user-configs"]["offsets"].split(";")]).reshape(3, 1, 1)
        factor = wish["user-configs"]["pixel-normalization-factor"]
        feeds[wish["property"]["tensor-name"]] = (factor * (pixels[place] - offsets)).astype(np.float32)
    (found,) = onnxruntime.InferenceSession(folder / config["onnx-file"]).run([config["output-blob-names"]], feeds)
    mean, std = (np.reshape(values, (3, 1, 1)) for values in (MEAN, STD))
    normal = ((pixels / 255 - mean) / std).astype(np.float32)
    plain = onnxruntime.InferenceSession(folder / "model.onnx")
    (wanted,) = plain.run(None, {"input_1": normal[0], "input_2": normal[1]})
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    assert wanted.shape == ((5, 2) if kind == "learnable" else (5,))


def test_the_sizes_are_those_of_the_network(exported):
    folder = exported("learnable", 4)
    infer = yaml.safe_load((folder / "nvdsinfer_config.yaml").read_text())["property"]
    assert (infer["infer-dims"], infer["batch-size"], infer["input-tensor-from-meta"]) == ("3;16;32", 4, 1)
    assert (folder / infer["labelfile-path"]).read_text() == "PASS;defect\n"
    assert infer["network-type"] == 100 and infer["output-tensor-meta"] == 1  # its own verdict would know no cutoff
    sources = []
    for place in (0, 1):
        wish = yaml.safe_load((folder / f"nvdspreprocess_config_{place}.yaml").read_text())
        one = wish["property"]
        assert (one["network-input-shape"], one["processing-width"], one["processing-height"]) == ("4;3;16;32", 32, 16)
        assert one["target-unique-ids"] == infer["gie-unique-id"]
        sources += [int(number) for number in wish["group-0"]["src-ids"].split(";")]
    assert sorted(sources) == list(range(16)) and sources[:2] == [0, 2] and sources[8:10] == [1, 3]


def tensors(text: str, kind: str) -> dict[str, list[int]]:
    block = re.search(rf"^{kind} \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL).group(1)
    return {
        name: json.loads(dims)
        for name, dims in re.findall(r'name: "(\w+)" data_type: TYPE_FP32 dims: (\[.*?\])', block)
    }


@pytest.mark.parametrize(
    ("kind", "batch", "output"), [("learnable", -1, [2]), ("learnable", 4, [4, 2]), ("euclidean", -1, [1])]
)
def test_triton_is_told_what_the_file_says(exported, kind, batch, output):
    folder = exported(kind, batch)
    text = (folder / "config.pbtxt").read_text()
    own = [batch] if batch > 0 else []
    assert tensors(text, "input") == {name: [*own, 3, 16, 32] for name in ("input_1", "input_2")}
    assert tensors(text, "output") == {"output": output}
    assert ("reshape { shape: [] }" in text) == (kind == "euclidean")
    assert ("dynamic_batching { }" in text, "max_batch_size: 0\n" in text) == (
        (True, False) if batch < 0 else (False, True)
    )
    file = re.search(r'default_model_filename: "(.*)"', text).group(1)
    model = onnx.load(folder / file)
    assert [one.name for one in model.graph.input] == ["input_1", "input_2"]
    assert all(text.count(one) == text.count({"[": "]", "{": "}"}[one]) for one in "[{")
    assert Path(file).name == "model_pixels.onnx"


def test_no_cutoff_is_written_where_a_later_policy_would_not_change_it(exported):
    folder = exported("learnable")
    assert json.loads((folder / "model.json").read_text())["policy"]["band"]["review"] == 0.25
    for name in ("config.pbtxt", "nvdsinfer_config.yaml"):
        text = (folder / name).read_text()
        assert "what it becomes is 'policy' in model.json" in text and "0.25" not in text


def test_nothing_is_written_unasked(exported):
    folder = exported("euclidean", wish=False)
    assert {path.name for path in folder.iterdir()} >= {"model.onnx", "model.json"}
    assert not list(folder.glob("nvds*")) and not list(folder.glob("*.pbtxt")) and not list(folder.glob("*_pixels*"))
