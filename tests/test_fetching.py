"""What is fetched, what is not fetched again, and what is said when it is not to be had."""

import functools
import http.server
import logging
import os
import sys
import tarfile
import threading
from pathlib import Path

import fsspec
import pytest

from goldenpair.errors import DataError, InputError
from goldenpair.storage import downloads, fetching, kept
from goldenpair.storage.fetching import Storage, read_text, write_text
from goldenpair.storage.limits import Limits
from goldenpair.storage.stores import Store


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GOLDENPAIR_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def fetched(monkeypatch):
    """The names of what is downloaded from now on."""
    names: list[str] = []
    real = downloads.download

    def noted(store, found, target, step):
        if not target.is_file():
            names.append(found.name)
        real(store, found, target, step)

    monkeypatch.setattr(downloads, "download", noted)
    return names


def put(client, **files):
    for key, content in files.items():
        client.put_object(Bucket="factory", Key=key.replace("__", "/").replace("_", "."), Body=content)


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()
    }


def test_local_paths_come_back_and_fsspec_is_not_imported(tmp_path):
    with Storage() as storage:
        for place in ("data/x.csv", str(tmp_path)):
            assert storage.file(place) == storage.folder(place) == storage.beside(place) == place
        assert storage.file(f"file://{tmp_path}/x.csv") == f"{tmp_path}/x.csv"
    assert not (tmp_path / "cache").exists()


def test_a_file_is_fetched_once_for_each_version(s3, fetched):
    put(s3, train_csv=b"one")
    for _ in range(2):
        with Storage() as storage:
            path = Path(storage.file("s3://factory/train.csv"))
        assert (path.name, path.read_bytes()) == ("train.csv", b"one")
    assert fetched == ["train.csv"]
    put(s3, train_csv=b"two")
    with Storage() as storage:
        newer = Path(storage.file("aws://factory/train.csv"))
    assert newer.read_bytes() == b"two" and path.read_bytes() == b"one"  # of a run that still reads it


def test_of_a_folder_only_what_has_changed_is_fetched_again(s3, fetched):
    put(s3, set__a__1_png=b"1", set__a__2_png=b"2", set__3_png=b"3")
    with Storage() as storage:
        first = storage.folder("s3://factory/set/")
    assert tree(first) == {"a/1.png": b"1", "a/2.png": b"2", "3.png": b"3"}
    fetched.clear()
    s3.delete_object(Bucket="factory", Key="set/a/1.png")
    put(s3, set__3_png=b"three", set__4_png=b"4")
    with Storage() as storage:
        second = storage.folder("s3://factory/set")
    assert tree(second) == {"a/2.png": b"2", "3.png": b"three", "4.png": b"4"}
    assert sorted(fetched) == ["3.png", "4.png"]
    assert tree(first)["3.png"] == b"3"


def test_only_some_members_of_a_folder(s3):
    put(s3, set__A__1_png=b"1", set__B__1_png=b"2", set__other=b"3")
    with Storage() as storage:
        assert tree(storage.folder("s3://factory/set", {"A", "other"})) == {"A/1.png": b"1", "other": b"3"}
        assert storage.names("s3://factory/set") == ["A", "B", "other"]


def test_files_beside(s3):
    put(s3, m__model_onnx=b"1", m__model_json=b"2", m__other_json=b"3")
    with Storage() as storage:
        path = Path(storage.beside("s3://factory/m/model.onnx"))
    assert path.name == "model.onnx" and tree(path.parent) == {"model.onnx": b"1", "model.json": b"2"}


def test_a_fetch_that_was_cut_off_goes_on(s3, monkeypatch, fetched):
    monkeypatch.setattr(downloads, "_BLOCK", 1000)
    content = os.urandom(3500)
    put(s3, set__large_bin=content, set__small_bin=b"small")
    real, asked = Store("s3://factory/set").fs.cat_file, []

    def failing(path, start=None, end=None):
        asked.append((path[-9:], start))
        if start == 2000 and len(asked) < 5:
            raise ConnectionError("cut")
        return real(path, start=start, end=end)

    monkeypatch.setattr(Store("s3://factory/set").fs, "cat_file", failing)
    with Storage(Limits(workers=1)) as storage, pytest.raises(DataError, match="large.bin: it cannot be reached"):
        storage.folder("s3://factory/set")
    with Storage(Limits(workers=1)) as storage:
        folder = storage.folder("s3://factory/set")
    assert tree(folder) == {"large.bin": content, "small.bin": b"small"}
    assert [start for name, start in asked if name == "large.bin"] == [0, 1000, 2000, 2000, 3000]


@pytest.mark.parametrize("key", ["ETag", "etag", "md5Hash"])  # of S3, of Azure and Google, of Google
def test_a_file_that_changes_meanwhile_is_not_used(s3, monkeypatch, key):
    monkeypatch.setattr(downloads, "_BLOCK", 1000)
    put(s3, large_bin=os.urandom(2500))
    fs = Store("s3://factory/large.bin").fs
    real, info = fs.cat_file, fs.info
    monkeypatch.setattr(fs, "info", lambda path: {name.replace("ETag", key): is_ for name, is_ in info(path).items()})

    def changing(path, start, end):
        found = real(path, start=start, end=end)
        put(s3, large_bin=os.urandom(2500))
        return found

    monkeypatch.setattr(Store("s3://factory/large.bin").fs, "cat_file", changing)
    with Storage() as storage, pytest.raises(DataError, match="it changed while it was fetched; try again"):
        storage.file("s3://factory/large.bin")


def test_a_version_may_be_quoted_in_one_answer_and_not_in_another(s3, monkeypatch):
    monkeypatch.setattr(downloads, "_BLOCK", 1000)
    put(s3, set__large_bin=bytes(2500))
    fs = Store("s3://factory/set").fs
    real = fs.info
    monkeypatch.setattr(fs, "info", lambda path: {**real(path), "ETag": real(path)["ETag"].strip('"')})
    with Storage() as storage:
        assert tree(storage.folder("s3://factory/set")) == {"large.bin": bytes(2500)}


def packed(path, **files):
    with tarfile.open(path, "w:gz") as file:
        for name, content in files.items():
            (path.parent / "one").write_bytes(content)
            file.add(path.parent / "one", name)
    return path


def test_an_archive_is_unpacked_once_for_each_content(s3, tmp_path, monkeypatch):
    unpacked = []
    real = fetching.unpack
    monkeypatch.setattr(fetching, "unpack", lambda *given: (unpacked.append(given[0].name), real(*given)))
    archive = packed(tmp_path / "images.tar.gz", a=b"1")
    put(s3, images_tar_gz=archive.read_bytes())
    with Storage() as storage:
        places = {storage.folder_or_archive(place) for place in ("s3://factory/images.tar.gz", str(archive))}
    with Storage() as storage:
        places.add(storage.folder_or_archive(str(archive)))
    (place,) = places
    assert tree(place) == {"a": b"1"} and len(unpacked) == 1
    packed(archive, a=b"2")
    with Storage() as storage:
        assert tree(storage.folder_or_archive(str(archive))) == {"a": b"2"}
    assert tree(place) == {"a": b"1"}


def test_what_a_killed_process_has_unpacked_is_not_used(tmp_path, monkeypatch):
    archive = packed(tmp_path / "images.tar.gz", a=b"1", b=b"2")

    def killed(path, folder, limits, step):
        (folder / "stray").write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, Storage() as storage, pytest.raises(KeyboardInterrupt):
        patch.setattr(fetching, "unpack", killed)
        storage.folder_or_archive(str(archive))
    with Storage() as storage:
        assert tree(storage.folder_or_archive(str(archive))) == {"a": b"1", "b": b"2"}


def test_nothing_stays_of_an_archive_that_is_refused(tmp_path):
    archive = packed(tmp_path / "images.tar.gz", **{"a": bytes(5000), "../b": b"2"})
    with Storage() as storage, pytest.raises(DataError, match="leads out of its folder"):
        storage.folder_or_archive(str(archive))
    assert sum(map(len, tree(tmp_path / "cache").values())) < 1000
    assert [one.path.name for one in kept.contents(tmp_path / "cache") if not one.whole] == []


def test_two_at_once_unpack_once(tmp_path, monkeypatch):
    archive = packed(tmp_path / "images.tar.gz", a=b"1")
    real, unpacked, begun = fetching.unpack, [], threading.Event()

    def slow(*given):
        begun.set()
        unpacked.append(given)
        threading.Event().wait(0.2)
        real(*given)

    monkeypatch.setattr(fetching, "unpack", slow)
    found = []

    def work():
        with Storage() as storage:
            found.append(storage.folder_or_archive(str(archive)))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(unpacked) == 1 and len(found) == 3 and len(set(found)) == 1


def test_parts_that_are_archives_or_folders_come_together(tmp_path):
    (tmp_path / "list").mkdir()
    (tmp_path / "list" / "train.txt").write_text("1.png")
    with tarfile.open(tmp_path / "A.tar", "w") as file:
        file.add(tmp_path / "list" / "train.txt", "A/1.png")
    with tarfile.open(tmp_path / "B.tar", "w") as file:
        file.add(tmp_path / "list" / "train.txt", "1.png")
    with Storage() as storage:
        parts = {"A": tmp_path / "A.tar", "B": tmp_path / "B.tar", "list": tmp_path / "list"}
        folder = storage.unpacked({name: str(path) for name, path in parts.items()})
    assert set(tree(folder)) == {"A/1.png", "B/1.png", "list/train.txt"}


def test_the_oldest_goes_where_there_is_too_much_but_nothing_in_use(s3):
    put(s3, a=bytes(1000), b=bytes(1000), c=bytes(1000))
    limits = Limits(limit_gb=2.5e-6)
    with Storage(limits) as held:
        a = Path(held.file("s3://factory/a"))
        with Storage(limits) as other:
            b = Path(other.file("s3://factory/b"))
        os.utime(b.parent.parent / "about.json", (1, 1))
        os.utime(a.parent.parent / "about.json", (0, 0))
        with Storage(limits) as other:
            c = Path(other.file("s3://factory/c"))
        assert (a.is_file(), b.exists(), c.is_file()) == (True, False, True)
        gone, freed, stayed = kept.clear(a.parents[3])
        assert (gone, freed, stayed) == (1, 1000, 1) and a.is_file()
    assert kept.clear(a.parents[3]) == (1, 1000, 0)
    assert not list((a.parents[3] / "fetched").iterdir())


def test_what_lies_in_the_cache(s3, tmp_path):
    put(s3, t_csv=b"12345")
    with Storage() as storage:
        storage.file("s3://factory/t.csv")
    (one,) = kept.contents(tmp_path / "cache")
    assert (one.source, one.files, one.size, one.whole) == ("s3://factory/t.csv", 1, 5, True)


# what goes wrong


def test_what_is_not_there(s3):
    with Storage() as storage:
        for look in (storage.file, storage.folder):
            with pytest.raises(DataError, match="s3://factory/nothing: there is no such f"):
                look("s3://factory/nothing")
        with pytest.raises(DataError, match="s3://no-such-bucket/x: there is no such file or folder.*AWS_ENDPOINT_URL"):
            storage.file("s3://no-such-bucket/x")
        put(s3, set__a=b"1")
        with pytest.raises(DataError, match="s3://factory/set: it is a folder, and a file is wanted"):
            storage.file("s3://factory/set")


def test_no_credentials(s3, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    type(Store("s3://factory/x").fs).clear_instance_cache()
    with Storage() as storage, pytest.raises(DataError, match="no credentials were found; set AWS_ACCESS_KEY_ID and"):
        storage.file("s3://factory/x")


def test_no_access(s3, monkeypatch):
    def refused(self, path, **_):
        raise PermissionError("Access Denied")

    monkeypatch.setattr("s3fs.S3FileSystem.info", refused)
    with Storage() as storage, pytest.raises(DataError, match=r"s3://factory/x: no access \(Access Denied\)"):
        storage.file("s3://factory/x")


def test_no_network(s3, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    type(Store("s3://factory/x").fs).clear_instance_cache()
    monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)
    with Storage() as storage, pytest.raises(DataError, match="s3://factory/x: it cannot be reached .*network"):
        storage.file("s3://factory/x")


def test_a_timeout(s3, monkeypatch):
    def late(self, path, **_):
        raise fsspec.exceptions.FSTimeoutError

    monkeypatch.setattr("s3fs.S3FileSystem.info", late)
    with Storage() as storage, pytest.raises(DataError, match="no answer in time .*what was fetched is kept"):
        storage.file("s3://factory/x")


def test_a_missing_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with (
        Storage() as storage,
        pytest.raises(
            InputError,
            match=r"^gs://b/x: gs:// needs a package that is not installed: pip install 'goldenpair\[storage\]'$",
        ),
    ):
        storage.file("gs://b/x")


# the web


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; asks for a signature below /signed, and for a login below /private."""

    def log_message(self, *_):
        pass

    def send_head(self):
        if self.path.startswith("/private") and "Authorization" not in self.headers:
            self.send_error(401)
            return None
        if self.path.startswith("/signed") and (self.command == "HEAD" or "sig=open-sesame" not in self.path):
            self.send_error(403)
            return None
        path, _, query = self.path.partition("?")
        if query.startswith("id="):  # a table of a program, which tells its time only
            self.path = f"{path}.{query.split('&')[0][3:]}"
        self.path = self.path.replace("/signed/", "/").replace("/private/", "/")
        return super().send_head()


@pytest.fixture
def web(tmp_path):
    (tmp_path / "web").mkdir()
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(tmp_path / "web"))
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"127.0.0.1:{server.server_port}", tmp_path / "web"
    server.shutdown()
    thread.join()
    server.server_close()


def test_files_of_the_web(web, fetched):
    host, folder = web
    (folder / "t.csv").write_bytes(b"one")
    for _ in range(2):
        with Storage() as storage:
            path = Path(storage.file(f"http://{host}/t.csv"))
        assert (path.name, path.read_bytes()) == ("t.csv", b"one")
    assert fetched == ["t.csv"]  # by its time: this server has no ETag
    with Storage() as storage:
        with pytest.raises(DataError, match=rf"http://{host}/none: there is no such file"):
            storage.file(f"http://{host}/none")
        with pytest.raises(DataError, match="the web has no folders"):
            storage.folder(f"http://{host}/")
    with pytest.raises(DataError, match="the web has no folders"):
        Store(f"http://{host}/").files()


def test_what_a_program_of_the_web_sends_is_told_apart_by_its_parameters(web, fetched):
    host, folder = web
    for number in "12":
        (folder / f"table.{number}").write_text(f"table {number}")
        os.utime(folder / f"table.{number}", (1e9, 1e9))
    with Storage() as storage:
        for number in "1212":
            assert Path(storage.file(f"http://{host}/table?id={number}")).read_text() == f"table {number}"
        storage.file(f"http://{host}/table?id=1&sig=a&se=1")
    assert len(fetched) == 2


def test_large_files_of_the_web_come_as_a_stream(web, monkeypatch):
    host, folder = web
    monkeypatch.setattr(downloads, "_BLOCK", 1000)
    content = os.urandom(5000)
    (folder / "large.bin").write_bytes(content)
    with Storage() as storage:
        assert Path(storage.file(f"http://{host}/large.bin")).read_bytes() == content


def test_secrets_are_used_and_never_told(web, caplog, tmp_path):
    host, folder = web
    (folder / "t.csv").write_bytes(b"one")
    caplog.set_level(logging.DEBUG)
    with Storage() as storage:
        assert Path(storage.file(f"http://{host}/signed/t.csv?sig=open-sesame")).read_bytes() == b"one"
        assert Path(storage.file(f"http://joe:hush-hush@{host}/private/t.csv")).read_bytes() == b"one"
        said = [record.getMessage() for record in caplog.records if record.name.startswith("goldenpair")]
        for place in (f"http://{host}/signed/t.csv?sig=wrong-sesame", f"http://{host}/private/t.csv?token=hush-hush"):
            with pytest.raises(DataError, match="no access") as caught:
                storage.file(place)
            said.append(str(caught.value))
    written = [str(path) for path in (tmp_path / "cache").rglob("*")]
    written += [path.read_text() for path in (tmp_path / "cache").rglob("*.json")]
    assert not [text for text in [*said, *written] if "sesame" in text or "hush" in text]


def test_texts(s3, tmp_path):
    put(s3, spec_yaml=b"\xef\xbb\xbfresults_dir: x\n", picture=b"\xff\xd8")
    assert read_text("s3://factory/spec.yaml") == "results_dir: x\n"
    with pytest.raises(DataError, match="s3://factory/picture: it is no text"):
        read_text("s3://factory/picture")
    with pytest.raises(DataError, match="it cannot be read"):
        read_text(f"file://{tmp_path}/none")
    write_text("s3://factory/out/x.yaml", "a: ä\n")
    assert s3.get_object(Bucket="factory", Key="out/x.yaml")["Body"].read() == "a: ä\n".encode()
