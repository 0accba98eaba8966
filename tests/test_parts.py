"""Knowing parts again."""

import base64
import hashlib

import numpy as np
import pytest

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
    assert KnownParts.of(table(["R1"])).shared_with({"input_path": ["b1"]}) is None


@pytest.mark.parametrize("shared", [0, 1, 7, 100])
def test_shared_parts_are_counted(shared):
    ours = KnownParts.of(table([f"R{n}" for n in range(100)]))
    found = ours.shared_with(table([f"R{n}" for n in range(100 - shared, 300)]))
    assert (found.parts, found.exact, bool(found)) == (shared, True, shared > 0)


def test_of_many_parts_a_sample_is_kept_and_the_number_is_an_estimate(monkeypatch):
    monkeypatch.setattr(parts, "SAMPLE", 2000)
    known = KnownParts.of(table([f"R{n}" for n in range(20_000)]))
    assert known.count == 20_000 and len(base64.b64decode(known.hashes)) == 16_000
    found = known.shared_with(table([f"R{n}" for n in range(15_000, 40_000)]))
    assert not found.exact and str(found).startswith("about ")
    assert found.parts == pytest.approx(5000, rel=0.15)
    assert not known.shared_with(table([f"C{n}" for n in range(20_000)]))


def test_a_thousandth_in_common_is_noticed():
    """By the share that is kept: (1 - 0.001) to the power of SAMPLE is the chance that none of them is."""
    assert (1 - 0.001) ** SAMPLE < 1e-7


def test_the_file_stays_small():
    names = np.arange(30_000).astype(str).tolist()
    assert len(KnownParts.of(table(names)).model_dump_json()) < 180_000
