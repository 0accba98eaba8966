"""Which parts a table is of, kept so small that a policy can carry it and know them again."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

KEYS = ("input_path", "object_name")
SAMPLE = 16_384
"""How many hashes are kept at most (175 kB of text). Of more parts those with the smallest hashes are kept, an even
sample: of a table that shares one part in a thousand, 99.99999 % are noticed."""


@dataclass(frozen=True)
class Overlap:
    """How many parts of a table are among those that are known; `exact` where that is no estimate."""

    parts: int
    exact: bool

    def __bool__(self) -> bool:
        return self.parts > 0

    def __str__(self) -> str:
        return f"{'' if self.exact else 'about '}{self.parts:,} {'part' if self.parts == 1 else 'parts'}"


class KnownParts(BaseModel):
    """A set of parts: `count` of them, and the smallest 64-bit hashes of their names, sorted, little-endian, base64."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: int = Field(ge=0)
    hashes: str

    @classmethod
    def of(cls, cells: Mapping[str, Sequence[str]]) -> "KnownParts | None":
        """The parts of a table by its columns KEYS; None without these columns, as nothing else names a part."""
        found = hashes_of(cells)
        if found is None:
            return None
        kept = found[:SAMPLE].astype("<u8").tobytes()
        return cls(count=len(found), hashes=base64.b64encode(kept).decode("ascii"))

    def shared_with(self, cells: Mapping[str, Sequence[str]]) -> Overlap | None:
        """How many parts of a table are among these; None if its columns do not name them."""
        theirs = hashes_of(cells)
        if theirs is None:
            return None
        ours = np.frombuffer(base64.b64decode(self.hashes), "<u8")
        common = len(np.intersect1d(ours, theirs, assume_unique=True))
        if self.count <= len(ours):
            return Overlap(common, True)
        return Overlap(round(common / len(ours) * self.count), False)


def hashes_of(cells: Mapping[str, Sequence[str]]) -> NDArray[np.uint64] | None:
    """uint64, sorted, each part once; the same for paths in Windows' and in other writing."""
    if any(name not in cells for name in KEYS):
        return None
    folders = {path: _plain(path) for path in set(cells["input_path"])}
    pairs = zip(cells["input_path"], cells["object_name"], strict=True)
    digests = b"".join(_digest(f"{folders[path]}\0{name}") for path, name in pairs)
    return np.unique(np.frombuffer(digests, "<u8")).astype(np.uint64)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _plain(path: str) -> str:
    return "/".join(part for part in path.replace("\\", "/").split("/") if part not in ("", "."))
