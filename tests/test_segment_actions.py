"""Task segment from a spec to verdicts and class maps: training, resuming, scoring, export, on drawn pairs."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import jaccard_score

import goldenpair
from goldenpair import CheckpointError, DataError, InputError, Inspector, SpecError, checkpoint
from goldenpair.checkpoint import read_checkpoint
from goldenpair.cli import main
from goldenpair.exporting import TOLERANCE
from masked_pairs import draw, save, spec_of, write_list

pytestmark = pytest.mark.usefixtures("small_fan")

FLIPS = [
    *(f"dataset.segment.augmentation.{name}=false" for name in ("with_random_blur", "with_random_crop")),
    *(f"dataset.segment.augmentation.{name}.enable=false" for name in ("random_color", "with_scale_random_crop")),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("pairs"), {"train": 12, "val": 4, "test": 7})


@pytest.fixture(scope="module")
def trained(root, tmp_path_factory):
    wish = ["train.num_epochs=2", "dataset.segment.batch_size=6", *FLIPS]
    return goldenpair.train(spec_of(root, f"results_dir={tmp_path_factory.mktemp('results')}", *wish, action="train"))


def run(action, root, results, model, *overrides):
    wish = [f"results_dir={results}", f"{action}.checkpoint={model}", *overrides]
    return getattr(goldenpair, action)(spec_of(root, *wish, action=action))


@pytest.fixture(scope="module")
def model(root, trained, tmp_path_factory):
    """The same network, its last bias moved so that it calls pixels of about half of the test pairs changed."""
    inspector = Inspector(trained.checkpoint)
    scores = [inspector.inspect(root / "A" / f"test{n}.png", root / "B" / f"test{n}.png").score for n in range(7)]
    middle = np.mean([np.log(score / (1 - score)) for score in sorted(scores)[3:5]])
    content = torch.load(trained.checkpoint, weights_only=True)
    content["state_dict"]["model.decoder.change_probability.conv2d.bias"][1] -= middle
    path = tmp_path_factory.mktemp("model") / "model.pth"
    checkpoint.save(content, path)
    return path


@pytest.fixture(scope="module")
def evaluated(root, model, tmp_path_factory):
    return run("evaluate", root, tmp_path_factory.mktemp("evaluated"), model)


def rows_of(path):
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def records(folder):
    return [json.loads(line) for line in (folder / "status.json").read_text().splitlines()]


def values(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_training_writes_taos_files_and_metrics(trained):
    assert trained.checkpoint.name == "changenet_model_segment_latest.pth"
    assert [path.name[:15] for path in sorted(trained.folder.glob("model_epoch_*"))] == [
        "model_epoch_000",
        "model_epoch_001",
    ]
    kpi = {one["message"]: set(one["kpi"]) for one in records(trained.folder) if "kpi" in one}
    assert kpi["Eval metrics generated."] == {
        "val_loss", "val_acc", "val_miou", "val_mf1", "val_mprecision", "val_mrecall",
    }  # fmt: skip
    assert kpi["Train metrics generated."] == {"train_loss"}
    assert trained.metrics["val_acc"] <= 1 and trained.metrics["train_loss"] < 2.5
    assert not (trained.folder / "evaluate.csv").exists()


def test_evaluate_measures_pairs_and_pixels(root, evaluated):
    rows = rows_of(evaluated.folder / "evaluate.csv")
    assert list(rows[0]) == [
        "input_path", "golden_path", "object_name", "mask_path", "label", "siamese_score", "verdict", "error",
        "changed_pixels",
    ]  # fmt: skip
    found, truth = [], []
    for row in rows:
        prediction = values(evaluated.folder / "prediction" / row["object_name"])
        mask = values(root / row["mask_path"]) // 255
        assert (row["label"] == "CHANGED") == bool(mask.any())
        assert int(row["changed_pixels"]) == np.count_nonzero(prediction)
        assert (row["verdict"] == "FAIL") == bool(prediction.any()) == (float(row["siamese_score"]) > 0.5)
        found.append(prediction)
        truth.append(mask)
    assert {row["verdict"] for row in rows} == {"PASS", "FAIL"}
    wanted = jaccard_score(np.ravel(truth), np.ravel(found), average="macro")
    assert evaluated.pixels.miou == pytest.approx(wanted)
    assert evaluated.pixels.pixels == 7 * 32 * 32 and evaluated.metrics.parts == 7
    content = json.loads((evaluated.folder / "metrics.json").read_text())
    assert content["pixels"]["miou"] == pytest.approx(wanted) and content["point"]["cutoff"] == 0.5
    (kpi,) = (one["kpi"] for one in records(evaluated.folder) if one["message"] == "Test metrics generated.")
    assert set(kpi) == {"test_acc", "test_miou", "test_mf1", "test_mprecision", "test_mrecall"}
    assert kpi["test_miou"] == pytest.approx(wanted)


def test_every_pair_gets_its_pictures(evaluated):
    """TAO's default leaves out 15 of 16, and names them test0.png.jpg."""
    names = {f"test{number}.png" for number in range(7)}
    for folder, columns, side in (("prediction", 1, 32), ("combined_visualisation", 5, 192)):
        files = list((evaluated.folder / folder).iterdir())
        assert {path.name for path in files} == names
        assert {values(path).shape[1] // side for path in files} == {columns}
    assert (evaluated.folder / "contact_sheet.png").is_file()
    with Image.open(evaluated.folder / "prediction" / "test1.png") as image:
        assert image.mode == "P" and image.getpalette()[:6] == [0, 0, 0, 255, 255, 255]


def test_pictures_of_every_so_many_batches_when_asked_for(root, model, tmp_path):
    wish = ["inference.vis_after_n_batches=2", "dataset.segment.batch_size=3"]
    run("inference", root, tmp_path, model, *wish)
    shown = {path.stem for path in (tmp_path / "inference" / "combined_visualisation").iterdir()}
    assert shown == {"test0", "test1", "test2", "test6"}
    assert len(list((tmp_path / "inference" / "prediction").iterdir())) == 7  # the result itself is always whole


def test_inference_needs_no_masks_and_finds_the_same(root, model, evaluated, tmp_path):
    bare = draw(tmp_path / "pairs", {"test": 1})
    for name in ("A", "B"):
        for path in (root / name).glob("test*"):
            save(bare / name / path.name, values(path))
    (bare / "label" / "test0.png").unlink()
    write_list(bare, "test", [f"test{number}.png" for number in range(7)])
    result = run("inference", bare, tmp_path, model)
    before, after = rows_of(evaluated.folder / "evaluate.csv"), rows_of(result.csv_path)
    assert [row["siamese_score"] for row in before] == [row["siamese_score"] for row in after]
    assert "label" not in after[0] and "mask_path" not in after[0]
    for row in after:
        both = [folder / "prediction" / row["object_name"] for folder in (evaluated.folder, result.csv_path.parent)]
        assert np.array_equal(values(both[0]), values(both[1]))
    wide = values(result.csv_path.parent / "combined_visualisation" / "test1.png").shape[1]
    assert wide // 192 == 4  # no truth


def test_a_pair_that_cannot_be_read_is_an_error_and_has_no_map(root, model, tmp_path):
    broken = draw(tmp_path / "pairs")
    (broken / "A" / "test1.png").write_bytes(b"no picture")
    result = run("inference", broken, tmp_path, model)
    assert [one.verdict == "ERROR" for one in result.verdicts] == [False, True, False, False, False]
    assert rows_of(result.csv_path)[1]["changed_pixels"] == ""
    assert {path.stem for path in (tmp_path / "inference" / "prediction").iterdir()} == {
        "test0",
        "test2",
        "test3",
        "test4",
    }
    measured = run("evaluate", broken, tmp_path, model)
    assert measured.pixels.pixels == 4 * 32 * 32 and list(measured.errors) == [1]


def test_an_exported_model_gives_the_same_verdicts_and_maps(root, model, evaluated, tmp_path):
    onnx = pytest.importorskip("onnx")
    note = run("export", root, tmp_path, model).note
    assert note.inputs == ["input0", "input1"]
    assert note.outputs == ["output0", "output1", "output2", "output3", "output_final"]
    assert note.proof.largest_difference <= TOLERANCE and note.policy.cutoff == 0.5
    graph = onnx.load(str(tmp_path / "export" / "model.onnx")).graph
    assert {one.type.tensor_type.shape.dim[0].dim_param for one in (*graph.input, *graph.output)} == {"batch_size"}
    exported, own = Inspector(tmp_path / "export"), Inspector(model)
    for row in rows_of(evaluated.folder / "evaluate.csv"):
        pair = [root / row[column] / row["object_name"] for column in ("input_path", "golden_path")]
        one, other = exported.inspect(*pair), own.inspect(*pair)
        assert one.verdict == other.verdict == row["verdict"]
        assert one.score == pytest.approx(other.score, abs=1e-4)
        assert other.score == pytest.approx(float(row["siamese_score"]), abs=1e-5)
        prediction = values(evaluated.folder / "prediction" / row["object_name"])
        for inspector in (exported, own):
            assert (inspector.class_map(*pair) != prediction).mean() < 0.01
    with pytest.raises(DataError, match="there is no such file"):
        own.class_map(root / "A" / "gone.png", root / "B" / "test0.png")


def test_a_network_that_classifies_has_no_class_maps(tao_set, tmp_path):
    made = tao_set()
    path = goldenpair.train(made.spec(f"results_dir={tmp_path}", "train.num_epochs=1")).checkpoint
    pair = made.files("b1", "R1")[0], made.files("golden", "R1")[0]
    with pytest.raises(InputError, match="this model gives scores only"):
        Inspector(path).class_map(*pair)


def test_a_resumed_run_ends_with_the_weights_of_an_unbroken_one(root, tmp_path):
    """Also from within an epoch, with its loss."""
    wish = ["train.num_epochs=2", "train.checkpoint_interval_unit=step", "train.checkpoint_interval=1"]
    unbroken = goldenpair.train(spec_of(root, f"results_dir={tmp_path / 'a'}", *wish, action="train"))
    within = unbroken.folder / "model_epoch_001_step_00004.pth"
    wish += [f"train.resume_training_checkpoint_path={within}", f"results_dir={tmp_path / 'b'}"]
    again = goldenpair.train(spec_of(root, *wish, action="train"))
    first, second = (read_checkpoint(one.checkpoint).weights for one in (unbroken, again))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert again.metrics == unbroken.metrics


def test_the_best_checkpoint_can_be_that_of_the_best_masks(root, tmp_path):
    wish = ["enable_topk=true", "monitor=val_miou", "filename=best_{epoch}"]
    given = [f"train.checkpointer.{one}" for one in wish] + ["train.num_epochs=2", "train.early_stopping.enable=true"]
    given += ["train.early_stopping.monitor=val_mf1"]
    made = goldenpair.train(spec_of(root, f"results_dir={tmp_path}", *given, action="train"))
    miou = [one["kpi"]["val_miou"] for one in records(made.folder) if one["message"] == "Eval metrics generated."]
    assert [path.name for path in made.folder.glob("best_*")] == [f"best_{int(np.argmax(miou))}.pth"]
    with pytest.raises(SpecError, match="'val_auroc' is not logged; there is train_loss, val_loss, val_acc, val_miou"):
        goldenpair.train(spec_of(root, f"results_dir={tmp_path}", *given, "train.checkpointer.monitor=val_auroc"))


def test_a_checkpoint_of_other_classes_is_refused(root, model, tmp_path):
    with pytest.raises(InputError, match=r"of dataset\.segment\.num_classes 2, and the spec is of .*num_classes 3;"):
        run("inference", root, tmp_path, model, "dataset.segment.num_classes=3")


def test_maps_that_never_learnt_are_not_predicted_from(root, tmp_path):
    given = [f"results_dir={tmp_path}", "dataset.segment.multi_scale_train=false"]
    made = goldenpair.train(spec_of(root, *given, action="train"))
    with pytest.raises(CheckpointError, match="multi_scale_infer is true, but its coarse maps"):
        run("evaluate", root, tmp_path, made.checkpoint, "dataset.segment.multi_scale_infer=true")


def test_an_exported_model_keeps_the_maps_that_it_was_proved_with(root, model, tmp_path):
    wish = [f"results_dir={tmp_path}", f"export.checkpoint={model}", f"export.onnx_file={tmp_path / 'model.onnx'}"]
    made = goldenpair.export(spec_of(root, *wish, action="export"))
    assert made.note.class_names == ["no change", "class 1"]
    scale = "dataset.segment.multi_scale_infer"
    with pytest.raises(CheckpointError, match=f"{scale}: exported with False, the spec says True"):
        run("evaluate", root, tmp_path, tmp_path / "model.onnx", f"{scale}=true")
    assert run("evaluate", root, tmp_path, tmp_path / "model.onnx", f"{scale}=false").metrics.parts == 7


def test_the_command_line_runs_it(trained, model, tmp_path, capsys):
    spec = trained.folder / "experiment.yaml"
    wish = [f"results_dir={tmp_path}", f"evaluate.checkpoint={model}"]
    assert main(["visual_changenet", "evaluate", "-e", str(spec), *wish]) == 0
    out = capsys.readouterr().out
    assert "7 pairs, 7,168 pixels" in out and "Execution status: PASS" in out
    assert main(["audit", "--network", "visual_changenet", "-e", str(spec), *wish]) == 0
    assert "pixels of the masks: class 0" in capsys.readouterr().out
    assert main(["visual_changenet", "default_specs"]) == 0
    assert "task: segment" in capsys.readouterr().out
    assert main(["audit", "--network", "visual_changenet", "-e", str(spec), "dataset.segment.root_dir=''"]) == 2
    assert "dataset.segment.root_dir: audit needs it" in capsys.readouterr().err
    (tmp_path / "list").mkdir()
    assert main(["visual_changenet", "train", "-e", str(spec), f"dataset.segment.root_dir={tmp_path}"]) == 2
    said = capsys.readouterr().err
    assert "list/train.txt)\n  there is no such file" in said and "list/val.txt)" in said


@pytest.mark.slow
def test_real_boards(real_data, tmp_path):
    source = real_data / "deeppcb_segment"
    for split, count in (("train", 8), ("val", 4), ("test", 4)):
        names = (source / "list" / f"{split}.txt").read_text().split()[:count]
        write_list(tmp_path, split, names)
        for name in names:
            for folder, leaf in (("A", name), ("B", name), ("label", Path(name).with_suffix(".png").name)):
                save(tmp_path / folder / leaf, values(source / folder / leaf))
    made = goldenpair.train(spec_of(tmp_path, f"results_dir={tmp_path}", "dataset.segment.img_size=64", action="train"))
    found = run("evaluate", tmp_path, tmp_path, made.checkpoint, "dataset.segment.img_size=64")
    assert found.metrics.parts == 4 and found.pixels.pixels == 4 * 64 * 64
