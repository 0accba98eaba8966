import json

import numpy as np
import pytest
from scipy.stats import beta, binom

from goldenpair.quality.figures import Figures, figures
from goldenpair.quality.targets import Findings, Targets, judge, needed
from scored_tables import scored_table


def figures_of(missed: int, defects: int, stopped: int = 0, good: int = 100, board=None) -> Figures:
    is_defect = np.arange(defects + good) < defects
    flag = is_defect & (np.arange(defects + good) >= missed) | (np.arange(defects + good) >= defects + good - stopped)
    return figures(scored_table(flag.astype(float), is_defect, board), flag, 0.5)


def judged(targets: Targets, *counts: int, board=None):
    (found,) = judge(figures_of(*counts, board=board), targets).findings
    return found


@pytest.mark.parametrize(
    ("capture", "defects"),
    [
        (0.90, (29, 46, 61)),
        (0.95, (59, 93, 124)),
        (0.98, (149, 236, 313)),
        (0.99, (299, 473, 628)),
        (0.995, (598, 947, 1258)),
        (0.999, (2995, 4742, 6294)),
    ],
)
def test_defects_that_prove_a_capture_with_0_1_and_2_escapes(capture, defects):
    """The table that is found in textbooks."""
    assert tuple(needed(1 - capture, escapes) for escapes in range(3)) == defects


@pytest.mark.parametrize(("limit", "wrong"), [(0.3, 0), (0.02, 7), (1e-4, 3), (1e-6, 0), (0.5, 40)])
def test_one_part_fewer_would_not_do(limit, wrong):
    parts = needed(limit, wrong)
    assert binom.cdf(wrong, parts, limit) <= 0.05 < binom.cdf(wrong, parts - 1, limit)


def test_nothing_proves_that_nothing_goes_wrong():
    assert needed(0.0, 0) is None
    assert needed(1e-12, 0) is None  # more parts than anybody has


def test_met_is_what_is_proven():
    """Of 29 defects none may escape to prove 90 %, and 28 do not do."""
    assert judged(Targets(capture=0.9), 0, 29).result == "MET"
    found = judged(Targets(capture=0.9), 0, 28)
    assert (found.result, found.needed, found.needed_at_this_share) == ("NOT PROVABLE", 29, None)
    assert found.text.endswith("; 1 more defects, all captured, would prove it")


def test_the_37_defects_of_the_model_card_do_not_prove_99_percent():
    found = judged(Targets(capture=0.99), 0, 37)
    assert (found.result, found.needed) == ("NOT PROVABLE", 299)
    assert found.low == pytest.approx(0.05 ** (1 / 37)) and found.high == 1
    assert (
        found.text == "37 of 37: with 95 % confidence at least 92.22 %; 262 more defects, all captured, would prove it"
    )
    found = judged(Targets(capture=0.99), 1, 37)
    assert (found.result, found.needed, found.needed_at_this_share) == ("NOT PROVABLE", 473, None)
    found = judged(Targets(capture=0.95), 1, 37)
    assert (found.result, found.needed) == ("NOT PROVABLE", 93)
    parts = found.needed_at_this_share
    assert beta.ppf(0.95, parts / 37 + 1, parts - parts / 37) <= 0.05 and parts == found.needed_at_this_share
    assert f"or about {parts - 37:,} more at this share" in found.text


@pytest.mark.parametrize(("wrong", "of", "limit"), [(1, 50, 0.05), (1, 30, 0.05), (4, 150, 0.04), (11, 1000, 0.02)])
def test_at_this_share_all_larger_numbers_prove_it_too_and_no_smaller_one(wrong, of, limit):
    """Rounded to whole parts, a few more parts would prove less: no search finds the number then."""
    found = judged(Targets(capture=1 - limit), wrong, of).needed_at_this_share
    parts = np.arange(max(10, of // wrong), 4 * found)
    proven = beta.ppf(0.95, parts * wrong / of + 1, parts * (1 - wrong / of)) <= limit + 1e-12
    assert parts[proven][0] == found and proven[parts >= found].all()


def test_nothing_is_met_where_the_verdicts_were_chosen_on_these_parts():
    measured, wish = figures_of(0, 100, 0, 1000), Targets(capture=0.9, false_calls_ppm=900_000)
    assert judge(measured, wish).result == "MET"
    found = judge(measured, wish, flattered=True)
    assert found.result == "NOT PROVABLE" and found.flattered and found.as_dict()["flattered"]
    assert all(one.text.endswith("chosen on these very parts, which prove nothing of others") for one in found.findings)
    assert judge(figures_of(50, 100), Targets(capture=0.9), flattered=True).result == "NOT MET"


def without_score(lost_defects: int, lost_good: int, board=None):
    """100 defects and 1000 good parts, all judged rightly but those without a score."""
    is_defect = np.arange(1100) < 100
    score = is_defect.astype(float)
    score[:lost_defects] = np.nan
    score[1100 - lost_good :] = np.nan
    return figures(scored_table(score, is_defect, board), score > 0.5, 0.5)


def test_defects_without_a_score_count_as_escapes_before_a_capture_is_met():
    """95 % is proven by 2 escapes of 124 or more, 90 % by 4 of 100 but not by 5."""
    assert binom.cdf(4, 100, 0.1) <= 0.05 < binom.cdf(5, 100, 0.1)
    (found,) = judge(without_score(4, 0), Targets(capture=0.9)).findings
    assert found.result == "MET" and "4 of 100 defects have no score (ERROR)" in found.text
    (found,) = judge(without_score(5, 0), Targets(capture=0.9)).findings
    assert found.result == "NOT PROVABLE" and found.rate.of == 95
    assert found.text.endswith("; 5 of 100 defects have no score (ERROR), and if all of these were judged wrongly it "
                               "would not be proven")  # fmt: skip
    (found,) = judge(without_score(50, 0), Targets(escapes_ppm=20_000)).findings
    assert found.result == "NOT PROVABLE" and "50 of 100 defects have no score" in found.text


def test_good_parts_without_a_score_count_as_false_calls_before_a_target_is_met():
    for lost, result in ((3, "MET"), (30, "NOT PROVABLE")):
        (found,) = judge(without_score(0, lost), Targets(false_calls_ppm=10_000)).findings
        assert binom.cdf(lost, 1000, 0.01) <= 0.05 or result == "NOT PROVABLE"
        assert found.result == result and f"{lost} of 1,000 good parts have no score" in found.text


def test_parts_without_a_score_that_are_all_of_one_board_weigh_more():
    wish = Targets(false_calls_ppm=20_000)
    alone = without_score(0, 10, np.arange(1100) // 11)
    assert judge(without_score(0, 10), wish).result == "MET" and judge(alone, wish).result == "NOT PROVABLE"


def test_every_defect_is_more_than_any_number_can_prove_and_one_escape_refutes_it():
    found = judged(Targets(capture=1.0), 0, 10_000)
    assert (found.result, found.needed) == ("NOT PROVABLE", None)
    assert "at least 99.9700 %; no number of defects can prove it" in found.text
    found = judged(Targets(capture=1.0), 1, 10_000)
    assert found.result == "NOT MET" and found.text == "9,999 of 10,000: with 95 % confidence at most 99.9995 %"


def test_not_met_is_what_is_excluded():
    """10 of 50 escape: 90 % is excluded, 85 % is not."""
    assert binom.sf(9, 50, 0.10) < 0.05 < binom.sf(9, 50, 0.15)
    assert judged(Targets(capture=0.90), 10, 50).result == "NOT MET"
    assert judged(Targets(capture=0.85), 10, 50).result == "NOT PROVABLE"


@pytest.mark.parametrize("defects", [1, 9])
def test_fewer_than_ten_defects_are_never_green(defects):
    found = judged(Targets(capture=0.05), 0, defects)
    assert found.result == "NOT PROVABLE" and found.needed >= 10
    found = judged(Targets(escapes_ppm=900_000), 0, defects, 0, 5000)
    assert found.result == "NOT PROVABLE" and f"{defects} defects prove nothing, 10 are the least" in found.text
    found = judged(Targets(capture=0.9), 0, defects)
    assert found.text.endswith("10 are the least, and the target takes 29 without a further mistake")
    found = judged(Targets(false_calls_ppm=999_999), 0, 50, 0, defects)
    assert found.result == "NOT PROVABLE" and f"{defects} good parts prove nothing" in found.text


def test_ten_defects_may_be_green():
    assert judged(Targets(capture=0.5), 0, 10).result == "MET"
    assert judged(Targets(escapes_ppm=1000), 0, 10, 0, 5000).result == "MET"


def test_without_parts_nothing_is_provable():
    assert judged(Targets(capture=0.9), 0, 0).text == "no defects to measure it on"
    found = judged(Targets(false_calls_ppm=1), 0, 20, 0, 0)
    assert (found.result, found.low, found.high) == ("NOT PROVABLE", None, None)


def test_ppm_are_of_all_parts_and_of_good_parts():
    found = judged(Targets(escapes_ppm=100), 1, 37, 0, 21_111)
    assert (found.rate.count, found.rate.of, found.result) == (1, 21_148, "NOT PROVABLE")
    assert found.needed == needed(1e-4, 1)
    found = judged(Targets(false_calls_ppm=500), 0, 37, 23, 21_111)
    assert (found.rate.count, found.rate.of, found.result) == (23, 21_111, "NOT MET")  # the 0.11 % of a model card
    assert judged(Targets(false_calls_ppm=2000), 0, 37, 23, 21_111).result == "MET"


def test_false_calls_that_come_in_boards_prove_less():
    """60 false calls of 20,000: spread evenly they prove 4000 ppm; all on 3 of 100 boards they do not."""
    board = np.concatenate([np.arange(20) % 100, np.arange(20_000) // 200])
    is_defect = np.arange(20_020) < 20
    spread = (np.arange(20_020) >= 20) & ((np.arange(20_020) - 20) % 334 == 7)
    gathered = np.arange(20_020) >= 20_020 - 600
    gathered &= (np.arange(20_020) - 20) % 10 == 0
    assert spread.sum() == 60 == gathered.sum()
    wish, found = Targets(false_calls_ppm=4000), {}
    for name, flag in (("spread", spread), ("gathered", gathered)):
        table = scored_table((flag | is_defect).astype(float), is_defect, board)
        (found[name],) = judge(figures(table, flag | is_defect, 0.5), wish).findings
    assert [one.result for one in found.values()] == ["MET", "NOT PROVABLE"]
    assert found["gathered"].needed > found["gathered"].rate.of > found["spread"].needed
    # without a further false call it takes fewer parts than with some
    assert found["gathered"].needed < (found["gathered"].needed_at_this_share or 0)


def test_the_worst_result_counts_and_no_target_is_no_result():
    measured = figures_of(1, 100, 1, 1000)
    assert judge(measured, Targets()).result is None
    assert judge(measured, Targets(capture=0.9)).result == "MET"
    assert judge(measured, Targets(capture=0.9, false_calls_ppm=900)).result == "NOT PROVABLE"
    assert judge(measured, Targets(capture=1.0, escapes_ppm=1e5, false_calls_ppm=900)).result == "NOT MET"


def test_findings_are_plain_json():
    plain = judge(figures_of(1, 100), Targets(capture=0.9, escapes_ppm=5)).as_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert [one["target"] for one in plain["findings"]] == [
        "capture at least 90 %",
        "escapes at most 5 ppm of all parts",
    ]
    assert Findings(()).as_dict() == {"result": None, "flattered": False, "findings": []}
