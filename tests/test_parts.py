"""Knowing parts again."""

import base64
import hashlib

import numpy as np
import pytest
from pydantic import ValidationError

from goldenpair.quality import parts
from goldenpair.quality.parts import SAMPLE, KnownParts, hashes_of


def table(names, folder="b1"):
    return {"input_path": [folder] * len(names), "object_name": names}


def test_hashes_are_of_folder_and_name():
    (found,) = hashes_of(table(["R1"])).tolist()
    assert found == int.from_bytes(hashlib.blake2b(b"b1\0R1", digest_size=8).digest(), "little")


def test_each_part_counts_once_and_paths_are_the_same_in_any_writing():
    cells = {"input_path": ["b1/top", "b1\\top", "./b1//top/", "b1"], "object_name": ["R1", "R1", "R1", "R1"]}
    assert len(hashes_of(cells)) == 2
    assert KnownParts.of(cells).count == 2


def test_a_table_that_does_not_name_its_parts():
    assert KnownParts.of({"object_name": ["R1"]}) is None
    assert KnownParts.of(table(["R1"])).shared({"input_path": ["b1"]}) is None


@pytest.mark.parametrize("shared", [0, 1, 7, 100])
def test_shared_parts_are_counted(shared):
    ours = KnownParts.of(table([f"R{n}" for n in range(100)]))
    found = ours.shared(table([f"R{n}" for n in range(100 - shared, 300)])).same
    assert (found.parts, found.exact, bool(found)) == (shared, True, shared > 0)


def test_of_many_parts_a_sample_is_kept_and_the_number_is_an_estimate(monkeypatch):
    monkeypatch.setattr(parts, "SAMPLE", 2000)
    known = KnownParts.of(table([f"R{n}" for n in range(20_000)]))
    assert known.count == 20_000 and len(base64.b64decode(known.hashes)) == 16_000
    found = known.shared(table([f"R{n}" for n in range(15_000, 40_000)])).same
    assert not found.exact and str(found).startswith("about ")
    assert found.parts == pytest.approx(5000, rel=0.15)
    assert not known.shared(table([f"C{n}" for n in range(20_000)])).same


def test_a_thousandth_in_common_is_noticed():
    """By the share that is kept: (1 - 0.001) to the power of SAMPLE is the chance that none of them is."""
    assert (1 - 0.001) ** SAMPLE < 3e-4


def test_the_file_stays_small():
    names = np.arange(30_000).astype(str).tolist()
    assert len(KnownParts.of(table(names)).model_dump_json()) < 180_000


def rows(*paths):
    folders, names = zip(*(path.rsplit("/", 1) for path in paths), strict=True)
    return {"input_path": list(folders), "object_name": list(names)}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("b1/top/R1", "./b1/top/R1"),
        ("b1/top/R1", "data/set/b1/top/R1"),
        ("data/set/b1/top/R1", "b1/top/R1"),
        ("b1\\top/R1", "C:\\data\\b1\\top/R1"),
    ],
)
def test_a_part_is_the_same_from_another_folder(ours, theirs):
    found = KnownParts.of(rows(ours, "b2/top/R2")).shared(rows(theirs, "b9/top/R9"))
    assert (found.same.parts, found.alike.parts) == (1, 0)


def test_a_part_with_the_same_last_folders_is_only_alike():
    found = KnownParts.of(rows("val/b1/top/R1", "val/b2/top/R2")).shared(rows("test/b1/top/R1", "test/b1/top/R2"))
    assert (found.same.parts, found.alike.parts) == (0, 1)


def test_a_common_last_folder_says_nothing():
    found = KnownParts.of(rows("v1/x/R1", "v2/x/R2")).shared(rows("t1/x/R1", "t2/x/R2"))
    assert (found.same.parts, found.alike.parts, found.boards) == (0, 0, 0)


def test_other_parts_of_the_same_boards_are_counted_by_board():
    known = KnownParts.of(rows("b1/top/R1", "b2/top/R1", "b3/top/R1"))
    found = known.shared(rows("b1/top/R2", "b3/top/R2", "b3/top/R3", "b4/top/R2"))
    assert not found.same and found.boards == 2
    alone = KnownParts.of(rows("data/b1/R1", "data/b2/R1"))  # one first folder for all names no board
    assert alone.shared(rows("data/b7/R1", "data/b8/R1")).boards == 0


@pytest.mark.parametrize(
    ("count", "hashes"),
    [(1, "AAAA"), (1, "A"), (1, "?"), (3, ""), (0, "AAAAAAAAAAA="), (1, "\u00e4"), (1, "AAAAAAAAAAAAAAAAAAAAAA==")],
)
def test_damaged_hashes_are_refused(count, hashes):
    with pytest.raises(ValidationError, match="damaged; fit the policy again"):
        KnownParts(count=count, hashes=hashes)
    with pytest.raises(ValidationError, match="damaged; fit the policy again"):
        KnownParts.model_validate(
            {**KnownParts.of(table(["R1"])).model_dump(), "tails": {"count": count, "hashes": hashes}}
        )


def test_a_policy_of_an_older_goldenpair_knows_whole_paths_only():
    known = KnownParts.of(rows("b1/top/R1"))
    older = KnownParts.model_validate({"count": known.count, "hashes": known.hashes})
    assert older.shared(rows("data/b1/top/R1")).same.parts == 1
    assert older.shared(rows("data/b1/top/R2")).boards == 0
