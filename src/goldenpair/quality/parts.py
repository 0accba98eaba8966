"""Which parts a table is of, kept so small that a policy can carry it and know them again."""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from goldenpair.data.boards import boards_of

KEYS = ("input_path", "object_name")
SAMPLE = 8_192
"""How many hashes are kept at most (87 kB of text). Of more names those with the smallest hashes are kept, an even
sample: of a table that shares one part in a thousand, 99.97 % are noticed."""
_TAIL = 2
Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Overlap:
    """How many parts of a table are among those that are known; `exact` where that is no estimate."""

    parts: int
    exact: bool

    def __bool__(self) -> bool:
        return self.parts > 0

    def __str__(self) -> str:
        return f"{'' if self.exact else 'about '}{self.parts:,} {'part' if self.parts == 1 else 'parts'}"


@dataclass(frozen=True)
class Shared:
    """What a table has in common with the parts that are known: `same` parts, `alike` ones, which have the same name
    and last folders under another path, and so many `boards`."""

    same: Overlap
    alike: Overlap
    boards: int


class KnownNames(BaseModel):
    """A set of names: `count` of them, and the smallest of their 64-bit hashes, sorted, little-endian, base64."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: int = Field(ge=0)
    hashes: str

    @model_validator(mode="after")
    def _whole(self) -> Self:
        try:
            content = base64.b64decode(self.hashes, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("hashes: this is no base64, so the file is damaged; fit the policy again") from None
        kept = len(content) // 8
        if len(content) % 8 or kept > self.count or bool(kept) != bool(self.count):
            raise ValueError(
                f"hashes: {len(content)} bytes for {self.count} names, expected 8 for each that is kept, so the file "
                "is damaged; fit the policy again"
            )
        return self

    def shared_with(self, theirs: Hashes) -> Overlap:
        """How many of these names are among others, sorted and each once."""
        ours = np.frombuffer(base64.b64decode(self.hashes), "<u8")
        common = len(np.intersect1d(ours, theirs, assume_unique=True))
        if self.count <= len(ours):
            return Overlap(common, True)
        return Overlap(round(common / len(ours) * self.count), False)


class KnownParts(KnownNames):
    """A set of parts by folder and name, the same by their last folders only, and their boards."""

    tails: KnownNames | None = None
    boards: KnownNames | None = None

    @classmethod
    def of(cls, cells: Mapping[str, Sequence[str]]) -> "KnownParts | None":
        """The parts of a table by its columns KEYS; None without these columns, as nothing else names a part."""
        found, tails = hashes_of(cells), _tails_of(cells)
        if found is None or tails is None:
            return None
        return cls(**_kept(found), tails=KnownNames(**_kept(tails)), boards=KnownNames(**_kept(_boards_of(cells))))

    def shared(self, cells: Mapping[str, Sequence[str]]) -> Shared | None:
        """What a table has in common with these; None if its columns do not name its parts.

        A part is the same where the whole of one path is the end of the other: `b1/top` is `data/b1/top`, seen from
        another folder.
        """
        theirs = hashes_of(cells)
        if theirs is None:
            return None
        same, alike = self.shared_with(theirs), Overlap(0, True)
        ends = [] if same else _ends_of(cells)
        if ends:
            same = self.shared_with(np.unique(np.concatenate(ends)))
        if not same and self.tails:
            same = self.tails.shared_with(theirs)
            tails = ends[_TAIL - 1] if len(ends) >= _TAIL else theirs
            alike = Overlap(0, True) if same else self.tails.shared_with(tails)
        boards = self.boards.shared_with(_boards_of(cells)).parts if self.boards else 0
        return Shared(same, alike, boards)


def hashes_of(cells: Mapping[str, Sequence[str]]) -> Hashes | None:
    """uint64, sorted, each part once; the same for paths in Windows' and in other writing."""
    if any(name not in cells for name in KEYS):
        return None
    return _of_parts(cells, {path: _plain(path) for path in set(cells["input_path"])})


def _tails_of(cells: Mapping[str, Sequence[str]]) -> Hashes | None:
    """As `hashes_of`, by the last folders only."""
    if any(name not in cells for name in KEYS):
        return None
    return _of_parts(cells, {path: _last(_plain(path), _TAIL) for path in set(cells["input_path"])})


def _ends_of(cells: Mapping[str, Sequence[str]]) -> list[Hashes]:
    """As `hashes_of`, by the last folder only, by the last two, and so on, to all but the first of the longest."""
    plain = {path: _plain(path) for path in set(cells["input_path"])}
    deepest = max((path.count("/") for path in plain.values()), default=0)
    return [
        _of_parts(cells, {path: _last(one, folders) for path, one in plain.items()})
        for folders in range(1, deepest + 1)
    ]


def _boards_of(cells: Mapping[str, Sequence[str]]) -> Hashes:
    """Of one board only, or none, it is not known whether that is a board's name at all: then there are none."""
    names = {_plain(name) for name in boards_of(cells)[0] or ()} - {""}
    return _unique(names) if len(names) > 1 else np.empty(0, np.uint64)


def _of_parts(cells: Mapping[str, Sequence[str]], folders: Mapping[str, str]) -> Hashes:
    pairs = zip(cells["input_path"], cells["object_name"], strict=True)
    return _unique(f"{folders[path]}\0{name}" for path, name in pairs)


def _unique(texts: Iterable[str]) -> Hashes:
    digests = b"".join(hashlib.blake2b(one.encode("utf-8", "surrogatepass"), digest_size=8).digest() for one in texts)
    return np.unique(np.frombuffer(digests, "<u8")).astype(np.uint64)


def _kept(found: Hashes) -> dict[str, int | str]:
    kept = found[:SAMPLE].astype("<u8").tobytes()
    return {"count": len(found), "hashes": base64.b64encode(kept).decode("ascii")}


def _plain(path: str) -> str:
    return "/".join(part for part in path.replace("\\", "/").split("/") if part not in ("", "."))


def _last(path: str, folders: int) -> str:
    return "/".join(path.split("/")[-folders:])
