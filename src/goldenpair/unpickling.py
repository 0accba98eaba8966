"""Foreign `.pth` files as plain data: containers and tensors are read, everything else becomes an inert Placeholder.

PyTorch's own reader of weights refuses a whole file because of one class it does not know, and training programs
leave such classes beside the weights. Here a pickle may name whatever it likes: nothing it names is imported, and
nothing but the few classes of this module is ever called.
"""

import pickle
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from goldenpair.errors import CheckpointError, first_line

_DTYPES = {
    "BFloat16Storage": torch.bfloat16,
    "BoolStorage": torch.bool,
    "ByteStorage": torch.uint8,
    "CharStorage": torch.int8,
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "IntStorage": torch.int32,
    "LongStorage": torch.int64,
    "ShortStorage": torch.int16,
}
# what wrong bytes run into
_DAMAGED = (
    pickle.UnpicklingError, zipfile.BadZipFile, zlib.error, RuntimeError, OSError, EOFError, ValueError, LookupError,
    TypeError, AttributeError, ArithmeticError, MemoryError, ImportError,
)  # fmt: skip


class Placeholder:
    """Stands for every class and function that is not read. It takes what a pickle does to objects, and forgets it."""

    def __new__(cls, *_: Any, **__: Any) -> "Placeholder":
        return object.__new__(cls)

    def __init__(self, *_: Any, **__: Any):
        pass

    def __call__(self, *_: Any, **__: Any) -> "Placeholder":
        return Placeholder()

    def __setstate__(self, _: Any) -> None:
        pass

    def __setitem__(self, _: Any, __: Any) -> None:
        pass

    def append(self, _: Any) -> None:
        pass

    extend = add = append


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """Where a tensor lies in the file; see ForeignFile.tensors."""

    key: str
    dtype: torch.dtype
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Storage:
    key: str
    dtype: torch.dtype


class _RebuildTensor:
    """In place of torch's function. An object without attributes, since a pickle may set those of a function."""

    __slots__ = ()

    def __call__(self, storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> StoredTensor:
        if not isinstance(storage, _Storage):
            raise pickle.UnpicklingError("a tensor without a storage")
        return StoredTensor(storage.key, storage.dtype, int(offset), tuple(map(int, size)), tuple(map(int, stride)))

    def __setstate__(self, _: Any) -> None:
        raise pickle.UnpicklingError("a function is no object with a state")


class _RebuildParameter(_RebuildTensor):
    __slots__ = ()

    def __call__(self, data: Any, *_: Any) -> Any:
        return data


class _OrderedDict(dict[Any, Any]):
    def __setstate__(self, _: Any) -> None:
        pass  # module versions, in torch's state dicts


_READ: dict[str, Any] = {
    "collections.OrderedDict": _OrderedDict,
    "torch._utils._rebuild_tensor": _RebuildTensor(),
    "torch._utils._rebuild_tensor_v2": _RebuildTensor(),
    "torch._utils._rebuild_parameter": _RebuildParameter(),
    **{f"{module}.{name}": dtype for module in ("torch", "torch.cuda") for name, dtype in _DTYPES.items()},
}


class _Reader(pickle.Unpickler):
    def __init__(self, file: BytesIO):
        super().__init__(file)
        self.left_out: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        path = f"{module}.{name}"
        if path in _READ:
            return _READ[path]
        self.left_out.add(path)
        return Placeholder

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, *_ = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise pickle.UnpicklingError("a storage of no known kind")
        return _Storage(str(key), dtype)


class ForeignFile:
    """The content of a `.pth` that others wrote. `left_out` names the classes and functions that were not read.

    Raises CheckpointError if the file is missing, cut off or no PyTorch file of version 1.6 or later.
    """

    def __init__(self, path: Path):
        self.path = path
        if not path.is_file():
            raise CheckpointError(f"checkpoint {path}: there is no such file (looked in {Path.cwd()})")
        try:
            with zipfile.ZipFile(path) as archive:
                record = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
                self._folder = record.removesuffix("data.pkl")
                reader = _Reader(BytesIO(archive.read(record)))
                order = f"{self._folder}byteorder"
                if order in archive.namelist() and archive.read(order) != b"little":
                    raise CheckpointError(f"checkpoint {path}: a big-endian machine wrote it; save it again on another")
                self.content = reader.load()
        except StopIteration:
            raise self._refusal("it holds no data.pkl") from None
        except _DAMAGED as error:
            raise self._refusal(error) from None
        self.left_out = sorted(reader.left_out)

    def tensors(self, stored: Mapping[str, StoredTensor]) -> dict[str, Tensor]:
        """Read these tensors and no others. Raises CheckpointError if the file does not hold them whole."""
        pools: dict[str, Tensor] = {}
        found = {}
        try:
            with zipfile.ZipFile(self.path) as archive:
                for name, one in stored.items():
                    if one.key not in pools:
                        raw = bytearray(archive.read(f"{self._folder}data/{one.key}"))
                        pools[one.key] = torch.frombuffer(raw, dtype=torch.uint8) if raw else torch.empty(0).byte()
                    values = pools[one.key].view(one.dtype)
                    found[name] = values.as_strided(one.size, one.stride, one.offset).clone()
        except _DAMAGED as error:
            raise self._refusal(error) from None
        return found

    def _refusal(self, why: BaseException | str) -> CheckpointError:
        said = why if isinstance(why, str) else first_line(why)
        return CheckpointError(f"checkpoint {self.path}: it is no PyTorch file or is cut off ({said})")
