"""Actions whose tables, pictures, checkpoints and results lie in a bucket, against a real S3 API server."""

import json
import tarfile
from pathlib import Path

import pytest
import torch
import yaml

from goldenpair.actions import evaluate, train
from goldenpair.specs.load import load_spec

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
