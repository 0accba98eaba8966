"""The raw export of drawn boards, converted: the tables that the simulator wrote itself."""

import csv

import pytest

from goldenpair import dataset_convert, default_spec
from goldenpair.simulation.line import simulate
from goldenpair.specs.simulate import SimulateSpec

FILES = {"train": "train.csv", "valid": "validation.csv", "test": "test.csv"}
TAO = ["input_path", "golden_path", "label", "object_name"]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Two designs, one of them a panel of two boards."""
    wish = SimulateSpec(boards=8, designs=2, parts_per_board=8, size=24, defect_rate=0.25, lights=2, seed=3)
    return simulate(tmp_path_factory.mktemp("line") / "set", wish)


@pytest.fixture(scope="module")
def converted(drawn, tmp_path_factory):
    folders = {f"{split}_pcb_dataset_dir": f"export/{split}" for split in ("train", "val", "test", "all")}
    out = tmp_path_factory.mktemp("tables")
    words = [f"{name}={value}" for name, value in folders.items()]
    words += [f"root_dataset_dir={drawn.out}", "golden_csv_dir=export/golden", f"data_convert_output_dir={out}"]
    result = dataset_convert(default_spec("optical_inspection", [f"dataset_convert.{word}" for word in words]))
    assert not (out / "left_out.csv").exists()
    assert not [fault for fault in result.report.faults if fault.fatal]
    return out


def read(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("table", FILES)
def test_the_rows_are_those_of_the_simulator(drawn, converted, table):
    wanted, found = read(drawn.out / FILES[table]), read(converted / f"{table}_combined.csv")
    shared = [*TAO, "board", "design", "component_type", "package", "panel"]
    assert len(wanted) > 1
    assert list(found[0])[:4] == TAO
    assert [[row[name] for name in shared] for row in found] == [[row[name] for name in shared] for row in wanted]


def test_defects_and_panels_are_among_them(drawn, converted):
    rows = [row for table in FILES for row in read(converted / f"{table}_combined.csv")]
    assert {row["panel"] for row in rows} == {"1", "2"}
    assert {row["design"] for row in rows} == {"GP100", "GP101"}
    assert sum(row["label"] != "PASS" for row in rows) == sum(
        count for labels in drawn.counts.values() for label, count in labels.items() if label != "PASS"
    )
