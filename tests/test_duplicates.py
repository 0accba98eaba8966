"""The same part in two splits: what was planted is found, equal resistors are not."""

import io

import numpy as np
import pytest
from PIL import Image

from goldenpair.data.duplicates import Duplicates, duplicates
from goldenpair.data.table import Layout, PairTable, read_table

SIZE = 64


def part(seed: int) -> np.ndarray:
    """One of many resistors of a kind: bodies and solder are a little other each time."""
    rng = np.random.default_rng(seed)
    picture = np.full((SIZE, SIZE, 3), 60.0)
    picture[8:56, 8:56] = 200
    picture[12:52, 12:52] = 80
    dy, dx = rng.integers(-2, 3, 2)
    picture[22 + dy : 42 + dy, 16 + dx : 48 + dx] = rng.uniform(160, 200)
    rough = np.kron(rng.normal(0, 25, (8, 8)), np.ones((8, 8)))
    return np.clip(picture + rough[..., None] + rng.normal(0, 3, picture.shape), 1, 255)


class Splits:
    """Splits with parts of their own; each golden is another part."""

    def __init__(self, folder, counts=(("train_dataset", 30), ("test_dataset", 12)), lights=()):
        self.folder, self.lights = folder, lights
        self.rows = {name: [] for name, _ in counts}
        seed = 0
        for name, count in counts:
            for i in range(count):
                board = f"{name[:5]}{i}"
                self.rows[name].append((board, f"golden/{board}", "PASS", "R1"))
                for where in (board, f"golden/{board}"):
                    seed += 1
                    for light in lights or ("",):
                        self.write(where, part(seed + 1000 * len(light)), light)

    def file(self, board, light=""):
        return self.folder / board / f"R1{f'_{light}' if light else ''}.png"

    def write(self, board, picture, light="") -> None:
        path = self.file(board, light)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.astype(np.uint8)).save(path)

    def read(self, board) -> np.ndarray:
        return np.asarray(Image.open(self.file(board))).astype(float)

    @property
    def tables(self) -> dict[str, PairTable]:
        found = {}
        for name, rows in self.rows.items():
            path = self.folder / f"{name}.csv"
            lines = ["input_path,golden_path,label,object_name", *(",".join(row) for row in rows)]
            path.write_text("\n".join(lines) + "\n")
            found[name] = read_table(path, self.folder)
        return found

    def found(self, **more) -> Duplicates:
        layout = Layout(tuple(self.lights), SIZE, SIZE, 1, max(1, len(self.lights)), ".png")
        return duplicates(self.tables, layout, **more)


def test_equal_resistors_are_no_duplicates(tmp_path):
    found = Splits(tmp_path).found()
    assert (found.parts, found.unreadable) == (42, 0)
    assert (found.same_count, found.near_count, found.golden_samples_count) == (0, 0, 0)
    assert found.boards == {} and found.board_source == "first folder of input_path"
    assert 0 < found.threshold <= 0.15


def test_a_split_without_rows_has_no_duplicates(tmp_path):
    made = Splits(tmp_path)
    before = made.found()
    made.rows["validation_dataset"] = []
    found = made.found()
    assert (found.parts, found.same_count, found.near_count) == (before.parts, 0, 0)


def test_copies_under_other_names(tmp_path):
    made = Splits(tmp_path)
    made.file("test_3").write_bytes(made.file("train4").read_bytes())
    found = made.found()
    (twin,) = found.same
    assert (twin.split, twin.row, twin.other_split, twin.other_row, twin.distance) == (
        "test_dataset",
        3,
        "train_dataset",
        4,
        0,
    )
    assert found.near_count == 0  # told once


def saved_again(picture):
    content = io.BytesIO()
    Image.fromarray(picture.astype(np.uint8)).save(content, "JPEG", quality=70)
    return np.asarray(Image.open(content)).astype(float)


@pytest.mark.parametrize(
    "change",
    [
        saved_again,
        lambda picture: np.clip(picture * 1.1, 1, 255),
        lambda picture: np.clip(picture + np.random.default_rng(0).normal(0, 4, picture.shape), 1, 255),
    ],
)
def test_the_same_part_pictured_again(tmp_path, change):
    made = Splits(tmp_path)
    made.write("test_3", change(made.read("train4")))
    found = made.found()
    assert found.same_count == 0
    (twin,) = found.near
    assert (twin.row, twin.other_row) == (3, 4) and 0 < twin.distance < found.threshold


def test_a_set_of_equal_pictures_is_not_all_duplicates(tmp_path):
    """Where many parts of the other split are as near, a near one is nothing special."""
    made = Splits(tmp_path)
    for board in range(10):
        made.write(f"train{board}", saved_again(part(7)) + board % 3)
    made.write("test_3", part(7))
    assert made.found().near_count == 0


def test_plain_pictures_are_alike_by_chance(tmp_path):
    made = Splits(tmp_path)
    edge = np.full((SIZE, SIZE, 3), 250.0)
    edge[:, :20] = 5
    made.write("train4", edge)
    made.write("test_3", edge - 1)
    assert made.found().near_count == 0


def test_flat_pictures_are_like_nothing(tmp_path):
    made = Splits(tmp_path)
    made.write("train4", np.full((SIZE, SIZE, 3), 100.0))
    made.write("test_3", np.full((SIZE, SIZE, 3), 101.0))
    assert made.found().near_count == 0


def test_all_lights_have_to_be_alike(tmp_path):
    made = Splits(tmp_path, lights=("White", "Low"))
    made.file("test_3", "White").write_bytes(made.file("train4", "White").read_bytes())
    assert made.found().same_count == made.found().near_count == 0
    made.file("test_3", "Low").write_bytes(made.file("train4", "Low").read_bytes())
    assert [(one.row, one.other_row) for one in made.found().same] == [(3, 4)]


def test_a_golden_that_is_a_sample_too(tmp_path):
    made = Splits(tmp_path)
    made.file("test_3").write_bytes(made.file("golden/train4").read_bytes())
    found = made.found()
    assert [(one.split, one.row, one.other_split, one.other_row) for one in found.golden_samples] == [
        ("test_dataset", 3, "train_dataset", 4)
    ]


def test_a_sample_that_is_a_copy_of_its_own_golden(tmp_path):
    made = Splits(tmp_path)
    made.file("test_3").write_bytes(made.file("golden/test_3").read_bytes())
    assert [(one.row, one.other_row) for one in made.found().golden_samples] == [(3, 3)]


def test_the_same_path_is_left_to_the_audit(tmp_path):
    made = Splits(tmp_path)
    made.rows["test_dataset"][0] = made.rows["train_dataset"][0]
    found = made.found()
    assert (found.same_count, found.near_count) == (0, 0)
    assert found.boards == {"train_dataset and test_dataset": ["train0"]}


def test_each_two_of_three_splits(tmp_path):
    made = Splits(tmp_path, (("train_dataset", 10), ("valid_dataset", 10), ("test_dataset", 10)))
    for board in ("valid1", "test_2"):
        made.file(board).write_bytes(made.file("train3").read_bytes())
    pairs = [(one.split, one.other_split) for one in made.found().same]
    assert sorted(pairs) == [
        ("test_dataset", "train_dataset"),
        ("test_dataset", "valid_dataset"),
        ("valid_dataset", "train_dataset"),
    ]


def test_pictures_that_cannot_be_read(tmp_path):
    made = Splits(tmp_path)
    for board in ("train4", "test_3"):
        made.file(board).write_bytes(b"nothing")
    found = made.found()
    assert (found.unreadable, found.same_count, found.near_count) == (2, 0, 0)


def test_without_labels_there_is_no_measure_of_near(tmp_path):
    made = Splits(tmp_path)
    made.write("test_3", saved_again(made.read("train4")))
    tables = {
        name: PairTable(
            table.source, table.images_dir, {key: cells for key, cells in table.cells.items() if key != "label"}
        )
        for name, table in made.tables.items()
    }
    found = duplicates(tables, Layout((), SIZE, SIZE, 1, 1, ".png"))
    assert (found.threshold, found.near_count) == (None, 0)


def test_a_split_of_few_parts_has_no_neighbours(tmp_path):
    made = Splits(tmp_path, (("train_dataset", 4), ("test_dataset", 4)))
    made.write("test_3", saved_again(made.read("train1")))
    assert made.found().near_count == 0


def test_one_split(tmp_path):
    found = Splits(tmp_path, (("test_dataset", 5),)).found()
    assert (found.parts, found.same_count, found.boards) == (5, 0, {})


def test_long_lists_are_counted(tmp_path):
    made = Splits(tmp_path, (("train_dataset", 25), ("test_dataset", 25)))
    for i in range(25):
        made.file(f"test_{i}").write_bytes(made.file(f"train{i}").read_bytes())
    found = made.found()
    assert (len(found.same), found.same_count) == (20, 25)


def test_progress_is_told(tmp_path):
    steps = []
    Splits(tmp_path).found(progress=lambda done, total: steps.append((done, total)))
    assert steps[-1] == (84, 84)


def test_on_real_boards(real_data):
    """Boards of one design, each in one split: nothing to tell."""
    folder = real_data / "lookout_oi"
    tables = {name: read_table(folder / f"{name}.csv", folder / "images_dir") for name in ("train", "val")}
    found = duplicates(tables, Layout(("WhiteLight",), 128, 128, 1, 1, ".jpg"))
    assert (found.parts, found.same_count, found.near_count, found.boards) == (424, 0, 0, {})
