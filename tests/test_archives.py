"""Archives, also of somebody who means harm."""

import errno
import gzip
import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from goldenpair.errors import DataError, RunError
from goldenpair.storage import archives
from goldenpair.storage.archives import harmless, is_archive, stem, unpack
from goldenpair.storage.limits import Limits


def tar(path, *members):
    """Members: (name, content) or a TarInfo; None as content makes a folder."""
    with tarfile.open(path, "w:gz" if path.suffix in (".gz", ".tgz") else "w") as file:
        for one in members:
            if isinstance(one, tarfile.TarInfo):
                file.addfile(one)
                continue
            name, content = one
            info = tarfile.TarInfo(name)
            info.type, info.size = (tarfile.DIRTYPE, 0) if content is None else (tarfile.REGTYPE, len(content))
            file.addfile(info, io.BytesIO(content or b""))
    return path


def zipped(path, *members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            file.writestr(name, content)
    return path


def special(kind, name="images/x", target="/etc/passwd"):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def out(tmp_path):
    (tmp_path / "out").mkdir(exist_ok=True)
    return tmp_path / "out"


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


GOOD = (("images/a/R1.png", b"one"), ("images/b", None), ("./images/a/R2.png", b"two" * 1000))


@pytest.mark.parametrize("name", ["x.tar.gz", "x.tgz", "x.tar", "X.TAR.GZ"])
def test_a_tar_is_unpacked(tmp_path, name):
    archive = tmp_path / name
    tar(archive if name[0] == "x" else tmp_path / "y.tar.gz", *GOOD)
    if name[0] == "X":
        (tmp_path / "y.tar.gz").rename(archive)
    unpack(archive, out(tmp_path), Limits())
    assert files(out(tmp_path)) == {"images/a/R1.png": b"one", "images/a/R2.png": b"two" * 1000}
    assert (out(tmp_path) / "images" / "b").is_dir()


def test_a_zip_is_unpacked(tmp_path):
    archive, steps = zipped(tmp_path / "x.zip", ("a/R1.png", b"one"), ("b/", b""), ("a/R2.png", b"two")), []
    unpack(archive, out(tmp_path), Limits(), steps.append)
    assert files(out(tmp_path)) == {"a/R1.png": b"one", "a/R2.png": b"two"} and (out(tmp_path) / "b").is_dir()
    assert 0 < steps[0] < steps[1] <= archive.stat().st_size


def test_rights_and_owners_of_the_archive_count_for_nothing(tmp_path):
    info = tarfile.TarInfo("x.png")
    info.mode, info.uid = 0o4777, 0
    with tarfile.open(tmp_path / "x.tar", "w") as file:
        file.addfile(info)
    unpack(tmp_path / "x.tar", out(tmp_path), Limits())
    assert not (out(tmp_path) / "x.png").stat().st_mode & (stat.S_ISUID | stat.S_IXUSR)


HOSTILE = {
    "../escaped": "leads out of its folder",
    "a/../../escaped": "leads out of its folder",
    "/tmp/escaped": "begins at the root",
    "C:/escaped": "begins at the root",
    "C:escaped": "begins at the root",
    "..\\escaped": "in different ways",
    "a\\b": "in different ways",
}


@pytest.mark.parametrize(("name", "what"), HOSTILE.items())
def test_members_that_lead_elsewhere(tmp_path, name, what):
    for archive in (
        tar(tmp_path / "x.tar.gz", ("ok", b"1"), (name, b"bad")),
        zipped(tmp_path / "x.zip", (name, b"bad")),
    ):
        with pytest.raises(DataError, match=rf"archive .*{archive.name}: it is refused, because its member .* {what}"):
            unpack(archive, out(tmp_path), Limits())
    assert set(files(tmp_path)) <= {"x.tar.gz", "x.zip", "out/ok"}


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (tarfile.SYMTYPE, "link"),
        (tarfile.LNKTYPE, "link"),
        (tarfile.CHRTYPE, "device"),
        (tarfile.BLKTYPE, "device"),
        (tarfile.FIFOTYPE, "device"),
    ],
)
def test_links_and_devices_in_a_tar(tmp_path, kind, what):
    archive = tar(tmp_path / "x.tar", special(kind), ("images/x/through", b"bad"))
    with pytest.raises(DataError, match=f"its member 'images/x' is a {what}; pack files and folders only"):
        unpack(archive, out(tmp_path), Limits())
    assert files(out(tmp_path)) == {}


@pytest.mark.parametrize(("kind", "what"), [(stat.S_IFLNK, "link"), (stat.S_IFIFO, "device")])
def test_links_and_devices_in_a_zip(tmp_path, kind, what):
    info = zipfile.ZipInfo("images/x")
    info.external_attr = (kind | 0o777) << 16
    archive = zipped(tmp_path / "x.zip", (info, b"/etc/passwd"))
    with pytest.raises(DataError, match=f"its member 'images/x' is a {what}"):
        unpack(archive, out(tmp_path), Limits())


def test_two_members_of_one_name(tmp_path):
    for archive in (tmp_path / "x.tar", tmp_path / "y.tgz"):
        tar(archive, ("R1.png", b"one"), ("./R1.png", b"two"))
        with pytest.raises(DataError, match="'./R1.png' stands in it twice"):
            unpack(archive, out(tmp_path), Limits())
        assert files(out(tmp_path)) == {"R1.png": b"one"}
        (out(tmp_path) / "R1.png").unlink()


@pytest.mark.parametrize("name", ["a/CON", "nul.txt", "COM1.png", "R1:2.png", "what?.png", "a /b", "dot./b", "x\x07"])
def test_names_that_windows_cannot_write(name):
    with pytest.raises(DataError, match="which Windows cannot write; rename it, also in the table"):
        harmless(name, "archive x.zip", windows=True)
    assert harmless(name, "archive x.zip", windows=False).as_posix() == name
    assert harmless("CONNECTOR/COM10.png", "", windows=True).as_posix() == "CONNECTOR/COM10.png"


def test_too_many_members(tmp_path):
    for archive in (
        tar(tmp_path / "x.tar", *((str(i), b"") for i in range(4))),
        zipped(tmp_path / "x.zip", *((str(i), b"") for i in range(4))),
    ):
        with pytest.raises(DataError, match="too many files, more than 3 files and folders.*raise storage.max_files"):
            unpack(archive, out(tmp_path), Limits(max_files=3))
    unpack(tmp_path / "x.zip", tmp_path / "other", Limits(max_files=4))


def test_too_large(tmp_path):
    for archive in (tar(tmp_path / "x.tar", ("a", b"1" * 3000)), zipped(tmp_path / "x.zip", ("a", b"1" * 3000))):
        with pytest.raises(DataError, match="too many bytes, more than 1e-06 GB.*raise storage.max_gb"):
            unpack(archive, out(tmp_path), Limits(max_gb=1e-6))


def test_a_bomb_goes_off_early(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "_ALWAYS", 1 << 20)
    bomb = bytes(1 << 24)
    for archive in (tar(tmp_path / "x.tar.gz", ("a", bomb)), zipped(tmp_path / "x.zip", ("a", bomb))):
        with pytest.raises(DataError, match="more than 100 times its own size.*raise storage.max_ratio"):
            unpack(archive, out(tmp_path), Limits(max_ratio=100))
        assert sum(map(len, files(out(tmp_path)).values())) < 1 << 23
    unpack(tmp_path / "x.zip", tmp_path / "other", Limits(max_ratio=2000))


def test_a_zip_that_lies_about_sizes(tmp_path):
    archive = zipped(tmp_path / "x.zip", ("a", bytes(100_000)))
    content = archive.read_bytes().replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    archive.write_bytes(content)
    with pytest.raises(DataError, match="it is damaged or cut off"):
        unpack(archive, out(tmp_path), Limits())


def test_a_header_of_gigabytes_is_not_read(tmp_path):
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 1 << 34
    with gzip.open(tmp_path / "x.tar.gz", "wb") as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20))
    with pytest.raises(DataError, match=r"damaged or cut off \(a header of 17179869"):
        unpack(tmp_path / "x.tar.gz", out(tmp_path), Limits())


@pytest.mark.parametrize("name", ["x.tar.gz", "x.tar"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
def test_a_tar_that_is_cut_off_anywhere_is_told(tmp_path, name, share):
    parts = [(f"{i}.png", os.urandom(2000)) for i in range(20)]
    archive = tar(tmp_path / name, *parts)
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(len(whole) * share)])
    if name == "x.tar":  # at the end of a member, where tarfile sees nothing wrong
        archive.write_bytes(whole[: 2560 * int(20 * share)])
    with pytest.raises(DataError, match="it is damaged or cut off"):
        unpack(archive, out(tmp_path), Limits())


def test_one_byte_of_a_gzip_that_has_changed(tmp_path):
    archive = tar(tmp_path / "x.tar.gz", ("a", os.urandom(5000)))
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)
    with pytest.raises(DataError, match="it is damaged or cut off"):
        unpack(archive, out(tmp_path), Limits())


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz", "x.tar"])
def test_what_is_no_archive(tmp_path, name):
    with pytest.raises(DataError, match="it cannot be read"):
        unpack(tmp_path / name, out(tmp_path), Limits())
    (tmp_path / name).write_bytes(b"something else" * 100)
    with pytest.raises(DataError, match="damaged or cut off"):
        unpack(tmp_path / name, out(tmp_path), Limits())


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_a_zip_that_is_damaged_in_a_member(tmp_path, method):
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w", method) as file:
        file.writestr("a/R1.png", os.urandom(5000))
    content = bytearray(archive.read_bytes())
    content[100:1000] = bytes(900)
    archive.write_bytes(content)
    with pytest.raises(
        DataError, match=r"archive .*x\.zip: it is damaged or cut off in its member 'a/R1.png' \(.*anew"
    ):
        unpack(archive, out(tmp_path), Limits())


@pytest.mark.parametrize(
    "members", [(("a", b"1"), ("a/b", b"2")), (("a/b", b"1"), ("a", b"2")), (("a", b"1"), ("a/", b""))]
)
def test_a_file_that_is_a_folder_too(tmp_path, members):
    for archive in (tar(tmp_path / "x.tar", *members), zipped(tmp_path / "x.zip", *members)):
        with pytest.raises(
            DataError, match=rf"archive .*{archive.name}: 'a.*' stands in it twice, or as a file and as a"
        ):
            unpack(archive, tmp_path / f"out.{archive.suffix}", Limits())


@pytest.mark.parametrize(
    ("name", "said"),
    [("x" * 300, "'x{300}' cannot be written here"), ("a/" * 1500 + "b", "'(a/){50}...' lies 1501 folders deep")],
)
def test_names_that_no_system_can_write(tmp_path, name, said):
    with pytest.raises(DataError, match=rf"archive .*x\.tar: it.* its member {said}|x\.tar: its member {said}"):
        unpack(tar(tmp_path / "x.tar", (name, b"1")), out(tmp_path), Limits())


def test_a_full_disk_is_no_fault_of_the_archive(tmp_path, monkeypatch):
    archive = zipped(tmp_path / "x.zip", ("a", b"1"))
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr(Path, "open", lambda self, mode: (_ for _ in ()).throw(full))
    with pytest.raises(RunError, match=r"archive .*x\.zip: its member 'a': it cannot be written to \(No space left"):
        unpack(archive, out(tmp_path), Limits())


def test_a_zip_with_a_password(tmp_path):
    archive = zipped(tmp_path / "x.zip", ("a", b"content"))
    content = bytearray(archive.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + place] |= 1
    archive.write_bytes(content)
    with pytest.raises(DataError, match="it cannot be unpacked .*password"):
        unpack(archive, out(tmp_path), Limits())


def test_names_of_archives():
    assert all(map(is_archive, ("a.tar.gz", "A.TGZ", "s3://b/a.tar", "a.zip")))
    assert not any(map(is_archive, ("a.gz", "a", "tar", "a.zip/")))
    assert (stem("A.tar.gz"), stem("label.v2.ZIP")) == ("A", "label.v2")
