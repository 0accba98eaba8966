"""Defects made while training: the same ones in every run, only of good pairs, whatever the threads do."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image

from drawn_parts import part
from goldenpair.data.cache import Pictures
from goldenpair.data.pairs import PairBatch, PairSet, TrainingLoader
from goldenpair.data.table import Layout, PartPictures, part_pictures, read_table
from goldenpair.specs.synthetic import SyntheticDefects
from goldenpair.synthesis.on_the_fly import SyntheticPairs, spoiler_of

LIGHTS = ("Solder", "White")
WISH = SyntheticDefects(enable=True, share=0.5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A table of 24 samples of three different parts, every fourth of them a defect, as PNGs of 40 x 40."""
    root = tmp_path_factory.mktemp("parts")
    kinds = {"R1": (52, 44, 40), "C1": (190, 150, 110), "U1": (20, 20, 60)}
    rows = []
    for number in range(24):
        name = list(kinds)[number % 3]
        rows.append((f"b{number}", "golden", "SHIFT" if number % 4 == 3 else "PASS", name))
    for where, name, seed in [(row[0], row[3], at) for at, row in enumerate(rows)] + [("golden", n, 99) for n in kinds]:
        (root / "images" / where).mkdir(parents=True, exist_ok=True)
        for light, picture in zip(LIGHTS, part(40, kinds[name], seed=seed), strict=True):
            Image.fromarray(picture).save(root / "images" / where / f"{name}_{light}.png")
    with (root / "train.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("input_path", "golden_path", "label", "object_name"), *rows])
    return root


def pairs_of(folder, workers=0, goldens=1) -> PairSet:
    layout = Layout(LIGHTS, 40, 40, 2, 1, ".png", goldens)
    table = read_table(folder / "train.csv", folder / "images")
    parts = part_pictures(table, layout)
    return PairSet(parts, Pictures(parts.paths, 40, 40, workers), table.is_defect)


def spoilt(folder, wish=WISH, seed=1, epoch=0, number=0, rank=0, workers=0):
    pairs = pairs_of(folder, workers)
    batch = pairs.batch(np.arange(24))
    return batch, SyntheticPairs(wish, pairs, seed).spoil(batch, epoch, rank, number)


def same(one: PairBatch, other: PairBatch) -> bool:
    return torch.equal(one.sample, other.sample) and torch.equal(one.label, other.label)


def test_only_good_pairs_become_defects_and_every_other_pair_stays_as_it_was(folder):
    batch, found = spoilt(folder)
    new = (found.label == 1) & (batch.label == 0)
    assert 4 <= new.sum() <= 14  # of 18 good ones
    assert (found.label[batch.label == 1] == 1).all()
    changed = (found.sample != batch.sample).flatten(1).any(1)
    assert torch.equal(changed, new)  # never a label without a change, never a change without a label
    gap = (found.sample.int() - batch.sample.int()).abs().flatten(2).amax(2)[new]
    assert (gap.amax(1) > 28).all()
    assert torch.equal(found.golden, batch.golden) and torch.equal(found.row, batch.row)


def test_the_batch_that_was_given_is_not_changed(folder):
    pairs = pairs_of(folder)
    batch = pairs.batch(np.arange(24))
    before = batch.sample.clone()
    SyntheticPairs(WISH, pairs, 1).spoil(batch, 0, 0, 0)
    assert torch.equal(batch.sample, before) and batch.label.sum() == 6


def test_threads_and_runs_make_no_difference(folder):
    _, one = spoilt(folder)
    assert same(one, spoilt(folder)[1])
    assert same(one, spoilt(folder, workers=3)[1])


@pytest.mark.parametrize("other", [{"seed": 2}, {"epoch": 1}, {"number": 1}, {"rank": 1}])
def test_seed_epoch_process_and_batch_each_make_another_defect_of_the_same_part(folder, other):
    wish = SyntheticDefects(enable=True, share=0.99, kinds=["scratch", "contamination"], min_severity=0.5)
    batch, one = spoilt(folder, wish)
    _, another = spoilt(folder, wish, **other)
    both = (batch.label == 0) & (one.label == 1) & (another.label == 1)
    assert both.sum() > 12  # what was drawn is nearly all of it, so only the defects themselves can differ
    differ = (one.sample != another.sample).flatten(1).any(1)
    assert differ[both].all()


def test_the_share_is_kept_on_average(folder):
    wish = SyntheticDefects(enable=True, share=0.2, kinds=["scratch"], min_severity=0.5)
    pairs = pairs_of(folder)
    batch = pairs.batch(np.flatnonzero(~pairs.is_defect))
    made = [SyntheticPairs(wish, pairs, 5).spoil(batch, 0, 0, number).label.sum().item() for number in range(12)]
    # 216 draws, of which 43 are expected: four standard deviations to either side
    assert 20 <= sum(made) <= 66


def test_a_part_that_can_have_none_of_the_kinds_stays_good(folder):
    wish = SyntheticDefects(enable=True, share=0.99, kinds=["wrong_part"])
    pairs = pairs_of(folder)
    alone = PairSet(pairs.parts, pairs.pictures, pairs.is_defect)
    only = PartPictures(pairs.parts.paths, pairs.parts.sample[[0] * 24], pairs.parts.golden_id[[0] * 24],
                        pairs.parts.chosen)  # fmt: skip
    alone = PairSet(only, pairs.pictures, np.zeros(24, np.bool_))
    batch = alone.batch(np.arange(24))
    found = SyntheticPairs(wish, alone, 1).spoil(batch, 0, 0, 0)  # there is no other part to take a body from
    assert same(found, batch) and not found.label.any()
    assert SyntheticPairs(wish, pairs, 1).spoil(pairs.batch(np.arange(24)), 0, 0, 0).label.sum() > 6


def test_how_many_were_made_is_told_and_that_there_was_none(folder, caplog):
    pairs = pairs_of(folder)
    batch = pairs.batch(np.arange(24))
    spoiler = SyntheticPairs(WISH, pairs, 1)
    made = sum(int((spoiler.spoil(batch, 0, 0, number).label - batch.label).sum()) for number in range(3))
    with caplog.at_level("INFO"):
        spoiler.say_count()
        spoiler.say_count()  # counted anew
    assert f"Synthetic defects: {made} made; " in caplog.messages[0] and made > 12
    assert caplog.messages[1] == "Synthetic defects: 0 made; 0 more parts drawn for one can have none."
    flat = PairBatch(batch.row, torch.full_like(batch.sample, 90), batch.golden, batch.label)
    none = SyntheticPairs(SyntheticDefects(enable=True, share=0.99, kinds=["missing", "bridge"]), pairs, 1)
    assert same(none.spoil(flat, 0, 0, 0), flat)
    none.say_count()
    assert caplog.records[2].levelname == "WARNING"
    assert "none of the 18 good parts drawn for one can have any of missing, bridge" in caplog.messages[2]


def test_several_goldens_are_all_looked_at(folder):
    pairs = pairs_of(folder)
    batch = pairs.batch(np.arange(24))
    several = PairBatch(batch.row, batch.sample, torch.stack([batch.golden, batch.golden], 1), batch.label)
    spoiler = SyntheticPairs(WISH, pairs, 1)
    assert same(spoiler.spoil(batch, 0, 0, 0), spoiler.spoil(several, 0, 0, 0))


def test_off_is_off(folder):
    assert spoiler_of(SyntheticDefects(), pairs_of(folder), 1) is None
    assert isinstance(spoiler_of(WISH, pairs_of(folder), 1), SyntheticPairs)


def loader_of(folder, epoch=0, wish=WISH) -> TrainingLoader:
    pairs = pairs_of(folder)
    return TrainingLoader(pairs, 5, 0.5, 7, lambda: epoch, spoiler=spoiler_of(wish, pairs, 7))


def test_an_epoch_goes_on_with_the_same_defects(folder):
    whole = list(loader_of(folder))
    first = loader_of(folder)
    for batch, _ in zip(first, range(2), strict=False):
        assert batch is not None
    state = first.state_dict()
    rest = loader_of(folder)
    rest.load_state_dict(state)
    assert not rest.other_plan
    later = list(rest)
    assert len(later) == len(whole) - state["given"] and 0 < state["given"] < len(whole)
    assert all(same(one, other) for one, other in zip(whole[state["given"] :], later, strict=True))


def test_a_checkpoint_of_other_defects_starts_the_epoch_anew(folder):
    loader = loader_of(folder)
    next(iter(loader))
    other = loader_of(folder, wish=SyntheticDefects(enable=True, share=0.5, kinds=["scratch"], max_severity=0.5))
    other.load_state_dict(loader.state_dict())
    told = "; ".join(other.other_plan)
    assert "synthetic_defects.kinds: missing, shift" in told and "synthetic_defects.severity: 0 to 1 then" in told
    without = loader_of(folder, wish=SyntheticDefects())
    without.load_state_dict(loader.state_dict())
    assert any("synthetic_defects" in line for line in without.other_plan)
