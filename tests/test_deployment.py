"""Exported models as they come back: the same number, and nothing that was changed in between."""

import hashlib
import json
import shutil
import sys

import numpy as np
import onnx
import pytest
import torch

from goldenpair import CheckpointError, DataError, InputError, Inspector, Policy, evaluate, export, inference
from goldenpair.checkpoint import load_task, read_checkpoint, save, stamp
from goldenpair.deployment import ExportNote, is_exported, load_exported, open_onnx, replace_policy
from goldenpair.quality.policy import Band, FittedOn, TypeBand
from goldenpair.specs.optical_inspection import OpticalInspectionSpec
from goldenpair.tasks import create_task

LIGHTS = ("Solder", "White")


@pytest.fixture
def made(tao_set):
    return tao_set(lights=LIGHTS)


@pytest.fixture
def exported(made, tmp_path):
    """A function that exports an untrained model and tells its folder; the checkpoint is model.pth beside it."""

    def make(*overrides: str):
        spec = made.spec("inference.cutoff=0.05", *overrides)
        torch.manual_seed(0)
        weights = {f"model.{name}": value for name, value in create_task(spec).model.state_dict().items()}
        save({"state_dict": weights, **stamp(spec)}, tmp_path / "model.pth")
        given = [f"results_dir={tmp_path / 'results'}", f"export.checkpoint={tmp_path / 'model.pth'}"]
        given.append(f"export.onnx_file={tmp_path / 'out' / 'model.onnx'}")
        return export(made.spec("inference.cutoff=0.05", *given, *overrides)).onnx_file.parent

    return make


def change(folder, **changes) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def sign(folder, **changes) -> None:
    """Changes as somebody makes them who knows how the file is protected: against accidents, not against them."""
    note = json.loads((folder / "model.json").read_text()) | changes
    change(folder, **ExportNote.model_validate(note).signed().model_dump())


@pytest.mark.parametrize("batch", [-1, 1, 4])
@pytest.mark.parametrize("as_file", [False, True])
def test_the_same_number_as_the_checkpoint(made, exported, tmp_path, batch, as_file):
    folder = exported(f"export.batch_size={batch}")
    ours, theirs = Inspector(tmp_path / "model.pth"), Inspector(folder / "model.onnx" if as_file else folder)
    assert theirs.cutoff == 0.05 and theirs.lights == LIGHTS
    for row, golden in (("b1", "golden"), ("b2", "golden"), ("golden", "b3")):
        pair = made.files(row, "R1"), made.files(golden, "R1")
        wanted, found = ours.inspect(*pair), theirs.inspect(*pair)
        assert found.score == pytest.approx(wanted.score, abs=1e-5)
        assert found.verdict == wanted.verdict
    wanted, found = (list(one.inspect_table(made.csv_path, made.images_dir)) for one in (ours, theirs))
    scores = [one.score for one in wanted]
    assert [one.score for one in found] == pytest.approx(scores, abs=1e-5)
    between = (min(scores) + max(scores)) / 2
    judged = [Inspector(path, cutoff=between) for path in (tmp_path / "model.pth", folder)]
    ours, theirs = ([one.verdict for one in by.inspect_table(made.csv_path, made.images_dir)] for by in judged)
    assert ours == theirs and set(ours) == {"PASS", "FAIL"}


def test_the_folder_is_all_that_is_needed(made, exported, tmp_path):
    folder = shutil.move(exported(), tmp_path / "station")
    (tmp_path / "model.pth").unlink()
    shutil.rmtree(tmp_path / "results")
    made.csv_path.unlink()
    assert Inspector(folder).inspect(made.files("b1", "R1"), made.files("golden", "R1")).verdict in ("PASS", "FAIL")


@pytest.mark.parametrize("count", [1, 2, 3, 9])
@pytest.mark.parametrize("batch", [-1, 4])
def test_features_are_of_each_picture_by_itself(exported, tmp_path, count, batch):
    task, _, _ = load_exported(exported(f"export.batch_size={batch}"))
    model = load_task(read_checkpoint(tmp_path / "model.pth"))[0].model
    pictures = torch.randn(count, 3, 16, 6)
    with torch.inference_mode():
        torch.testing.assert_close(task.features(pictures), (model.embed(pictures),), atol=1e-6, rtol=1e-5)


def test_actions_take_an_exported_model(made, exported, tmp_path):
    folder = exported()
    common = [f"results_dir={tmp_path / 'again'}"]
    by_file = inference(made.spec(*common, f"inference.checkpoint={tmp_path / 'model.pth'}", "inference.cutoff=0.05"))
    by_folder = inference(made.spec(*common, f"inference.checkpoint={folder}"))
    assert [one.verdict for one in by_folder.verdicts] == [one.verdict for one in by_file.verdicts]
    assert by_folder.verdicts[0].cutoff == 0.05  # of the exported model, as the spec has none
    assert evaluate(made.spec(*common, f"evaluate.checkpoint={folder}")).metrics.point.cutoff == 0.05
    assert evaluate(made.spec(*common, f"evaluate.checkpoint={folder}", "evaluate.cutoff=1")).metrics.point.cutoff == 1


def test_the_policy_may_be_changed(made, exported):
    folder = exported()
    change(folder, policy={"cutoff": 0.0, "source": "by hand"})
    assert Inspector(folder).cutoff == 0.0
    assert Inspector(folder, cutoff=0.3).cutoff == 0.3
    assert Inspector(folder).inspect(made.files("b1", "R1"), made.files("golden", "R1")).verdict == "FAIL"


@pytest.mark.parametrize("cutoff", [float("nan"), float("inf"), 1e39, None, "high"])
@pytest.mark.parametrize("old", [False, True])
def test_a_cutoff_that_no_score_exceeds_is_refused(exported, cutoff, old):
    folder = exported()
    policy = {"cutoff": cutoff} if old else {"format": 1, "band": {"review": cutoff, "fail": 1.0}}
    change(folder, policy={"source": "by hand", **policy})
    with pytest.raises(CheckpointError, match=r"policy\.band\.review"):
        Inspector(folder)


def test_a_policy_goes_into_an_exported_model_and_nothing_else_changes(made, exported, tmp_path):
    folder = exported()
    before, network = json.loads((folder / "model.json").read_text()), (folder / "model.onnx").read_bytes()
    score = Inspector(folder).inspect(made.files("b1", "R1"), made.files("golden", "R1")).score
    band = Band(review=score * 0.9, fail=score * 1.1)
    types = {"0402": TypeBand(review=0.0, fail=0.0, goods=9, defects=0, weight=0.0)}
    policy = Policy(source="test", band=band, column="comp_type", types=types)
    assert replace_policy(folder / "model.onnx", policy) == folder / "model.json"
    after = json.loads((folder / "model.json").read_text())
    assert {**after, "policy": None} == {**before, "policy": None}
    assert (folder / "model.onnx").read_bytes() == network
    inspector = Inspector(folder)
    assert inspector.policy == policy
    pair = made.files("b1", "R1"), made.files("golden", "R1")
    assert inspector.inspect(*pair).verdict == "REVIEW" and inspector.inspect(*pair, kind="0402").verdict == "FAIL"
    with pytest.raises(DataError, match="no column 'comp_type'"):
        inspector.inspect_table(made.csv_path, made.images_dir)


def test_a_policy_goes_into_a_model_exported_before_there_were_policies(made, exported):
    """Such a file lacks what has a default by now, and its fingerprint is of what it says."""
    folder = exported()
    note = json.loads((folder / "model.json").read_text()) | {"policy": {"cutoff": 0.3, "source": "model.margin"}}
    del note["pictures"]["goldens"]
    told = json.dumps({k: v for k, v in note.items() if k not in ("policy", "note_sha256")}, sort_keys=True)
    note["note_sha256"] = hashlib.sha256(told.encode()).hexdigest()
    (folder / "model.json").write_text(json.dumps(note))
    assert Inspector(folder).policy == Policy.of_cutoff(0.3, "model.margin")
    replace_policy(folder, Policy.of_cutoff(0.4, "test"))
    assert Inspector(folder).cutoff == 0.4


@pytest.mark.parametrize(
    ("change_spec", "given", "told"),
    [
        ({}, {"score_column": "output_score"}, "fitted on the scores 'output_score', not 'siamese_score'"),
        ({"probabilities": True}, {"cutoff": 1.2}, "a cutoff of 1.2, but the score of this network is a probability"),
    ],
)
def test_a_policy_of_other_scores_goes_into_no_model(exported, monkeypatch, change_spec, given, told):
    folder = exported()
    if change_spec:
        monkeypatch.setattr(OpticalInspectionSpec, "scores_are_probabilities", property(lambda _: True))
    policy = Policy.of_cutoff(given.get("cutoff", 0.5), "test")
    if "score_column" in given:
        counts = {"good": 9, "defects": 1, "unscored": 0, "boards": 1, "parts": None}
        fitted = FittedOn(name="v.csv", sha256="aa", score_column=given["score_column"], **counts)
        policy = policy.model_copy(update={"fitted_on": fitted})
    before = (folder / "model.json").read_bytes()
    with pytest.raises(InputError, match=told):
        replace_policy(folder, policy)
    assert (folder / "model.json").read_bytes() == before


def test_a_policy_does_not_go_into_what_was_changed(exported):
    folder = exported()
    change(folder, opset=3)
    before = (folder / "model.json").read_bytes()
    with pytest.raises(CheckpointError, match="it was changed"):
        replace_policy(folder, Policy.of_cutoff(0.4, "test"))
    assert (folder / "model.json").read_bytes() == before


def test_a_changed_network_is_refused(exported):
    folder = exported()
    model = onnx.load(folder / "model.onnx")
    model.doc_string = "changed"
    onnx.save(model, folder / "model.onnx")
    with pytest.raises(CheckpointError, match="it is not the file that was exported"):
        Inspector(folder)


@pytest.mark.parametrize("both", [False, True])
def test_a_changed_recipe_is_refused(exported, both):
    folder = exported()
    note = json.loads((folder / "model.json").read_text())
    changes = {"pictures": {**note["pictures"], "mean": [0.5, 0.5, 0.5]}}
    if both:  # so that the file does not contradict itself
        note["spec"]["dataset"]["augmentation_config"]["rgb_input_mean"] = [0.5, 0.5, 0.5]
        changes["spec"] = note["spec"]
    change(folder, **changes)
    with pytest.raises(CheckpointError, match=r"model\.json: it was changed; only 'policy' may be changed"):
        Inspector(folder)


def test_the_json_file_may_be_written_anew_in_another_layout(exported):
    folder = exported()
    path = folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()), indent=4, sort_keys=True))
    assert Inspector(folder).cutoff == 0.05


def test_several_mistakes_in_the_json_file_are_all_told(exported):
    folder = exported()
    change(folder, polcy={}, format=2, batch="many")
    with pytest.raises(CheckpointError) as caught:
        Inspector(folder)
    assert all(word in str(caught.value) for word in ("polcy", "format", "batch"))


def test_a_json_file_that_is_none(exported):
    folder = exported()
    (folder / "model.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"model\.json: it cannot be read"):
        Inspector(folder)


def test_what_is_missing_is_said(exported, tmp_path):
    folder = exported()
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"expected one \.onnx file with its \.json in it, found none"):
        Inspector(tmp_path / "empty")
    with pytest.raises(CheckpointError, match="there is no such file"):
        Inspector(tmp_path / "nowhere.onnx")
    for name in ("model.onnx", "model.json"):
        shutil.copy(folder / name, folder / name.replace("model", "other"))
    with pytest.raises(CheckpointError, match=r"found 2 of them \(model\.onnx, other\.onnx\); name one"):
        Inspector(folder)
    (folder / "other.json").unlink()
    with pytest.raises(CheckpointError, match=r"other\.json is not beside it"):
        Inspector(folder / "other.onnx")


def test_a_spec_of_other_pictures_is_refused(made, exported):
    folder = exported()
    with pytest.raises(CheckpointError, match=r"exported model .* was trained on other pictures") as caught:
        Inspector(folder, made.spec("dataset.input_map={White: 0, Solder: 1}"))
    assert "dataset.input_map" in str(caught.value)


def foreign(path, inputs=("input_1", "input_2"), height=16):
    """An ONNX file of somebody else."""
    ends = [
        [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in names]
        for names, shape in ((inputs, ["n", 3, height, 6]), (("output_1", "output_2"), ["n", 3, height, 6]))
    ]
    nodes = [onnx.helper.make_node("Identity", [a], [f"output_{i}"]) for i, a in enumerate(inputs, 1)]
    graph = onnx.helper.make_graph(nodes, "foreign", *ends)
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), path)


@pytest.mark.parametrize("given", [{"inputs": ("left", "right")}, {"height": 32}])
def test_an_onnx_file_of_another_network_is_refused(exported, given):
    folder = exported()
    foreign(folder / "model.onnx", **given)
    sign(folder, onnx_sha256=hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest())
    with pytest.raises(CheckpointError, match="it is of another network"):
        Inspector(folder)


def test_an_onnx_file_that_is_not_ours_is_refused(tmp_path):
    foreign(tmp_path / "theirs.onnx")
    with pytest.raises(CheckpointError, match=r"theirs\.json is not beside it, and without that file"):
        Inspector(tmp_path / "theirs.onnx")


def test_a_file_that_is_no_onnx(tmp_path):
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(CheckpointError, match="ONNX Runtime cannot use it"):
        open_onnx(tmp_path / "text.onnx")


def test_without_onnx_runtime_one_sentence(exported, monkeypatch):
    folder = exported()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"pip install 'goldenpair\[onnx\]'"):
        Inspector(folder)


def test_what_is_taken_for_an_exported_model(tmp_path):
    assert is_exported(tmp_path) and is_exported("model.onnx")
    assert not is_exported("model.pth") and not is_exported(tmp_path / "oi_model_epoch=004.pth")


def test_pictures_that_cannot_be_trusted_are_errors_here_too(made, exported):
    inspector = Inspector(exported())
    black = [np.zeros((8, 6, 3), np.uint8)] * 2
    assert inspector.inspect(black, made.files("golden", "R1")).verdict == "ERROR"
    made.files("b1", "R1")[0].write_bytes(b"no picture")
    assert next(iter(inspector.inspect_table(made.csv_path, made.images_dir))).verdict == "ERROR"


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("/etc/passwd", "spec"),
        ([1], "spec"),
        ({"dataset": {"image_ext": "${oc.env:HOME}"}}, "damaged"),
        ({"x": 1}, "x: unk"),
    ],
)
def test_the_spec_in_the_file_leads_nowhere_else(exported, spec, told):
    folder = exported()
    if isinstance(spec, dict):
        sign(folder, spec=spec)
    else:
        change(folder, spec=spec)
    with pytest.raises(CheckpointError, match=told) as caught:
        Inspector(folder)
    assert "root:" not in str(caught.value)
