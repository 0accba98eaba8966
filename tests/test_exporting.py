"""Exported files against PyTorch, NumPy and onnx itself; and that nothing is left of an export that fails."""

import dataclasses
import hashlib
import json
import signal
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import goldenpair.exporting
import kill_at
from goldenpair import DataError, Inspector, Policy, RunError, SpecError, export
from goldenpair.checkpoint import save, stamp
from goldenpair.errors import CheckpointError, InputError
from goldenpair.exporting import ProofPairs, export_model, prove
from goldenpair.quality.policy import Band, TypeBand
from goldenpair.run import as_yaml
from goldenpair.tasks import create_task
from processes import ended

LIGHTS = ("Solder", "White")
ANY = "any"
PLAIN = Policy.of_cutoff(2.0, "test")


@pytest.fixture
def ready(tao_set, tmp_path):
    """A function that saves a model with settled norms and gives a spec that exports it."""

    def make(*overrides: str, lights=LIGHTS, stamped=True, tables=True):
        made = tao_set(lights=lights)
        spec = made.spec(*overrides)
        torch.manual_seed(0)
        task = create_task(spec)
        task.model.train()
        rng = torch.Generator().manual_seed(1)
        size = (4, 3, task.layout.joined_height, task.layout.joined_width)
        task.model(torch.randn(size, generator=rng), torch.randn(size, generator=rng))  # norms that do something
        weights = {f"model.{name}": value for name, value in task.model.state_dict().items()}
        save({"state_dict": weights, **(stamp(spec) if stamped else {})}, tmp_path / "model.pth")
        fixed = [f"results_dir={tmp_path / 'results'}", f"export.checkpoint={tmp_path / 'model.pth'}"]
        if not tables:
            fixed += [f"dataset.{split}_dataset.csv_path=???" for split in ("train", "validation", "test", "infer")]
        return made.spec(*fixed, *overrides)

    return make


@pytest.fixture
def file(tmp_path):
    return tmp_path / "results" / "export" / "model.onnx"


def sizes(value) -> list[int | str]:
    return [one.dim_param or one.dim_value for one in value.type.tensor_type.shape.dim]


@pytest.mark.parametrize(("opset", "batch"), [(12, -1), (17, -1), (17, 4), (18, 4), (21, -1)])
def test_names_sizes_and_opset_are_in_the_file(ready, file, opset, batch):
    result = export(ready(f"export.opset_version={opset}", f"export.batch_size={batch}", "model.embedding_vectors=7"))
    assert result.onnx_file == file
    model = onnx.load(file)
    first = batch if batch > 0 else "batch"
    assert {one.name: sizes(one) for one in model.graph.input} == {
        "input_1": [first, 3, 16, 6],
        "input_2": [first, 3, 16, 6],
    }
    assert {one.name: sizes(one) for one in model.graph.output} == {"output_1": [first, 7], "output_2": [first, 7]}
    assert [one.version for one in model.opset_import if not one.domain] == [opset]
    assert (result.note.opset, result.note.batch) == (opset, batch if batch > 0 else None)


@pytest.mark.parametrize("opset", [17, 18])
def test_another_program_gets_the_score_from_the_file_alone(ready, file, tao_set, opset):
    """With NumPy and ONNX Runtime, as the JSON file and the docs say: no code of ours."""
    spec = ready(f"export.opset_version={opset}")
    export(spec)
    made = tao_set(lights=LIGHTS)
    from PIL import Image

    note = json.loads(file.with_suffix(".json").read_text())
    recipe = note["pictures"]

    def as_input(folder, name):
        pictures = [np.asarray(Image.open(path), np.float64) for path in made.files(folder, name)]
        joined = np.concatenate(pictures, axis=0)
        normal = (joined / 255 - recipe["mean"]) / recipe["std"]
        return normal.transpose(2, 0, 1)[None].astype(np.float32)

    session = onnxruntime.InferenceSession(file)
    feeds = {"input_1": as_input("b1", "C1"), "input_2": as_input("golden", "C1")}
    sample, golden = session.run(["output_1", "output_2"], feeds)
    score = np.sqrt(((sample - golden + 1e-6) ** 2).sum())
    verdict = Inspector(spec.export.checkpoint).inspect(made.files("b1", "C1"), made.files("golden", "C1"))
    assert verdict.score == pytest.approx(score, abs=1e-5)
    assert note["inputs"] == list(feeds) and note["pictures"]["lights"] == list(LIGHTS)


def test_the_two_inputs_are_two(ready, file):
    """A tensor given for both when tracing would leave one of them without effect."""
    export(ready())
    session = onnxruntime.InferenceSession(file)
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(2, 1, 3, 16, 6)).astype(np.float32)
    of = session.run(None, {"input_1": one, "input_2": two})
    swapped = session.run(None, {"input_1": two, "input_2": one})
    np.testing.assert_allclose(of[0], swapped[1], atol=1e-6)
    assert np.abs(of[0] - of[1]).max() > 1e-3


def test_the_weights_are_in_the_file_once(ready, file):
    spec = ready()
    export(spec)
    weights = sum(value.nbytes for value in create_task(spec).model.state_dict().values())
    assert weights < file.stat().st_size < 1.3 * weights + 50_000


def test_constant_folding_is_an_option_that_does_something(ready, file):
    export(ready())
    unfolded = len(onnx.load(file).graph.node)
    export(ready("export.do_constant_folding=true", "export.overwrite=true"))
    assert len(onnx.load(file).graph.node) < unfolded


def test_the_note_says_what_was_exported(ready, file, tmp_path):
    note = export(ready("inference.cutoff=0.75", "encryption_key=secret")).note
    assert note.onnx_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert note.checkpoint_sha256 == hashlib.sha256((tmp_path / "model.pth").read_bytes()).hexdigest()
    assert (note.policy.cutoff, note.policy.source) == (0.75, "inference.cutoff")
    assert note.proof.pairs == 5 and note.proof.of == str(tmp_path / "set.csv")
    assert note.versions["torch"] == torch.__version__ and note.versions["onnxruntime"] == onnxruntime.__version__
    assert "secret" not in file.with_suffix(".json").read_text()


def test_where_the_file_goes(ready, tmp_path):
    wish = f"export.onnx_file={tmp_path / 'other' / 'oi_model.onnx'}"
    assert export(ready(wish)).onnx_file == tmp_path / "other" / "oi_model.onnx"
    assert (tmp_path / "other" / "oi_model.json").is_file()
    assert export(ready("export.onnx_file=null")).onnx_file == tmp_path / "model.onnx"


def test_an_export_that_is_there_is_replaced_on_request_only(ready, file):
    export(ready())
    before = file.read_bytes(), file.with_suffix(".json").read_bytes()
    with pytest.raises(InputError, match=r"model\.onnx and .*model\.json: there already; export\.overwrite=true"):
        export(ready("inference.cutoff=0.1"))
    assert (file.read_bytes(), file.with_suffix(".json").read_bytes()) == before
    assert export(ready("inference.cutoff=0.1", "export.overwrite=true")).note.policy.cutoff == 0.1


# the gate


class Off(torch.nn.Module):
    """A network whose results are wrong by a little at one number of pairs."""

    def __init__(self, right, at: int | str, by: float):
        super().__init__()
        self.right, self.at, self.by = right, at, by

    def forward(self, sample, golden):
        one, two = self.right(sample, golden)
        return (one + self.by if self.at in (ANY, len(sample)) else one), two


@pytest.fixture
def gate(tao_set):
    """A task, and pairs for it with scores around 0.1."""
    spec = tao_set(lights=LIGHTS).spec("model.model_type=Siamese_1")
    torch.manual_seed(0)
    task = create_task(spec)
    task.model.eval()
    rng = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (2, 20, 2, 3, 8, 6), dtype=torch.uint8, generator=rng)
    return task, ProofPairs(noise[0], noise[1], "noise")


def off(task, at=ANY, by=0.01):
    return dataclasses.replace(task, model=Off(task.model, at, by))


@pytest.mark.parametrize("at", [1, 3, 16])
def test_the_gate_tries_one_three_and_sixteen_pairs_at_once(gate, at):
    task, pairs = gate
    with pytest.raises(RunError, match=f"at {at} pairs at once they differ by up to"):
        prove(task, off(task, at), pairs, PLAIN)
    assert prove(task, off(task, 2), pairs, PLAIN).largest_difference == pytest.approx(0, abs=1e-6)


def test_the_gate_lets_a_ten_thousandth_pass(gate):
    task, pairs = gate
    near, far = (
        (by / np.sqrt(5)) for by in (4e-5, 1e-3)
    )  # five values off by so much move a distance at most that far
    proof = prove(task, off(task, by=near), pairs, PLAIN)
    assert 0 < proof.largest_difference <= 1e-4
    with pytest.raises(RunError, match="does not give PyTorch's scores and was removed"):
        prove(task, off(task, by=far), pairs, PLAIN)


def test_the_gate_lets_no_verdict_change(gate):
    task, pairs = gate
    with torch.inference_mode():
        score = task.pair_score(task.prepare(pairs.sample), task.prepare(pairs.golden)).numpy()
        moved = off(task, by=2e-5).pair_score(task.prepare(pairs.sample), task.prepare(pairs.golden)).numpy()
    cutoff = float((score[0] + moved[0]) / 2)
    with pytest.raises(RunError, match=f"1 of 20 verdicts change at the cutoff {cutoff:g}"):
        prove(task, off(task, by=2e-5), pairs, Policy.of_cutoff(cutoff, "test"))


def test_the_gate_knows_the_cutoffs_of_types(gate):
    """The same change of a score flips the verdict of one type, and none of another."""
    task, pairs = gate
    with torch.inference_mode():
        score = task.pair_score(task.prepare(pairs.sample), task.prepare(pairs.golden)).numpy()
        moved = off(task, by=2e-5).pair_score(task.prepare(pairs.sample), task.prepare(pairs.golden)).numpy()
    between = float((score[0] + moved[0]) / 2)
    own = TypeBand(review=between, fail=between, goods=0, defects=0, weight=0)
    policy = Policy(source="test", band=Band(review=0, fail=9), column="kind", types={"own": own})
    typed = dataclasses.replace(pairs, kinds=["own", *["other"] * 19])
    with pytest.raises(RunError, match="1 of 20 verdicts change at the REVIEW above 0, FAIL above 9"):
        prove(task, off(task, by=2e-5), typed, policy)
    assert prove(task, off(task, by=2e-5), pairs, policy).pairs == 20


def test_no_number_is_no_proof(gate):
    task, pairs = gate
    with pytest.raises(RunError, match="differ by up to nan"):
        prove(task, off(task, by=float("nan")), pairs, PLAIN)


@pytest.mark.parametrize("before", [False, True])
def test_nothing_is_left_of_a_file_that_fails_the_gate(ready, file, monkeypatch, before):
    if before:
        export(ready())
    there = {path.name: path.read_bytes() for path in file.parent.iterdir()} if before else {}
    real = goldenpair.exporting.around
    monkeypatch.setattr("goldenpair.exporting.around", lambda *given: off(real(*given)))
    with pytest.raises(RunError, match="was removed"):
        export(ready("export.overwrite=true"))
    left = {path.name: path.read_bytes() for path in file.parent.iterdir()}
    assert {name for name in left if not name.startswith(("status", "log", "experiment", ".lock"))} == {
        name for name in there if name.startswith("model")
    }
    assert all(left[name] == there[name] for name in there if name.startswith("model"))
    status = (file.parent / "status.json").read_text().splitlines()
    assert json.loads(status[-1])["status"] == "FAILURE"


def test_a_wrong_file_of_the_exporter_is_seen(ready, file, monkeypatch):
    """Not a task of ours that is wrong, but the file itself: every weight of the last layer is doubled."""
    real = goldenpair.exporting.write_onnx

    def spoil(task, made, wish):
        features = real(task, made, wish)
        model = onnx.load(made)
        last = [one for one in model.graph.initializer if one.name.endswith("fc1.6.weight")]
        assert len(last) == 1
        last[0].CopyFrom(onnx.numpy_helper.from_array(2 * onnx.numpy_helper.to_array(last[0]), last[0].name))
        onnx.save(model, made)
        return features

    monkeypatch.setattr("goldenpair.exporting.write_onnx", spoil)
    with pytest.raises(RunError, match="does not give PyTorch's scores"):
        export(ready())
    assert not file.exists() and not file.with_suffix(".json").exists()


# what pairs prove it


def test_pairs_are_of_the_first_table_that_can_be_used(ready, tmp_path):
    spec = ready("dataset.validation_dataset.csv_path=nowhere.csv")
    assert export(spec).note.proof.of == str(tmp_path / "set.csv")


def test_broken_pictures_prove_nothing(ready, tmp_path):
    spec = ready()
    (tmp_path / "set" / "b3" / "R1_White.png").write_bytes(b"no picture")
    assert export(spec).note.proof.pairs == 4


def test_tables_that_cannot_be_used_are_all_told(ready, tmp_path):
    spec = ready()
    (tmp_path / "set.csv").write_text("input_path,object_name\n")
    with pytest.raises(DataError) as caught:
        export(spec)
    lines = str(caught.value).splitlines()
    assert lines[0] == "no pair was found to prove the exported file with:"
    assert len(lines) == 5 and all("column golden_path is missing" in line for line in lines[1:])


def test_without_a_table_in_the_spec_those_of_the_training_serve(ready, tmp_path):
    assert export(ready(tables=False)).note.proof.of == str(tmp_path / "set.csv")


def test_without_any_table_random_pixels_serve_and_that_is_said(ready, caplog):
    assert export(ready(tables=False, stamped=False)).note.proof.of == "random pixels"
    assert "proved with random pixels, not with real pairs" in caplog.text


def test_tables_that_are_all_missing_are_told_although_those_of_the_training_are_there(ready):
    spec = ready(*(f"dataset.{split}_dataset.csv_path=no.csv" for split in ("train", "validation", "test", "infer")))
    save({**torch.load(spec.export.checkpoint, weights_only=True), **stamp(ready())}, Path(spec.export.checkpoint))
    with pytest.raises(DataError, match="dataset.validation_dataset: .*no.csv"):
        export(spec)


def test_a_large_table_is_proved_on_rows_from_all_over_it_half_of_them_defects(tao_set):
    rows = [(f"b{i}", "golden", "PASS" if i % 4 else "MISSING", "R1") for i in range(400)]
    made = tao_set(rows=rows)
    from goldenpair.data.table import read_table

    chosen = goldenpair.exporting._spread(read_table(made.csv_path, made.images_dir))
    assert len(chosen) == 64 == len(set(chosen.tolist()))
    assert (chosen % 4 == 0).sum() == 32
    assert chosen.min() == 0 and chosen.max() == 399


# accidents


def test_a_killed_export_leaves_nothing_that_hinders_the_next(ready, tmp_path):
    spec = ready(f"export.onnx_file={tmp_path / 'other' / 'model.onnx'}")
    (tmp_path / "spec.yaml").write_text(as_yaml(spec))
    words = ["goldenpair.exporting:prove", "1", "SIGKILL", "optical_inspection", "export", "-e"]
    for more in ([], ["export.onnx_file=???"]):  # beside the results, and among them
        killed = ended(kill_at.main, *words, str(tmp_path / "spec.yaml"), *more, folder=tmp_path / "said")
        assert killed.returncode == -signal.SIGKILL
    assert not list(tmp_path.rglob("*.onnx")) and len(list(tmp_path.rglob(".model.onnx.*.tmp"))) == 2
    assert export(spec).onnx_file.is_file()
    assert export(spec.model_copy(update={"export": spec.export.model_copy(update={"onnx_file": "???"})})).onnx_file
    assert not list(tmp_path.rglob(".*.tmp"))


def test_a_note_that_cannot_be_written_leaves_no_network(ready, file):
    file.with_suffix(".json").mkdir(parents=True)
    with pytest.raises(InputError, match=r"model\.json: it is a folder"):
        export(ready("export.overwrite=true"))
    assert not file.exists()


def test_weights_that_are_not_finite_are_told(ready, tmp_path, file):
    spec = ready()
    content = torch.load(tmp_path / "model.pth", weights_only=True)
    content["state_dict"]["model.fc1.0.bias"][0] = float("nan")
    del content["goldenpair"]
    torch.save(content, tmp_path / "model.pth")
    with pytest.raises(InputError, match="some of its weights are not finite"):
        export(spec)
    assert not file.exists()


# mistakes


def test_sizes_that_are_not_the_models_are_refused(ready):
    with pytest.raises(SpecError) as caught:
        export(ready("export.input_height=512", "export.input_width=128"))
    assert "export.input_height: it is 512, but what the dataset section joins has 16; leave it" in str(caught.value)
    assert "export.input_width: it is 128, but what the dataset section joins has 6" in str(caught.value)
    assert export(ready("export.input_height=16", "export.input_width=6")).note.pictures.height == 8


def test_a_checkpoint_of_another_shape_is_refused(ready, file):
    spec = ready()
    with pytest.raises(CheckpointError, match="dataset.image_height: trained with 8, the spec says 9"):
        export(spec.model_copy(update={"dataset": spec.dataset.model_copy(update={"image_height": 9})}))
    assert not file.exists()


@pytest.mark.parametrize(
    ("wish", "told"), [("opset_version=10", "PyTorch writes 11 to 23"), ("input_channel=1", "has 3")]
)
def test_what_cannot_be_written_is_refused(ready, wish, told):
    with pytest.raises(SpecError, match=told):
        export(ready(f"export.{wish}"))


@pytest.mark.parametrize("batch", ["0", "-2"])
def test_no_such_batch(ready, batch):
    with pytest.raises(SpecError, match="export.batch_size"):
        ready(f"export.batch_size={batch}")


def test_the_file_must_be_called_onnx(ready, tmp_path):
    with pytest.raises(InputError, match=r"export\.onnx_file: .*model\.etlt' must end in \.onnx"):
        export(ready(f"export.onnx_file={tmp_path / 'model.etlt'}"))


def test_a_folder_that_cannot_be_written(ready, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(DataError, match="cannot be written"):
        export_model(ready(), tmp_path / "taken" / "model.onnx")


def test_a_network_too_large_for_the_format(ready, monkeypatch, file):
    monkeypatch.setattr("goldenpair.exporting._LARGEST", 1000)
    with pytest.raises(InputError, match="an ONNX file holds 2 GB at most"):
        export(ready())
    assert not file.exists()


def test_a_missing_extra_is_one_sentence(ready, monkeypatch):
    real = goldenpair.exporting.find_spec
    monkeypatch.setattr("goldenpair.exporting.find_spec", lambda name: None if name == "onnxruntime" else real(name))
    with pytest.raises(InputError, match=r"^ONNX Runtime is not installed: pip install 'goldenpair\[onnx\]'$"):
        export(ready())


def test_taos_checkpoint_gives_taos_scores_from_the_exported_file(real_data, tmp_path, monkeypatch):
    import csv

    from goldenpair import inference, load_spec

    monkeypatch.chdir(real_data / "tao-checkpoint")
    wish = [f"results_dir={tmp_path}", "export.checkpoint=oi/oi_model.pth", f"inference.checkpoint={tmp_path}/export"]
    spec = load_spec("optical_inspection", "oi/spec.yaml", [*wish, f"export.onnx_file={tmp_path}/export/oi.onnx"])
    export(spec)
    result = inference(spec)
    with open("oi/scores.csv", newline="") as table:
        theirs = [float(row["siamese_score"]) for row in csv.DictReader(table)]
    assert len(theirs) == 160
    assert [one.score for one in result.verdicts] == pytest.approx(theirs, abs=1e-5)
