import math
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from goldenpair.checkpoint import save, stamp
from goldenpair.errors import CheckpointError, DataError, InputError
from goldenpair.inspection import Inspector, Verdict
from goldenpair.metrics import working_point
from goldenpair.quality.policy import Policy
from goldenpair.tasks import create_task

LIGHTS = ("Solder", "White")


@pytest.fixture
def model(tmp_path):
    """A function that saves an untrained model for a data set and gives an inspector of it."""

    def make(made, cutoff: float | None = 0.5, *overrides: str) -> Inspector:
        spec = made.spec(*overrides)
        torch.manual_seed(0)
        state = create_task(spec).model.state_dict()
        weights = {f"model.{name}": value for name, value in state.items()}
        save({"state_dict": weights, **stamp(spec)}, tmp_path / "model.pth")
        return Inspector(tmp_path / "model.pth", cutoff=cutoff)

    return make


def as_paths(paths: list[Path]) -> list[Path]:
    return paths


def as_texts(paths: list[Path]) -> list[str]:
    return [str(path) for path in paths]


def as_bytes(paths: list[Path]) -> list[bytes]:
    return [path.read_bytes() for path in paths]


def as_arrays(paths: list[Path]) -> list[np.ndarray]:
    return [np.asarray(Image.open(path)) for path in paths]


def as_one_array(paths: list[Path]) -> np.ndarray:
    return np.stack(as_arrays(paths))


@pytest.mark.parametrize("given", [as_paths, as_texts, as_bytes, as_arrays, as_one_array, tuple])
@pytest.mark.parametrize("lights", [LIGHTS, ()])
def test_however_the_pictures_are_given_the_score_is_the_tables(tao_set, model, lights, given):
    made = tao_set(lights=lights)
    inspector = model(made)
    assert inspector.lights == lights
    table = inspector.inspect_table(made.csv_path, made.images_dir)
    assert len(table) == 5
    for row, (folder, name) in enumerate([("b1", "R1"), ("b1", "C1"), ("b2", "R1")]):
        verdict = inspector.inspect(given(made.files(folder, name)), given(made.files("golden", name)))
        assert verdict.score == pytest.approx(table[row].score, abs=1e-5)
        assert verdict.verdict == table[row].verdict


@pytest.mark.parametrize("given", [as_paths, as_texts, as_bytes, as_arrays])
def test_a_single_picture_needs_no_list(tao_set, model, given):
    made = tao_set()
    inspector = model(made)
    sample, golden = given(made.files("b1", "R1")), given(made.files("golden", "R1"))
    assert inspector.inspect(sample[0], golden[0]) == inspector.inspect(sample, golden)


def test_pictures_of_any_size_are_resized_as_in_the_table(tao_set, model):
    made = tao_set()
    large = made.files("b1", "R1")[0]
    Image.open(large).resize((50, 40), Image.Resampling.BICUBIC).save(large)
    inspector = model(made)
    table = inspector.inspect_table(made.csv_path, made.images_dir)
    pixels = np.asarray(Image.open(large))
    assert inspector.inspect(pixels, made.files("golden", "R1")[0]).score == pytest.approx(table[0].score, abs=1e-5)


def test_the_cutoff_is_the_one_given_or_else_the_specs(tao_set, model):
    made = tao_set()
    score = model(made, 0.0).inspect(made.files("b1", "R1"), made.files("golden", "R1")).score
    for cutoff, wanted in ((score * 0.9, "FAIL"), (score * 1.1, "PASS")):
        verdict = model(made, cutoff).inspect(made.files("b1", "R1"), made.files("golden", "R1"))
        assert (verdict.verdict, verdict.cutoff) == (wanted, cutoff)
    assert model(made, None).cutoff == 2.0
    assert model(made, None, "evaluate.cutoff=0.7").cutoff == 0.7
    assert model(made, None, "evaluate.cutoff=0.7", "inference.cutoff=0.6").cutoff == 0.6


def test_an_inspector_repeats_itself(tao_set, model):
    made = tao_set(lights=LIGHTS)
    inspector = model(made)
    one, other = made.files("b1", "R1"), made.files("golden", "R1")
    assert inspector.inspect(one, other) == inspector.inspect(one, other)


BROKEN = {
    "missing": lambda path: path.unlink(),
    "black": lambda path: Image.new("RGB", (6, 8)).save(path),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:80]),
    "empty": lambda path: path.write_bytes(b""),
}


@pytest.mark.parametrize("harm", BROKEN)
@pytest.mark.parametrize("role", ["sample", "golden"])
def test_a_picture_that_cannot_be_used_is_an_error_however_high_the_cutoff(tao_set, model, harm, role):
    made = tao_set(lights=LIGHTS)
    pair = {"sample": made.files("b1", "R1"), "golden": made.files("golden", "R1")}
    victim = pair[role][1]
    BROKEN[harm](victim)
    inspector = model(made, 1e9)
    alone = inspector.inspect(pair["sample"], pair["golden"])
    in_table = inspector.inspect_table(made.csv_path, made.images_dir)[0]
    for verdict in (alone, in_table):
        assert (verdict.verdict, verdict.score, verdict.cutoff) == ("ERROR", None, 1e9)
        assert str(victim) in verdict.error


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((8, 6, 3), np.uint8),
        np.ones((8, 6, 3), np.float32),
        np.ones((8, 6, 4), np.uint8),
        np.ones((3, 8, 6), np.uint8),
    ],
)
def test_pixels_that_cannot_be_used_are_an_error_that_says_which(tao_set, model, pixels):
    made = tao_set()
    verdict = model(made, 1e9).inspect(made.files("b1", "R1"), pixels)
    assert verdict.verdict == "ERROR" and verdict.score is None
    assert verdict.error.startswith("golden picture 1: ")


def test_bytes_that_cannot_be_used_are_an_error_that_says_which(tao_set, model):
    made = tao_set(lights=LIGHTS)
    golden = as_bytes(made.files("golden", "R1"))
    verdict = model(made, 1e9).inspect(as_bytes(made.files("b1", "R1")), [golden[0], b"no picture"])
    assert verdict.verdict == "ERROR" and "golden picture 2" in verdict.error


@pytest.mark.parametrize("number", [0, 1, 3])
def test_a_wrong_number_of_pictures_is_a_mistake_of_the_caller(tao_set, model, number):
    made = tao_set(lights=LIGHTS)
    inspector = model(made)
    some = (made.files("b1", "R1") * 2)[:number]
    with pytest.raises(InputError, match=f"sample: {number} pictures given; this model wants one for each of Solder"):
        inspector.inspect(some, made.files("golden", "R1"))
    with pytest.raises(InputError, match=f"golden: {number} pictures given"):
        inspector.inspect(made.files("golden", "R1"), some)


def test_a_table_that_cannot_be_used_is_refused(tao_set, model, tmp_path):
    made = tao_set()
    inspector = model(made)
    with pytest.raises(DataError, match="no such file"):
        inspector.inspect_table(tmp_path / "gone.csv", made.images_dir)
    with pytest.raises(DataError, match="images_dir is no folder"):
        inspector.inspect_table(made.csv_path, tmp_path / "gone")
    made.csv_path.write_text("input_path,golden_path,object_name\n")
    with pytest.raises(DataError, match="no rows"):
        inspector.inspect_table(made.csv_path, made.images_dir)


def test_a_table_needs_no_labels(tao_set, model):
    made = tao_set()
    inspector = model(made)
    wanted = inspector.inspect_table(made.csv_path, made.images_dir)
    made.csv_path.write_text("object_name,golden_path,input_path\nR1,golden,b1\nC1,golden,b1\n")
    assert inspector.inspect_table(made.csv_path, made.images_dir)[0].score == pytest.approx(wanted[0].score, abs=1e-6)


def test_a_checkpoint_without_a_spec_wants_one(tao_set, model, tmp_path):
    made = tao_set()
    wanted = model(made).inspect(made.files("b1", "R1"), made.files("golden", "R1"))
    torch.save({"state_dict": torch.load(tmp_path / "model.pth")["state_dict"]}, tmp_path / "tao.pth")
    with pytest.raises(CheckpointError, match="holds no spec"):
        Inspector(tmp_path / "tao.pth")
    inspector = Inspector(tmp_path / "tao.pth", made.spec(), cutoff=0.5)
    assert inspector.inspect(made.files("b1", "R1"), made.files("golden", "R1")) == wanted


def judged(score: float, cutoff: float, error: str = "") -> Verdict:
    scores = np.array([score], np.float32)
    return Verdict.all_of(scores, Policy.of_cutoff(cutoff, "test").decide(scores), {0: error} if error else {})[0]


@pytest.mark.parametrize("cutoff", [math.nan, math.inf, -math.inf, 1e39])
def test_a_cutoff_that_is_no_number_never_passes(cutoff):
    with pytest.raises(InputError, match="no number that a score can exceed"):
        judged(0.1, cutoff)


@pytest.mark.parametrize(
    ("score", "cutoff", "wanted"),
    [
        (0.4, 0.5, "PASS"),
        (0.5, 0.5, "PASS"),
        (float(np.nextafter(np.float32(0.5), np.float32(1))), 0.5, "FAIL"),
        (0.6, 0.5, "FAIL"),
        (0.0, 0.0, "PASS"),
    ],
)
def test_above_the_cutoff_is_fail_and_equal_is_pass(score, cutoff, wanted):
    assert judged(score, cutoff) == Verdict(wanted, float(np.float32(score)), cutoff, "")


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("cutoff", [0.5, 1e9])
def test_no_number_is_an_error(score, cutoff):
    verdict = judged(score, cutoff)
    assert (verdict.verdict, verdict.score) == ("ERROR", None) and "no number" in verdict.error


@pytest.mark.parametrize("score", [0.1, 3.0, math.nan])
def test_with_an_error_there_is_no_score(score):
    assert judged(score, 0.5, "it is entirely black") == Verdict("ERROR", None, 0.5, "it is entirely black")


def test_a_verdict_at_a_cutoff_that_is_no_number_is_an_error(tao_set, model):
    made = tao_set()
    try:
        verdict = model(made, math.nan).inspect(made.files("b1", "R1"), made.files("golden", "R1")).verdict
    except InputError:
        return
    assert verdict != "PASS"


@pytest.mark.parametrize("cutoff", [0.1, 0.3, 0.7, 1.1])
def test_verdicts_and_metrics_agree_next_to_the_cutoff(cutoff):
    """Scores are float32 and cutoffs are not: a score whose text is the cutoff's must not be both PASS and FAIL."""
    middle = np.float32(cutoff)
    score = np.array([np.nextafter(middle, np.float32(0)), middle, np.nextafter(middle, np.float32(9))], np.float32)
    verdicts = [judged(one, cutoff).verdict for one in score.tolist()]
    point = working_point(score, np.zeros(3, bool), cutoff)
    assert verdicts.count("FAIL") == point.false_calls.count


# a table as a stream


def test_the_stream_gives_the_tables_verdicts(tao_set, model, monkeypatch):
    monkeypatch.setattr("goldenpair.inspection._BLOCK", 2)
    made = tao_set(lights=LIGHTS)
    inspector = model(made)
    made.files("b2", "R1")[0].write_bytes(b"no picture")
    stream = inspector.stream_table(made.csv_path, made.images_dir)
    wanted, found = inspector.inspect_table(made.csv_path, made.images_dir), [next(stream), *stream]
    assert [one.verdict for one in found] == [one.verdict for one in wanted]
    assert [one.verdict for one in found].count("ERROR") == 1
    for one, other in zip(found, wanted, strict=True):
        assert one.error == other.error and one.score == pytest.approx(other.score, abs=1e-5)


def test_a_missing_picture_in_a_stream_is_an_error_verdict(tao_set, model):
    made = tao_set()
    made.files("b3", "R1")[0].unlink()
    verdicts = list(model(made).stream_table(made.csv_path, made.images_dir))
    assert [one.verdict == "ERROR" for one in verdicts] == [False] * 4 + [True]
    assert "no such file" in verdicts[-1].error


def test_a_stream_takes_no_more_memory_for_more_rows(tao_set, model, monkeypatch):
    monkeypatch.setattr("goldenpair.inspection._BLOCK", 20)
    made = tao_set(height=64, width=64)
    inspector = model(made)
    header, *rows = made.csv_path.read_text().splitlines()

    def peak(repeats: int) -> int:
        made.csv_path.write_text("\n".join([header, *rows * repeats]) + "\n")
        tracemalloc.start()
        count = sum(1 for _ in inspector.stream_table(made.csv_path, made.images_dir))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert count == 5 * repeats
        return most

    peak(4)  # what is imported and made once
    assert peak(60) < 1.3 * peak(4)


def test_a_stream_of_nothing_or_without_a_column_is_refused(tao_set, model):
    made = tao_set()
    inspector = model(made)
    made.csv_path.write_text("input_path,golden_path,object_name\n")
    with pytest.raises(DataError, match="no rows below the header"):
        next(inspector.stream_table(made.csv_path, made.images_dir))
    made.csv_path.write_text("input_path,object_name\nb1,R1\n")
    with pytest.raises(DataError, match="column missing: golden_path"):
        next(inspector.stream_table(made.csv_path, made.images_dir))


@pytest.mark.parametrize("strange", [None, 5, 2.5, True, [None] * 2, (5, 6)])
def test_what_is_no_picture_is_an_input_error(tao_set, model, strange):
    made = tao_set(lights=("Solder", "White"))
    inspector, golden = model(made), made.files("golden", "R1")
    for pair in ((strange, strange), (strange, golden)):
        with pytest.raises(InputError, match=r"^sample: \w+ is no picture; give a path, bytes or an array"):
            inspector.inspect(*pair)
    with pytest.raises(InputError, match=r"^golden: \w+ is no picture"):
        inspector.inspect(golden, strange)


def test_a_grey_array_is_no_picture_of_ours(tao_set, model):
    made = tao_set()
    verdict = model(made).inspect(np.full((8, 6), 9, np.uint8), made.files("golden", "R1"))
    assert verdict.verdict == "ERROR" and "expected uint8 [H, W, 3]" in verdict.error
