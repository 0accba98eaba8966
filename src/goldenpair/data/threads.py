"""Work on many items by several threads: decoding releases the interpreter lock."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Threads:
    """At most `workers` threads, and no more than there are cores; with one, the caller works."""

    def __init__(self, workers: int):
        self._count = max(1, min(workers, os.cpu_count() or 1))
        self._pool = ThreadPoolExecutor(self._count) if self._count > 1 else None

    def each(self, work: Callable[[int], T], items: Sequence[int]) -> list[T]:
        """`work` of each item, in their order."""
        if self._pool is None:
            return [work(item) for item in items]
        # strided parts: a task for each item would cost more
        parts = [items[start :: self._count] for start in range(self._count)]
        done = list(self._pool.map(lambda part: [work(item) for item in part], parts))
        return [done[i % self._count][i // self._count] for i in range(len(items))]
