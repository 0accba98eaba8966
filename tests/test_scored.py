"""Parts with labels and scores, as files bring them."""

import hashlib

import numpy as np
import pytest

from factory import factory
from goldenpair.errors import DataError, TableError
from goldenpair.quality.figures import figures
from goldenpair.quality.scored import read_scored, with_scores

HEADER = "input_path,golden_path,label,object_name,siamese_score\n"


def written(tmp_path, text, name="inference.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_taos_file(tmp_path):
    path = written(tmp_path, HEADER + "b1/top,golden,PASS,R1,0.25\nb1/bot,golden,MISSING,R2,1.5\nb2,golden,PASS,R1,0\n")
    table = read_scored(path)
    assert len(table) == 3
    np.testing.assert_array_equal(table.score, np.array([0.25, 1.5, 0], np.float32))
    assert table.is_defect.tolist() == [False, True, False]
    assert table.boards == ("b1", "b2") and table.board.tolist() == [0, 0, 1]
    assert table.board_source == "first folder of input_path"
    assert table.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert table.describe(1) == "b1/bot/R2"


def test_other_names_of_columns(tmp_path):
    path = written(tmp_path, "part,truth,panel,margin\nR1,PASS,p1,0.5\nR2,BRIDGE,p2,0.75\n")
    table = read_scored(path, score_column="margin", label_column="truth", board_column="panel")
    assert table.score.tolist() == [0.5, 0.75] and table.boards == ("p1", "p2")
    assert (table.board_source, table.score_column) == ("column panel", "margin")


def test_a_column_with_boards_goes_before_folders(tmp_path):
    path = written(tmp_path, "input_path,label,object_name,boardname,output_score\nx,PASS,R1,B7,0.5\n")
    assert read_scored(path).boards == ("B7",)


def test_rows_without_score_or_label_are_not_measured_and_never_pass(tmp_path):
    rows = "b,g,PASS,R1,0.1,PASS\nb,g,,R2,0.2,PASS\nb,g,PASS,R3,,ERROR\nb,g,OPEN,R4,nan,FAIL\nb,g,OPEN,R5,0.9,ERROR\n"
    table = read_scored(written(tmp_path, HEADER.strip() + ",verdict\n" + rows))
    assert table.measured.tolist() == [True, False, False, False, False]
    assert table.is_defect.tolist() == [False, False, False, True, True]


def test_every_mistake_of_the_columns_at_once(tmp_path):
    path = written(tmp_path, "input_path,object_name,mark\nb,R1,0.5\n")
    with pytest.raises(TableError) as error:
        read_scored(path, board_column="panel")
    assert len(error.value.problems) == 3
    assert "--score" in str(error.value) and "'panel'" in str(error.value) and "--labels" in str(error.value)


def test_semicolons_and_decimal_commas_are_named(tmp_path):
    path = written(tmp_path, (HEADER + "b,g,PASS,R1,0\n").replace(",", ";"))
    with pytest.raises(TableError, match="separated by semicolons; save it as a CSV file with commas"):
        read_scored(path)
    path = written(tmp_path, HEADER + 'b,g,PASS,R1,"0,25"\n')
    with pytest.raises(TableError, match="line 2: '0,25'; numbers have a point, not a comma"):
        read_scored(path)


def test_words_in_the_place_of_scores(tmp_path):
    path = written(tmp_path, HEADER + "b,g,PASS,R1,low\nb,g,PASS,R2,0.5\nb,g,PASS,R3,high\n")
    with pytest.raises(TableError, match="line 2: 'low'; line 4: 'high'"):
        read_scored(path)


def test_an_empty_table(tmp_path):
    with pytest.raises(TableError, match="no rows"):
        read_scored(written(tmp_path, HEADER))


def test_labels_from_another_table(tmp_path):
    scores = written(tmp_path, "input_path,object_name,siamese_score\nb1,R1,0.1\nb1,R2,0.9\nb1,R3,0.2\n")
    labels = written(tmp_path, "object_name,input_path,label\nR2,b1,TOMBSTONE\nR1,b1,PASS\nR9,b1,PASS\n", "labels.csv")
    table = read_scored(scores, labels=labels)
    assert list(table.label) == ["PASS", "TOMBSTONE", ""]
    assert table.measured.tolist() == [True, True, False]


def test_labels_that_contradict_each_other(tmp_path):
    scores = written(tmp_path, "input_path,object_name,siamese_score\nb1,R1,0.1\n")
    labels = written(tmp_path, "object_name,input_path,label\nR1,b1,PASS\nR1,b1,OPEN\n", "labels.csv")
    with pytest.raises(TableError, match="b1/R1: PASS and OPEN"):
        read_scored(scores, labels=labels)


def test_labels_of_other_parts(tmp_path):
    scores = written(tmp_path, "input_path,object_name,siamese_score\nb1,R1,0.1\n")
    labels = written(tmp_path, "object_name,input_path,label\nR1,other,PASS\n", "labels.csv")
    with pytest.raises(DataError, match="none of its parts"):
        read_scored(scores, labels=labels)


def test_paths_as_windows_writes_them():
    table = with_scores("here", {"label": ["PASS", "X"], "input_path": [".\\b1\\top", "b1/top"]}, np.zeros(2, "f4"))
    assert table.boards == ("b1",)


def test_a_table_without_boards():
    table = with_scores("here", {"label": ["PASS", "X"]}, np.zeros(2, np.float32))
    assert table.boards == ("",) and table.board_source == "no boards are known"


def test_a_part_must_not_count_twice(tmp_path):
    rows = "b,g,PASS,R1,0.1\nb,g,OPEN,R2,0.9\nc,g,PASS,R1,0.2\n"
    assert len(read_scored(written(tmp_path, HEADER + rows))) == 3  # the same name on another board is another part
    with pytest.raises(TableError, match=r"3 rows repeat a part .*: b/R1 \(2 times\), b/R2 \(2 times\), c/R1") as error:
        read_scored(written(tmp_path, HEADER + rows * 2))
    assert "goldenpair gauge" in str(error.value)


@pytest.mark.parametrize("cell", ["1_000", "\u0661", "0x1", "1,5"])
def test_what_only_some_readers_take_for_a_number_is_none(tmp_path, cell):
    with pytest.raises(TableError, match="line 3"):
        read_scored(written(tmp_path, f'{HEADER}b,g,PASS,R1,0.5\nb,g,PASS,R2,"{cell}"\n'))


def test_scores_that_differ_in_more_digits_than_are_compared_are_told(tmp_path):
    rows = [("0.9999999999", "BAD"), ("0.9999999998", "PASS"), ("0.5", "PASS"), ("0.5", "PASS"), ("0.25", "BAD")]
    text = HEADER + "".join(f"b,g,{label},R{row},{score}\n" for row, (score, label) in enumerate(rows))
    (note,) = read_scored(written(tmp_path, text)).notes
    assert "1 of 4 different scores are the same as another one" in note


def test_scores_as_networks_give_them_need_no_note(tmp_path):
    score = np.random.default_rng(0).random(5000).astype(np.float32)
    text = HEADER + "".join(f"b,g,{'PASS' if row else 'BAD'},R{row},{one!s}\n" for row, one in enumerate(score))
    table = read_scored(written(tmp_path, text))
    assert table.notes == () and (table.score == score).all()


def test_scores_too_large_are_errors_and_told(tmp_path):
    table = read_scored(
        written(tmp_path, HEADER + "b,g,BAD,R1,1e39\nb,g,PASS,R2,-1e39\nb,g,PASS,R3,inf\nb,g,PASS,R4,1\n")
    )
    assert table.measured.tolist() == [False, False, False, True]
    assert table.notes == ("2 scores are too large for float32 (3.4e38 at most) and count as ERROR.",)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["PASS", "BAD"], ()),
        (["", ""], ()),
        (["pass", "Pass ", "pass", "BAD"], ("'pass' (2), 'Pass ' (1) count as defects. Write PASS",)),
        (["PASS", "pass"], ("'pass' (1) count as defects",)),
        (["OK", "OK", "BAD"], ("No label is 'PASS', so every part counts as a defect: 'OK' (2), 'BAD' (1)",)),
    ],
)
def test_good_parts_that_are_written_in_another_way_are_told(labels, said):
    table = with_scores("here", {"label": labels}, np.zeros(len(labels), np.float32))
    assert len(table.notes) == len(said) and all(word in note for word, note in zip(said, table.notes, strict=True))


def test_the_order_of_rows_changes_no_figure():
    drawn = factory(2000, 60, boards=40)
    order = np.random.default_rng(1).permutation(2000)
    cells = {name: [column[row] for row in order] for name, column in drawn.cells.items()}
    shuffled = with_scores(drawn.source, cells, drawn.score[order])
    assert shuffled.boards == drawn.boards
    one, other = (figures(table, table.score > 0.3, 0.3) for table in (drawn, shuffled))
    assert one.average_precision_boards == other.average_precision_boards and one.at_capture == other.at_capture


def test_parts_without_a_board_are_not_all_of_one():
    cells = {"label": ["PASS"] * 5, "board": ["b2", "", "b1", " ", "b2"]}
    table = with_scores("here", cells, np.zeros(5, np.float32))
    assert len(table.boards) == 4 and table.board[0] == table.board[4] and len(set(table.board.tolist())) == 4
    assert table.board_source == "column board; 2 of 5 parts have none there, and each counts as a board of its own"
    none = with_scores("here", {"label": ["PASS"] * 2, "board": ["", ""]}, np.zeros(2, np.float32))
    assert none.boards == ("",) and none.board_source == "column board, which is empty"


def test_a_table_with_synthetic_defects_is_refused(tmp_path):
    path = tmp_path / "scores.csv"
    rows = ["b1,R1,PASS,0.1,", "b1,C1,MISSING,0.9,missing", "b2,C1,SHIFT,0.8,"]
    path.write_text("input_path,object_name,label,siamese_score,synthetic\n" + "\n".join(rows) + "\n")
    with pytest.raises(TableError, match="1 row is synthetic defects by the column 'synthetic', such as line 3"):
        read_scored(path)
    real = tmp_path / "real.csv"
    real.write_text(path.read_text().replace(",missing", ","))
    assert len(read_scored(real)) == 3
    with pytest.raises(TableError, match="synthetic defects"):  # nor may the labels be of such
        read_scored(real, labels=path)
