from dataclasses import dataclass

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from goldenpair.data.cache import decode
from goldenpair.data.table import read_table
from goldenpair.evaluation import _batches, look_at_pictures, score_table
from goldenpair.tasks import Features, SiameseTask, Task, create_task

CPU = torch.device("cpu")
LIGHTS = ("Solder", "White")
ROWS = [(f"b{i}", "golden" if i % 4 else "other", "PASS" if i % 3 else "BAD", f"R{i % 3}") for i in range(13)]


def task_of(made) -> Task:
    torch.manual_seed(0)
    task = create_task(made.spec())
    task.model.eval()
    return task


@dataclass(frozen=True)
class CountingTask(SiameseTask):
    """Knows how many pictures went through the network."""

    seen: list[int]

    def features(self, pictures: Tensor) -> Features:
        self.seen.append(len(pictures))
        return super().features(pictures)


def scored(made, task: Task | None = None, batch_size: int = 4, workers: int = 0, progress=None):
    table = read_table(made.csv_path, made.images_dir)
    return score_table(task or task_of(made), table, CPU, batch_size=batch_size, workers=workers, progress=progress)


def one_by_one(made) -> list[float]:
    """The scores of all rows from the network itself, pair by pair; pictures and norms by hand."""
    table, model = read_table(made.csv_path, made.images_dir), task_of(made).model
    config = made.spec().pairs.augmentation_config
    mean, std = (np.reshape(values, (3, 1, 1)) for values in (config.rgb_input_mean, config.rgb_input_std))

    def embedding(folder: str, name: str) -> np.ndarray:
        pictures = [np.asarray(Image.open(path)).transpose(2, 0, 1) / 255 for path in made.files(folder, name)]
        joined = np.concatenate([(picture - mean) / std for picture in pictures], axis=1)
        with torch.no_grad():
            return model.embed(torch.tensor(joined[None], dtype=torch.float32))[0].double().numpy()

    return [
        float(
            np.linalg.norm(
                embedding(row["input_path"], row["object_name"]) - embedding(row["golden_path"], row["object_name"])
            )
        )
        for row in map(table.row, range(len(table)))
    ]


@pytest.mark.parametrize(("batch_size", "workers"), [(1, 0), (3, 0), (4, 2), (13, 1), (64, 2)])
def test_scores_are_those_of_each_pair_alone_whatever_the_batch(tao_set, batch_size, workers):
    made = tao_set(ROWS, lights=LIGHTS)
    found = scored(made, batch_size=batch_size, workers=workers)
    assert found.score.dtype == np.float32 and found.errors == {}
    assert np.abs(found.score - one_by_one(made)).max() < 1e-5


def test_one_pair_given_as_pictures_scores_as_in_its_table(tao_set):
    made = tao_set(ROWS, lights=LIGHTS)
    found = scored(made)
    for row in (0, 7):
        folder, golden, _, name = ROWS[row]
        pair = [np.stack([decode(path, 8, 6) for path in made.files(part, name)]) for part in (folder, golden)]
        score, classes = look_at_pictures(task_of(made), *pair, CPU)
        assert score == pytest.approx(float(found.score[row]), abs=1e-5) and classes is None


def test_a_golden_that_rows_share_goes_through_the_network_once(tao_set):
    made = tao_set(ROWS, lights=LIGHTS)
    task = task_of(made)
    counting = CountingTask(**vars(task), seen=[])
    found = scored(made, counting, batch_size=4)
    goldens = {(golden, name) for _, golden, _, name in ROWS}
    assert len(goldens) == 6
    assert (
        sum(counting.seen) == len(goldens) + len(ROWS) and max(counting.seen) <= 2 * 4
    )  # pictures in a batch of pairs
    assert np.allclose(found.score, scored(made).score, atol=1e-6)


@dataclass(frozen=True)
class WeighingTask(CountingTask):
    """Knows how many pictures' features exist at once when pairs are compared."""

    def score(self, sample: Features, golden: Features) -> Tensor:
        self.seen.append(len(sample[0]._base if sample[0]._base is not None else sample[0]) + len(golden[0]))
        return super().score(sample, golden)


def test_memory_does_not_grow_with_the_table(tao_set):
    rows = [(f"b{i}", f"g{i % 7}", "PASS", "R1") for i in range(60)]
    made = tao_set(rows)
    weighing = WeighingTask(**vars(task_of(made)), seen=[])
    found = scored(made, weighing, batch_size=4)
    assert np.abs(found.score - one_by_one(made)).max() < 1e-5
    # 67 pictures in batches of 8, and for each row the golden that it is compared with
    assert max(weighing.seen) <= 2 * (2 * 4 + 1) and len(weighing.seen) == 2 * 9


@pytest.mark.parametrize("several", [1, 4])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 40])
def test_batches_hold_each_row_and_each_golden_once(size, several):
    golden_id = np.random.default_rng(0).integers(0, 9, 33)
    batches = list(_batches(golden_id, size, several))
    assert sorted(np.concatenate([one.rows for one in batches]).tolist()) == list(range(33))
    fresh = [int(golden_id[row]) for one in batches for row in one.goldens]
    assert sorted(fresh) == sorted(set(golden_id.tolist()))
    last = None
    for one in batches:
        known = ([last] if one.goes_on else []) + [int(golden_id[row]) for row in one.goldens]
        assert [known[place] for place in one.golden] == golden_id[one.rows].tolist()
        last = known[-1]
        assert len(one.rows) + several * len(one.goldens) <= 2 * size + several


def test_progress_counts_goldens_and_samples_up_to_the_total(tao_set):
    told = []
    scored(tao_set(ROWS), progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (19, 19) and [done for done, _ in told] == sorted({done for done, _ in told})


def test_identical_pictures_score_almost_nothing(tao_set):
    found = scored(tao_set([("golden", "golden", "PASS", "R1"), ("b1", "golden", "PASS", "R1")]))
    assert found.score[0] == pytest.approx(2.236e-6, rel=0.01) and found.score[1] > 1e-3


def broken(path) -> None:
    path.write_bytes(b"no picture")


def black(path) -> None:
    Image.new("RGB", (6, 8)).save(path)


def gone(path) -> None:
    path.unlink()


@pytest.mark.parametrize("harm", [broken, black, gone])
@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_a_broken_picture_costs_its_rows_their_score_and_no_other_row(tao_set, harm, batch_size):
    made = tao_set(ROWS, lights=LIGHTS)
    whole = scored(made).score
    harm(made.files("b3", "R0")[1])  # the sample of row 3
    harm(made.files("other", "R1")[0])  # the golden of row 4 alone
    harm(made.files("golden", "R2")[0])  # the golden of rows 2, 5 and 11
    found = scored(made, batch_size=batch_size)
    hurt = {2, 3, 4, 5, 11}
    assert set(found.errors) == set(np.flatnonzero(np.isnan(found.score))) == hurt
    left = [row for row in range(len(ROWS)) if row not in hurt]
    assert np.abs(found.score[left] - whole[left]).max() < 1e-5
    assert "b3" in found.errors[3] and "R0_White.png" in found.errors[3]
    assert "other" in found.errors[4] and "golden" in found.errors[5]


def test_every_fault_of_a_row_is_told_once(tao_set):
    made = tao_set([("b1", "golden", "PASS", "R1")], lights=LIGHTS)
    broken(made.files("b1", "R1")[0])
    gone(made.files("golden", "R1")[1])
    (said,) = scored(made).errors.values()
    assert said.count("not a readable picture") == 1 and said.count("no such file") == 1


def test_a_network_that_gives_no_number_is_an_error_not_a_pass(tao_set):
    made = tao_set()
    task = task_of(made)
    with torch.no_grad():
        task.model.fc1[6].bias.fill_(float("nan"))
    found = scored(made, task)
    assert np.isnan(found.score).all()
    assert found.errors == {row: "the network gave no number" for row in range(5)}
