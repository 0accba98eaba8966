import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import binom

from goldenpair.data.audit_masks import with_labels
from goldenpair.data.cache import Pictures, decode_once
from goldenpair.data.lists import read_split
from goldenpair.data.masks import masks_of
from goldenpair.data.pairs import PairSet, TableLoader, TrainingLoader, ahead, draw_rows
from goldenpair.data.table import Layout, part_pictures, read_table
from goldenpair.errors import DataError
from goldenpair.specs.common import Cache
from masked_pairs import draw, spec_of

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
    loader = TableLoader(pairs, 2)
    batches = list(loader)
    # what was tried before is known; else the batch is shorter, but it comes
    assert [batch.row.tolist() for batch in batches] == ([[0, 2]] if cached else [[0], [2], []])
    assert len(loader) == len(batches)
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


@pytest.fixture
def damaged(tao_set):
    """12 rows, the last 4 of them defects; a function that breaks the sample of a row."""
    made = tao_set([(f"b{i}", "golden", "PASS" if i < 8 else "BAD", "R1") for i in range(12)])

    def break_row(row: int) -> None:
        made.files(f"b{row}", "R1")[0].write_bytes(b"broken")

    return made, break_row


def test_only_rows_known_to_be_readable_are_drawn_at_their_own_rate(damaged, tmp_path):
    made, break_row = damaged
    for row in (0, 1, 8):
        break_row(row)
    pairs = pairs_of(made, tmp_path / "cache")
    left = np.array([2, 3, 4, 5, 6, 7, 9, 10, 11])
    assert pairs.readable().tolist() == left.tolist()
    drawn = left[draw_rows(np.array([False] * 6 + [True] * 3), 0.5, 7, 2)]
    loader = loader_of(pairs, size=4, epoch=2)
    assert len(loader) == 2 and rows_of(loader) == [drawn[:4].tolist(), drawn[4:8].tolist()]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_row_that_breaks_later_is_replaced_by_one_of_its_kind_whatever_was_read_before(damaged, workers):
    made, break_row = damaged
    sound = rows_of(loader_of(pairs_of(made), size=4))
    for row in (0, 3, 9):
        break_row(row)
    table = read_table(made.csv_path, made.images_dir)
    parts = part_pictures(table, made.layout)
    pairs = PairSet(parts, Pictures(parts.paths, made.height, made.width, workers), table.is_defect)
    loader = loader_of(pairs, size=4)
    found = rows_of(loader)
    assert len(found) == len(loader) == len(sound) == 3
    for rows, before in zip(found, sound, strict=True):
        for row, then in zip(rows, before, strict=True):
            assert row == then if then not in (0, 3, 9) else row not in (0, 3, 9) and (row < 8) == (then < 8)
    assert any(row in (0, 3, 9) for row in sum(sound, []))  # the seed draws some of them
    assert rows_of(loader) == found  # now the errors are known
    resumed = loader_of(pairs_of(made), size=4)
    resumed.load_state_dict({**loader.state_dict(), "given": 2})
    assert rows_of(resumed) == found[2:]


def test_where_a_kind_is_lost_the_other_stands_in(damaged):
    made, break_row = damaged
    for row in range(8, 12):
        break_row(row)
    batches = rows_of(loader_of(pairs_of(made), size=4))
    assert [len(rows) for rows in batches] == [4, 4, 4] and max(sum(batches, [])) < 8


@pytest.mark.parametrize("cached", [False, True])
def test_fewer_readable_rows_than_two_for_each_process_are_refused(damaged, tmp_path, cached):
    made, break_row = damaged
    for row in range(1, 12):
        break_row(row)
    pairs = pairs_of(made, tmp_path / "cache" if cached else None)
    with pytest.raises(DataError, match="train_dataset: 1 of its 12 rows"):
        list(loader_of(pairs))


def test_an_epoch_with_other_batches_starts_anew_and_says_what_differs(damaged):
    made, _ = damaged
    pairs = pairs_of(made)
    loader = loader_of(pairs)
    batches = iter(loader)
    next(batches), next(batches)
    state = loader.state_dict()
    batches.close()
    assert state["given"] == 2
    other = TrainingLoader(pairs, 3, 0.25, 8, lambda: 0)
    other.load_state_dict(state)
    whole = TrainingLoader(pairs, 3, 0.25, 8, lambda: 0)
    assert rows_of(other) == rows_of(whole)
    assert other.other_plan == [
        "batch size: 2 then, 3 now",
        "fpratio_sampling: 0.5 then, 0.25 now",
        "seed: 7 then, 8 now",
    ]
    labels = PairSet(pairs.parts, pairs.pictures, ~pairs.is_defect)
    changed = loader_of(labels)
    changed.load_state_dict(state)
    assert [text.split(":")[0] for text in changed.other_plan] == ["checksum of the rows and their labels"]
    same = loader_of(pairs)
    same.load_state_dict(state)
    assert not same.other_plan and rows_of(same) == rows_of(loader_of(pairs))[2:]
    ended = TrainingLoader(pairs, 3, 0.5, 7, lambda: 0)
    ended.load_state_dict({**state, "given": 0})  # the end of an epoch: nothing starts anew
    assert not ended.other_plan


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


# pairs with masks


def masked(root, split="train_dataset"):
    pairs = spec_of(root).pairs
    files = getattr(pairs, split)
    table, _, _ = with_labels(split, read_split(files), files.masks, lambda _: None)
    parts = part_pictures(table, Layout.of(pairs))
    return PairSet(parts, Pictures(parts.paths, 32, 32, 0), table.is_defect, masks_of(table, files, 32, 0))


def test_masks_come_with_their_pairs(tmp_path):
    root = draw(tmp_path)
    pairs = masked(root)
    batch = pairs.batch(np.array([5, 0, 1]))
    for place, row in enumerate((5, 0, 1)):
        truth = np.asarray(Image.open(root / "label" / f"train{row}.png")) // 255
        assert np.array_equal(batch.mask[place].numpy(), truth)
        assert batch.label[place] == bool(truth.any())
    assert batch.mask.dtype == torch.uint8


def test_a_mask_that_breaks_costs_its_row_as_a_picture_does(tmp_path):
    root = draw(tmp_path)
    pairs = masked(root)
    (root / "label" / "train2.png").unlink()
    batch = pairs.batch(np.arange(4))
    assert batch.row.tolist() == [0, 1, 3] and len(batch.mask) == len(batch.sample) == 3
    assert pairs.readable().tolist() == [0, 1, 3, 4, 5, 6, 7]
    loader = TrainingLoader(masked(root), 4, None, 0, lambda: 0)
    (root / "label" / "train5.png").unlink()
    assert [len(batch.row) for batch in loader] == [4, 4]  # another stands in


def test_without_a_ratio_each_row_comes_once_in_an_epoch(tmp_path):
    is_defect = flags(50, 3)
    first, second = (draw_rows(is_defect, None, 9, epoch) for epoch in (0, 1))
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(53))
    assert first.tolist() != second.tolist() and first.tolist() == draw_rows(is_defect, None, 9, 0).tolist()
    epoch = [0]
    loader = TrainingLoader(masked(draw(tmp_path)), 2, None, 1, lambda: epoch[0])
    orders = []
    for epoch[0] in (0, 1, 0):
        orders.append([row for batch in loader for row in batch.row.tolist()])
    assert orders[0] == orders[2] != orders[1] and sorted(orders[0]) == list(range(8))
    assert loader.state_dict()["plan"]["fpratio_sampling"] is None


# several goldens


@pytest.fixture
def with_folders(tao_set):
    """12 rows that share two folders with 5 and 2 goldens, and the pairs of them with 3 goldens each."""
    rows = [(f"b{i}", f"g{i % 2}", "PASS" if i < 8 else "BAD", "R1") for i in range(12)]
    made = tao_set(rows, lights=LIGHTS)
    for folder, count in (("g0", 5), ("g1", 2)):
        for path in made.files(folder, "R1"):
            path.unlink()
        for number in range(count):
            for light, path in enumerate(made.files(folder, f"n{number}")):
                colour = np.full((8, 6, 3), 20 * number + 100 * light + 3, np.uint8)
                Image.fromarray(colour).save(path)

    def pairs(cache: Path | None = None) -> PairSet:
        table = read_table(made.csv_path, made.images_dir)
        parts = part_pictures(table, replace(made.layout, goldens=3))
        pictures = Pictures(parts.paths, made.height, made.width, 0)
        if cache:
            pictures = decode_once(pictures, Cache(dir=str(cache)))
        return PairSet(parts.without(pictures.errors), pictures, table.is_defect)

    return made, pairs


def numbers_of(batch) -> list[list[int]]:
    """The numbers of the goldens of each row, by their colours."""
    assert batch.golden.shape[1:] == (3, 2, 3, 8, 6)
    colours = batch.golden.flatten(3).float()
    assert not colours.std(dim=3).any() and torch.equal(colours[:, :, 1] - colours[:, :, 0], 0 * colours[:, :, 0] + 100)
    return ((colours[:, :, 0, 0] - 3) / 20).int().tolist()


def test_goldens_of_a_table_are_the_same_in_every_batch(with_folders):
    _, pairs = with_folders
    for size in (1, 5, 12):
        found = [one for batch in TableLoader(pairs(), size) for one in numbers_of(batch)]
        assert found == [[0, 2, 4], [0, 1, 0]] * 6


def test_each_epoch_of_training_draws_goldens_anew_and_a_resumed_one_the_same(with_folders):
    _, pairs = with_folders
    epochs = [[numbers_of(batch) for batch in loader_of(pairs(), size=4, epoch=epoch)] for epoch in range(3)]
    assert epochs[0] != epochs[1] != epochs[2]
    loader = loader_of(pairs(), size=4, epoch=1)
    batches = iter(loader)
    next(batches)
    state = loader.state_dict()
    batches.close()
    resumed = loader_of(pairs(), size=4, epoch=1)
    resumed.load_state_dict(state)
    assert not resumed.other_plan and [numbers_of(batch) for batch in resumed] == epochs[1][1:]
    assert {number for epoch in epochs for batch in epoch for row in batch for number in row} == set(range(5))


def test_goldens_that_came_or_went_start_the_epoch_anew(with_folders):
    made, pairs = with_folders
    state = {**loader_of(pairs()).state_dict(), "given": 1}
    for path in made.files("g1", "n1"):
        path.rename(path.with_name(path.name.replace("n1", "n9")))
    loader = loader_of(pairs())
    loader.load_state_dict(state)
    assert [text.split(":")[0] for text in loader.other_plan] == ["checksum of the goldens"]


def test_a_golden_known_to_be_broken_is_never_drawn(with_folders, tmp_path):
    made, pairs = with_folders
    made.files("g0", "n2")[1].write_bytes(b"broken")
    found = pairs(tmp_path / "cache")
    assert len(found.readable()) == 12
    drawn = [row for epoch in range(5) for batch in loader_of(found, size=4, epoch=epoch) for row in numbers_of(batch)]
    assert {number for row in drawn for number in row} == {0, 1, 3, 4}


def test_a_row_whose_golden_breaks_later_is_replaced_whatever_was_read_before(with_folders):
    made, pairs = with_folders
    made.files("g0", "n2")[1].write_bytes(b"broken")
    loader = loader_of(pairs(), size=4)
    first = [(batch.row.tolist(), numbers_of(batch)) for batch in loader]
    assert len(first) == 3 and all(len(rows) == 4 and [2] not in goldens for rows, goldens in first)
    known = [(batch.row.tolist(), numbers_of(batch)) for batch in loader]  # now the error is known
    assert known == first
    for rows, goldens in first:
        assert all(row % 2 or 2 not in numbers for row, numbers in zip(rows, goldens, strict=True))
