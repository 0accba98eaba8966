"""Labels that contradict the scores, and goldens unlike their kind: those that were planted, and no others."""

import numpy as np
import pytest
from PIL import Image

from goldenpair.data.table import Layout, PairTable, read_table
from goldenpair.quality.scored import ScoredTable, with_scores
from goldenpair.quality.suspects import MOST, better_goldens, odd_goldens, suspect_labels


def scored(score, bad, labels=None) -> ScoredTable:
    label = labels or ["OPEN" if one else "PASS" for one in bad]
    cells = {"label": label, "object_name": [f"R{i}" for i in range(len(label))], "input_path": ["b"] * len(label)}
    return with_scores("here", cells, np.array(score, np.float32))


def apart(good: int = 400, defects: int = 40, seed: int = 0) -> tuple[list[float], list[bool]]:
    rng = np.random.default_rng(seed)
    score = [*rng.normal(0, 1, good), *rng.normal(8, 1, defects)]
    return score, [False] * good + [True] * defects


def test_swapped_labels_are_found():
    score, bad = apart()
    for row in (3, 7, 405):
        bad[row] = not bad[row]
    found = suspect_labels(scored(score, bad))
    # 3 and 7 are ordinary good parts called defects; 405 an ordinary defect called good
    assert {3, 7, 405} >= {one.row for one in found.listed} >= {405}
    assert found.found == len(found.listed)
    odd = {one.row: one for one in found.listed}[405]
    assert odd.label == "PASS" and odd.own == 0 and odd.score == pytest.approx(score[405], rel=1e-6)


def test_shares_by_hand():
    """A good part at 5 reaches 3 of 4 defects; no other good part lies there."""
    found = suspect_labels(scored([0, 1, 2, 5, 3, 4, 5, 6], [False] * 4 + [True] * 4))
    assert [(one.row, one.beyond, one.own) for one in found.listed] == [(3, 0.75, 0.0)]


def test_a_defect_among_good_parts():
    found = suspect_labels(scored([0, 1, 2, 3, 1.5, 8, 9, 9], [False] * 4 + [True] * 4))
    assert [(one.row, one.label, one.beyond, one.own) for one in found.listed] == [(4, "OPEN", 0.5, 0.0)]


def test_classes_that_are_apart_have_none():
    assert suspect_labels(scored(*apart())).found == 0


def test_a_useless_model_does_not_cry_wolf():
    rng = np.random.default_rng(1)
    table = scored(rng.random(2000), rng.random(2000) < 0.3)
    found = suspect_labels(table)
    assert found.found <= 0.01 * 1400 + 0.05 * 600 + 2
    assert len(found.listed) == MOST


def test_probabilities_are_compared_with_means():
    """Defects have 0.9, 0.8 and 0.1, 0.6 on average; a good part at 0.7 reaches less than half of them, but that."""
    score = [0.05] * 100 + [0.7, 0.9, 0.8, 0.1]
    table = scored(score, [False] * 101 + [True] * 3)
    assert [one.row for one in suspect_labels(table, (0.06, 0.6)).listed] == [100]
    assert [one.row for one in suspect_labels(table, (0.11, 0.6)).listed] == [100, 103]
    assert suspect_labels(table, (0.11, 0.6), most=1).found == 2
    assert len(suspect_labels(table, (0.11, 0.6), most=1).listed) == 1


def test_the_deepest_come_first():
    score, bad = apart()
    score[0], score[1] = 8.0, 20.0
    rows = [one.row for one in suspect_labels(scored(score, bad)).listed]
    assert rows == [1, 0]


def test_one_class_only():
    assert suspect_labels(scored([0, 1, 2], [False] * 3)).found == 0
    assert suspect_labels(scored([0, 1], [False, True])).found == 0


def test_rows_that_are_not_measured_are_no_suspects():
    score, bad = apart()
    labels = ["OPEN" if one else "PASS" for one in bad]
    score[0], labels[0] = 9.0, ""
    score[1] = np.nan
    assert suspect_labels(scored(score, bad, labels)).found == 0


SIZE = 64


def part(rng: np.random.Generator) -> np.ndarray:
    """A body on a board with a print around, as cameras see it: a little other in place, light and noise."""
    picture = np.full((SIZE, SIZE, 3), 60.0)
    picture[8:56, 8:56] = 200
    picture[12:52, 12:52] = 80
    dy, dx = rng.integers(-1, 2, 2)
    picture[22 + dy : 42 + dy, 16 + dx : 48 + dx] = 180
    return picture * rng.uniform(0.9, 1.1) + rng.normal(0, 4, picture.shape)


class Set:
    """Goldens of one name on many boards, to be changed one by one, and a good sample for each."""

    def __init__(self, folder, boards=16, names=("R1",), lights=()):
        self.folder, self.lights = folder, lights
        self.rows = [(f"b{i}", f"golden/b{i}", "PASS", name) for i in range(boards) for name in names]
        rng = np.random.default_rng(2)
        for board, golden, _, name in self.rows:
            for light in lights or ("",):
                self.write(golden, name, part(rng), light)
                self.write(board, name, part(rng), light)

    def write(self, folder, name, picture, light="") -> None:
        path = self.folder / folder / f"{name}{f'_{light}' if light else ''}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.clip(picture, 1, 255).astype(np.uint8)).save(path)

    @property
    def layout(self) -> Layout:
        return Layout(tuple(self.lights), SIZE, SIZE, 1, max(1, len(self.lights)), ".png")

    @property
    def table(self) -> PairTable:
        path = self.folder / "set.csv"
        lines = ["input_path,golden_path,label,object_name", *(",".join(row) for row in self.rows)]
        path.write_text("\n".join(lines) + "\n")
        return read_table(path, self.folder)


def test_goldens_that_are_alike(tmp_path):
    made = Set(tmp_path)
    found = odd_goldens(made.table, made.layout)
    assert (found.listed, found.found, found.pictures, found.not_judged) == ((), 0, 16, 0)


def shifted(picture: np.ndarray) -> np.ndarray:
    return np.roll(picture, 10, axis=1)


def other(picture: np.ndarray) -> np.ndarray:
    return np.random.default_rng(9).normal(120, 50, picture.shape)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda picture: picture * 0.1, "dark: mean"),
        (lambda picture: 120 + 0.1 * (picture - 120), "low contrast:"),
        (shifted, "misframed: +16% to the right, +0% down"),
        (other, "unlike its siblings"),
    ],
)
def test_one_that_is_odd(tmp_path, change, reason):
    made = Set(tmp_path)
    made.write("golden/b5", "R1", change(part(np.random.default_rng(3))))
    found = odd_goldens(made.table, made.layout)
    assert found.found == 1
    (odd,) = found.listed
    assert odd.path.endswith("R1.png") and "b5" in odd.path
    assert (odd.row, odd.siblings, odd.copies) == (5, 31, 1) and odd.z > 3.5
    assert any(one.startswith(reason) for one in odd.reasons), odd.reasons


def test_each_light_is_judged_apart(tmp_path):
    made = Set(tmp_path, lights=("White", "Low"))
    made.write("golden/b5", "R1", other(part(np.random.default_rng(3))), "Low")
    (odd,) = odd_goldens(made.table, made.layout).listed
    assert odd.path.endswith("R1_Low.png")


def test_few_goldens_are_not_judged(tmp_path):
    made = Set(tmp_path, boards=3)
    made.write("golden/b2", "R1", other(part(np.random.default_rng(3))))
    found = odd_goldens(made.table, made.layout)
    assert (found.found, found.pictures, found.not_judged) == (0, 3, 3)


def test_letters_join_names(tmp_path):
    """Three boards with R1, R2 and R3 have nine resistors, and as many goldens."""
    made = Set(tmp_path, boards=3, names=("R1", "R2", "R3"))
    made.write("golden/b2", "R2", other(part(np.random.default_rng(3))))
    found = odd_goldens(made.table, made.layout)
    assert [one.siblings for one in found.listed] == [17] and found.not_judged == 0


def test_a_name_that_looks_otherwise_throughout_is_not_odd(tmp_path):
    made = Set(tmp_path, boards=3, names=("R1", "R2", "R3", "R4", "R5"))
    for board in range(3):
        noise = np.random.default_rng(board).normal(0, 3, (SIZE, SIZE, 1))
        made.write(f"golden/b{board}", "R2", other(part(np.random.default_rng(3))) + noise)
    assert odd_goldens(made.table, made.layout).found == 0


def test_a_golden_that_cannot_be_read_is_counted(tmp_path):
    made = Set(tmp_path)
    (tmp_path / "golden" / "b5" / "R1.png").write_bytes(b"nothing")
    found = odd_goldens(made.table, made.layout)
    assert (found.found, found.pictures, found.not_judged) == (0, 16, 1)


def test_copies_of_a_golden_are_one(tmp_path):
    """As many folders of goldens as boards, with few pictures in them: a copy is no sibling."""
    made = Set(tmp_path)
    strange = other(part(np.random.default_rng(3)))
    for board in range(4, 11):
        made.write(f"golden/b{board}", "R1", strange)
    found = odd_goldens(made.table, made.layout)
    assert [(one.row, one.copies) for one in found.listed] == [(4, 7)]
    assert (found.found, found.pictures, found.not_judged) == (1, 16, 0)


def test_one_golden_for_all_boards_is_compared_with_good_samples(tmp_path):
    made = Set(tmp_path, boards=12)
    made.rows = [(board, "golden/b0", "PASS" if i else "OPEN", name) for i, (board, _, _, name) in enumerate(made.rows)]
    assert odd_goldens(made.table, made.layout).found == 0
    made.write("golden/b0", "R1", other(part(np.random.default_rng(3))))
    found = odd_goldens(made.table, made.layout)
    assert [(one.siblings, one.copies) for one in found.listed] == [(11, 1)]
    assert found.pictures == 1


def test_on_real_boards(real_data):
    """An LED soldered askew, copied into the folders of several boards, and a lens in the way; no other."""
    folder = real_data / "lookout_oi"
    table = read_table(folder / "train.csv", folder / "images_dir")
    found = odd_goldens(table, Layout(("WhiteLight",), 128, 128, 1, 1, ".jpg"))
    assert [one.path[-18:-15] for one in found.listed] == ["ED2", "D1P"]
    assert (found.found, found.pictures, found.not_judged) == (2, 305, 0)


def swapped(folder, lights=()) -> Set:
    """Parts R1 and U1 that look otherwise, on boards of which the second has their goldens swapped."""
    made = Set(folder, boards=3, names=("R1", "U1"), lights=lights)
    rng = np.random.default_rng(4)
    for board in range(3):
        names = ("U1", "R1") if board == 1 else ("R1", "U1")
        for light in lights or ("",):
            look = np.random.default_rng(7).normal(120, 50, (SIZE, SIZE, 3))
            made.write(f"b{board}", "U1", look + rng.normal(0, 3, look.shape), light)
            made.write(f"golden/b{board}", names[0], part(rng), light)
            made.write(f"golden/b{board}", names[1], look + rng.normal(0, 3, look.shape), light)
    return made


@pytest.mark.parametrize("lights", [(), ("White", "Low")])
def test_swapped_goldens_are_found(tmp_path, lights):
    made = swapped(tmp_path, lights)
    found = better_goldens(made.table, made.layout)
    assert (found.found, found.samples) == (2, 6)
    assert {one.row for one in found.listed} == {2, 3}  # R1 and U1 of the second board
    for one in found.listed:
        assert one.other_distance < 0.5 * one.distance
        # the golden of another U1 for U1, or the one that stands under the other name
        assert one.other_row in ({1, 5, 2} if one.row == 3 else {0, 4, 3})


def test_defects_have_a_right_to_differ(tmp_path):
    made = swapped(tmp_path)
    made.rows = [(a, b, "OPEN" if a == "b1" else label, name) for a, b, label, name in made.rows]
    found = better_goldens(made.table, made.layout)
    assert (found.found, found.samples) == (0, 4)


def test_goldens_that_fit(tmp_path):
    made = Set(tmp_path)
    assert better_goldens(made.table, made.layout).found == 0


def test_a_golden_that_cannot_be_read_is_left_to_others(tmp_path):
    made = swapped(tmp_path)
    (tmp_path / "golden" / "b1" / "R1.png").write_bytes(b"nothing")
    assert {one.row for one in better_goldens(made.table, made.layout).listed} == {3}
