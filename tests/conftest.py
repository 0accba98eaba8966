"""What many tests share. (More fixtures may stand here: keep those that are there.)"""

import csv
import logging
import os
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

# the networks of the tests are tiny: threads would cost more than they gain, most of all on a busy machine
os.environ.setdefault("OMP_NUM_THREADS", "1")

from goldenpair.data.table import Layout
from goldenpair.simulation.line import SimulatedSet, simulate
from goldenpair.specs.load import load_section, load_spec
from goldenpair.specs.optical_inspection import OpticalInspectionSpec
from goldenpair.specs.simulate import SimulateSpec


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_counts():
    """Also where the tests run in the background of a shell, which has Ctrl-C ignored there."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session", autouse=True)
def cache_of_session(tmp_path_factory):
    """No test touches the user's cache, and no fixture of a module or the session either."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOLDENPAIR_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        yield


@pytest.fixture(scope="session")
def boards(tmp_path_factory) -> SimulatedSet:
    """Drawn boards with two lights and their spec, not to be changed: 8 boards of 8 parts at 24 x 24."""
    wish = ["boards=8", "parts_per_board=8", "size=24", "defect_rate=0.25", "lights=[SolderLight,WhiteLight]"]
    made = simulate(tmp_path_factory.mktemp("boards") / "set", load_section(SimulateSpec, wish))
    # a network that sees a quarter of the pixels is trained and saved in a quarter of the time
    spec = yaml.safe_load(made.spec_path.read_text(encoding="utf-8"))
    spec["dataset"] |= {"image_height": 12, "image_width": 12}
    made.spec_path.write_text(yaml.safe_dump(spec, sort_keys=False), encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def small_fan():
    """FAN's smallest backbone with a few thousand weights in the place of 7 million, until the end of the module."""
    from goldenpair.models.fan import SIZES
    from test_changenet import SMALL

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, "fan_tiny_8_p4_hybrid", SMALL)
        yield


@pytest.fixture(scope="module")
def no_curves():
    """Until the end of the module evaluate's page lacks its largest plots, which take longer than all else it does."""
    from goldenpair.reporting.page import Section

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("goldenpair.reporting.score_report.curves_section", lambda *given: Section("curves", "left out"))
        yield


@pytest.fixture
def boards_copy(boards, tmp_path) -> SimulatedSet:
    """The same boards, to be broken."""
    images = tmp_path / "images"
    shutil.copytree(boards.images_dir, images)
    return replace(boards, images_dir=images)


@pytest.fixture(scope="session")
def real_data() -> Path:
    folder = os.environ.get("GOLDENPAIR_DATA")
    if not folder:
        pytest.skip("needs real data: set GOLDENPAIR_DATA to the folder that holds it")
    return Path(folder)


@pytest.fixture(scope="session")
def s3_server():
    """The address of an S3 API server on this machine, with credentials that only it knows in the environment."""
    server = pytest.importorskip("moto.server", reason="needs an S3 server: pip install 'moto[server,s3]'")
    pytest.importorskip("s3fs", reason="needs s3fs: pip install s3fs")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def s3(s3_server, monkeypatch):
    """A client of a bucket `factory` that is empty at the start; specs reach it as s3://factory/..."""
    import boto3
    from fsspec.implementations.http import HTTPFileSystem
    from s3fs import S3FileSystem

    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for kind in (S3FileSystem, HTTPFileSystem):
        kind.clear_instance_cache()
    client = boto3.client("s3")
    client.create_bucket(Bucket="factory")
    yield client
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="factory")
    for one in [one for page in pages for one in page.get("Contents", ())]:
        client.delete_object(Bucket="factory", Key=one["Key"])
    client.delete_bucket(Bucket="factory")


HEADER = ("input_path", "golden_path", "label", "object_name")
ROWS = (
    ("b1", "golden", "PASS", "R1"),
    ("b1", "golden", "MISSING", "C1"),
    ("b2", "golden", "PASS", "R1"),
    ("b2", "golden", "SHIFT", "C1"),
    ("b3", "golden", "PASS", "R1"),
)


@dataclass(frozen=True)
class TinySet:
    """A table and its pictures in TAO's layout; by default 5 samples that share 2 goldens."""

    csv_path: Path
    images_dir: Path
    lights: tuple[str, ...]
    extension: str
    height: int
    width: int

    def spec(self, *overrides: str) -> OpticalInspectionSpec:
        files = {"csv_path": str(self.csv_path), "images_dir": str(self.images_dir)}
        given = {
            "dataset": {
                **{f"{split}_dataset": files for split in ("train", "validation", "test", "infer")},
                "image_ext": self.extension,
                "image_height": self.height,
                "image_width": self.width,
                "num_input": len(self.lights) or 1,
                "input_map": {light: place for place, light in enumerate(self.lights)} or None,
                "workers": 0,
            }
        }
        spec = load_spec("optical_inspection", given, overrides)
        assert isinstance(spec, OpticalInspectionSpec)
        return spec

    @property
    def layout(self) -> Layout:
        return Layout.of(self.spec().pairs)

    def files(self, folder: str, name: str) -> list[Path]:
        """The pictures of one part, in the order of the lights."""
        suffixes = [f"_{light}" for light in self.lights] or [""]
        return [self.images_dir / folder / f"{name}{suffix}{self.extension}" for suffix in suffixes]


@pytest.fixture
def tao_set(tmp_path):
    """A function that writes a tiny data set of random pictures below the test's folder."""

    def write(
        rows: Sequence[Sequence[str]] = ROWS,
        lights: Sequence[str] = (),
        extension: str = ".png",
        height: int = 8,
        width: int = 6,
        name: str = "set",
    ) -> TinySet:
        made = TinySet(tmp_path / f"{name}.csv", tmp_path / name, tuple(lights), extension, height, width)
        with made.csv_path.open("w", newline="") as file:
            csv.writer(file).writerows([HEADER, *rows])
        rng = np.random.default_rng(1)
        for folder, part in dict.fromkeys((row[column], row[3]) for row in rows for column in (0, 1)):
            for path in made.files(folder, part):
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(rng.integers(1, 256, (height, width, 3), dtype=np.uint8)).save(path)
        return made

    return write
