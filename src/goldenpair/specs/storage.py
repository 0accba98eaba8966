"""The section of what is fetched and unpacked: not in TAO."""

from goldenpair.specs.fields import Section, option
from goldenpair.storage.limits import Limits

_USUAL = Limits()


class StorageLimits(Section):
    """Of remote files and archives; local folders need none of it."""

    limit_gb: float = option(
        _USUAL.limit_gb, "Size of what was fetched and unpacked beyond which the oldest is removed, in GB", gt=0
    )
    max_files: int = option(_USUAL.max_files, "Most files and folders that an archive may hold", ge=1)
    max_gb: float = option(_USUAL.max_gb, "Largest size that an archive may unpack to, in GB", gt=0)
    max_ratio: float = option(_USUAL.max_ratio, "How many times its own size an archive may unpack to", ge=1)
    workers: int = option(_USUAL.workers, "How many files are fetched at the same time", ge=1, le=256)

    @property
    def limits(self) -> Limits:
        return Limits(**self.model_dump())
