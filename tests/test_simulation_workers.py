"""Processes that draw: what becomes of a set, and of them, when one of them or their parent is killed."""

import multiprocessing
import subprocess
import sys
import time
from pathlib import Path

import pytest

from goldenpair.errors import RunError
from goldenpair.simulation.plan import plan
from goldenpair.simulation.workers import draw_all
from goldenpair.simulation.writing import board_table, golden_table
from goldenpair.specs.simulate import SimulateSpec

WISH = {"boards": 6, "designs": 2, "parts_per_board": 4, "size": 24, "lights": 1}


def names(out: Path) -> list[str]:
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())


def test_what_is_there_is_not_drawn_again(tmp_path):
    line, told = plan(SimulateSpec(**WISH)), []
    draw_all(tmp_path, line, lambda done, total: told.append((done, total)))
    assert told == [(4 * count, 32) for count in range(1, 9)]
    board_table(tmp_path, line.boards[2]).unlink()
    golden_table(tmp_path, line.designs[1]).unlink()
    before, told[:] = names(tmp_path), []
    draw_all(tmp_path, line, lambda done, total: told.append((done, total)))
    assert told == [(28, 32), (32, 32)]
    assert set(names(tmp_path)) - set(before) == {f"export/all/{line.boards[2].table}", "export/golden/GP101TOP.csv"}
    draw_all(tmp_path, line, lambda done, total: told.append((done, total)))
    assert len(told) == 2


def test_a_worker_that_is_killed_is_told_and_the_rest_goes_on(tmp_path):
    line = plan(SimulateSpec(**WISH, workers=2))

    def kill(done: int, total: int) -> None:
        for worker in multiprocessing.active_children():
            worker.kill()

    with pytest.raises(RunError, match="a process that drew was killed, perhaps for want of memory; the same command"):
        draw_all(tmp_path, line, kill)
    assert not all(board_table(tmp_path, board).exists() for board in line.boards)
    draw_all(tmp_path, plan(SimulateSpec(**WISH)))
    assert all(board_table(tmp_path, board).exists() for board in line.boards)


def test_what_a_worker_raises_comes_through(tmp_path):
    (tmp_path / "images").write_text("a file where a folder should be")
    with pytest.raises(OSError, match="images"):
        draw_all(tmp_path, plan(SimulateSpec(**WISH, workers=2)))


@pytest.mark.skipif(sys.platform != "linux", reason="children of a process are read from /proc")
def test_workers_end_with_their_parent(tmp_path):
    words = ["--boards", "9", "--parts-per-board", "30", "--size", "64", "--workers", "2"]
    command = [sys.executable, "-m", "goldenpair", "simulate", str(tmp_path / "set"), *words]
    parent = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not list(tmp_path.glob("set/images/golden/images/*/*.jpg")) and time.monotonic() < until:
        time.sleep(0.02)
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
    assert len(children) >= 2 and parent.poll() is None
    parent.kill()
    parent.wait()
    while any(map(running, children)) and time.monotonic() < until:
        time.sleep(0.02)
    assert not [child for child in children if running(child)]


def running(number: str) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
