"""Policies: what they decide, how they are read, and what they are not used on."""

import json

import numpy as np
import pytest
from pydantic import ValidationError

from goldenpair.errors import DataError, InputError
from goldenpair.metrics import above
from goldenpair.quality.calibration import Calibration
from goldenpair.quality.decided import decided
from goldenpair.quality.parts import KnownParts
from goldenpair.quality.policy import (
    BOARDS,
    ERROR,
    FAIL,
    FORCED,
    PASS,
    PERHAPS,
    REVIEW,
    UNKNOWN,
    Band,
    FittedOn,
    Policy,
    TypeBand,
)
from goldenpair.specs.load import default_spec
from scored_tables import scored_table

CURVE = Calibration(method="platt", score=[0.0, 1.0], probability=[0.1, 0.9], goods=9, defects=1, ece=0.0)


def typed(**changes):
    types = {
        "R0402": TypeBand(review=0.2, fail=0.4, goods=100, defects=1, weight=0.8, package="chip"),
        "QFN": TypeBand(review=1.0, fail=1.0, goods=50, defects=0, weight=0.5),
    }
    given = {"source": "test", "band": Band(review=0.5, fail=0.8), "column": "comp_type", "types": types}
    return Policy(**given | changes)


def floats(*values):
    return np.array(values, np.float32)


# decisions


@pytest.mark.parametrize("cutoff", [0.1, 0.3, 0.7, 1.1])
def test_a_plain_cutoff_is_as_ever(cutoff):
    """As float32: what reads 0.1 does not exceed a cutoff of 0.1."""
    middle = np.float32(cutoff)
    score = floats(np.nextafter(middle, np.float32(0)), middle, np.nextafter(middle, np.float32(9)), 9)
    policy = Policy.of_cutoff(cutoff, "test")
    found = policy.decide(score)
    assert found.code.tolist() == [PASS, PASS, FAIL, FAIL] and found.code.dtype == np.int8
    assert (found.stopped == above(score, cutoff)).all()
    assert policy.plain and not policy.reviews and policy.cutoff == cutoff
    assert policy.told() == f"cutoff {cutoff:g}"


def test_between_the_cutoffs_is_review():
    policy = Policy(source="test", band=Band(review=0.5, fail=0.8))
    found = policy.decide(floats(0.5, 0.500001, 0.8, 0.800001))
    assert found.code.tolist() == [PASS, REVIEW, REVIEW, FAIL]
    assert found.stopped.tolist() == [False, True, True, True]
    assert found.review.tolist() == [0.5] * 4 and found.fail.tolist() == [0.8] * 4
    assert policy.reviews and not policy.plain and policy.told() == "REVIEW above 0.5, FAIL above 0.8"


@pytest.mark.parametrize("cutoff", [-1.0, 0.5, 1e9])
def test_a_score_that_is_no_number_is_an_error_and_stopped_or_passed_by_none(cutoff):
    found = Policy.of_cutoff(cutoff, "test").decide(floats(np.nan, np.inf, -np.inf))
    assert found.code.tolist() == [ERROR] * 3 and not found.stopped.any()
    assert found.count(ERROR) == 3 and found.count(PASS) == 0


def test_each_type_has_its_own_cutoffs():
    found = typed().decide(floats(0.3, 0.3, 0.9, 0.9, 0.9), ["R0402", "QFN", "R0402", "QFN", "QFN"])
    assert found.code.tolist() == [REVIEW, PASS, FAIL, PASS, PASS]
    assert found.review.tolist() == [0.2, 1.0, 0.2, 1.0, 1.0]
    assert found.without_type() == ""


def test_an_unknown_type_gets_the_global_cutoffs_and_is_counted():
    kinds = ["BGA", "", "R0402", "BGA", "SOT"]
    found = typed().decide(floats(0.6, 0.9, 0.1, 0.3, 0.3), kinds)
    assert found.code.tolist() == [REVIEW, FAIL, PASS, PASS, PASS]
    assert found.unknown == {"BGA": 2, "SOT": 1} and found.unnamed == 1
    told = found.without_type()
    assert told == (
        "the global cutoffs served for 3 of types that the policy does not know: 'BGA' (2), 'SOT' (1); 1 without a type"
    )


def test_without_any_types_all_get_the_global_cutoffs_and_are_counted():
    found = typed().decide(floats(0.6, 0.6))
    assert found.code.tolist() == [REVIEW, REVIEW] and found.unnamed == 2
    assert "2 without a type" in found.without_type()


def test_types_do_not_matter_where_the_policy_has_none():
    found = Policy.of_cutoff(0.5, "test").decide(floats(0.6, 0.4), ["BGA", "QFN"])
    assert found.code.tolist() == [FAIL, PASS] and found.without_type() == ""


def test_many_parts_as_one_by_one():
    rng = np.random.default_rng(0)
    score, kinds = rng.random(500).astype(np.float32), rng.choice(["R0402", "QFN", "BGA", ""], 500).tolist()
    policy = typed()
    together = policy.decide(score, kinds).code
    alone = [policy.decide(score[n : n + 1], kinds[n : n + 1]).code[0] for n in range(500)]
    assert together.tolist() == alone


def test_probabilities_follow_the_cutoffs_of_the_type():
    """As far above its type's cutoff, as probable: 0.3 of R0402 is as 0.6 of any other."""
    policy = typed(calibration=CURVE)
    found = policy.probability(floats(0.3, 0.6, 1.1, np.nan), ["R0402", "BGA", "QFN", "QFN"])
    assert found[:3] == pytest.approx([0.1 + 0.8 * 0.6] * 3, abs=1e-6) and np.isnan(found[3])
    assert typed().probability(floats(0.3)) is None


# what a policy must not be


@pytest.mark.parametrize("cutoff", [np.nan, np.inf, -np.inf, 1e39])
def test_a_cutoff_that_no_score_exceeds(cutoff):
    with pytest.raises(InputError, match="evaluate.cutoff: .* is no number that a score can exceed"):
        Policy.of_cutoff(cutoff, "evaluate.cutoff")
    with pytest.raises(ValidationError):
        Band(review=0.0, fail=cutoff)


def test_fail_below_review():
    with pytest.raises(ValidationError, match=r"fail \(0.1\) must not be below review \(0.5\)"):
        Band(review=0.5, fail=0.1)


def test_types_without_a_column():
    with pytest.raises(ValidationError, match="no 'column' that names the type"):
        typed(column="")


def test_a_table_without_the_column_of_types():
    with pytest.raises(DataError, match="table t.csv: it has no column 'comp_type', by which the policy .* decides"):
        typed().kinds_of({"label": ["PASS"]}, "t.csv")
    assert typed().kinds_of({"comp_type": ["QFN"]}, "t.csv") == ["QFN"]
    assert Policy.of_cutoff(0.5, "test").kinds_of({}, "t.csv") is None


# files


def test_what_is_saved_comes_back(tmp_path):
    policy = typed(calibration=CURVE, notes=["one"], fitted_on=fitted(["R1"]))
    policy.save(tmp_path / "policy.json")
    assert Policy.load(tmp_path / "policy.json") == policy
    assert json.loads((tmp_path / "policy.json").read_text())["format"] == 1


def damaged(tmp_path, text):
    (tmp_path / "policy.json").write_text(text)
    with pytest.raises(DataError) as caught:
        Policy.load(tmp_path / "policy.json")
    assert str(tmp_path / "policy.json") in str(caught.value)
    return str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        Policy.load(tmp_path / "gone.json")


@pytest.mark.parametrize("text", ["", "{", '{"format": 1, "band"', "\x00"])
def test_a_damaged_file(tmp_path, text):
    assert "cannot be read as JSON" in damaged(tmp_path, text)


def test_a_file_that_is_no_text(tmp_path):
    (tmp_path / "policy.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read"):
        Policy.load(tmp_path / "policy.json")


@pytest.mark.parametrize("text", ["[]", "1", '{"cutoff": 0.5}', "null"])
def test_a_file_of_something_else(tmp_path, text):
    assert "it is no policy; `goldenpair policy" in damaged(tmp_path, text)


def test_a_newer_format(tmp_path):
    told = damaged(tmp_path, '{"format": 2, "source": "x", "bands": []}')
    assert "its format is 2, and this goldenpair reads 1" in told


def test_every_mistake_of_a_file_at_once(tmp_path):
    told = damaged(tmp_path, '{"format": 1, "band": {"review": "low", "fail": NaN}, "colour": 1}')
    assert all(word in told for word in ("source", "band.review", "band.fail", "colour"))


def test_what_exported_models_held_before_is_a_plain_cutoff():
    assert Policy.model_validate({"cutoff": 0.5, "source": "by hand"}) == Policy.of_cutoff(0.5, "by hand")


# what a spec says


def test_a_spec_gives_a_cutoff_or_a_policy(tmp_path):
    assert Policy.of_spec(default_spec("optical_inspection"), "evaluate") == Policy.of_cutoff(2.0, "model.margin")
    path = tmp_path / "policy.json"
    typed().save(path)
    for action, wish in (("evaluate", "evaluate"), ("inference", "evaluate"), ("inference", "inference")):
        spec = default_spec("optical_inspection", [f"{wish}.policy={path}"])
        assert Policy.of_spec(spec, action) == typed(source=f"{wish}.policy: {path}")


def test_a_policy_of_another_network(tmp_path):
    """A distance of 2 may be a cutoff, a probability is never above 1."""
    path = tmp_path / "policy.json"
    typed().save(path)
    wish = [f"evaluate.policy={path}", "task=classify", "model.classify.difference_module=learnable"]
    with pytest.raises(InputError, match="it has a cutoff of 1, but the score of this network is a probability"):
        Policy.of_spec(default_spec("visual_changenet", wish), "evaluate")


def test_a_policy_of_other_scores(tmp_path):
    path = tmp_path / "policy.json"
    typed(fitted_on=fitted(["R1"], score_column="margin")).save(path)
    with pytest.raises(InputError, match="it was fitted on the scores 'margin', not 'siamese_score'"):
        Policy.of_spec(default_spec("optical_inspection", [f"inference.policy={path}"]), "inference")


# the law: not on the parts that it was fitted on


def parts(names):
    return {"input_path": ["b1"] * len(names), "object_name": list(names)}


def fitted(names, sha256="aa", score_column="siamese_score"):
    return FittedOn(
        name="validation.csv",
        sha256=sha256,
        score_column=score_column,
        good=9,
        defects=1,
        unscored=0,
        boards=1,
        parts=KnownParts.of(parts(names)) if names else None,
    )


@pytest.mark.parametrize(("names", "told"), [("AB", "2 parts of them"), ("BX", "1 part of them")])
def test_a_policy_is_refused_on_its_own_parts(names, told):
    policy = typed(fitted_on=fitted("ABC"))
    with pytest.raises(InputError, match=told) as caught:
        policy.for_report(parts(names), "test.csv")
    assert all(word in str(caught.value) for word in ("validation.csv", "test.csv", "--same-parts"))
    with pytest.raises(InputError, match="force it .evaluate.policy_forced=true.,"):
        policy.for_report(parts(names), "test.csv", overruled_by="evaluate.policy_forced=true")


def test_forced_it_is_marked_for_good():
    policy = typed(fitted_on=fitted("ABC")).for_report(parts("ABX"), "test.csv", forced=True)
    assert policy.marks == [f"{FORCED} (test.csv: 2 parts of them)"]
    assert Policy.model_validate_json(policy.model_dump_json()).marks == policy.marks


@pytest.mark.parametrize("forced", [False, True])
def test_on_other_parts_there_is_no_mark(forced):
    policy = typed(fitted_on=fitted("ABC"))
    assert policy.for_report(parts("XYZ"), "test.csv", "bb", forced) == policy
    assert typed().for_report(parts("ABC"), "test.csv") == typed()  # fitted on nothing that is known


def test_the_same_file_is_known_where_parts_have_no_names():
    policy = typed(fitted_on=fitted("", sha256="aa"))
    with pytest.raises(InputError, match="the same file"):
        policy.for_report({"label": ["PASS"]}, "validation.csv", "aa")
    (mark,) = policy.for_report({"label": ["PASS"]}, "other.csv", "bb").marks
    assert mark.startswith(UNKNOWN) and "validation.csv" in mark and "other.csv" in mark
    (mark,) = typed(fitted_on=fitted("ABC")).for_report({"label": ["PASS"]}, "other.csv", "bb").marks
    assert mark.startswith(UNKNOWN)


def test_parts_that_are_only_alike_and_shared_boards_are_marked_and_not_refused():
    known = {"input_path": ["val/b1/top", "val2/b1/top"], "object_name": ["R1", "R2"]}
    on = fitted("A").model_copy(update={"parts": KnownParts.of(known)})
    (mark,) = typed(fitted_on=on).for_report({"input_path": ["test/b1/top"], "object_name": ["R1"]}, "test.csv").marks
    assert mark.startswith(f"{PERHAPS} (test.csv: 1 part have")
    other = {"input_path": ["val/b8/top", "val2/b9/top"], "object_name": ["R1", "R2"]}
    (mark,) = typed(fitted_on=on).for_report(other, "test.csv").marks
    assert mark == f"{BOARDS} (test.csv: 2 of them are in validation.csv)"


def test_later_reports_are_told_what_the_policy_had_to_do_with_the_parts():
    policy = typed(fitted_on=fitted("ABC"))
    assert policy.for_report(parts("XY"), "test.csv").mark_column(2) == {"policy_mark": ["", ""]}
    forced = policy.for_report(parts("AX"), "test.csv", forced=True)
    assert forced.mark_column(2) == {"policy_mark": forced.marks * 2} and forced.marks[0].startswith(FORCED)
    assert Policy.of_cutoff(0.5, "test").mark_column(2) == {}


def test_a_policy_file_that_an_editor_of_windows_saved(tmp_path):
    path = tmp_path / "policy.json"
    path.write_bytes(b"\xef\xbb\xbf" + typed().model_dump_json().encode())
    assert Policy.load(path) == typed()


def test_damaged_hashes_of_a_file_are_named(tmp_path):
    content = typed(fitted_on=fitted("ABC")).model_dump(mode="json")
    content["fitted_on"]["parts"]["hashes"] = "AAAA"
    path = tmp_path / "policy.json"
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match="fitted_on.parts: .*fit the policy again"):
        Policy.load(path)


# as data


def test_what_was_decided_as_data():
    policy = typed(calibration=CURVE, fitted_on=fitted("A"), marks=["a mark"])
    score, defect = floats(0.3, 0.9, 0.6, np.nan), np.array([False, True, True, False])
    table = scored_table(score, defect)
    found = decided(policy, policy.decide(score, ["R0402", "R0402", "BGA", ""]), table)
    assert found["verdicts"] == {"PASS": 0, "REVIEW": 2, "FAIL": 1, "ERROR": 1}
    assert found["marks"] == ["a mark"] and found["fitted_on"] == {"name": "validation.csv", "sha256": "aa"}
    assert "'BGA' (1); 1 without a type" in found["without_type"]
    # bins of one each: 0.3 of R0402 and 0.6 of BGA have 0.58, to the last digits of float32; 0.9 has 0.9
    assert found["ece"] == pytest.approx((0.58 + 0.42 + 0.1) / 3, abs=1e-6)
    assert json.loads(json.dumps(found)) == found
