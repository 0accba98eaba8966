"""Results that belong to a remote folder: worked on here, sent there, and the only copy until they have arrived."""

import hashlib
import json
import logging
import os
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path, PurePath

from goldenpair.errors import DataError, GoldenpairError, InputError, RunError, writing_to
from goldenpair.progress import transfer_bar
from goldenpair.storage.downloads import PARTS, download
from goldenpair.storage.folders import RESULTS, default_folder
from goldenpair.storage.stores import Found, Store
from goldenpair.storage.uris import is_web, last_name, without_secrets

log = logging.getLogger(__name__)
_SENT = ".sent.json"
_AT_A_TIME = 8
_LAST = ("log.txt", "status.json")  # what tells of the others arrives after them


class Ledger:
    """Which files of a local folder have been sent, and as what version: a file in the folder itself."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._sent: dict[str, tuple[int, int, str]] = self._read()

    def names(self) -> list[str]:
        """The files of the folder that are results; hidden ones are not."""
        found = []
        for place, folders, names in os.walk(self.folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            found += [Path(place, name).relative_to(self.folder) for name in names if not name.startswith(".")]
        return sorted(path.as_posix() for path in found)

    def version(self, name: str) -> str | None:
        """What a file was sent as, whatever it is now; None if it never was."""
        return self._sent[name][2] if name in self._sent else None

    def is_sent(self, name: str) -> bool:
        """Whether a file is still as it was sent."""
        try:
            return name in self._sent and _state(self.folder / name) == self._sent[name][:2]
        except OSError:
            return False

    def all_sent(self) -> bool:
        return all(map(self.is_sent, self.names()))

    def note(self, name: str, state: tuple[int, int], version: str) -> None:
        self._sent[name] = (*state, version)

    def forget(self, name: str) -> None:
        self._sent.pop(name, None)

    def write(self) -> None:
        temporary = self.folder / f"{_SENT}.tmp"
        with writing_to(self.folder):
            temporary.write_text(json.dumps(self._sent), encoding="utf-8")
            os.replace(temporary, self.folder / _SENT)

    def _read(self) -> dict[str, tuple[int, int, str]]:
        try:
            found = json.loads((self.folder / _SENT).read_text(encoding="utf-8"))
            return {name: (int(size), int(time), str(version)) for name, (size, time, version) in found.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}


class Mirror:
    """A local folder for the results of one remote folder; where it is depends on the URI alone.

    Files are sent when they are new or changed, and taken away there when they are removed here with `remove`. What
    is there and not here stays. Raises InputError for a place that nothing can be written to.
    """

    def __init__(self, uri: str, cache: Path | None = None):
        self._store = Store(uri)
        if is_web(self._store.uri):
            raise InputError(
                f"{self.told}: the web can be read only; give results_dir a folder of a store, or of a disk"
            )
        digest = hashlib.sha256(self._store.uri.encode()).hexdigest()[:16]
        self.folder = (cache or default_folder()) / RESULTS / f"{last_name(self._store.uri)}-{digest}"
        self._ledger = Ledger(self.folder)

    @property
    def told(self) -> str:
        return without_secrets(self._store.uri)

    def there(self) -> dict[str, Found]:
        """The files of the remote folder, by their names."""
        return {one.name: one for one in self._store.files()}

    def begin(self, there: Mapping[str, Found], wanted: Collection[str]) -> None:
        """Bring the local folder up to date with what is `there`.

        Only the `wanted` files are fetched. What was sent from here and is gone or newer there is removed here; what
        was never sent stays, and will be. Raises DataError where the store cannot be reached, and where both have
        changed since.
        """
        with writing_to(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._ledger = ledger = Ledger(self.folder)
            for name in ledger.names():
                path, now = self.folder / name, there.get(name)
                if now is not None and now.version == ledger.version(name):
                    continue
                if now is not None and not ledger.is_sent(name) and name not in _LAST:
                    self._refuse_unless_same(path, now)
                    ledger.note(name, _state(path), now.version)
                elif now is not None or ledger.is_sent(name):
                    path.unlink()
                    ledger.forget(name)
        for name in wanted:
            if name in there and not os.path.lexists(self.folder / name):
                download(self._store, there[name], self.folder / name, lambda _: None)
                ledger.note(name, _state(self.folder / name), there[name].version)
        with writing_to(self.folder):
            for left in self.folder.rglob(PARTS):  # begun of versions that are there no more
                left.unlink()
        ledger.write()

    def prove(self) -> None:
        """Send what is there before any work is done. Raises DataError where nothing can be written to."""
        try:
            self.send()
        except RunError as error:
            raise DataError(
                f"results folder {self.told}: see whether it is named rightly and may be written to; {error}"
            ) from None

    def send(self) -> None:
        """Send what is new. Raises RunError, which names the local folder, where that fails: nothing is lost then."""
        ledger = self._ledger
        waiting = [name for name in ledger.names() if not ledger.is_sent(name)]
        last = [name for name in waiting if name in _LAST]
        links = [name for name in waiting if (self.folder / name).is_symlink()]
        plain = [name for name in waiting if name not in (*last, *links)]
        try:
            with transfer_bar(f"Sending results to {self.told}") as progress, ThreadPoolExecutor(_AT_A_TIME) as pool:
                sizes = {name: _state(self.folder / name)[0] for name in waiting}
                done, total = 0, sum(sizes.values())
                for name in chain(pool.map(self._send, plain), map(self._send, [*links, *last])):
                    done += sizes[name]
                    progress(done, total)
        except (GoldenpairError, OSError) as error:
            raise RunError(
                f"the results could not be sent ({error}); they are in {self.folder}, and the same command sends them "
                "when it runs again"
            ) from None
        finally:
            if waiting:
                ledger.write()

    def remove(self, name: str) -> None:
        """Take a file away there, if it is; DataError if that is refused."""
        target = self._store.below(name)
        with self._store.reached(name):
            if self._store.fs.exists(target):
                self._store.fs.rm_file(target)
        self._ledger.forget(name)

    def _send(self, name: str) -> str:
        path, target = self.folder / name, self._store.below(name)
        state, same = _state(path), self._same_as(path)
        with self._store.reached(name):
            if same:  # a link that stands for a file which is there already
                self._store.fs.cp_file(self._store.below(same), target)
            else:
                self._store.fs.put_file(str(path), target)
        self._ledger.note(name, state, self._store.file(name).version)
        return name

    def _same_as(self, path: Path) -> str:
        if not path.is_symlink():
            return ""
        name = PurePath(os.path.relpath(os.path.realpath(path), os.path.realpath(self.folder))).as_posix()
        return name if self._ledger.is_sent(name) else ""

    def _refuse_unless_same(self, path: Path, now: Found) -> None:
        # a run that was killed had no time to note what it had sent; many stores tell a file's MD5
        with path.open("rb") as file:
            if hashlib.file_digest(file, "md5").hexdigest() == now.version.strip('"'):
                return
        raise DataError(
            f"results folder {self.told}: {path.name} is there in another version, and in {self.folder} lies one that "
            "was never sent. Two runs have worked on the same results: move that folder away to go on with the remote "
            "ones, or give another results_dir"
        )


def _state(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_size, state.st_mtime_ns
