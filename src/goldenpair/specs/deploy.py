"""Sections of tao-deploy, which builds TensorRT engines: accepted here, with TAO's names and defaults."""

from typing import Literal

from goldenpair.specs.fields import MISSING, Section, option, section

_DROPPED = "TAO's pages still show it, but TAO has dropped it: the ONNX file knows its size"


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
