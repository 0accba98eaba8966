"""Results of a remote folder: sent when they are new, and lost never."""

import logging
import os

import fsspec
import pytest

from goldenpair.checkpoint import point_at
from goldenpair.errors import DataError, InputError, RunError
from goldenpair.run import Run
from goldenpair.specs.load import load_spec
from goldenpair.storage import downloads, kept
from goldenpair.storage.mirror import Mirror

PLACE = "memory://factory/runs/one"


@pytest.fixture
def there():
    """The files of a store in memory, by their names in the folder of results."""
    fs = fsspec.filesystem("memory")
    fs.store.clear()

    def files():
        return {path.removeprefix("/factory/runs/one/"): fs.cat_file(path) for path in fs.find("/factory")}

    yield files
    fs.store.clear()


def begun(cache, *wanted):
    mirror = Mirror(PLACE, cache)
    mirror.begin(mirror.there(), wanted)
    return mirror


def test_only_what_is_new_is_sent(tmp_path, there, monkeypatch):
    mirror = begun(tmp_path)
    (mirror.folder / "sub").mkdir()
    (mirror.folder / "sub" / "a.png").write_bytes(b"1")
    (mirror.folder / "status.json").write_text("{}")
    (mirror.folder / ".lock").write_text("")
    mirror.send()
    assert there() == {"sub/a.png": b"1", "status.json": b"{}"}
    sent = []
    real = mirror._store.fs.put_file
    monkeypatch.setattr(
        mirror._store.fs, "put_file", lambda path, to: (sent.append(os.path.basename(path)), real(path, to))
    )
    (mirror.folder / "sub" / "b.png").write_bytes(b"2")
    (mirror.folder / "status.json").write_text("{}\n{}")
    mirror.send()
    mirror.send()
    assert sent == ["b.png", "status.json"] and there()["status.json"] == b"{}\n{}"


def test_what_a_link_stands_for_is_copied_there(tmp_path, there):
    mirror = begun(tmp_path)
    for number in (1, 2):
        (mirror.folder / f"model_{number}.pth").write_bytes(b"%d" % number)
        point_at(mirror.folder / "latest.pth", mirror.folder / f"model_{number}.pth")
        mirror.send()
        assert there()["latest.pth"] == b"%d" % number
    mirror.remove("model_1.pth")
    assert set(there()) == {"model_2.pth", "latest.pth"}
    mirror.remove("model_1.pth")


def test_another_machine_goes_on(tmp_path, there):
    first = begun(tmp_path / "one")
    for name in ("latest.pth", "other.pth", "status.json"):
        (first.folder / name).write_text("first")
    first.send()
    second = begun(tmp_path / "two", "latest.pth", "status.json", "never.pth")
    assert {path.name for path in second.folder.iterdir()} == {"latest.pth", "status.json", ".sent.json"}
    (second.folder / "latest.pth").write_text("second")
    second.send()
    assert there() == {"latest.pth": b"second", "other.pth": b"first", "status.json": b"first"}
    again = begun(tmp_path / "one", "latest.pth")
    assert (again.folder / "latest.pth").read_text() == "second"
    assert (again.folder / "other.pth").read_text() == "first"


def test_what_was_removed_there_is_not_sent_again(tmp_path, there):
    mirror = begun(tmp_path)
    (mirror.folder / "latest.pth").write_text("old")
    mirror.send()
    fsspec.filesystem("memory").store.clear()
    mirror = begun(tmp_path, "latest.pth")
    mirror.send()
    assert there() == {} and not (mirror.folder / "latest.pth").exists()


def test_a_failure_loses_nothing(tmp_path, there, monkeypatch):
    mirror = begun(tmp_path)
    (mirror.folder / "scores.csv").write_text("1")
    with monkeypatch.context() as patch:
        patch.setattr(mirror._store.fs, "put_file", lambda *_: (_ for _ in ()).throw(PermissionError("Access Denied")))
        with pytest.raises(RunError) as caught:
            mirror.send()
    said = str(caught.value)
    assert "memory://factory/runs/one/scores.csv: no access (Access Denied)" in said
    assert f"they are in {mirror.folder}, and the same command sends them" in said
    assert kept.unsent(tmp_path) == [mirror.folder] and kept.clear(tmp_path)[2] == 1
    assert (mirror.folder / "scores.csv").read_text() == "1"
    begun(tmp_path).send()
    assert there() == {"scores.csv": b"1"}
    assert kept.unsent(tmp_path) == [] and kept.clear(tmp_path)[0] == 1 and not mirror.folder.exists()


def test_both_have_changed(tmp_path, there):
    first, second = begun(tmp_path / "one"), begun(tmp_path / "two")
    for one, text in ((first, "first"), (second, "second")):
        (one.folder / "latest.pth").write_text(text)
        (one.folder / "log.txt").write_text(text)
    second.send()
    with pytest.raises(DataError, match="latest.pth is there in another version.*Two runs have worked"):
        begun(tmp_path / "one")
    assert (first.folder / "latest.pth").read_text() == "first"
    (first.folder / "latest.pth").unlink()
    again = begun(tmp_path / "one", "latest.pth", "log.txt")  # of the log the remote one counts
    assert (again.folder / "latest.pth").read_text() == (again.folder / "log.txt").read_text() == "second"


def test_a_run_that_was_killed_before_it_noted_what_it_sent(tmp_path, s3):
    mirror = Mirror("s3://factory/run", tmp_path)
    mirror.begin({}, ())
    (mirror.folder / "latest.pth").write_text("1")
    mirror.send()
    (mirror.folder / ".sent.json").unlink()
    again = Mirror("s3://factory/run", tmp_path)
    again.begin(again.there(), ())
    assert kept.unsent(tmp_path) == []


def test_what_cannot_be_removed_there_is_told(tmp_path, there, monkeypatch):
    mirror = begun(tmp_path)
    monkeypatch.setattr(mirror._store.fs, "exists", lambda _: (_ for _ in ()).throw(ConnectionError("cut")))
    with pytest.raises(DataError, match="memory://factory/runs/one/old.pth: it cannot be reached"):
        mirror.remove("old.pth")


def test_a_checkpoint_that_cannot_be_removed_there_does_no_harm(tmp_path, there, monkeypatch, caplog):
    monkeypatch.setenv("GOLDENPAIR_CACHE", str(tmp_path))
    run = Run(load_spec("optical_inspection", {}, ["results_dir=memory://factory/runs"]), "train")
    monkeypatch.setattr(Mirror, "remove", lambda *_: (_ for _ in ()).throw(DataError("old.pth: cut")))
    with caplog.at_level(logging.WARNING):
        run.discard(run.folder / "old.pth")
    assert "It could not be removed: old.pth: cut" in caplog.text


@pytest.mark.parametrize("newer", [b"B" * 3500, b"A" * 3500])
def test_a_fetch_that_was_killed_goes_on_in_the_same_version_only(tmp_path, s3, monkeypatch, newer):
    monkeypatch.setattr(downloads, "_BLOCK", 1000)
    s3.put_object(Bucket="factory", Key="run/latest.pth", Body=b"A" * 3500)
    mirror = Mirror("s3://factory/run", tmp_path)
    fs, asked = mirror._store.fs, []
    real = fs.cat_file

    def killed(path, start, end):
        asked.append(start)
        if start == 2000 and asked.count(2000) == 1:
            raise KeyboardInterrupt
        return real(path, start=start, end=end)

    monkeypatch.setattr(fs, "cat_file", killed)
    with pytest.raises(KeyboardInterrupt):
        mirror.begin(mirror.there(), ["latest.pth"])
    mirror.send()
    assert list(mirror.there()) == ["latest.pth"] and kept.unsent(tmp_path) == []  # half a file is no result
    s3.put_object(Bucket="factory", Key="run/latest.pth", Body=newer)
    mirror.begin(mirror.there(), ["latest.pth"])
    assert (mirror.folder / "latest.pth").read_bytes() == newer
    assert asked[3:] == ([2000, 3000] if newer[:1] == b"A" else [0, 1000, 2000, 3000])
    assert {path.name for path in mirror.folder.iterdir()} == {"latest.pth", ".sent.json"}


def test_the_web_takes_no_results(tmp_path):
    with pytest.raises(InputError, match="the web can be read only; give results_dir a folder"):
        Mirror("https://host/runs?sig=secret", tmp_path)
