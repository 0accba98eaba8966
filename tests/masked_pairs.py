"""Drawn pairs in TAO's segment layout: a golden of coarse noise, a sample with a bright square, the square as mask."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from goldenpair.specs.load import load_spec
from goldenpair.specs.visual_changenet import VisualChangenetSpec

SPLITS = {"train": 8, "val": 4, "test": 5}


def draw(root: Path, splits: Mapping[str, int] = SPLITS, size: int = 32, extension: str = ".png") -> Path:
    """Write A, B, label and list below `root`; every third pair has not changed."""
    rng = np.random.default_rng(7)
    for split, count in splits.items():
        names = [f"{split}{number}{extension}" for number in range(count)]
        for number, name in enumerate(names):
            golden = rng.integers(20, 120, (size // 8, size // 8, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
            sample, mask = golden.copy(), np.zeros((size, size), np.uint8)
            if number % 3:
                top, left = rng.integers(0, size - size // 3, 2)
                place = slice(top, top + size // 3), slice(left, left + size // 4)
                sample[place], mask[place] = 240, 255
            save(root / "A" / name, sample)
            save(root / "B" / name, golden)
            save(root / "label" / f"{Path(name).stem}.png", mask)
        write_list(root, split, names)
    return root


def write_list(root: Path, split: str, names: Sequence[str]) -> Path:
    path = root / "list" / f"{split}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    return path


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def spec_of(root: Path, *overrides: str, action: str | None = None) -> VisualChangenetSpec:
    """A tiny network at 32 x 32, without augmentation but flips."""
    given = {
        "task": "segment",
        "model": {
            "backbone": {"type": "fan_tiny_8_p4_hybrid"},
            "decode_head": {"decoder_params": {"embed_dim": 8}},
        },
        "dataset": {"segment": {"root_dir": str(root), "img_size": 32, "batch_size": 4, "workers": 0}},
        "train": {"num_epochs": 1},
    }
    spec = load_spec("visual_changenet", given, overrides, action)
    assert isinstance(spec, VisualChangenetSpec)
    return spec
