"""Files that can be taken apart, against the networks they were made from."""

import sys
from pathlib import Path

import onnx
import pytest
import torch

from goldenpair.deployment import open_onnx, open_parts
from goldenpair.errors import InputError
from goldenpair.models.folding import FoldedChangenet
from goldenpair.onnx_writing import write_onnx
from goldenpair.specs.load import default_spec
from goldenpair.tasks import create_task
from test_changenet import HEIGHT, WIDTH, euclidean, learnable, pictures, used


@pytest.fixture(scope="module", params=[("learnable", 17, -1), ("learnable", 17, 2), ("euclidean", 17, -1)], ids=str)
def written(request, tmp_path_factory):
    """The network, its file, and how many tensors it makes of a picture."""
    kind, opset, batch = request.param
    spec = default_spec(
        "visual_changenet",
        [
            "task=classify",
            f"model.classify.difference_module={kind}",
            "dataset.classify.num_input=1",
            f"dataset.classify.image_height={HEIGHT}",
            f"dataset.classify.image_width={WIDTH}",
            f"export.opset_version={opset}",
            f"export.batch_size={batch}",
        ],
    )
    network = used(learnable(scales=3) if kind == "learnable" else euclidean())
    file = tmp_path_factory.mktemp("onnx") / "model.onnx"
    task = create_task(spec, FoldedChangenet(network) if kind == "learnable" else network)
    return network, file, write_onnx(task, file, spec.export)


@torch.inference_mode()
def test_whole_and_apart_it_gives_the_networks_output_for_any_number(written):
    network, file, features = written
    assert features == (3 if hasattr(network, "decoder") else 1)
    whole, apart = open_onnx(file), open_parts(file, features)
    assert (apart.inputs, apart.outputs, apart.shapes) == (whole.inputs, whole.outputs, whole.shapes)
    for count in (1, 2, 5):
        sample, golden = pictures(3, count), pictures(4, count)
        wanted = network(sample, golden)
        assert torch.allclose(whole(sample, golden)[0], wanted, atol=1e-5)
        assert torch.allclose(apart(sample, golden), wanted, atol=1e-5)
    kept = [one.expand(5, *one.shape[1:]) for one in apart.keep(apart.encode(golden[:1]))]
    again = golden[:1].expand(5, -1, -1, -1)
    assert torch.allclose(apart.compare(apart.encode(sample), kept), network(sample, again), atol=1e-5)


def test_no_weight_stands_in_the_file_twice(written):
    network, file, _ = written
    weights = [onnx.numpy_helper.to_array(one) for one in onnx.load(file).graph.initializer]
    large = [one.tobytes() for one in weights if one.size > 500]
    assert len(set(large)) == len(large) > 10


def test_without_onnx_one_sentence(written, monkeypatch):
    _, file, features = written
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match=r"pip install 'goldenpair\[onnx\]'"):
        open_parts(Path(file), features)
