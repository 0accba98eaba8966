"""Sections of what follows training: export to ONNX, and what is only accepted as TAO has it: tao-deploy's engines,
and quantisation."""

from pathlib import Path
from typing import Any, Literal

from pydantic import field_validator

from goldenpair.specs.fields import MISSING, Section, option, section

OPSETS = (11, 23)
_DROPPED = "TAO's pages still show it, but TAO has dropped it: the ONNX file knows its size"


class ExportCommon(Section):
    """What the export to ONNX has in every network."""

    results_dir: str | None = option(None, "Folder of the results; unset: <results_dir>/export", path="results")
    gpu_id: int = option(0, "GPU to use", no_effect="exporting needs no GPU")
    checkpoint: str = option(
        MISSING,
        "Checkpoint to export",
        needed_by=("export",),
        start="${results_dir}/train/oi_model_latest.pth",
        path="file",
    )
    onnx_file: str | None = option(
        MISSING,
        "ONNX file to write, with a JSON file beside it. Unset: model.onnx in the results folder; "
        "null: the checkpoint's name with .onnx",
        start="${results_dir}/export/model.onnx",
        path="output",
    )
    overwrite: bool = option(False, "Replace an ONNX file that is there already", not_in_tao=True)
    opset_version: int = option(
        17, "ONNX opset, 11 to 23 (up to 17 by PyTorch's older exporter)", ge=1, tao_template=12
    )
    on_cpu: bool = option(False, "Export on the CPU", no_effect="it always does")
    input_height: int | None = option(
        None, "Height of the joined picture; unset: as dataset says (TAO's is 4 x 128)", ge=1, tao_template=512
    )
    input_width: int | None = option(
        None, "Width of the joined picture; unset: as dataset says (TAO's is 128)", ge=1, tao_template=128
    )
    input_channel: int = option(3, "Colour channels; there are three", ge=1)
    batch_size: int | None = option(-1, "Pairs in a batch of the ONNX file; -1: any number", ge=-1)
    do_constant_folding: bool = option(False, "Compute in advance what does not depend on the pictures")

    @field_validator("batch_size")
    @classmethod
    def _some_pairs(cls, size: int | None) -> int | None:
        if size == 0:
            raise ValueError("0 is no batch size; give -1 for any number of pairs, or a fixed one")
        return size

    def problems(self, joined: tuple[int, int]) -> list[str]:
        """What does not fit; `joined` is height and width of what the network reads."""
        low, high = OPSETS
        found = []
        if not low <= self.opset_version <= high:
            found.append(f"export.opset_version: it is {self.opset_version}; PyTorch writes {low} to {high}")
        wishes = (
            ("height", self.input_height, joined[0]),
            ("width", self.input_width, joined[1]),
            ("channel", self.input_channel, 3),
        )
        return found + [
            f"export.input_{side}: it is {given}, but what the dataset section joins has {size}; leave it out, or make "
            "the two agree"
            for side, given, size in wishes
            if given is not None and given != size
        ]

    def target(self, folder: Path) -> Path:
        """The ONNX file to write, where `folder` is that of the results."""
        if self.onnx_file == MISSING:
            return folder / "model.onnx"
        return Path(self.onnx_file) if self.onnx_file else Path(self.checkpoint).with_suffix(".onnx")

    @property
    def deepstream(self) -> bool:
        """Whether to write DeepStream's and Triton's configuration too."""
        return False

    @property
    def fixed_batch(self) -> int | None:
        """Pairs in a batch, or None for any number."""
        return self.batch_size if self.batch_size and self.batch_size > 0 else None


class Calibration(Section):
    cal_image_dir: list[str] | Literal["???"] = option(MISSING, "Folders of calibration pictures")
    cal_cache_file: str = option(MISSING, "Calibration cache file")
    cal_batch_size: int = option(1, "Batch size of the calibration", ge=1, popular=True)
    cal_batches: int = option(1, "Batches of the calibration", ge=1, popular=True)


class TensorRt(Section):
    workspace_size: int = option(1024, "Workspace in MB", ge=0)
    min_batch_size: int = option(1, "Smallest batch of the profile", ge=1, popular=True)
    opt_batch_size: int = option(1, "Batch that the engine is tuned for", ge=1, popular=True)
    max_batch_size: int = option(1, "Largest batch of the profile", ge=1, popular=True)
    layers_precision: list[str] | None = option([], "Layers with a precision of their own, as layer:precision")
    data_type: str = option("fp32", "Precision of the engine, fp32 or fp16", tao_template="fp32,fp16")
    calibration: Calibration = section(Calibration, "INT8 calibration")


class GenTrtEngine(Section):
    results_dir: str | None = option(None, "Folder of the results; unset: <results_dir>/gen_trt_engine")
    gpu_id: int = option(0, "GPU to build on", ge=0, popular=True)
    onnx_file: str = option(MISSING, "ONNX file to build from")
    trt_engine: str | None = option(MISSING, "Engine file to write")
    timing_cache: str | None = option(None, "Timing cache file")
    batch_size: int = option(-1, "Batch size of the ONNX file; -1: dynamic", ge=-1, popular=True)
    verbose: bool = option(False, "Say more")
    tensorrt: TensorRt = section(TensorRt, "How to build")
    input_channel: int | None = option(None, "Colour channels", not_in_tao=True, no_effect=_DROPPED)
    input_width: int | None = option(None, "Width of the joined picture", not_in_tao=True, no_effect=_DROPPED)
    input_height: int | None = option(None, "Height of the joined picture", not_in_tao=True, no_effect=_DROPPED)


class TensorQuantization(Section):
    dtype: Literal["int8", "fp8_e4m3fn", "fp8_e5m2", "native"] | None = option(None, "Number format")
    observer_or_fake_quant: str | None = option(None, "How the range of the values is found")
    quant_axis: int | None = option(None, "Axis along which each slice has its own range")
    observer_or_fake_quant_kwargs: dict[str, Any] | None = option(None, "Settings of that")


class LayerQuantization(Section):
    module_name: str = option(MISSING, "Pattern of the layers' names or classes")
    weights: TensorQuantization | None = option(None, "What becomes of the weights")
    activations: TensorQuantization | None = option(None, "What becomes of the activations")


class Quantize(Section):
    backend: Literal["modelopt.pytorch", "torchao", "modelopt.onnx"] | None = option("torchao", "Quantiser")
    mode: Literal["static_ptq", "weight_only_ptq"] | None = option("weight_only_ptq", "What is quantised")
    algorithm: Literal["minmax", "max", "entropy", "awq_clip", "awq_lite", "awq_full", "rtn_dq"] | None = option(
        "minmax", "How ranges are found"
    )
    layers: list[LayerQuantization] | None = option([], "What is done to which layers")
    skip_names: list[str] | None = option([], "Patterns of layers to leave alone")
    model_path: str | None = option("", "Checkpoint or ONNX file to quantise")
    results_dir: str | None = option("", "Folder of the results")
    backend_kwargs: dict[str, Any] | None = option({}, "Settings of the quantiser", tao_leaves_open=True)
    device: str = option("cuda", "Where to work", pattern="^(cuda|cpu|trt|cuda:[0-9]+)$")
