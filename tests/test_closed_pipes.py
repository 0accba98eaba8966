"""Whoever stops reading what a command prints does not stop its work."""

import errno
import os
import subprocess
import sys

import pytest

from factory import as_csv, factory
from goldenpair.closed_pipes import readers_may_leave


@pytest.mark.parametrize(
    ("words", "files"),
    [
        (["report", "x.csv", "--cutoff", "0.4"], ["x_report/report.html", "x_report/metrics.json"]),
        (["policy", "x.csv", "--capture", "1", "--out", "p.json"], ["p.json"]),
        (["--help"], []),
    ],
)
def test_files_are_written_and_nothing_is_said(tmp_path, words, files):
    (tmp_path / "x.csv").write_text(as_csv(factory(400)), encoding="utf-8")
    read, write = os.pipe()
    os.close(read)  # the reader has left
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}  # so the very first word meets the closed pipe
    command = [sys.executable, "-m", "goldenpair", *words]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")
    assert all((tmp_path / name).stat().st_size for name in files)


def test_another_mistake_stays_one(monkeypatch):
    class Full:
        def write(self, text):
            raise OSError(errno.ENOSPC, "no space left")

        def flush(self):
            pass

    monkeypatch.setattr(sys, "stdout", Full())
    with pytest.raises(OSError, match="no space"), readers_may_leave():
        print("x")
    assert isinstance(sys.stdout, Full)
