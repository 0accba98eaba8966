"""Repeated decisions from files."""

import io

import numpy as np
import pytest
from rich.console import Console

from goldenpair.errors import InputError, TableError
from goldenpair.quality.gauge import gauge
from goldenpair.quality.readings import Columns, gauge_tables, read_readings, what_was_measured

USUAL = Columns()


def written(tmp_path, text):
    path = tmp_path / "study.csv"
    path.write_text(text, encoding="utf-8")
    return path


STUDY = """part,trial,appraiser,label,verdict,siamese_score
R1,1,ann,PASS,PASS,0.1
R1,2,ann,PASS,FAIL,0.6
R2,1,ann,OPEN,REVIEW,0.7
R2,2,ann,OPEN,ERROR,
R2,3,ann,OPEN,FAIL,0.9
R1,1,bob,PASS,PASS,0.2
R1,2,bob,PASS,PASS,0.3
R2,1,bob,OPEN,FAIL,0.8
R2,2,bob,OPEN,FAIL,0.8
"""


def test_the_usual_columns(tmp_path):
    path = written(tmp_path, STUDY)
    found = read_readings(path, USUAL)
    assert found.source == str(path)
    assert (found.parts, found.appraisers, found.errors) == (("R1", "R2"), ("ann", "bob"), 1)
    assert found.part.tolist() == [0, 0, 1, 1, 0, 0, 1, 1]
    assert found.appraiser.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert found.trial.tolist() == [0, 1, 0, 2, 0, 1, 0, 1]
    assert found.stopped.tolist() == [False, True, True, True, False, False, True, True]
    assert found.is_defect.tolist() == [False, True]
    np.testing.assert_allclose(found.score, [0.1, 0.6, 0.7, 0.9, 0.2, 0.3, 0.8, 0.8], rtol=1e-6)


def test_a_cutoff_makes_the_verdicts(tmp_path):
    found = read_readings(written(tmp_path, STUDY), USUAL, cutoff=0.75)
    assert found.stopped.tolist() == [False, False, False, True, False, False, True, True]
    assert found.errors == 1


def test_columns_by_name(tmp_path):
    text = "board,ref,run,who,truth,said,margin\nb1,R1,a,m,PASS,FAIL,1\nb1,R1,b,m,PASS,PASS,2\nb2,R1,a,m,OPEN,PASS,3\n"
    columns = Columns(("board", "ref"), "run", "who", "truth", "said", "margin")
    found = read_readings(written(tmp_path, text), columns)
    assert found.parts == ("b1/R1", "b2/R1") and found.appraisers == ("m",)
    assert found.stopped.tolist() == [True, False, False] and found.is_defect.tolist() == [False, True]
    assert found.score.tolist() == [1, 2, 3]


def test_boards_and_names_are_parts(tmp_path):
    text = "boardname,object_name,verdict\nb1,R1,PASS\nb2,R1,PASS\nb1,R1,FAIL\nb2,R1,PASS\n"
    found = read_readings(written(tmp_path, text), USUAL)
    assert found.parts == ("b1/R1", "b2/R1")
    assert found.trial.tolist() == [0, 0, 1, 1]  # in the order of the rows
    assert found.is_defect is None and np.isnan(found.score).all()


def test_every_mistake_at_once(tmp_path):
    path = written(tmp_path, "object_name,mark\nR1,x\n")
    with pytest.raises(TableError) as error:
        read_readings(path, Columns(trial="run", appraiser="who"))
    text = str(error.value)
    assert len(error.value.problems) == 4
    assert "no column 'run', but object_name, mark" in text and "no column 'who'" in text
    assert "--part" in text and "--verdict" in text and "--cutoff" in text


def test_a_cutoff_without_scores(tmp_path):
    with pytest.raises(TableError, match="a cutoff needs scores"):
        read_readings(written(tmp_path, "part,verdict\nR1,PASS\n"), USUAL, cutoff=0.5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("part,verdict\n", "no rows"),
        ("part,verdict\nR1,PASS\nR1,ok\nR1,OK\n", "PASS, REVIEW, FAIL and ERROR, but there are 'OK', 'ok'"),
        ("part,verdict\n,PASS\nR1,PASS\n", "1 rows have no part in part"),
        ("part,verdict,label\nR1,PASS,PASS\nR1,PASS,OPEN\n", "1 parts are PASS in some rows and defects in others: R1"),
        ("part,verdict,label\nR1,PASS,PASS\nR1,PASS,\n", "1 rows have no reference"),
        (
            "part,verdict,trial\nR1,PASS,x\nR1,PASS,y\nR1,FAIL,y\n",
            "1 trials stand there more than once .*: R1, trial y",
        ),
        ("part,siamese_score,verdict\nR1,low,PASS\n", "no number: line 2: 'low'"),
    ],
)
def test_tables_that_are_wrong(tmp_path, text, said):
    with pytest.raises(TableError, match=said):
        read_readings(written(tmp_path, text), USUAL)


def test_other_names_of_one_defect_are_no_contradiction(tmp_path):
    text = "part,verdict,label\nR1,FAIL,OPEN\nR1,FAIL,LIFTED\n"
    assert read_readings(written(tmp_path, text), USUAL).is_defect.tolist() == [True]


def told(tmp_path, text, **more) -> str:
    console = Console(file=io.StringIO(), width=140)
    study = gauge(read_readings(written(tmp_path, text), USUAL, **more))
    for table in gauge_tables(study):
        console.print(table)
    return "\n".join([*what_was_measured(study), console.file.getvalue()])


def test_for_people(tmp_path):
    text = told(tmp_path, STUDY)
    assert text.startswith("2 parts, at least 2 trials each, 1 rows with ERROR left out\n")
    assert "Note: 2 parts x 2 trials are fewer than the 50 x 3 that the rules are for" in text
    assert "Standard deviation of a part's scores: 0." in text
    assert "50.0% (1 of 2;" in text and "unacceptable, not proven" in text
    assert "kappa of ann and bob (Cohen)" in text
    assert "1 parts were judged now so, now so" in text


def test_for_people_without_reference(tmp_path):
    text = told(tmp_path, "part,verdict\n[R1],PASS\n[R1],FAIL\n")
    assert "No reference: only whether decisions repeat is told." in text
    assert "[R1]" in text and "Between appraisers" not in text and "Standard deviation" not in text


def test_a_study_without_doubt_has_one_table(tmp_path):
    study = gauge(read_readings(written(tmp_path, "part,verdict\nR1,PASS\nR1,PASS\n"), USUAL))
    assert len(gauge_tables(study)) == 1


def test_names_are_no_markup(tmp_path):
    text = told(tmp_path, STUDY.replace("ann", "\\[/x]").replace("R1", "\\[/y]"))
    assert "\\[/x]" in text and "\\[/y]" in text


@pytest.mark.parametrize("cutoff", [float("nan"), float("inf")])
def test_cutoffs_that_nothing_exceeds(tmp_path, cutoff):
    with pytest.raises(InputError, match="--cutoff: .* is no number that a score can exceed"):
        read_readings(written(tmp_path, STUDY), USUAL, cutoff=cutoff)


def test_synthetic_defects_are_refused(tmp_path):
    path = tmp_path / "gauge.csv"
    path.write_text("input_path,object_name,verdict,synthetic\nb1,R1,PASS,\nb1,R1,FAIL,scratch\n")
    with pytest.raises(TableError, match="1 row is synthetic defects"):
        read_readings(path, Columns())
