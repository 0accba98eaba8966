"""How much is fetched and unpacked before somebody is asked."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """`limit_gb` bounds what is kept between runs, the `max_` values one archive, `workers` the downloads at a time."""

    limit_gb: float = 100.0
    max_files: int = 2_000_000
    max_gb: float = 200.0
    max_ratio: float = 200.0
    workers: int = 16
