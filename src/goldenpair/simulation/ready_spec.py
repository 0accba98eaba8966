"""The spec.yaml beside drawn boards."""

import json
from pathlib import Path

from goldenpair.simulation.plan import SPLITS
from goldenpair.specs.simulate import SimulateSpec


def spec_text(out: Path, spec: SimulateSpec) -> str:
    """The spec as YAML. Paths are written as JSON strings, which are YAML too, whatever they contain."""

    def path(name: str) -> str:
        return json.dumps((out / name).as_posix(), ensure_ascii=False)

    tables = "\n".join(
        f"  {use}_dataset:\n    csv_path: {path(f'{split}.csv')}\n    images_dir: {path('images')}"
        for use, split in (*zip(SPLITS, SPLITS, strict=True), ("infer", "test"))
    )
    lights = "\n".join(f"    {light}: {index}" for index, light in enumerate(spec.lights))
    return _YAML.format(
        results=path("results"), tables=tables, lights=lights, count=len(spec.lights), ext=spec.image_ext,
        size=spec.size,
    )  # fmt: skip


_YAML = """\
# Drawn boards, ready for: goldenpair optical_inspection train -e THIS_FILE
# then, in place of train, for evaluate, inference and export.
# Its paths start from the folder in which the boards were drawn.
results_dir: {results}
model:
  model_type: Siamese_1  # without batch norms between its linear layers: they need more pairs than this
  margin: 2.0
  embedding_vectors: 5
dataset:
{tables}
  image_ext: {ext}
  batch_size: 16
  workers: 2
  fpratio_sampling: 1.0  # defects drawn for each PASS pair
  num_input: {count}  # as many as input_map has lights
  input_map:  # suffix of each light's files, in the order of joining
{lights}
  concat_type: linear
  image_width: {size}
  image_height: {size}
  augmentation_config:
    augment: false  # true applies what is enabled below; it needs more epochs, and forgives misregistration
    random_flip:
      enable: false
    random_rotate:
      enable: false
    random_color:
      enable: true
      color_probability: 0.5
      brightness: 0.1
      contrast: 0.1
      saturation: 0.1
      hue: 0.02
    with_random_blur: false
    with_random_crop: false
    relative_jitter:  # golden and sample apart from each other, as placement and exposure are on a line
      enable: true
train:
  num_epochs: 10
  optim:
    type: Adam
    lr: 0.0005
evaluate:
  checkpoint: ${{results_dir}}/train/oi_model_latest.pth
inference:
  checkpoint: ${{results_dir}}/train/oi_model_latest.pth
export:
  checkpoint: ${{results_dir}}/train/oi_model_latest.pth
"""
