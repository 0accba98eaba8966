"""Boards drawn one after another, or by several processes; those that are there already are left."""

import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from multiprocessing import get_context, parent_process
from pathlib import Path

from goldenpair.errors import RunError
from goldenpair.progress import Progress
from goldenpair.simulation.plan import Plan, plan
from goldenpair.simulation.writing import board_table, golden_table, write_board, write_goldens
from goldenpair.specs.simulate import SimulateSpec

Drawing = Callable[[Path, Plan, int], None]


def draw_all(out: Path, line: Plan, progress: Progress | None = None) -> None:
    """All goldens, then all boards. `progress` is told how many parts of how many are there.

    Raises RunError where a process was killed, and whatever one of them raises. Those who draw end their boards then,
    and those who have lost their parent end at once.
    """
    parts = line.spec.parts_per_board
    goldens = [i for i, one in enumerate(line.designs) if not golden_table(out, one).exists()]
    boards = [i for i, board in enumerate(line.boards) if not board_table(out, board).exists()]
    total = len(line.designs) + len(line.boards)
    drawn = total - len(goldens) - len(boards)

    def tell() -> None:
        nonlocal drawn
        drawn += 1
        if progress:
            progress(drawn * parts, total * parts)

    if line.spec.workers == 1:
        for draw, numbers in ((_draw_goldens, goldens), (_draw_board, boards)):
            for number in numbers:
                draw(out, line, number)
                tell()
    elif goldens or boards:
        _by_processes(out, line.spec, [(_draw_goldens, goldens), (_draw_board, boards)], tell)


def _by_processes(
    out: Path, spec: SimulateSpec, work: Sequence[tuple[Drawing, list[int]]], tell: Callable[[], None]
) -> None:
    text = spec.model_dump_json()
    with ProcessPoolExecutor(spec.workers, get_context("spawn"), _begin) as pool:
        try:
            for draw, numbers in work:
                for drawn in as_completed([pool.submit(_work, draw, text, out, number) for number in numbers]):
                    drawn.result()
                    tell()
        except BrokenProcessPool:
            raise RunError(
                f"{out}: a process that drew was killed, perhaps for want of memory; the same command goes on, with "
                "fewer workers if it happens again"
            ) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _draw_goldens(out: Path, line: Plan, number: int) -> None:
    write_goldens(out, line.spec, line.designs[number])


def _draw_board(out: Path, line: Plan, number: int) -> None:
    write_board(out, line.spec, line.boards[number])


def _work(draw: Drawing, text: str, out: Path, number: int) -> None:
    draw(out, _plan(text), number)


@lru_cache(1)
def _plan(text: str) -> Plan:
    """Each process makes its own: a plan is a function of the options."""
    return plan(SimulateSpec.model_validate_json(text))


def _begin() -> None:
    """Ctrl-C goes to the parent alone, and nobody draws for a parent that is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
