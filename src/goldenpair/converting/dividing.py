"""Boards divided into tables, each board as a whole, defects and designs spread as evenly as that allows."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from goldenpair.converting.raw_tables import Part
from goldenpair.specs.dataset_convert import BoardSplit

Board = tuple[str, str]
"""Design and number: two designs may count their boards alike."""


def board_of(part: Part) -> Board:
    return part.design, part.board


def shares_of(split: BoardSplit) -> dict[str, float]:
    """The tables that are to be made, and their shares."""
    shares = {"train": 1 - split.val - split.test, "val": split.val, "test": split.test}
    return {name: share for name, share in shares.items() if share}


def divided(parts: Sequence[Part], split: BoardSplit) -> dict[Board, str]:
    """The table of each board. There must be as many boards as tables, or more."""
    shares = shares_of(split)
    counts: dict[Board, Counter[tuple[str, str]]] = {}
    for part in parts:
        told = counts.setdefault(board_of(part), Counter())
        told["parts", part.design] += 1
        if part.is_defect:
            told["defects", ""] += 1
            told["defects of", part.design] += 1
            told["label", part.label] += 1
    for told in counts.values():
        told["boards", ""] = 1
    boards = sorted(counts)
    columns = _spread_by(counts, min(shares.values()))
    matrix = np.array([[counts[board][one] for one in columns] for board in boards], dtype=np.float64)
    defects = np.array([counts[board]["defects", ""] for board in boards])
    table = _assigned(matrix, defects, np.array(list(shares.values())), split.seed)
    names = list(shares)
    return {board: names[place] for board, place in zip(boards, table.tolist(), strict=True)}


def _spread_by(counts: Mapping[Board, Counter[tuple[str, str]]], least: float) -> list[tuple[str, str]]:
    """What is spread evenly; not labels that are too rare for each table to get one."""
    total: Counter[tuple[str, str]] = Counter()
    for told in counts.values():
        total += told
    return [one for one, count in sorted(total.items()) if one[0] != "label" or count * least >= 1]


def _assigned(
    counts: NDArray[np.float64], defects: NDArray[np.int64], shares: NDArray[np.float64], seed: int
) -> NDArray[np.int64]:
    """The place among `shares` for each row of `counts`, int64 [B]; `counts` is [B, F] and `defects` is [B].

    Boards with most defects come first. Each goes where the shares of all F then are nearest to what they shall be,
    but the last ones go where there is none of their kind yet.
    """
    relative = counts / counts.sum(axis=0)
    filled = np.zeros((len(shares), counts.shape[1]))
    wanted = shares[:, None]
    order = np.random.default_rng(seed).permutation(len(counts))
    order = order[np.argsort(-defects[order], kind="stable")]
    remaining = {True: int((defects > 0).sum()), False: int((defects == 0).sum())}
    has = {True: np.zeros(len(shares), np.bool_), False: np.zeros(len(shares), np.bool_)}  # by whether with defects
    table = np.zeros(len(counts), np.int64)
    for board in order:
        bad = bool(defects[board])
        lacking = ~has[True] if bad else ~(has[True] | has[False])
        now, then = filled - wanted, filled + relative[board] - wanted
        cost = ((then**2 - now**2) / wanted).sum(axis=1)
        if remaining[bad] <= lacking.sum():
            cost[~lacking] = np.inf
        place = int(np.argmin(cost))
        table[board] = place
        filled[place] += relative[board]
        has[bad][place] = True
        remaining[bad] -= 1
    return table
