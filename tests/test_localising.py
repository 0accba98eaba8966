"""From a spec with archives, remote values and folders within folders to one with local paths."""

import shutil
import tarfile
import zipfile
from pathlib import Path

import fsspec
import pytest

from goldenpair.data.audit import audit
from goldenpair.data.table import Layout
from goldenpair.errors import DataError, SpecError
from goldenpair.localising import localised
from goldenpair.run import as_yaml
from goldenpair.specs.fields import meta
from goldenpair.specs.load import SPECS, default_spec, load_spec, walk
from goldenpair.storage.fetching import Storage

VCN = "visual_changenet"


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GOLDENPAIR_CACHE", str(tmp_path / "cache"))
    fsspec.filesystem("memory").store.clear()


@pytest.fixture
def storage():
    with Storage() as opened:
        yield opened


def put(**files):
    for key, path in files.items():
        fsspec.filesystem("memory").pipe_file(f"/{key.replace('__', '/').replace('_', '.')}", Path(path).read_bytes())


def packed(path, folder, name):
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as file:
            for one in folder.rglob("*"):
                file.write(one, f"{name}/{one.relative_to(folder)}")
    else:
        with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as file:
            file.add(folder, name)
    return path


def faults(spec, action="evaluate"):
    pairs = spec.pairs
    found = audit({name: getattr(pairs, name) for name in spec.splits(action)}, Layout.of(pairs))[1].faults
    return [fault for fault in found if fault.code != "picture_tiny"]


def test_a_local_spec_comes_back_as_it_is(tao_set, storage, tmp_path):
    spec = tao_set().spec()
    assert localised(spec, "train", storage, {}) is spec
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("name", ["images.tar.gz", "images.tar", "images.zip"])
@pytest.mark.parametrize("wrapper", ["images", ".", "lot7/images"])
def test_pictures_in_an_archive(tao_set, storage, tmp_path, name, wrapper):
    made = tao_set()
    archive = packed(tmp_path / name, made.images_dir, wrapper)
    shutil.rmtree(made.images_dir)
    spec = made.spec(f"dataset.test_dataset.images_dir={archive}")
    found = localised(spec, "evaluate", storage, {})
    assert not faults(found)
    assert found.dataset.train_dataset == spec.dataset.train_dataset  # evaluate does not read it
    assert str(archive) in as_yaml(found) and "fetched" not in as_yaml(found)


def test_a_local_folder_with_another_one_inside(tao_set, storage, tmp_path):
    made = tao_set()
    (tmp_path / "outer").mkdir()
    made.images_dir.rename(tmp_path / "outer" / "images")
    spec = made.spec(f"dataset.test_dataset.images_dir={tmp_path / 'outer'}")
    found = localised(spec, "evaluate", storage, {})
    assert found.dataset.test_dataset.images_dir == str(tmp_path / "outer" / "images") and not faults(found)


def test_pictures_that_do_not_belong_to_the_table(tao_set, storage, tmp_path):
    made, other = tao_set(), tao_set(rows=[("x", "y", "PASS", "Z9")], name="other")
    archive = packed(tmp_path / "images.tar", other.images_dir, "images")
    with pytest.raises(DataError) as caught:
        localised(made.spec(f"dataset.test_dataset.images_dir={archive}"), "evaluate", storage, {})
    said = str(caught.value)
    assert f"dataset.test_dataset.images_dir: {archive}: it has no picture of the first 20 rows" in said
    assert "such as b1/R1*; looked in these folders of it: ., images. See whether" in said
    spec = made.spec(f"dataset.test_dataset.images_dir={other.images_dir}")
    assert localised(spec, "evaluate", storage, {}) is spec  # the audit tells what is missing


def test_everything_that_is_missing_is_told_at_once(tao_set, storage):
    spec = tao_set().spec(
        "dataset.test_dataset.csv_path=memory://no/t.csv",
        "evaluate.checkpoint=memory://no/m.pth",
        "evaluate.policy=ftp://no/p.json",
        "train.pretrained_model_path=memory://not/asked/for.pth",
    )
    with pytest.raises(DataError) as caught:
        localised(spec, "evaluate", storage, {})
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    assert lines[1].startswith("  dataset.test_dataset.csv_path: memory://no/t.csv: there is no such file")
    assert lines[2].startswith("  evaluate.checkpoint: memory://no/m.pth: there is no such file")
    assert "ftp:// is not offered" in lines[3]


def test_each_action_fetches_what_it_reads(tao_set, storage):
    made = tao_set()
    for name in ("train", "validation", "test", "infer"):
        put(**{f"b__{name}_csv": made.csv_path})
    put(b__w_pth=made.csv_path, b__p_json=made.csv_path, b__m_onnx=made.csv_path, b__m_json=made.csv_path)
    tables = [
        f"dataset.{name}_dataset.csv_path=memory://b/{name}.csv" for name in ("train", "validation", "test", "infer")
    ]
    spec = made.spec(
        *tables,
        "train.pretrained_model_path=memory://b/w.pth",
        "evaluate.policy=memory://b/p.json",
        "inference.checkpoint=memory://b/m.onnx",
        "export.checkpoint=memory://b/w.pth",
    )

    def fetched(action, *wish):
        found = localised(spec.model_copy(update=dict(wish)), action, storage, {})
        return {path for path, _, value in walk(found) if meta(_).path and value and "fetched" in str(value)}

    data = "dataset.{}_dataset.csv_path".format
    assert fetched("train") == {data("train"), data("validation"), "train.pretrained_model_path"}
    assert fetched("evaluate") == {data("test"), "evaluate.policy"}
    assert fetched("inference") == {data("infer"), "evaluate.policy", "inference.checkpoint"}
    assert fetched("export") == {data("validation"), "export.checkpoint"}
    assert fetched("audit") == set(map(data, ("train", "validation", "test", "infer")))
    explaining = ("inference", spec.inference.model_copy(update={"explain": True}))
    assert fetched("inference", explaining) - fetched("inference") == {data("validation")}


def test_models_of_one_file_of_several_and_of_a_folder(tao_set, storage):
    made = tao_set()
    put(b__m_onnx=made.csv_path, b__m_json=made.csv_path, b__model__m_onnx=made.csv_path, b__m_pth=made.csv_path)

    def files(place):
        found = localised(made.spec(f"inference.checkpoint={place}"), "inference", storage, {}).inference.checkpoint
        path = Path(found)
        return path.name, {one.name for one in (path if path.is_dir() else path.parent).iterdir()}

    assert files("memory://b/m.onnx") == ("m.onnx", {"m.onnx", "m.json", "m.pth"})
    assert files("memory://b/m.pth") == ("m.pth", {"m.pth"})
    assert files("memory://b/model") == ("content", {"m.onnx"})


def test_what_fits_together_no_more_is_told(storage, tao_set):
    put(b__w_pth=tao_set().csv_path)
    wish = ["task=segment", "dataset.segment.root_dir=.", "model.backbone.pretrained_backbone_path=memory://b/none/"]
    with pytest.raises(DataError, match="pretrained_backbone_path: memory://b/none: there is no such file"):
        localised(default_spec(VCN, wish), "train", storage, {})
    wish[2] = "model.backbone.pretrained_backbone_path=memory://b/w.pth"
    wish += ["export.input_channel=4"]
    with pytest.raises(SpecError, match="export.input_channel"):
        localised(
            load_spec(VCN, {"dataset": {"segment": {"root_dir": "file:///"}}}, [wish[0], wish[3]]),
            "export",
            storage,
            {},
        )


def test_outputs_lie_below_the_results(tao_set, storage, tmp_path):
    place = "s3://factory/run/export"
    spec = tao_set().spec(f"export.onnx_file={place}/deep/part.onnx")
    found = localised(spec, "export", storage, {place: tmp_path})
    assert found.export.onnx_file == str(tmp_path / "deep" / "part.onnx")
    assert found.as_written()["export"]["onnx_file"] == f"{place}/deep/part.onnx"
    with pytest.raises(DataError, match="can be written there only below a remote results_dir"):
        localised(spec, "export", storage, {})


# task segment


@pytest.fixture
def pairs(tmp_path):
    """Folders A, B, label and list with one pair."""
    root = tmp_path / "pairs"
    for name, file in (("A", "1.png"), ("B", "1.png"), ("label", "1.png"), ("list", "train.txt"), ("list", "val.txt")):
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name / file).write_text("1.png")
    return root


def rooted(place, storage):
    spec = load_spec(VCN, {"task": "segment", "dataset": {"segment": {"root_dir": str(place)}}})
    return spec, localised(spec, "train", storage, {})


EXPECTED = {"A/1.png", "B/1.png", "label/1.png", "list/train.txt", "list/val.txt"}


def files(spec):
    root = Path(spec.dataset.segment.root_dir)
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_plain_folders_of_pairs(pairs, storage):
    spec, found = rooted(pairs, storage)
    assert found is spec
    spec, found = rooted(f"file://{pairs}", storage)
    assert found.dataset.segment.root_dir == str(pairs)


@pytest.mark.parametrize("parts", [("A", "B", "list", "label"), ("A", "label")])
def test_parts_that_are_archives(pairs, storage, parts):
    for name in parts:
        packed(pairs / f"{name}.tar.gz", pairs / name, name)
        shutil.rmtree(pairs / name)
    spec, found = rooted(pairs, storage)
    assert files(found) == EXPECTED
    for path in pairs.rglob("*"):
        if path.is_file():
            fsspec.filesystem("memory").pipe_file(f"/b/set/{path.relative_to(pairs).as_posix()}", path.read_bytes())
    fsspec.filesystem("memory").pipe_file("/b/set/C/other.png", b"not asked for")
    assert files(rooted("memory://b/set", storage)[1]) == EXPECTED


def test_everything_in_one_archive(pairs, storage, tmp_path):
    archive = packed(tmp_path / "pairs.zip", pairs, "pairs")
    assert files(rooted(archive, storage)[1]) == EXPECTED


@pytest.mark.parametrize("network", SPECS)
def test_every_option_that_names_a_file_says_so(network):
    """By the words of its name: what is new must say it too."""
    words = ("_dir", "_path", "checkpoint", "e.policy", "label_map", "onnx_file", "dirpath")
    unmarked = {
        path
        for path, field, _ in walk(default_spec(network))
        if path.endswith(words) and not meta(field).path and not meta(field).no_effect
    }
    not_offered = ("gen_trt_engine.", "quantize.", "dataset.classify.quant_", "dataset.segment.quant_")
    assert not {path for path in unmarked if not path.startswith(not_offered)}
