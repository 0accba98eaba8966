"""TAO's checkpoints become ours: what fits, what does not, and the same scores afterwards."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from omegaconf import OmegaConf

from goldenpair import Inspector, cli
from goldenpair.checkpoint import load_task, read_checkpoint, save, stamp
from goldenpair.errors import CheckpointError, SpecError
from goldenpair.importing import import_checkpoint, read_foreign, sizes
from goldenpair.specs.load import load_spec
from goldenpair.tasks import create_task
from test_siamese import taos_shapes

LIGHTS = ("Solder", "White")


class Harm:
    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return (os.system, (f"echo x > '{self.marker}'",))


@pytest.fixture
def spec(tao_set):
    """2 lights of 8 x 6: 96 pixels, 768 features."""
    return tao_set(lights=LIGHTS).spec("model.embedding_vectors=3")


def state_of(spec, prefix: str = "model.") -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {f"{prefix}{name}": value for name, value in create_task(spec).model.state_dict().items()}


def write(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def equal(found, spec) -> bool:
    wanted = state_of(spec, "")
    return set(found) == set(wanted) and all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("prefix", ["model.", "", "module.", "model.module.", "module.model.", "model._orig_mod."])
@pytest.mark.parametrize("wrapped", [True, False])
def test_names_of_every_layout_are_found(spec, tmp_path, prefix, wrapped):
    state = state_of(spec, prefix)
    path = write(tmp_path / "a.pth", {"state_dict": state, "epoch": 3} if wrapped else state)
    foreign = read_foreign(path)
    assert equal(foreign.weights, spec)
    assert all(one.state == "fits" for one in foreign.compare(spec))


@pytest.mark.parametrize("variant", ["Siamese_3", "Siamese_1", "Siamese"])
def test_what_the_shapes_tell(tao_set, tmp_path, variant):
    spec = tao_set(lights=LIGHTS).spec(f"model.model_type={variant}", "model.embedding_vectors=7")
    foreign = read_foreign(write(tmp_path / "a.pth", {"state_dict": state_of(spec)}))
    assert foreign.model_type == ("Siamese_3" if variant == "Siamese_3" else "Siamese_1")
    assert (foreign.embedding_vectors, foreign.pixels) == (7, 2 * 8 * 6)
    assert {one.state for one in foreign.compare(None)} == {"fits"}
    assert foreign.advice(spec) == []


def test_what_is_written_needs_nothing_else(spec, tmp_path):
    content = {"state_dict": state_of(spec), "hyper_parameters": OmegaConf.create({"a": 1}), "x": Harm(tmp_path / "m")}
    path = write(tmp_path / "oi_model_epoch=004.pth", content)
    with pytest.raises(CheckpointError, match=r"could run code .*; `goldenpair import` takes its weights"):
        read_checkpoint(path)
    out = tmp_path / "ours.pth"
    foreign = read_foreign(path)
    assert "omegaconf.dictconfig.DictConfig" in foreign.left_out
    assert any(name in foreign.left_out for name in ("posix.system", "nt.system"))
    import_checkpoint(foreign, spec, out)
    assert not (tmp_path / "m").exists()
    task, found = load_task(read_checkpoint(out))
    assert found == spec and equal(task.model.state_dict(), spec)
    assert Inspector(out).lights == LIGHTS


def test_the_file_is_not_overwritten(spec, tmp_path):
    foreign = read_foreign(write(tmp_path / "a.pth", {"state_dict": state_of(spec)}))
    out = tmp_path / "out.pth"
    out.write_bytes(b"precious")
    with pytest.raises(CheckpointError, match=r"out\.pth exists already; give another name with --out"):
        import_checkpoint(foreign, spec, out)
    assert out.read_bytes() == b"precious"


def refused(tao_set, tmp_path, *overrides: str, **shape: int) -> tuple[dict[str, str], str]:
    """What the comparison says of each parameter that does not fit, and the error."""
    made = tao_set(lights=LIGHTS).spec("model.embedding_vectors=3")
    foreign = read_foreign(write(tmp_path / "a.pth", {"state_dict": state_of(made)}))
    other = tao_set(lights=LIGHTS, **shape).spec(*overrides)
    with pytest.raises(CheckpointError, match="does not fit the spec") as caught:
        import_checkpoint(foreign, other, tmp_path / "out.pth")
    assert not (tmp_path / "out.pth").exists()
    states = {one.name: one.state for one in foreign.compare(other) if one.state != "fits"}
    return states, str(caught.value)


def test_another_picture_size_names_what_would_fit(tao_set, tmp_path):
    states, said = refused(tao_set, tmp_path, "model.embedding_vectors=3", width=7)
    assert states == {"fc1.0.weight": "wrong shape"}
    assert "is 96 in the file and 2 x 8 x 7 in the spec" in said
    proposed = [
        tuple(map(int, one.split(" x "))) for one in said.split("of what fits: ")[1].splitlines()[0].split(", ")
    ]
    assert (2, 8, 6) in proposed and (6, 4, 4) in proposed
    assert all(n * height * width == 96 for n, height, width in proposed) and len(set(proposed)) == len(proposed)


@pytest.mark.parametrize("pixels", [1, 7, 96, 65536, 1_000_003])
def test_some_size_always_fits(pixels):
    found = sizes(pixels, 4, 128, 128)
    assert found and all(n * height * width == pixels for n, height, width in found)


def test_another_embedding_and_another_type_are_named(tao_set, tmp_path):
    states, said = refused(tao_set, tmp_path, "model.embedding_vectors=4")
    assert states == {"fc1.6.weight": "wrong shape", "fc1.6.bias": "wrong shape"}
    assert "model.embedding_vectors: the file has 3, the spec says 4" in said
    states, said = refused(tao_set, tmp_path, "model.model_type=Siamese_1", "model.embedding_vectors=3")
    assert states["fc1.4.weight"] == "missing" and states["fc1.3.weight"] == "unexpected"
    assert states["fc1.0.weight"] == "wrong shape"  # 500 instead of 512
    assert "model.model_type: the file has Siamese_3, the spec says Siamese_1" in said


@pytest.mark.parametrize(
    ("change", "name", "state"),
    [
        (lambda state: state.pop("model.cnn1.5.bias"), "cnn1.5.bias", "missing"),
        (lambda state: state.update({"model.cnn1.5.bias": "text"}), "cnn1.5.bias", "missing"),
        (lambda state: state.update({"model.cnn1.13.bias": torch.ones(1)}), "cnn1.13.bias", "unexpected"),
        (lambda state: state.update({"model.cnn1.5.bias": torch.ones(9)}), "cnn1.5.bias", "wrong shape"),
    ],
)
def test_one_parameter_that_does_not_fit_is_enough(spec, tmp_path, change, name, state):
    weights = state_of(spec)
    change(weights)
    foreign = read_foreign(write(tmp_path / "a.pth", {"state_dict": weights}))
    assert {one.name: one.state for one in foreign.compare(spec) if one.state != "fits"} == {name: state}
    with pytest.raises(CheckpointError, match=f"{name}: {state}"):
        import_checkpoint(foreign, spec, tmp_path / "out.pth")


def test_a_spec_that_could_not_score_is_refused(tao_set, spec, tmp_path):
    foreign = read_foreign(write(tmp_path / "a.pth", {"state_dict": state_of(spec)}))
    wrong = tao_set(lights=LIGHTS).spec("model.embedding_vectors=3", "dataset.num_input=3")
    with pytest.raises(SpecError, match=r"dataset\.num_input: it is 3"):
        import_checkpoint(foreign, wrong, tmp_path / "out.pth")


VIT = {"model.backbone.cls_token": torch.ones(1, 1, 384), "model.fc1.0.weight": torch.ones(512, 8)}
NEITHER = {
    "model.backbone.cls_token": torch.ones(1, 1, 192),
    **{f"model.backbone.blocks.{number}.gamma1": torch.ones(192) for number in range(8)},
    "model.decoder.linear_fuse.0.weight": torch.ones(4, 16, 1, 1),
}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"state_dict": b"\x00\x01", "state_dict_encrypted": True}, "it is encrypted, which only NVIDIA's tools"),
        ({"state_dict": {"model.fc1.0.weight": torch.ones(1)}, "state_dict_encrypted": 1}, "it is encrypted"),
        (
            {"state_dict": VIT},
            r"its backbone \(class token \[1, 1, 384\], 0 blocks\) is none of fan_tiny_8_p4_.*FAN's backbones only",
        ),
        ({"state_dict": NEITHER}, "neither that of task classify nor that of task segment"),
        ({"state_dict": {"layer1.0.weight": torch.ones(1)}}, r"\(layer1.0.weight, ...\) are those of no network"),
        ({"state_dict": {"model.fc1.0.weight": torch.ones(4)}}, "are not those of a SiameseOI network"),
        (
            {"state_dict": {"model.fc1.0.weight": torch.ones(512, 9), "fc1.6.weight": torch.ones(5, 512)}},
            "not those of",
        ),
        ({"state_dict": {"fc1.0.bias": torch.ones(1), "model.fc1.0.bias": torch.ones(1)}}, "fc1.0.bias twice"),
        ({"state_dict": {}}, "no model weights"),
        ({"state_dict": [1]}, "its state_dict is no dictionary"),
        ({}, "no model weights"),
        ([torch.ones(1)], "expected a dictionary of weights"),
        (Harm(Path("harm")), "expected a dictionary of weights"),
        ({"goldenpair": {}, "state_dict": {"a": torch.ones(1)}}, "goldenpair made it, so it needs no import"),
    ],
)
def test_what_cannot_be_imported(tmp_path, content, said):
    with pytest.raises(CheckpointError, match=said):
        read_foreign(write(tmp_path / "a.pth", content))
    assert not Path("harm").exists()


@pytest.mark.parametrize("suffix", [".tlt", ".etlt"])
def test_encrypted_kinds_of_files_are_refused(tmp_path, suffix):
    (tmp_path / f"a{suffix}").write_bytes(b"anything")
    with pytest.raises(CheckpointError, match=f"{suffix} files are encrypted; save a .pth with NVIDIA's tools"):
        read_foreign(tmp_path / f"a{suffix}")


# the command


@pytest.fixture
def folder(tao_set, tmp_path, monkeypatch) -> Path:
    """Here lie a TAO checkpoint with its '=' and the spec of its training."""
    made = tao_set(lights=LIGHTS).spec("model.embedding_vectors=3")
    (tmp_path / "a=b").mkdir()
    write(tmp_path / "a=b" / "oi_model_epoch=004.pth", {"state_dict": state_of(made), "spec": Harm(tmp_path / "harm")})
    plain = made.model_dump()
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(plain, sort_keys=False))
    monkeypatch.chdir(tmp_path)
    return tmp_path


SOURCE = "a=b/oi_model_epoch=004.pth"
OURS = "a=b/oi_model_epoch=004_goldenpair.pth"


def test_without_a_spec_it_tells_and_writes_nothing(folder, capsys):
    assert cli.main(["import", SOURCE]) == 0
    said = capsys.readouterr().out
    assert "model.model_type Siamese_3, model.embedding_vectors 3" in said and "image_width = 96" in said
    assert "fc1.0.weight" in said and "512 x 768" in said and "Nothing was written" in said
    assert "Not read, and nothing of it run: " in said
    assert [path.name for path in (folder / "a=b").iterdir()] == ["oi_model_epoch=004.pth"]
    assert not (folder / "harm").exists()


@pytest.mark.parametrize("words", [["--out", "b.pth"], ["dataset.image_width=3"]])
def test_without_a_spec_there_is_nothing_to_write_or_to_change(folder, capsys, words):
    assert cli.main(["import", SOURCE, *words]) == 2
    assert "need the spec that the checkpoint was trained with: -e SPEC" in capsys.readouterr().err


def test_the_command_writes_beside_the_checkpoint_and_not_twice(folder, capsys):
    words = ["import", SOURCE, "-e", "spec.yaml"]
    assert cli.main(words) == 0
    assert f"Wrote {Path(OURS)}, which needs no spec" in capsys.readouterr().out
    before = Path(OURS).read_bytes()
    assert cli.main(words) == 2
    assert "exists already" in capsys.readouterr().err and Path(OURS).read_bytes() == before
    assert cli.main([*words, "--out", "c=d.pth", "dataset.batch_size=4"]) == 0
    assert read_checkpoint("c=d.pth").spec.dataset.batch_size == 4
    assert not (folder / "harm").exists()


def test_the_table_shows_what_does_not_fit(folder, capsys):
    assert cli.main(["import", SOURCE, "-e", "spec.yaml", "dataset.image_height=9"]) == 2
    out, err = capsys.readouterr()
    (line,) = [line for line in out.splitlines() if "wrong shape" in line]
    assert "fc1.0.weight" in line and "512 x 768" in line and "512 x 864" in line
    assert "2 x 8 x 6" in err and not Path(OURS).exists()


def test_names_with_an_equals_sign_work_everywhere(folder, capsys):
    assert cli.main(["import", SOURCE, "-e", "spec.yaml"]) == 0
    for action in ("evaluate", "inference"):
        wish = [f"{action}.checkpoint={OURS}", f"{action}.results_dir=r=1/{action}", "evaluate.cutoff=0.1"]
        assert cli.main(["optical_inspection", action, "-e", "spec.yaml", *wish]) == 0
        assert (folder / "r=1" / action / f"{action}.csv").is_file()
        spec = load_spec("optical_inspection", "spec.yaml", wish, action)
        assert getattr(spec, action).checkpoint == OURS
    wish = [f"train.pretrained_model_path={OURS}", "results_dir=t=1", "train.num_epochs=1", "dataset.batch_size=2"]
    wish += ["train.optim.lr=0"]
    assert cli.main(["optical_inspection", "train", "-e", "spec.yaml", *wish]) == 0
    latest = "t=1/train/oi_model_latest.pth"
    first, then = (read_checkpoint(path).weights["fc1.0.weight"] for path in (OURS, latest))
    assert torch.equal(first, then)  # training began with these weights, at a rate of 0
    found = {name: tuple(one.shape) for name, one in torch.load(latest, weights_only=True)["state_dict"].items()}
    assert found == {f"model.{name}": shape for name, shape in taos_shapes("Siamese_3", 8 * 16 * 6, 3)}
    wish = [f"train.resume_training_checkpoint_path={latest}", "results_dir=u", "train.num_epochs=1"]
    assert cli.main(["optical_inspection", "train", "-e", "spec.yaml", *wish, "dataset.batch_size=2"]) == 0
    assert Inspector(OURS).lights == LIGHTS
    capsys.readouterr()


def test_plain_checkpoints_under_such_names_too(folder):
    spec = load_spec("optical_inspection", "spec.yaml")
    save({"state_dict": state_of(spec), **stamp(spec)}, Path("x=1/model_epoch=004.pth"))
    wish = ["inference.checkpoint=x=1/model_epoch=004.pth", "inference.results_dir=r"]
    assert cli.main(["optical_inspection", "inference", "-e", "spec.yaml", *wish]) == 0


# NVIDIA's own files


def test_a_checkpoint_of_nvidias_code_gives_its_scores_without_a_spec(real_data, tmp_path, monkeypatch):
    monkeypatch.chdir(real_data / "tao-checkpoint")
    out = tmp_path / "oi_model_epoch=003.pth"
    assert cli.main(["import", "oi/oi_model.pth", "-e", "oi/spec.yaml", "--out", str(out)]) == 0
    direct = Inspector("oi/oi_model.pth", load_spec("optical_inspection", "oi/spec.yaml"))
    tables = [one.inspect_table("oi/infer.csv", "oi/images") for one in (Inspector(out), direct)]
    ours, before = ([verdict.score for verdict in table] for table in tables)
    with Path("oi/scores.csv").open(newline="") as file:
        theirs = [float(row["siamese_score"]) for row in csv.DictReader(file)]
    shapes = {name: tuple(one.shape) for name, one in read_foreign("oi/oi_model.pth").weights.items()}
    assert shapes == dict(taos_shapes("Siamese_3", 8 * 2 * 32 * 24, 5))
    assert len(ours) == 160
    assert np.abs(np.subtract(ours, theirs)).max() < 1e-5
    assert ours == before
    assert Inspector(out).cutoff == 2.0


def test_a_changenet_of_nvidias_code_gives_its_scores_without_a_spec(real_data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(real_data / "tao-checkpoint")
    out = tmp_path / "ours.pth"
    assert cli.main(["import", "vcn/changenet_model_classify.pth", "-e", "vcn/spec.yaml", "--out", str(out)]) == 0
    assert "model.backbone.type fan_tiny_8_p4_hybrid" in capsys.readouterr().out
    ours = [verdict.score for verdict in Inspector(out).inspect_table("vcn/infer.csv", "vcn/images")]
    with Path("vcn/scores.csv").open(newline="") as file:
        theirs = [float(row["siamese_score"]) for row in csv.DictReader(file)]
    assert len(ours) == 96 and np.abs(np.subtract(ours, theirs)).max() < 2e-4


# Visual ChangeNet


def changenet(kind: str, *overrides: str):
    given = {
        "task": "classify",
        "model": {
            "backbone": {"type": "fan_tiny_8_p4_hybrid"},
            "decode_head": {"decoder_params": {"embed_dim": 8}},
            "classify": {"difference_module": kind, "embed_dec": 6, "embedding_vectors": 3},
        },
        "dataset": {"classify": {"image_height": 32, "image_width": 16, "num_input": 1}},
    }
    return load_spec("visual_changenet", given, overrides)


@pytest.mark.parametrize("kind", ["euclidean", "learnable"])
@pytest.mark.parametrize("scales", [4, 2])
def test_a_changenet_is_found_and_written(tmp_path, kind, scales):
    spec = changenet(kind, f"model.classify.learnable_difference_modules={scales}")
    state = {**state_of(spec), "criterion.weight": torch.ones(2)}
    foreign = read_foreign(write(tmp_path / "a.pth", {"state_dict": state}))
    assert foreign.network == "visual_changenet" and foreign.pixels == 32 * 16
    assert {one.state for one in foreign.compare(None)} == {one.state for one in foreign.compare(spec)} == {"fits"}
    assert foreign.advice(spec) == []
    import_checkpoint(foreign, spec, tmp_path / "ours.pth")
    task, found = load_task(read_checkpoint(tmp_path / "ours.pth"))
    assert found == spec and equal(task.model.state_dict(), spec)


def test_a_changenet_of_another_kind_is_told_what_differs(tmp_path):
    foreign = read_foreign(write(tmp_path / "a.pth", {"state_dict": state_of(changenet("learnable"))}))
    wish = [
        "model.backbone.type=fan_small_12_p4_hybrid",
        "model.classify.embed_dec=7",
        "dataset.classify.image_width=32",
    ]
    with pytest.raises(CheckpointError) as caught:
        import_checkpoint(foreign, changenet("euclidean", *wish), tmp_path / "out.pth")
    said = str(caught.value)
    assert "model.backbone.type: the file has fan_tiny_8_p4_hybrid, the spec says fan_small_12_p4_hybrid" in said
    assert "model.classify.difference_module: the file has learnable, the spec says euclidean" in said
    assert "model.classify.embed_dec: the file has 6, the spec says 7" in said
    assert "is 512 in the file and 1 x 32 x 32 in the spec; of what fits: 1 x 32 x 16" in said
    assert not (tmp_path / "out.pth").exists()


# Visual ChangeNet for masks


def segment(*overrides: str):
    given = {
        "task": "segment",
        "model": {
            "backbone": {"type": "fan_tiny_8_p4_hybrid"},
            "decode_head": {"decoder_params": {"embed_dim": 8}},
        },
        "dataset": {"segment": {"img_size": 32, "num_classes": 3}},
    }
    return load_spec("visual_changenet", given, overrides)


def taos_segment() -> dict[str, object]:
    """As TAO writes it: Lightning's, with the whole spec as an object of OmegaConf's."""
    return {
        "epoch": 4,
        "pytorch-lightning_version": "2.5",
        "state_dict": state_of(segment()),
        "tao_model": "visual_changenet_segment",
        "hyper_parameters": OmegaConf.create({"task": "segment"}),
    }


def test_a_network_for_masks_is_found_and_written(tmp_path):
    content, spec = taos_segment(), segment("dataset.segment.img_size=64")
    foreign = read_foreign(write(tmp_path / "a.pth", content))
    assert foreign.pixels is None and foreign.facts() == {
        "task": "segment",
        "model.backbone.type": "fan_tiny_8_p4_hybrid",
        "model.decode_head.decoder_params": {"embed_dim": 8},
        "dataset.segment.num_classes": 3,
    }
    assert {one.state for one in foreign.compare(None)} == {one.state for one in foreign.compare(spec)} == {"fits"}
    assert foreign.advice(spec) == []  # of any size of pictures
    import_checkpoint(foreign, spec, tmp_path / "ours.pth")
    task, found = load_task(read_checkpoint(tmp_path / "ours.pth"))
    learnt = segment(
        "dataset.segment.img_size=64", "dataset.segment.multi_scale_train=false"
    )  # TAO trains the last map
    assert found == learnt and equal(task.model.state_dict(), spec)


def test_maps_that_tao_never_trains_are_not_predicted_from(tmp_path):
    content, wish = taos_segment(), segment("dataset.segment.multi_scale_infer=true")
    del content["hyper_parameters"]
    theirs = write(tmp_path / "a.pth", content)
    with pytest.raises(CheckpointError, match="multi_scale_infer is true, but it holds no spec.* TAO never trains"):
        load_task(read_checkpoint(theirs), wish)
    with pytest.raises(CheckpointError, match="TAO never trains"):
        import_checkpoint(read_foreign(theirs), wish, tmp_path / "ours.pth")
    import_checkpoint(read_foreign(theirs), segment(), tmp_path / "ours.pth")
    with pytest.raises(CheckpointError, match="never learnt"):
        load_task(read_checkpoint(tmp_path / "ours.pth"), wish)


def test_a_network_for_masks_is_read_without_an_import(tmp_path):
    content = taos_segment()
    del content["hyper_parameters"]
    task, _ = load_task(read_checkpoint(write(tmp_path / "a.pth", content)), segment())
    assert equal(task.model.state_dict(), segment())


def test_a_network_for_masks_fits_no_spec_of_another_task_or_of_other_classes(tmp_path):
    foreign = read_foreign(write(tmp_path / "a.pth", taos_segment()))
    assert "task: the file has segment, the spec says classify" in foreign.advice(changenet("learnable"))
    assert "task: the file has classify, the spec says segment" in read_foreign(
        write(tmp_path / "b.pth", {"state_dict": state_of(changenet("learnable"))})
    ).advice(segment())
    with pytest.raises(CheckpointError) as caught:
        import_checkpoint(foreign, segment("dataset.segment.num_classes=4"), tmp_path / "out.pth")
    said = str(caught.value)
    assert "dataset.segment.num_classes: the file has 3, the spec says 4" in said
    assert "decoder.make_pred_c4.0.weight: wrong shape" in said and not (tmp_path / "out.pth").exists()


def test_the_command_tells_of_a_network_for_masks(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["import", str(write(tmp_path / "a.pth", taos_segment()))]) == 0
    said = capsys.readouterr().out
    assert "task segment, model.backbone.type fan_tiny_8_p4_hybrid" in said and "num_classes 3" in said
    assert "change_probability" in said and "image_height" not in said
