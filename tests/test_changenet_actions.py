"""Visual ChangeNet from a spec to verdicts: training, resuming, scoring, export, on drawn boards."""

import csv
import json
import math
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import goldenpair
from goldenpair import CheckpointError, InputError, Inspector, SpecError, load_spec, report
from goldenpair.checkpoint import read_checkpoint, save, stamp
from goldenpair.cli import main
from goldenpair.data.decoding import decode
from goldenpair.deployment import open_onnx
from goldenpair.exporting import TOLERANCE
from goldenpair.models.fan import SIZES
from goldenpair.specs.backbones import imagenet_file
from goldenpair.tasks import create_task

pytestmark = pytest.mark.usefixtures("small_fan", "no_curves")

VCN = "visual_changenet"
FAN = "fan_tiny_8_p4_hybrid"
WHOLE = SIZES[FAN]
KINDS = {"learnable": "ce", "euclidean": "contrastive"}


@pytest.fixture(scope="module")
def spec_of(boards):
    """Tiny pictures: two lights of 16 x 16."""

    def make(action, results, kind, *overrides):
        splits = {
            "train": boards.train_csv,
            "validation": boards.test_csv,
            "test": boards.test_csv,
            "infer": boards.test_csv,
        }
        given = {
            "task": "classify",
            "results_dir": str(results),
            "model": {
                "backbone": {"type": FAN},
                "decode_head": {"decoder_params": {"embed_dim": 16}},
                "classify": {"difference_module": kind, "eval_margin": 0.5},
            },
            "dataset": {
                "classify": {
                    **{
                        f"{split}_dataset": {"csv_path": str(path), "images_dir": str(boards.images_dir)}
                        for split, path in splits.items()
                    },
                    "num_input": 2,
                    "input_map": {"SolderLight": 0, "WhiteLight": 1},
                    "image_height": 16,
                    "image_width": 16,
                    "batch_size": 16,
                    "fpratio_sampling": 0.5,
                    "workers": 0,
                }
            },
            "train": {"classify": {"loss": KINDS[kind]}, "num_epochs": 1},
            **{name: {"checkpoint": "none.pth"} for name in ("evaluate", "inference", "export") if name == action},
        }
        return load_spec(VCN, given, overrides, action)

    return make


@pytest.fixture(scope="module")
def trained(spec_of, tmp_path_factory):
    """The checkpoint of each architecture, trained for two epochs when it is first asked for."""
    made = {}

    def of(kind):
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind)
            made[kind] = goldenpair.train(spec_of("train", folder, kind, "train.num_epochs=2")).checkpoint
        return made[kind]

    return of


def rows_of(path):
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("kind", KINDS)
def test_training_writes_taos_files_and_evaluate_and_inference_read_them(kind, trained, spec_of, tmp_path, boards):
    path = trained(kind)
    assert path.name == "changenet_model_classify_latest.pth"
    names = [one.name for one in sorted(path.parent.glob("model_epoch_*.pth"))]
    assert [name[:15] for name in names] == ["model_epoch_000", "model_epoch_001"]
    messages = [json.loads(line)["message"] for line in (path.parent / "status.json").read_text().splitlines()]
    assert messages[0] == "Starting Visual ChangeNet train." and messages[-2] == "Train finished successfully."
    evaluated = goldenpair.evaluate(spec_of("evaluate", tmp_path, kind, f"evaluate.checkpoint={path}"))
    result = goldenpair.inference(spec_of("inference", tmp_path, kind, f"inference.checkpoint={path}"))
    written = rows_of(result.csv_path)
    assert len(written) == len(rows_of(boards.test_csv)) == evaluated.metrics.parts
    scores = np.array([float(row["siamese_score"]) for row in written])
    assert np.isfinite(scores).all() and scores.std() > 0
    if kind == "learnable":
        assert 0 <= scores.min() and scores.max() <= 1
    assert [row["verdict"] for row in written] == ["FAIL" if score > 0.5 else "PASS" for score in scores]
    assert evaluated.metrics.point.cutoff == 0.5
    # the checkpoint tells what it needs
    inspector = Inspector(path)
    first = rows_of(boards.test_csv)[0]
    pair = [
        [boards.images_dir / first[role] / f"{first['object_name']}_{light}.jpg" for light in inspector.lights]
        for role in ("input_path", "golden_path")
    ]
    assert inspector.inspect(*pair).score == pytest.approx(scores[0], abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_an_exported_model_gives_the_same_verdicts(kind, trained, spec_of, tmp_path):
    path = trained(kind)
    exported = goldenpair.export(spec_of("export", tmp_path, kind, f"export.checkpoint={path}"))
    note = exported.note
    assert (note.inputs, note.outputs) == (["input_1", "input_2"], ["output"])
    assert note.proof.largest_difference <= TOLERANCE and note.policy.source == "model.classify.eval_margin"
    found = [
        goldenpair.inference(
            spec_of("inference", tmp_path, kind, f"inference.checkpoint={model}", "dataset.classify.batch_size=7")
        ).verdicts
        for model in (path, exported.onnx_file)
    ]
    for one, other in zip(*found, strict=True):
        assert one.verdict == other.verdict and one.score == pytest.approx(other.score, abs=1e-4)


def test_the_graph_holds_logits_without_a_softmax(trained, spec_of, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    made = goldenpair.export(spec_of("export", tmp_path, "learnable", f"export.checkpoint={trained('learnable')}"))
    session = onnxruntime.InferenceSession(made.onnx_file)
    sample, golden = np.random.default_rng(0).normal(size=(2, 3, 3, 32, 16)).astype(np.float32)
    (logits,) = session.run(None, {"input_1": sample, "input_2": golden})
    assert logits.shape == (3, 2) and not np.allclose(logits.sum(axis=1), 1)
    assert session.get_outputs()[0].shape[1] == 2


def weights_of(path):
    return read_checkpoint(path).weights


def test_a_resumed_run_ends_with_the_weights_of_an_unbroken_one(trained, spec_of, tmp_path):
    """With the schedule and with what the network draws at random."""
    unbroken = trained("learnable")
    half = unbroken.parent / next(one.name for one in unbroken.parent.glob("model_epoch_000_*.pth"))
    wish = [f"train.resume_training_checkpoint_path={half}", "train.num_epochs=2"]
    again = goldenpair.train(spec_of("train", tmp_path, "learnable", *wish)).checkpoint
    first, second = weights_of(unbroken), weights_of(again)
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert any(not torch.equal(value, second[name]) for name, value in weights_of(half).items())


def test_the_learning_rate_follows_the_schedule(trained):
    content = torch.load(trained("learnable"), weights_only=True)
    (state,) = content["lr_schedulers"]
    assert state["last_epoch"] == 2 and state["_last_lr"] == [pytest.approx(1e-4 * (1 - 2 / 3))]


def test_training_starts_from_a_given_backbone_and_keeps_it_when_frozen(trained, spec_of, tmp_path, caplog):
    path = trained("euclidean")
    given = {name: value for name, value in weights_of(path).items() if name.startswith("backbone.")}
    torch.save({"state_dict": {f"module.{name}": value for name, value in given.items()}}, tmp_path / "fan.pth")
    wish = [f"model.backbone.pretrained_backbone_path={tmp_path / 'fan.pth'}", "model.backbone.freeze_backbone=true"]
    with caplog.at_level("INFO", "goldenpair"):
        made = weights_of(goldenpair.train(spec_of("train", tmp_path, "learnable", *wish)).checkpoint)
    assert all(torch.equal(made[name], value) for name, value in given.items())
    assert f"{len(given)} of {len(given)} weights taken" in caplog.text
    unread = "model.backbone.pretrained_backbone_path is not read: it counts for the start of a training only"
    assert unread not in caplog.text
    with caplog.at_level("INFO", "goldenpair"):
        goldenpair.train(spec_of("train", tmp_path, "learnable", *wish))  # goes on from the end
    assert unread in caplog.text


def test_a_checkpoint_of_the_other_architecture_is_refused(trained, spec_of, tmp_path):
    wish = f"inference.checkpoint={trained('euclidean')}"
    with pytest.raises(CheckpointError, match="difference_module euclidean, and the spec is of .*module learnable;"):
        goldenpair.inference(spec_of("inference", tmp_path, "learnable", wish))


def test_the_command_line_runs_it(trained, spec_of, tmp_path, capsys):
    spec = trained("learnable").parent / "experiment.yaml"
    wish = [f"results_dir={tmp_path}", f"evaluate.checkpoint={trained('learnable')}"]
    assert main([VCN, "evaluate", "-e", str(spec), *wish]) == 0
    assert "Execution status: PASS" in capsys.readouterr().out
    assert main(["audit", "--network", VCN, "-e", str(spec), *wish]) == 0
    assert main([VCN, "train", "-e", str(spec), "task=segment"]) == 2
    assert "dataset.segment.root_dir: train of task segment needs it" in capsys.readouterr().err
    assert main([VCN, "default_specs", "task=classify"]) == 0
    assert "fan_small_12_p4_hybrid" in capsys.readouterr().out


# several goldens


@pytest.fixture(scope="module")
def folders(boards, tmp_path_factory):
    """The boards with a folder of 1 to 5 goldens for each part: its golden, and good parts of other boards."""
    root = tmp_path_factory.mktemp("folders")
    images = root / "images"
    shutil.copytree(boards.images_dir, images)
    good = [row for row in rows_of(boards.train_csv) if row["label"] == "PASS"]
    tables = {"train": boards.train_csv, "test": boards.test_csv}
    for i, name in enumerate(sorted({row["object_name"] for path in tables.values() for row in rows_of(path)})):
        sources = ["golden/images/GP100TOP", *(row["input_path"] for row in good if row["object_name"] == name)]
        (images / "goldens" / name).mkdir(parents=True)
        for number, source in enumerate(sources[: 1 + i % 5]):
            for light in ("SolderLight", "WhiteLight"):
                found = images / source / f"{name}_{light}.jpg"
                shutil.copy(found, images / "goldens" / name / f"of_{number}_{light}.jpg")
    for split, path in tables.items():
        rows = [{**row, "golden_path": f"goldens/{row['object_name']}"} for row in rows_of(path)]
        with (root / f"{split}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return root


def of_folders(folders, *overrides):
    splits = {"train": "train", "validation": "test", "test": "test", "infer": "test"}
    given = [f"dataset.classify.{name}_dataset.csv_path={folders / table}.csv" for name, table in splits.items()]
    given += [f"dataset.classify.{name}_dataset.images_dir={folders / 'images'}" for name in splits]
    return [*given, "dataset.classify.num_golden=3", *overrides]


def golden_files(folder: Path, wanted: int = 3) -> list[list[Path]]:
    """Written apart from our own code: sorted by name, evenly spread, all lights of each."""
    names = sorted(path.name.removesuffix("_SolderLight.jpg") for path in folder.glob("*_SolderLight.jpg"))
    if len(names) > wanted:
        names = [names[place * (len(names) - 1) // (wanted - 1)] for place in range(wanted)]
    return [[folder / f"{name}_{light}.jpg" for light in ("SolderLight", "WhiteLight")] for name in names]


@pytest.fixture(scope="module")
def exported(trained, spec_of, folders, tmp_path_factory):
    """What exporting the checkpoint of each architecture for three goldens gives."""
    made = {}

    def of(kind):
        if kind not in made:
            wish = of_folders(folders, f"export.checkpoint={trained(kind)}")
            made[kind] = goldenpair.export(spec_of("export", tmp_path_factory.mktemp("export"), kind, *wish))
        return made[kind]

    return of


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_of_several_goldens_is_the_least_score_of_each_alone(
    kind, trained, exported, spec_of, folders, tmp_path
):
    """Of the same checkpoint, by the table, by an exported model and by pictures, in whatever batches."""
    file, alone = exported(kind).onnx_file, Inspector(trained(kind))
    assert json.loads(file.with_suffix(".json").read_text())["pictures"]["goldens"] == 3
    found = []
    for model, size in ((trained(kind), 3), (file, 5)):
        wish = of_folders(folders, f"inference.checkpoint={model}", f"dataset.classify.batch_size={size}")
        found.append(goldenpair.inference(spec_of("inference", tmp_path / str(size), kind, *wish)).verdicts)
    images, counts, inspector = folders / "images", set(), Inspector(file)
    found.append(list(inspector.stream_table(folders / "test.csv", images)))
    for number, row in enumerate(rows_of(folders / "test.csv")[:8]):
        sample = [images / row["input_path"] / f"{row['object_name']}_{light}.jpg" for light in alone.lights]
        goldens = golden_files(images / row["golden_path"])
        counts.add(len(goldens))
        scores = [alone.inspect(sample, golden).score for golden in goldens]
        given = [one[number] for one in found] + [inspector.inspect(sample, goldens)]
        assert [one.score for one in given] == pytest.approx([min(scores)] * 4, abs=2e-5)
        assert scores[inspector.closest_golden(sample, goldens)] == pytest.approx(min(scores), abs=2e-5)
    assert counts == {1, 2, 3}


def test_a_model_of_several_goldens_says_what_it_wants(trained, spec_of, folders, tmp_path):
    path = trained("euclidean")
    inspector = Inspector(path, spec_of("inference", tmp_path, "euclidean", *of_folders(folders)))
    folder = folders / "images" / "goldens" / "C1@1"
    sample = golden_files(folder)[0]
    wanted = "wants a list of 1 to 3 goldens, each a list of pictures, one for each of SolderLight, WhiteLight"
    for given, found in ((sample[0], "PosixPath is no list"), ([], "0 of them"), ([sample] * 4, "4 of them")):
        with pytest.raises(InputError, match=f"golden: {found.replace('PosixPath', '.*')}.*{wanted}"):
            inspector.inspect(sample, given)
    with pytest.raises(InputError, match="golden 1: 1 pictures given; this model wants one for each of SolderLight"):
        inspector.inspect(sample, sample)
    assert inspector.inspect(sample, [sample, [sample[0], b"broken"]]).verdict == "ERROR"
    assert inspector.goldens == 3 and inspector.inspect(sample, [sample]).verdict == "PASS"


def test_a_folder_that_rows_share_goes_through_the_network_once(trained, spec_of, folders, tmp_path, monkeypatch):
    wish = of_folders(folders, "dataset.classify.batch_size=4")
    inspector = Inspector(trained("learnable"), spec_of("inference", tmp_path, "learnable", *wish))
    model, seen = inspector._task.model, []
    encode = model.encode
    monkeypatch.setattr(model, "encode", lambda pictures: [seen.append(len(pictures)), encode(pictures)][1])
    rows = rows_of(folders / "test.csv")
    inspector.inspect_table(folders / "test.csv", folders / "images")
    assert sum(seen) == len(rows) + 3 * len({row["golden_path"] for row in rows})
    assert max(seen) <= 2 * 4 + 3


def test_an_exported_model_keeps_to_its_number_of_goldens(trained, spec_of, folders, tmp_path):
    onnx = pytest.importorskip("onnx")
    wish = of_folders(folders, f"export.checkpoint={trained('euclidean')}", "export.batch_size=4")
    made = goldenpair.export(spec_of("export", tmp_path, "euclidean", *wish)).onnx_file
    first, second = onnx.load(made).graph.input
    sizes = [[each.dim_value for each in one.type.tensor_type.shape.dim] for one in (first, second)]
    assert (first.name, second.name, sizes) == ("input_1", "input_2", [[4, 3, 32, 16], [4, 3, 3, 32, 16]])
    wish = of_folders(folders, f"inference.checkpoint={made}", "dataset.classify.num_golden=2")
    with pytest.raises(CheckpointError, match=r"\(3, 3, 32, 16\).*expected.*\(2, 3, 32, 16\)"):
        goldenpair.inference(spec_of("inference", tmp_path, "euclidean", *wish))


def test_a_network_in_which_a_golden_gives_no_number_never_passes(exported):
    """ONNX Runtime's smallest value may be another golden's."""
    for kind in KINDS:
        network = open_onnx(exported(kind).onnx_file)
        sample, golden = torch.zeros(3, 3, 32, 16), torch.zeros(3, 3, 3, 32, 16)
        assert network(sample, golden)[0].isfinite().all()
        for place in range(3):
            golden[place, place] = torch.nan
        assert network(sample, golden)[0].isnan().all()


def test_training_with_several_goldens_resumes_exactly_and_evaluates(spec_of, folders, tmp_path, caplog, monkeypatch):
    wish = of_folders(folders, "dataset.classify.augmentation_config.augment=true", "train.num_epochs=2")
    with caplog.at_level("INFO", "goldenpair"):
        unbroken = goldenpair.train(spec_of("train", tmp_path / "one", "learnable", *wish)).checkpoint
    assert "golden folder with fewer than num_golden (3): they are repeated" in caplog.text
    half = next(unbroken.parent.glob("model_epoch_000_*.pth"))
    wish.append(f"train.resume_training_checkpoint_path={half}")
    again = goldenpair.train(spec_of("train", tmp_path / "two", "learnable", *wish)).checkpoint
    first, second = weights_of(unbroken), weights_of(again)
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    wish = of_folders(folders, f"evaluate.checkpoint={unbroken}")
    sheets, draw = [], report.contact_sheet
    monkeypatch.setattr(report, "contact_sheet", lambda rows, *rest: [sheets.append(rows), draw(rows, *rest)])
    found = [goldenpair.evaluate(spec_of("evaluate", tmp_path / name, "learnable", *wish)) for name in "ab"]
    tables = [(one.folder / "evaluate.csv").read_text() for one in found]
    assert tables[0] == tables[1] and found[0].metrics.errors == 0
    alone = Inspector(unbroken, spec_of("evaluate", tmp_path, "learnable", f"evaluate.checkpoint={unbroken}"))
    for shown in sheets[0][:4]:
        name, board = shown.name.split(" in ")
        goldens = golden_files(folders / "images" / "goldens" / name)
        sample = [folders / "images" / board / f"{name}_{light}.jpg" for light in alone.lights]
        best = min(goldens, key=lambda golden: alone.inspect(sample, golden).score)
        height, width = shown.golden.shape[2:]
        assert np.array_equal(shown.golden, [decode(path, height, width) for path in best])


# backbones of timm's

SIDE = ["dataset.classify.image_height=32", "dataset.classify.image_width=64"]  # joined: 64 x 64


def test_a_network_of_timms_is_trained_and_scores(spec_of, tmp_path):
    wish = ["model.backbone.type=resnet18", *SIDE]
    made = goldenpair.train(spec_of("train", tmp_path, "euclidean", *wish))
    assert math.isfinite(made.metrics["val_loss"])
    one = [f"inference.checkpoint={made.checkpoint}", *wish]
    verdicts = goldenpair.inference(spec_of("inference", tmp_path, "euclidean", *one)).verdicts
    scores = np.array([verdict.score for verdict in verdicts])
    assert np.isfinite(scores).all() and scores.std() > 0
    assert Inspector(made.checkpoint).lights == ("SolderLight", "WhiteLight")  # the checkpoint knows its backbone


def test_imagenet_weights_of_an_installed_package_are_kept_when_frozen(spec_of, tmp_path, caplog):
    wish = ["type=tf_efficientnet_lite0", "pretrained_backbone_path=imagenet", "freeze_backbone=true"]
    with caplog.at_level("INFO", "goldenpair"):
        made = goldenpair.train(spec_of("train", tmp_path, "euclidean", *(f"model.backbone.{w}" for w in wish), *SIDE))
    weights, given = weights_of(made.checkpoint), torch.load(imagenet_file("tf_efficientnet_lite0"), weights_only=True)
    assert torch.equal(weights["backbone.network.conv_stem.weight"], given["_conv_stem.weight"])
    assert torch.equal(weights["backbone.network.bn1.running_mean"], given["_bn0.running_mean"])
    assert "rgb_input_mean [0.5, 0.5, 0.5]" in caplog.text


def test_a_network_that_cannot_see_such_pictures_is_one_line(spec_of, tmp_path):
    wish = ["model.backbone.type=resnet18", "dataset.classify.image_height=40"]
    with pytest.raises(SpecError) as caught:
        spec_of("train", tmp_path, "euclidean", *wish)
    assert caught.value.problems == [
        "dataset.classify.image_height: the joined picture's height is 80; resnet18 wants a multiple of 32",
        "dataset.classify.image_width: the joined picture's width is 16; resnet18 wants a multiple of 32",
    ]
    spec = spec_of("train", tmp_path, "euclidean", "model.backbone.type=halonet26t", *SIDE)
    with pytest.raises(
        SpecError, match="model.backbone.type: halonet26t does not serve: it cannot see pictures of 64 x 64"
    ):
        goldenpair.train(spec)


@pytest.mark.parametrize(
    ("name", "opset"),
    [
        (FAN, 17),
        ("resnet18", 17),
        ("tf_efficientnet_lite0", 17),
        ("mobilenetv4_conv_small", 17),
        ("convnextv2_atto", 17),
        pytest.param("vit_tiny_patch16_224", 17, marks=pytest.mark.slow),
    ],
)
def test_exported_networks_with_whole_backbones_give_the_same_scores(name, opset, spec_of, tmp_path, monkeypatch):
    monkeypatch.setitem(SIZES, FAN, WHOLE)
    wish = [f"model.backbone.type={name}", f"export.checkpoint={tmp_path / 'm.pth'}", f"export.opset_version={opset}"]
    spec = spec_of("export", tmp_path, "learnable", *wish, *SIDE)
    torch.manual_seed(0)
    task = create_task(spec)
    sample, golden = torch.randn(2, 4, 3, 64, 64)
    task.model.train()(sample, golden)  # norms that do something
    state = {f"model.{key}": value for key, value in task.model.state_dict().items()}
    save({"state_dict": state, **stamp(spec)}, tmp_path / "m.pth")
    made = goldenpair.export(spec)
    monkeypatch.setitem(sys.modules, "timm", None)  # which an exported network does not need
    wish = ["model.backbone.type=" + name, f"inference.checkpoint={made.onnx_file}", *SIDE]
    assert goldenpair.inference(spec_of("inference", tmp_path, "learnable", *wish)).count("ERROR") == 0
    note = made.note
    assert note.opset == opset and note.proof.largest_difference <= TOLERANCE
    scores = task.pair_score(sample, golden)
    assert scores.std() > 0


def nvidia(real_data, monkeypatch, *overrides):
    monkeypatch.setitem(SIZES, FAN, WHOLE)
    monkeypatch.chdir(real_data / "tao-checkpoint")
    wish = ["inference.checkpoint=vcn/changenet_model_classify.pth", *overrides]
    return load_spec(VCN, "vcn/spec.yaml", wish, "inference")


def test_nvidias_checkpoint_gives_its_scores_with_its_own_spec(real_data, monkeypatch, tmp_path):
    result = goldenpair.inference(nvidia(real_data, monkeypatch, f"results_dir={tmp_path}"))
    recorded = [float(row["siamese_score"]) for row in rows_of("vcn/scores.csv")]
    found = [one.score for one in result.verdicts]
    assert len(found) == 96 and np.abs(np.subtract(found, recorded)).max() < 2e-4


def test_training_goes_on_from_nvidias_checkpoint(real_data, monkeypatch, tmp_path):
    """Its weights load, and what its loss stored is not in the way."""
    spec = nvidia(
        real_data,
        monkeypatch,
        f"results_dir={tmp_path}",
        "train.pretrained_model_path=vcn/changenet_model_classify.pth",
        *(f"train.{one}=1" for one in ("num_epochs", "checkpoint_interval", "validation_interval")),
        "train.optim.lr=0",
        "train.optim.weight_decay=0",
    )
    made = goldenpair.train(spec)
    assert math.isfinite(made.metrics["val_loss"])
    first, second = weights_of("vcn/changenet_model_classify.pth"), weights_of(made.checkpoint)
    assert first.keys() == second.keys()
    kept = [name for name in first if "running" not in name and "tracked" not in name]
    assert all(torch.equal(first[name], second[name]) for name in kept)
