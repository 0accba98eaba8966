"""What DeepStream and Triton want beside an ONNX file. Both feed it plain pixels: nothing is left to be set wrong.

DeepStream knows one scale for all channels, so that it cannot normalise as training does: the network itself has to.
"""

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from goldenpair.deployment import ExportNote
from goldenpair.run import whole_file, write_text

_LARGEST_BATCH = 16
_SOURCES = 16  # of DeepStream; samples come from the even ones, goldens from the odd ones
_GIE = 1  # the number of the network in the pipeline
_PREPROCESSOR = "/opt/nvidia/deepstream/deepstream/lib/gst-plugins/libcustom2d_preprocess.so"


def write_deepstream(file: Path, note: ExportNote) -> list[Path]:
    """Write everything beside the exported `file`; returns what was written.

    `*_pixels.onnx` is the network with normalisation as its first step: it takes float32 RGB in 0..255.
    """
    pixels = file.with_name(f"{file.stem}_pixels.onnx")
    with whole_file(pixels) as made:
        size = _with_normalisation(file, made, note)
    texts = {
        "labels.txt": ";".join(note.class_names) + "\n",
        "nvdsinfer_config.yaml": _about(note, size) + _as_yaml(_inference(pixels, note)),
        "config.pbtxt": _about(note, size) + _triton(pixels, note, size),
    }
    for place, name in enumerate(note.inputs):
        texts[f"nvdspreprocess_config_{place}.yaml"] = _as_yaml(_preprocessing(place, name, note))
    for name, text in texts.items():
        write_text(file.with_name(name), text)
    return [pixels, *(file.with_name(name) for name in texts)]


def _with_normalisation(file: Path, made: Path, note: ExportNote) -> list[int]:
    """Returns the size of the output of one pair."""
    import onnx
    from onnx.helper import make_node
    from onnx.numpy_helper import from_array

    model = onnx.load(str(file))
    graph, recipe = model.graph, note.pictures
    mean, std = (255 * np.array(values, np.float32).reshape(1, 3, 1, 1) for values in (recipe.mean, recipe.std))
    graph.initializer.extend([from_array(mean, "pixels/mean"), from_array(std, "pixels/std")])
    first = []
    for name in note.inputs:
        first.append(make_node("Sub", [name, "pixels/mean"], [f"pixels/{name}_centred"]))
        first.append(make_node("Div", [f"pixels/{name}_centred", "pixels/std"], [f"pixels/{name}"]))
        for node in graph.node:
            node.input[:] = [f"pixels/{name}" if one == name else one for one in node.input]
    nodes = [*first, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(made))
    return [one.dim_value for one in graph.output[0].type.tensor_type.shape.dim[1:]]


def _about(note: ExportNote, size: list[int]) -> str:
    score = "the second value of its softmax" if size else "its value"
    beside = f"{Path(note.onnx_file).stem}.json"
    lines = (  # no cutoff: the policy may be replaced after the export, and only that file would know
        f"The score of a pair is {score} in the output {note.outputs[0]!r}; what it becomes is 'policy' in {beside}.",
        f"Pictures: lights {note.pictures.lights or 'none'}, joined as {beside} says.",
    )
    return "".join(f"# {line}\n" for line in lines)


def _inference(pixels: Path, note: ExportNote) -> dict[str, Any]:
    height, width = _size(note)
    return {
        "property": {
            "onnx-file": pixels.name,
            "labelfile-path": "labels.txt",
            "batch-size": note.batch or 1,
            "infer-dims": f"3;{height};{width}",
            "model-color-format": 0,  # RGB
            "net-scale-factor": 1.0,
            "offsets": "0;0;0",
            "network-mode": 0,  # float32
            # 100: no postprocessing. Its own for classifiers takes the larger of two outputs, whatever the cutoff is
            "network-type": 100,
            "output-tensor-meta": 1,
            "output-blob-names": note.outputs[0],
            "input-tensor-from-meta": 1,
            "gie-unique-id": _GIE,
        }
    }


def _preprocessing(place: int, name: str, note: ExportNote) -> dict[str, Any]:
    height, width = _size(note)
    return {
        "property": {
            "enable": 1,
            "target-unique-ids": _GIE,
            "unique-id": 10 + place,
            "process-on-frame": 1,
            "network-input-order": 0,  # NCHW
            "network-input-shape": f"{note.batch or 1};3;{height};{width}",
            "network-color-format": 0,  # RGB
            "processing-width": width,
            "processing-height": height,
            "maintain-aspect-ratio": 0,
            "tensor-data-type": 0,  # float32
            "tensor-name": name,
            "custom-lib-path": _PREPROCESSOR,
            "custom-tensor-preparation-function": "CustomTensorPreparation",
        },
        "user-configs": {"pixel-normalization-factor": 1.0, "offsets": "0;0;0"},
        "group-0": {
            "src-ids": ";".join(map(str, range(place, _SOURCES, 2))),
            "process-on-roi": 0,
            "custom-input-transformation-function": "CustomAsyncTransformation",
        },
    }


def _triton(pixels: Path, note: ExportNote, size: list[int]) -> str:
    """With a fixed batch the first size is one of the tensor's own, and Triton makes no batches."""
    own = [note.batch] if note.batch else []
    inputs = [_tensor(name, [*own, 3, *_size(note)]) for name in note.inputs]
    batches = "max_batch_size: 0" if note.batch else f"max_batch_size: {_LARGEST_BATCH}\ndynamic_batching {{ }}"
    return (
        f'backend: "onnxruntime"\ndefault_model_filename: "{pixels.name}"\n{batches}\n'
        f"input [\n{','.join(inputs)}]\noutput [\n{_tensor(note.outputs[0], [*own, *size])}]\n"
    )


def _tensor(name: str, size: list[int]) -> str:
    # Triton wants a size where the network gives one number for each pair
    dims = f"dims: {size}" if size else "dims: [1] reshape { shape: [] }"
    return f'  {{ name: "{name}" data_type: TYPE_FP32 {dims} }}\n'


def _size(note: ExportNote) -> tuple[int, int]:
    recipe = note.pictures
    return recipe.rows * recipe.height, recipe.columns * recipe.width


def _as_yaml(content: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(content, sort_keys=False)
    return text
