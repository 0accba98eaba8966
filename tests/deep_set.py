"""Drawn parts in three splits, with goldens and lights, to plant faults in: what the tests of the deep audit look at.

Parts are made of a few shapes, other ones for each name; a sample differs from its golden by light, place and noise.
"""

import csv
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from goldenpair.data.table import Layout, PairTable, read_table

SIZE = 96
LIGHTS = ("SolderLight", "WhiteLight")
SPLITS = ("train_dataset", "validation_dataset", "test_dataset")


def part(name: str, light: str, rng: np.random.Generator) -> np.ndarray:
    """float64 [SIZE, SIZE, 3]: shapes by the name, colours by the light, and what differs by chance."""
    shape = np.random.default_rng([ord(one) for one in name])
    tint = np.random.default_rng([ord(one) for one in light]).uniform(0.4, 1.0, 3)
    picture = np.full((SIZE, SIZE, 3), 50.0)
    for level in (90, 150, 210, 120, 190):
        top, left = shape.integers(8, 60, 2)
        high, wide = shape.integers(10, 28, 2)
        channel = shape.integers(3)
        picture[top : top + high, left : left + wide] = level
        picture[top : top + high, left : left + wide, channel] *= 0.6
    return picture * tint * rng.uniform(0.97, 1.03) + rng.normal(0, 3, picture.shape)


class DeepSet:
    """Boards of these parts, all compared with the same goldens. Everything may be changed before `write`.

    The last board is for tests, the one before for validation, the others are for training.
    """

    def __init__(self, folder: Path, boards: int = 6, names: int = 12, lights: tuple[str, ...] = LIGHTS):
        self.folder, self.lights = folder, lights
        self.names = [f"{letter}{number}" for number in range(1, names // 3 + 1) for letter in "RCU"]
        rng = np.random.default_rng(0)
        self.boards = range(boards)
        self.golden = {(name, light): part(name, light, rng) for name in self.names for light in lights}
        self.sample = {
            (board, name, light): part(name, light, rng)
            for board in self.boards
            for name in self.names
            for light in lights
        }
        self.label = {(board, name): "PASS" for board in self.boards for name in self.names}
        self.split = {board: SPLITS[max(0, board - boards + 3)] for board in self.boards}
        self.board = {board: f"board_{board}" for board in self.boards}

    def change(self, name: str, how) -> None:
        """Of a golden all lights."""
        for light in self.lights:
            self.golden[name, light] = how(self.golden[name, light])

    def spoil(self, board: int, name: str) -> None:
        """A sample that lacks what it should have, whatever its label says."""
        for light in self.lights:
            picture = self.sample[board, name, light]
            picture[20:60, 20:60] = 60 + np.random.default_rng(board).normal(0, 3, (40, 40, 3))

    def spoil_some(self, count: int = 24, seed: int = 5) -> list[tuple[int, str]]:
        """Defects that are labelled so, evenly over the boards."""
        rng = np.random.default_rng(seed)
        chosen = [
            (i % len(self.boards), self.names[place]) for i, place in enumerate(rng.integers(0, len(self.names), count))
        ]
        for board, name in set(chosen):
            self.spoil(board, name)
            self.label[board, name] = "MISSING"
        return sorted(set(chosen))

    def write(self) -> dict[str, PairTable]:
        for (name, light), picture in self.golden.items():
            self._save(f"golden/{name}_{light}.png", picture)
        for (board, name, light), picture in self.sample.items():
            self._save(f"b{board}/{name}_{light}.png", picture)
        for split in SPLITS:
            with (self.folder / f"{split}.csv").open("w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(["input_path", "golden_path", "label", "object_name", "board"])
                for (board, name), label in self.label.items():
                    if self.split[board] == split:
                        writer.writerow([f"b{board}", "golden", label, name, self.board[board]])
        return {split: read_table(self.folder / f"{split}.csv", self.folder) for split in SPLITS}

    def write_spec(self) -> Path:
        """For optical_inspection; the tables are written as well."""
        self.write()
        splits = "".join(f"  {s}: {{csv_path: {self.folder}/{s}.csv, images_dir: {self.folder}}}\n" for s in SPLITS)
        lights = ", ".join(f"{light}: {place}" for place, light in enumerate(self.lights))
        text = f"results_dir: {self.folder}/results\ndataset:\n{splits}  image_ext: .png\n"
        path = self.folder / "spec.yaml"
        path.write_text(f"{text}  num_input: {len(self.lights)}\n  input_map: {{{lights}}}\n")
        return path

    @property
    def layout(self) -> Layout:
        return Layout(self.lights, SIZE, SIZE, 1, len(self.lights), ".png")

    def _save(self, name: str, picture: np.ndarray) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.clip(picture, 1, 255).astype(np.uint8)).save(path, compress_level=1)


def blurred(picture: np.ndarray) -> np.ndarray:
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(1.5)), np.float64)
