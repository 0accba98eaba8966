"""Shares by label, type, board and columns, against counts by hand and SciPy's intervals."""

import json
import time

import numpy as np
import pytest
from scipy.stats import beta, binomtest

from goldenpair.errors import InputError
from goldenpair.metrics import Rate, above
from goldenpair.quality.breakdown import Breakdown, breakdowns, component_types, rates
from goldenpair.quality.scored import ScoredTable, with_scores


def table_of(rows: str, columns="input_path,object_name,label,siamese_score") -> ScoredTable:
    """Rows of words, one a line."""
    parsed = [line.split() for line in rows.strip().splitlines()]
    cells = {name: list(column) for name, column in zip(columns.split(","), zip(*parsed, strict=True), strict=True)}
    return with_scores("here", cells, np.array(cells["siamese_score"], np.float32))


SMALL_TABLE = """
b1 R1 PASS 0.1
b1 C1 PASS 0.9
b1 R2 SHIFT 0.8
b2 R1 PASS 0.2
b2 C1 MISSING 0.3
b2 R2 SHIFT 0.7
"""


def found(table: ScoredTable, name: str, **more) -> Breakdown:
    return next(one for one in breakdowns(table, above(table.score, 0.5), **more) if one.name == name)


def counts(breakdown: Breakdown) -> dict[str, tuple[int, int, int, int]]:
    """Captured, defects, false calls, good parts."""
    return {
        cell.name: (cell.capture.count, cell.capture.of, cell.false_calls.count, cell.false_calls.of)
        for cell in breakdown.cells
    }


def test_by_label():
    assert counts(found(table_of(SMALL_TABLE), "defect label")) == {"MISSING": (0, 1, 0, 0), "SHIFT": (2, 2, 0, 0)}


def test_by_letters_of_the_designators():
    types = found(table_of(SMALL_TABLE), "component type")
    assert types.source == "letters of object_name"
    assert counts(types) == {"R": (2, 2, 0, 2), "C": (0, 1, 1, 1)}


def test_by_board():
    boards = found(table_of(SMALL_TABLE), "board")
    assert counts(boards) == {"b1": (1, 1, 1, 2), "b2": (1, 2, 0, 1)}
    assert boards.source == "first folder of input_path"


def test_the_kinds_that_are_told_and_their_order():
    names = [one.name for one in breakdowns(table_of(SMALL_TABLE), np.zeros(6, np.bool_))]
    assert names == ["defect label", "component type", "board"]


def test_no_defects_no_labels():
    table = table_of("b1 R1 PASS 0.1\nb1 C1 PASS 0.9\n")
    assert [one.name for one in breakdowns(table, above(table.score, 0.5))] == ["component type"]


COLUMNS = "input_path,object_name,label,siamese_score,component_type,light,operator,serial,verdict,error,shift"
MORE_COLUMNS = """
b1 R1 PASS 0.1 chip white ann s1 PASS - day
b1 R2 PASS 0.9 chip low ann s2 FAIL - day
b2 U1 SHIFT 0.8 ic white bob s3 FAIL - day
b2 U2 PASS 0.3 ic low bob s4 PASS x day
"""


def test_columns_are_chosen_by_what_they_hold():
    table = table_of(MORE_COLUMNS, COLUMNS)
    names = [one.name for one in breakdowns(table, above(table.score, 0.5))]
    # shift has one value, verdict and error are no properties of parts
    assert names == ["defect label", "component type", "board", "light", "operator", "serial"]
    assert found(table, "component type").source == "column component_type"


def test_columns_that_we_write_are_not_broken_down():
    """Neither those of this run nor what an earlier one wrote; a plant's own are."""
    ours = (
        "heatmap,policy_mark,probability,verdict_before,siamese_score_before,heatmap_before,cfx_category,verification"
    )
    rows = "\n".join(f"b{i} R{i} PASS 0.1 {' '.join([str(i)] * 8)} {i}" for i in range(4))
    table = table_of(rows, f"input_path,object_name,label,siamese_score,{ours},the_day_before")
    names = [one.name for one in breakdowns(table, np.zeros(4, np.bool_))]
    assert names == ["board", "the_day_before"]


def test_columns_with_many_values_are_told_only_when_named():
    rows = "\n".join(f"b{i % 2} R{i} PASS 0.1 s{i}" for i in range(60))
    table = table_of(rows, "input_path,object_name,label,siamese_score,serial")
    none = np.zeros(60, np.bool_)
    assert "serial" not in [one.name for one in breakdowns(table, none)]
    named = [one for one in breakdowns(table, none, columns=["serial"]) if one.name == "serial"]
    assert len(named[0].cells) == 60


def test_named_columns_only():
    table = table_of(MORE_COLUMNS, COLUMNS)
    names = [one.name for one in breakdowns(table, above(table.score, 0.5), columns=["light"])]
    assert names == ["defect label", "component type", "board", "light"]


def test_columns_that_are_not_there():
    table = table_of(SMALL_TABLE)
    with pytest.raises(InputError, match="no column line, shift to break down by, but input_path"):
        breakdowns(table, np.zeros(6, np.bool_), columns=["line", "label", "shift"])


def test_rows_that_are_not_measured_are_in_no_cell():
    table = table_of("b1 R1 PASS 0.9\nb1 C1 SHIFT nan\nb2 R2 SHIFT 0.9\n")
    assert counts(found(table, "board")) == {"b1": (0, 0, 1, 1), "b2": (1, 1, 0, 0)}
    assert counts(found(table, "component type")) == {"R": (1, 1, 1, 1)}


def test_empty_cells_have_a_name():
    columns = "input_path,object_name,label,siamese_score,line"
    table = table_of("b1 R1 PASS 0.1 L1\nb1 R2 PASS 0.9 L2\n", columns)
    cells = {**table.cells, "line": ["", "L2"]}
    table = with_scores("here", cells, table.score)
    assert set(counts(found(table, "line"))) == {"(empty)", "L2"}


def test_designators_of_one_kind_tell_nothing():
    assert component_types(table_of("b W001 PASS 0.1\nb W002 PASS 0.2\n")) is None


def test_names_that_are_no_designators():
    rows = [f"b part{i}x PASS 0.1" for i in range(3)] + [f"b {i} PASS 0.1" for i in range(3)] + ["b LED1 PASS 0.1"]
    assert component_types(table_of("\n".join(rows))) is None


def test_few_odd_names_do_not_matter():
    rows = [f"b R{i} PASS 0.1" for i in range(10)] + [f"b LED{i}A PASS 0.1" for i in range(10)] + ["b x PASS 0.1"]
    source, types = component_types(table_of("\n".join(rows)))
    assert source == "letters of object_name"
    assert set(types) == {"R", "LED", ""} and types[10] == "LED"


def test_a_type_column_with_one_value_is_none():
    table = table_of("b R1 PASS 0.1 x\nb C1 PASS 0.2 x\n", "input_path,object_name,label,siamese_score,type")
    assert component_types(table)[0] == "letters of object_name"


def test_small_cells_are_marked_by_the_class_in_question():
    rows = [f"b R{i} PASS 0.1" for i in range(12)] + [f"b R{i} SHIFT 0.9" for i in range(20, 23)]
    rows += [f"b C{i} SHIFT 0.9" for i in range(30, 32)]
    types = {cell.name: cell for cell in found(table_of("\n".join(rows)), "component type").cells}
    assert types["R"].few_defects and not types["R"].few_good and not types["R"].small
    assert types["C"].few_defects and types["C"].few_good and types["C"].small


@pytest.mark.parametrize(("defects", "few"), [(9, True), (10, False)])
def test_ten_are_enough(defects, few):
    rows = [f"b R{i} SHIFT 0.9" for i in range(defects)] + ["b C1 PASS 0.1"]
    (cell,) = found(table_of("\n".join(rows)), "defect label").cells
    assert cell.few_defects is few and cell.small is few


def test_the_worst_and_best_supported_comes_first():
    """30 of 100 missed is surely worse than 1 of 2; false calls decide among those without sure escapes."""
    rows = [f"many R{i} X {0.1 if i < 30 else 0.9}" for i in range(100)]
    rows += ["few R1 X 0.1", "few R2 X 0.9"]
    rows += [f"calls R{i} PASS {0.9 if i < 20 else 0.1}" for i in range(50)]
    rows += [f"quiet R{i} PASS 0.1" for i in range(50)]
    names = [cell.name for cell in found(table_of("\n".join(rows)), "board").cells]
    assert names == ["many", "few", "calls", "quiet"]


def test_intervals_of_many_pairs_are_those_of_scipy():
    given = [(0, 5), (5, 5), (3, 7), (0, 1), (1, 1), (37, 37), (205, 21111), (0, 0)]
    done = rates(np.array([k for k, _ in given]), np.array([n for _, n in given]))
    for (k, n), rate in zip(given, done, strict=True):
        assert (rate.count, rate.of) == (k, n)
        if not n:
            assert rate == Rate(None, 0, 0, None, None)
            continue
        interval = binomtest(k, n).proportion_ci(0.95, method="exact")
        assert rate.low == pytest.approx(interval.low, abs=1e-9)
        assert rate.high == pytest.approx(interval.high, abs=1e-9)
        assert rate.value == k / n


def test_thirty_seven_of_thirty_seven():
    (rate,) = rates(np.array([37]), np.array([37]))
    assert rate.low == pytest.approx(0.905, abs=5e-4)  # the published bound of such a test
    assert rate.low == pytest.approx(beta.ppf(0.025, 37, 1))


def test_as_data():
    table = table_of(SMALL_TABLE)
    given = [one.as_dict() for one in breakdowns(table, above(table.score, 0.5))]
    read = json.loads(json.dumps(given))
    assert read[0]["cells"][0]["name"] == "MISSING"
    assert read[0]["cells"][0]["capture"] == {
        **read[0]["cells"][0]["capture"],
        "value": 0.0,
        "count": 0,
        "of": 1,
    }
    assert read[0]["cells"][0]["small"] is True


def test_two_hundred_thousand_rows_are_quick():
    rng = np.random.default_rng(0)
    n = 200_000
    cells = {
        "input_path": [f"b{i // 50}" for i in range(n)],
        "object_name": [f"{letter}{i}" for i, letter in enumerate(rng.choice(["R", "C", "U"], n).tolist())],
        "label": np.where(rng.random(n) < 0.01, "OPEN", "PASS").tolist(),
    }
    table = with_scores("here", cells, rng.random(n, dtype=np.float32))
    start = time.perf_counter()
    boards = breakdowns(table, above(table.score, 0.9))[2]
    assert time.perf_counter() - start < 5  # 0.5 s here
    assert len(boards.cells) == 4000
