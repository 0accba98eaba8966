"""Actions whose tables, pictures, checkpoints and results lie in a bucket, against a real S3 API server."""

import json
import tarfile
from pathlib import Path

import pytest
import torch
import yaml

from goldenpair import cli
from goldenpair.actions import evaluate, export, inference, train
from goldenpair.checkpoint import save
from goldenpair.converting.action import dataset_convert
from goldenpair.errors import DataError
from goldenpair.specs.load import load_spec
from goldenpair.storage.folders import RESULTS, default_folder
from goldenpair.storage.mirror import Mirror
from goldenpair.tasks import create_task
from raw_export import Export

OI = "optical_inspection"


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GOLDENPAIR_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def bucket(s3, boards, tmp_path):
    """Boards in the bucket as TAO has them: tables, and images.tar.gz with a folder images/ around all."""
    archive = tmp_path / "images.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(boards.images_dir, "images")
    s3.upload_file(str(archive), "factory", "data/images.tar.gz")
    for name in ("train", "validation", "test"):
        path = boards.spec_path.parent / f"{name}.csv"
        if path.is_file():
            s3.upload_file(str(path), "factory", f"data/{name}.csv")
    return s3


def spec_of(boards, *overrides, action=None):
    given = yaml.safe_load(boards.spec_path.read_text("utf-8"))
    for name, files in given["dataset"].items():
        if name.endswith("_dataset"):
            files["csv_path"] = f"s3://factory/data/{Path(files['csv_path']).name}"
            files["images_dir"] = "s3://factory/data/images.tar.gz"
    given["results_dir"] = "s3://factory/runs/one"
    return load_spec(OI, given, ["train.num_epochs=1", "dataset.workers=0", *overrides], action)


def keys(client, prefix=""):
    found = client.list_objects_v2(Bucket="factory", Prefix=prefix).get("Contents", ())
    return {one["Key"].removeprefix(prefix) for one in found}


def content(client, key):
    return client.get_object(Bucket="factory", Key=key)["Body"].read()


def test_train_from_a_bucket_to_a_bucket_and_evaluate_there(bucket, boards):
    made = train(spec_of(boards))
    assert made.checkpoint.is_file()
    sent = keys(bucket, "runs/one/train/")
    assert {"oi_model_latest.pth", "status.json", "log.txt", "experiment.yaml"} <= sent
    (checkpoint,) = [name for name in sent if name.startswith("model_epoch_000")]
    latest = content(bucket, "runs/one/train/oi_model_latest.pth")
    assert latest == content(bucket, f"runs/one/train/{checkpoint}") == made.checkpoint.read_bytes()
    records = [json.loads(line) for line in content(bucket, "runs/one/train/status.json").splitlines()]
    assert records[0]["status"] == "STARTED" and records[-1]["status"] == "SUCCESS"
    said = yaml.safe_load(content(bucket, "runs/one/train/experiment.yaml"))
    assert said["dataset"]["train_dataset"]["images_dir"] == "s3://factory/data/images.tar.gz"
    assert said["results_dir"] == "s3://factory/runs/one"
    stamped = torch.load(made.checkpoint, weights_only=True)["goldenpair"]["spec"]
    assert stamped["dataset"]["train_dataset"]["csv_path"] == "s3://factory/data/train.csv"
    checked = evaluate(spec_of(boards, "evaluate.checkpoint=s3://factory/runs/one/train/oi_model_latest.pth"))
    assert checked.metrics.parts > 0 and not checked.errors
    assert {"report.html", "scores.csv", "status.json"} <= keys(bucket, "runs/one/evaluate/")


def test_a_run_that_was_stopped_goes_on_from_another_machine(bucket, boards, tmp_path, monkeypatch):
    spec = spec_of(boards, "train.num_epochs=2", "train.keep_checkpoints=1")
    with monkeypatch.context() as patch:

        def stop(self, trainer, module):
            if trainer.current_epoch:
                raise KeyboardInterrupt

        patch.setattr(
            "goldenpair.training.PairModule.on_train_epoch_start", lambda self: stop(self, self.trainer, self)
        )
        with pytest.raises(KeyboardInterrupt):
            train(spec)
    sent = keys(bucket, "runs/one/train/")
    assert "oi_model_latest.pth" in sent and not [name for name in sent if name.startswith("model_epoch_001")]
    last = json.loads(content(bucket, "runs/one/train/status.json").splitlines()[-1])
    assert (last["status"], last["message"]) == ("FAILURE", "User/System interruption: stopped by the user")
    monkeypatch.setenv("GOLDENPAIR_CACHE", str(tmp_path / "machine2"))
    made = train(spec)
    records = [json.loads(line) for line in content(bucket, "runs/one/train/status.json").splitlines()]
    said = [one["message"] for one in records]
    assert sum(text.startswith("Resuming training from checkpoint") for text in said) == 1
    assert [one["epoch"] for one in records if one["message"] == "Training loop in progress"] == [0, 1]
    assert made.folder.is_relative_to(tmp_path / "machine2")
    (newer,) = [name for name in keys(bucket, "runs/one/train/") if name.startswith("model_epoch")]  # one is kept
    assert newer.startswith("model_epoch_001")
    assert content(bucket, f"runs/one/train/{newer}") == content(bucket, "runs/one/train/oi_model_latest.pth")


def test_results_that_cannot_be_sent_stay(bucket, boards, monkeypatch, capsys, tmp_path):
    path = tmp_path / "spec.yaml"
    spec = spec_of(boards)
    path.write_text(yaml.safe_dump(spec.model_dump()), encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setattr("goldenpair.storage.mirror.Mirror._send", refused)
        assert cli.main([OI, "train", "-e", str(path)]) == 1
    said = capsys.readouterr()
    (folder,) = (default_folder() / RESULTS).iterdir()
    assert f"the results could not be sent (no access); they are in {folder}" in said.err
    assert "warning: the results could not be sent" in said.out and "Execution status: FAIL" in said.out
    assert (folder / "oi_model_latest.pth").is_file() and not any(".pth" in key for key in keys(bucket, "runs/"))
    assert json.loads((folder / "status.json").read_text().splitlines()[-1])["status"] == "FAILURE"
    assert cli.main(["cache", "clear"]) in (0, 1) and (folder / "oi_model_latest.pth").is_file()
    assert cli.main([OI, "train", "-e", str(path)]) == 0
    assert "oi_model_latest.pth" in keys(bucket, "runs/one/train/")


def test_a_bucket_that_is_not_there_is_refused_before_any_work(bucket, boards, capsys, tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump(spec_of(boards).model_dump()), encoding="utf-8")
    assert cli.main([OI, "train", "-e", str(path), "results_dir=s3://faktory/runs"]) == 2
    said = capsys.readouterr()
    assert "results folder s3://faktory/runs/train: see whether it is named rightly" in said.err
    assert "Training on" not in said.out and not list(default_folder().rglob("*.pth"))


_send = Mirror._send


def refused(self, name):
    if name not in ("log.txt", "status.json"):
        raise DataError("no access")
    return _send(self, name)


def test_a_run_that_seems_to_go_on_is_told(bucket, boards, caplog):
    record = {"status": "RUNNING", "date": "11/21/2026", "time": "9:5:1"}
    bucket.put_object(Bucket="factory", Key="runs/one/inference/status.json", Body=json.dumps(record))
    with pytest.raises(DataError), caplog.at_level("WARNING"):
        inference(spec_of(boards, "inference.checkpoint=s3://factory/none.pth"))
    assert "its last record, of 11/21/2026 9:5:1, says that a run is going on" in caplog.text


def test_what_is_missing_is_said_at_once_with_exit_code_2(bucket, boards, capsys, tmp_path):
    path = tmp_path / "spec.yaml"
    spec = spec_of(boards)
    path.write_text(yaml.safe_dump(spec.model_dump()), encoding="utf-8")
    wrong = [
        "dataset.train_dataset.csv_path=s3://factory/no.csv",
        "dataset.validation_dataset.images_dir=s3://factory/no",
    ]
    assert cli.main([OI, "train", "-e", str(path), *wrong]) == 2
    said = capsys.readouterr().err
    assert "dataset.train_dataset.csv_path: s3://factory/no.csv: there is no such file or folder" in said
    assert "dataset.validation_dataset.images_dir: s3://factory/no: there is no such folder" in said
    last = json.loads(content(bucket, "runs/one/train/status.json").splitlines()[-1])
    assert last["status"] == "FAILURE" and "s3://factory/no.csv" in last["message"]


def test_a_damaged_archive_in_a_bucket_is_named(bucket, boards, capsys, tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump(spec_of(boards).model_dump()), encoding="utf-8")
    bucket.put_object(Bucket="factory", Key="bad.tar.gz", Body=b"no archive")
    wrong = "dataset.train_dataset.images_dir=s3://factory/bad.tar.gz"
    assert cli.main(["audit", "-e", str(path), wrong]) == 2
    said = capsys.readouterr().err
    assert "dataset.train_dataset.images_dir: s3://factory/bad.tar.gz: archive " in said
    assert "it has to be made or copied anew" in said


def test_a_spec_in_a_bucket_is_audited_and_its_defaults_written_there(bucket, boards, capsys):
    spec = spec_of(boards)
    bucket.put_object(Bucket="factory", Key="spec.yaml", Body=yaml.safe_dump(spec.model_dump()))
    assert cli.main(["audit", "-e", "s3://factory/spec.yaml"]) == 0
    report = json.loads(content(bucket, "runs/one/audit/audit.json"))
    assert report["spec"] == "s3://factory/spec.yaml"
    assert cli.main([OI, "default_specs", "results_dir=s3://factory/defaults"]) == 0
    assert yaml.safe_load(content(bucket, "defaults/experiment.yaml"))["results_dir"] == "s3://factory/defaults"
    assert "Wrote s3://factory/defaults/experiment.yaml" in capsys.readouterr().out
    assert cli.main(["audit", "-e", "s3://factory/none.yaml"]) == 2
    assert "s3://factory/none.yaml: there is no such file" in capsys.readouterr().err


def test_an_export_goes_to_the_bucket(bucket, boards, tmp_path):
    pytest.importorskip("onnx")
    spec = spec_of(boards)
    save({"state_dict": {f"model.{k}": v for k, v in create_task(spec).model.state_dict().items()}}, tmp_path / "m.pth")
    bucket.upload_file(str(tmp_path / "m.pth"), "factory", "m.pth")
    wish = ["export.checkpoint=s3://factory/m.pth", "export.onnx_file=s3://factory/runs/one/export/part.onnx"]
    export(spec_of(boards, *wish))
    assert {"part.onnx", "part.json"} <= keys(bucket, "runs/one/export/")
    with pytest.raises(DataError, match="can be written there only below s3://factory/runs/one/export"):
        export(spec_of(boards, wish[0], "export.onnx_file=s3://factory/elsewhere/part.onnx"))
    model = "inference.checkpoint=s3://factory/runs/one/export/part.onnx"
    assert inference(spec_of(boards, model)).verdicts


def test_secrets_in_links_reach_no_file_and_no_terminal(bucket, boards, tmp_path, capsys):
    """The links are signed by the server's own key, and hold it as a parameter."""
    spec, files = spec_of(boards), {}
    for name in ("train.csv", "validation.csv", "images.tar.gz"):
        files[name] = bucket.generate_presigned_url("get_object", {"Bucket": "factory", "Key": f"data/{name}"})
    plain = spec.model_dump()
    for split, table in (("train_dataset", "train.csv"), ("validation_dataset", "validation.csv")):
        plain["dataset"][split] = {"csv_path": files[table], "images_dir": files["images.tar.gz"]}
    plain["results_dir"] = str(tmp_path / "results")
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump(plain), encoding="utf-8")
    assert cli.main([OI, "train", "-e", str(path)]) == 0
    plain["dataset"]["train_dataset"]["csv_path"] = files["train.csv"].replace("train.csv", "none.csv")
    path.write_text(yaml.safe_dump(plain), encoding="utf-8")
    assert cli.main([OI, "train", "-e", str(path)]) == 2
    secrets = [value for url in files.values() for value in url.partition("?")[2].split("&") if len(value) > 20]
    secrets = [value.partition("=")[2] for value in secrets]
    assert len(secrets) >= 3
    said = capsys.readouterr()
    written = [one.read_bytes() for one in (tmp_path / "results").rglob("*") if one.is_file()]
    written += [one.read_bytes() for one in (tmp_path / "cache").rglob("*.json")] + [(said.out + said.err).encode()]
    assert not [secret for secret in secrets for content in written if secret.encode() in content]
    written_spec = (tmp_path / "results" / "train" / "experiment.yaml").read_text()
    assert "train.csv?" in written_spec and "=***" in written_spec


def test_a_report_of_a_table_in_a_bucket(s3, tmp_path, monkeypatch, capsys):
    rows = [f"b{i},g,{'MISSING' if i % 5 == 0 else 'PASS'},R{i},{i % 5 == 0:d}.{i}" for i in range(40)]
    table = "\n".join(["input_path,golden_path,label,object_name,siamese_score", *rows])
    s3.put_object(Bucket="factory", Key="scores.csv", Body=table)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["report", "s3://factory/scores.csv", "--cutoff", "0.9"]) == 0
    assert (tmp_path / "scores_report" / "report.html").is_file()


@pytest.fixture
def factory(s3, tmp_path):
    """The export of a factory in the bucket, with what nobody asked for beside it."""
    export = Export(tmp_path / "factory")
    export.write().draw()
    for path in export.root.rglob("*"):
        if path.is_file():
            s3.upload_file(str(path), "factory", f"export/{path.relative_to(export.root).as_posix()}")
    for name in ("backup.tar", "train/old/B9.csv"):
        s3.put_object(Bucket="factory", Key=f"export/{name}", Body=b"not asked for")
    return export


def convert(export, *more):
    given = [one for one in export.overrides(*more) if not one.startswith("dataset_convert.root_dataset_dir")]
    given = [one.replace(f"{export.root}/", "") for one in given]
    words = {one.partition("=")[0]: one for one in given}
    words.setdefault("dataset_convert.root_dataset_dir", "dataset_convert.root_dataset_dir=s3://factory/export")
    words["dataset_convert.data_convert_output_dir"] = "dataset_convert.data_convert_output_dir=s3://factory/tables"
    return dataset_convert(load_spec(OI, {}, [*words.values()], "dataset_convert"))


def cached(tmp_path):
    return {path.name: path.stat().st_size for path in (tmp_path / "cache" / "fetched").rglob("content/**/*.*")}


@pytest.mark.parametrize("check", ["true", "false"])
def test_of_an_export_in_a_bucket_only_tables_are_fetched(factory, tmp_path, check):
    result = convert(factory, f"dataset_convert.check_pictures={check}")
    assert (result.parts, result.left_out) == (15, 0)
    there = cached(tmp_path)
    assert "backup.tar" not in there and "B9.csv" not in there
    pictures = [size for name, size in there.items() if name.endswith(".jpg")]
    assert bool(pictures) is (check == "true") and not any(pictures)  # their names are enough


def test_a_picture_that_is_not_in_the_bucket(factory, s3):
    key = next(key for key in sorted(keys(s3, "export/images/")) if key.startswith("P/"))
    s3.delete_object(Bucket="factory", Key=f"export/images/{key}")
    result = convert(factory)
    assert [fault.code for fault in result.report.faults if fault.code == "picture_missing"] and result.left_out == 1


def test_tables_of_an_earlier_conversion_go_from_the_bucket(factory, s3):
    for name in ("test_combined.csv", "left_out.csv", "mine.csv"):
        s3.put_object(Bucket="factory", Key=f"tables/{name}", Body=b"of then")
    convert(factory, "dataset_convert.overwrite=true")
    assert keys(s3, "tables/") == {"train_combined.csv", "valid_combined.csv", "conversion.json", "mine.csv"}


def test_old_tables_that_stay_there_end_it(factory, s3, monkeypatch):
    s3.put_object(Bucket="factory", Key="tables/test_combined.csv", Body=b"of then")
    monkeypatch.setattr("s3fs.S3FileSystem.rm_file", lambda *_: (_ for _ in ()).throw(PermissionError("Access Denied")))
    with pytest.raises(DataError, match="s3://factory/tables/test_combined.csv: no access"):
        convert(factory, "dataset_convert.overwrite=true")
    assert keys(s3, "tables/") == {"test_combined.csv"}


def test_a_conversion_tells_where_all_was_asked_from(factory, s3, tmp_path, monkeypatch):
    texts = []
    for machine in ("one", "two"):
        monkeypatch.setenv("GOLDENPAIR_CACHE", str(tmp_path / machine))
        convert(factory, "dataset_convert.overwrite=true")
        texts.append(content(s3, "tables/conversion.json").decode())
    told = json.loads(texts[0])
    assert texts[0] == texts[1] and str(tmp_path) not in texts[0]
    assert told["options"]["root_dataset_dir"] == "s3://factory/export"
    assert told["inputs"][0]["path"].startswith("s3://factory/export/export/all/")


@pytest.mark.parametrize("wrapper", ["images", "."])
def test_the_pictures_of_an_export_in_an_archive(factory, tmp_path, wrapper):
    with tarfile.open(tmp_path / "images.tar.gz", "w:gz") as file:
        file.add(factory.root / "images", wrapper)
    result = convert(factory, f"dataset_convert.images_dir={tmp_path / 'images.tar.gz'}")
    assert (result.parts, result.left_out) == (15, 0)
