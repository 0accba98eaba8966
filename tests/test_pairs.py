import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import binom

from goldenpair.data.cache import Pictures, decode_once
from goldenpair.data.pairs import PairSet, TableLoader, TrainingLoader, ahead, draw_rows
from goldenpair.data.table import part_pictures, read_table
from goldenpair.specs.common import Cache

LIGHTS = ("Solder", "White")


def pairs_of(made, cache: Path | None = None) -> PairSet:
    table = read_table(made.csv_path, made.images_dir)
    parts = part_pictures(table, made.layout)
    pictures = Pictures(parts.paths, made.height, made.width, 0)
    if cache:
        pictures = decode_once(pictures, Cache(dir=str(cache)))
    return PairSet(parts, pictures, table.is_defect)


def pixels(paths: list[Path]) -> np.ndarray:
    return np.stack([np.asarray(Image.open(path)).transpose(2, 0, 1) for path in paths])


def flags(good: int, defects: int) -> np.ndarray:
    return np.random.default_rng(0).permutation([False] * good + [True] * defects)


def waiting_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "goldenpair-ahead"]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64])
def test_all_rows_come_in_table_order_with_their_pictures_and_labels(tao_set, size):
    made = tao_set(lights=LIGHTS)
    table = read_table(made.csv_path, made.images_dir)
    loader = TableLoader(pairs_of(made), size)
    batches = list(loader)
    assert len(batches) == len(loader)
    assert [len(batch.row) for batch in batches[:-1]] == [size] * (len(batches) - 1)
    assert torch.cat([batch.row for batch in batches]).tolist() == list(range(len(table)))
    for batch in batches:
        assert batch.sample.dtype == batch.golden.dtype == torch.uint8 and batch.label.dtype == torch.float32
        for i, row in enumerate(batch.row.tolist()):
            cells = table.row(row)
            name = cells["object_name"]
            assert np.array_equal(batch.sample[i].numpy(), pixels(made.files(cells["input_path"], name)))
            assert np.array_equal(batch.golden[i].numpy(), pixels(made.files(cells["golden_path"], name)))
            assert batch.label[i] == (cells["label"] != "PASS")


@pytest.mark.parametrize("cached", [False, True])
def test_rows_with_a_broken_picture_are_left_out(tao_set, tmp_path, cached):
    made = tao_set(lights=LIGHTS)
    made.files("golden", "C1")[1].write_bytes(b"broken")  # rows 1 and 3
    made.files("b3", "R1")[0].write_bytes(b"broken")  # row 4
    pairs = pairs_of(made, tmp_path / "cache" if cached else None)
    batches = list(TableLoader(pairs, 2))
    assert [batch.row.tolist() for batch in batches] == [[0], [2]]  # the batch of row 4 alone is passed over
    assert all(len(batch.row) == len(batch.sample) == len(batch.golden) == len(batch.label) for batch in batches)
    told = pairs.parts.faults(pairs.pictures.errors, np.arange(5))
    assert [bool(text) for text in told] == [False, True, False, True, True]
    assert "b3" in told[4] and "R1_Solder.png" in told[4]


@pytest.mark.parametrize("ratio", [0.05, 0.1, 0.25, 0.5, 1.0])
@pytest.mark.parametrize(("good", "defects"), [(900, 100), (100, 900), (999, 1)])
def test_the_share_of_defects_is_r_of_1_plus_r_whatever_the_table_holds(good, defects, ratio):
    is_defect = flags(good, defects)
    epochs = 20
    drawn = np.concatenate([draw_rows(is_defect, ratio, seed=5, epoch=epoch) for epoch in range(epochs)])
    low, high = binom.interval(1 - 1e-6, epochs * len(is_defect), ratio / (1 + ratio))
    assert low <= is_defect[drawn].sum() <= high


def test_rows_of_a_kind_are_drawn_evenly_and_again():
    is_defect = flags(80, 20)
    drawn = np.concatenate([draw_rows(is_defect, 0.5, seed=1, epoch=epoch) for epoch in range(200)])
    counts = np.bincount(drawn, minlength=100)
    for kind, share in ((~is_defect, 1 / 1.5 / 80), (is_defect, 0.5 / 1.5 / 20)):
        low, high = binom.interval(1 - 1e-6, len(drawn), share)
        assert (counts[kind] >= low).all() and (counts[kind] <= high).all()
    assert max(Counter(draw_rows(is_defect, 0.5, seed=1, epoch=0).tolist()).values()) > 1


def test_as_many_draws_as_rows():
    drawn = draw_rows(flags(30, 7), 0.1, seed=0, epoch=0)
    assert len(drawn) == 37 and drawn.min() >= 0 and drawn.max() < 37


def test_seed_and_epoch_determine_the_draw():
    is_defect = flags(90, 10)
    first = draw_rows(is_defect, 0.2, seed=3, epoch=4)
    assert np.array_equal(first, draw_rows(is_defect, 0.2, seed=3, epoch=4))
    for other in ((3, 5), (4, 4), (4, 3)):
        assert not np.array_equal(first, draw_rows(is_defect, 0.2, *other))


@pytest.mark.parametrize(("good", "defects"), [(50, 0), (0, 50)])
@pytest.mark.parametrize("ratio", [0.0, 0.3])
def test_one_kind_alone_is_drawn_evenly(good, defects, ratio):
    drawn = np.concatenate([draw_rows(flags(good, defects), ratio, seed=0, epoch=epoch) for epoch in range(100)])
    low, high = binom.interval(1 - 1e-6, len(drawn), 1 / 50)
    counts = np.bincount(drawn, minlength=50)
    assert counts.min() >= low and counts.max() <= high


def test_ratio_zero_draws_no_defect():
    is_defect = flags(50, 50)
    assert not is_defect[draw_rows(is_defect, 0.0, seed=0, epoch=0)].any()


def loader_of(pairs, size=2, epoch=0, seed=7, **rank):
    return TrainingLoader(pairs, size, 0.5, seed, lambda: epoch, **rank)


def rows_of(loader) -> list[list[int]]:
    return [batch.row.tolist() for batch in loader]


def test_an_epoch_is_its_draw_in_batches_without_the_incomplete_last(tao_set):
    pairs = pairs_of(tao_set())
    drawn = draw_rows(pairs.is_defect, 0.5, seed=7, epoch=3)
    loader = loader_of(pairs, epoch=3)
    assert len(loader) == 2
    assert rows_of(loader) == [drawn[:2].tolist(), drawn[2:4].tolist()]
    assert rows_of(loader) == rows_of(loader)


def test_the_epoch_is_asked_for_anew_in_each_iteration(tao_set):
    pairs = pairs_of(tao_set())
    epochs = iter([0, 1])
    loader = TrainingLoader(pairs, 5, 0.5, 7, lambda: next(epochs))
    assert rows_of(loader) == [draw_rows(pairs.is_defect, 0.5, 7, 0).tolist()]
    assert rows_of(loader) == [draw_rows(pairs.is_defect, 0.5, 7, 1).tolist()]


def test_a_batch_larger_than_the_table_is_the_table(tao_set):
    loader = loader_of(pairs_of(tao_set()), size=100)
    assert len(loader) == 1 and [len(rows) for rows in rows_of(loader)] == [5]


def test_a_training_batch_that_lost_all_but_one_pair_is_passed_over(tao_set):
    made = tao_set()
    made.files("golden", "R1")[0].write_bytes(b"broken")  # rows 0, 2 and 4
    pairs = pairs_of(made)
    for epoch in range(5):
        drawn = draw_rows(pairs.is_defect, 0.5, 7, epoch).reshape(1, 5)
        left = [[row for row in rows if row in (1, 3)] for rows in drawn.tolist()]
        assert rows_of(loader_of(pairs, 5, epoch)) == [rows for rows in left if len(rows) > 1]


def test_processes_take_the_rows_of_one_draw_in_turn(tao_set):
    rows = [(f"b{i}", "golden", "PASS" if i % 3 else "BAD", "R1") for i in range(17)]
    pairs = pairs_of(tao_set(rows))
    drawn = draw_rows(pairs.is_defect, 0.5, 7, 0)
    loaders = [loader_of(pairs, size=2, rank=rank, world=3) for rank in range(3)]
    assert {len(loader) for loader in loaders} == {2}  # 17 // 3 = 5 rows each, two batches of 2
    for rank, loader in enumerate(loaders):
        assert sum(rows_of(loader), []) == drawn[rank::3][:4].tolist()


def test_ahead_keeps_the_order_and_ends():
    assert list(ahead(iter(range(50)))) == list(range(50))
    assert list(ahead(iter([]))) == []
    assert not waiting_threads()


def test_ahead_works_while_the_caller_does():
    made = threading.Event()

    def items():
        yield 1
        yield 2
        made.set()
        yield 3

    going = ahead(items())
    assert next(going) == 1
    assert made.wait(5)  # the third was begun though only the first was taken
    assert list(going) == [2, 3]


def test_ahead_does_not_run_far_ahead():
    made = []
    going = ahead(made.append(i) or i for i in range(1000))
    assert next(going) == 0
    going.close()
    assert len(made) <= 6


def test_ahead_passes_on_what_goes_wrong_after_what_went_well():
    def items():
        yield 1
        raise ValueError("the third shelf is empty")

    going = ahead(items())
    assert next(going) == 1
    with pytest.raises(ValueError, match="third shelf"):
        next(going)
    assert not waiting_threads()


@pytest.mark.parametrize("taken", [1, 3])
def test_ahead_closed_early_ends_its_thread(taken):
    going = ahead(iter(range(1000)))
    for _ in range(taken):
        next(going)
    assert waiting_threads()
    going.close()
    assert not waiting_threads()


def test_leaving_a_loop_over_a_loader_ends_its_thread(tao_set):
    for loader in (TableLoader(pairs_of(tao_set()), 1), loader_of(pairs_of(tao_set(name="other")))):
        batches = iter(loader)
        next(batches)
        del batches
        assert not waiting_threads()
