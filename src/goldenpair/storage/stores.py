"""Stores of files on other machines, by fsspec: what is there, and errors that say what to do.

Credentials come from where each provider's tools look for them, and from nowhere else. Retries are the libraries'.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from goldenpair.errors import DataError, GoldenpairError, InputError, first_line
from goldenpair.storage.uris import canonical, is_web, joined, without_secrets

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

EXTRA = "pip install 'goldenpair[storage]'"
_CHAINS = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine a role",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud auth application-default login`",
    "az": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or run `az login`",
}
_CHAINS |= {"abfs": _CHAINS["az"], "abfss": _CHAINS["az"]}
_ENDPOINT = {"s3": "; for a store that is not Amazon's set AWS_ENDPOINT_URL"}
_NO_CREDENTIALS = ("NoCredentials", "PartialCredentials", "CredentialRetrieval", "DefaultCredentials", "ClientAuth")
_TIMEOUT = ("Timeout",)
_NO_NETWORK = ("ConnectorError", "EndpointConnection", "ConnectionError", "ConnectionRefused", "ServerDisconnected",
               "ClientOSError", "ServiceRequestError", "ConnectionClosed", "gaierror")  # fmt: skip
_VERSIONS = ("ETag", "etag", "e_tag", "md5Hash", "md5", "Content-MD5")
_TIMES = ("LastModified", "last_modified", "Last-Modified", "updated", "mtime", "modified", "created")


@dataclass(frozen=True)
class Found:
    """A file in a store: `name` relative to the folder that was listed, `path` as the store's library wants it.

    `size` is None where the store does not say it. `version` changes with the content; empty where nothing tells.
    """

    name: str
    path: str
    size: int | None
    version: str


class Store:
    """The store that a URI is of, and the URI's path in it. Raises InputError where a package is missing."""

    def __init__(self, uri: str):
        self.uri = canonical(uri) if is_web(uri) else canonical(uri).rstrip("/")
        scheme = self.uri.partition("://")[0]
        try:
            from fsspec import url_to_fs

            opened: tuple[AbstractFileSystem, str] = url_to_fs(self.uri, **_options(scheme))
        except ImportError:
            raise InputError(f"{self.told}: {scheme}:// needs a package that is not installed: {EXTRA}") from None
        except Exception as error:  # whatever a provider's library says of its settings
            raise self._error(error) from None
        self.fs, self.path = opened

    @property
    def told(self) -> str:
        """The URI as it may be written anywhere."""
        return without_secrets(self.uri)

    def below(self, name: str) -> str:
        """The path of a file below the URI's, for the library."""
        return joined(self.path, name)

    def file(self, name: str = "") -> Found:
        """The file that the URI names, or a file below it; DataError if there is none."""
        path = self.below(name) if name else self.path
        with self.reached(name):
            info = self.fs.info(path)
            if info.get("type") == "directory":
                raise DataError(f"{self.told}{name and '/'}{name}: it is a folder, and a file is wanted")
        return _found(name, path, info)

    def is_still(self, found: Found) -> bool:
        """Whether a file is the one that was found before; yes where nothing told its version then."""
        with self.reached(found.name):
            info = self.fs.info(found.path)
        return not found.version or found.version in _versions(info)

    def names(self) -> list[str]:
        """The names that a folder holds."""
        with self.reached():
            return sorted(path.rstrip("/").rpartition("/")[2] for path in self.fs.ls(self.path, detail=False))

    def files(self) -> list[Found]:
        """All files below the URI; none where there is no such folder."""
        if is_web(self.uri):
            raise DataError(f"{self.told}: the web has no folders that can be listed; name a file or an archive")
        with self.reached():
            try:
                there = self.fs.find(self.path, detail=True)
            except FileNotFoundError:
                return []
        start = len(self.fs._strip_protocol(self.path).rstrip("/")) + 1
        found = [_found(path[start:], path, info) for path, info in there.items() if path[start:]]
        return sorted((one for one in found if not one.name.endswith("/")), key=lambda one: one.name)

    @contextmanager
    def reached(self, name: str = "") -> Iterator[None]:
        """Around what asks the store: whatever goes wrong becomes a DataError that names the URI and what to do."""
        try:
            yield
        except GoldenpairError:
            raise
        except Exception as error:  # every store has a tree of errors of its own
            raise self._error(error, name) from None

    def _error(self, error: Exception, name: str = "") -> DataError:
        told = without_secrets(joined(self.uri, name) if name else self.uri)
        return DataError(f"{told}: {_why(error, self.uri.partition('://')[0])}")


def _options(scheme: str) -> dict[str, Any]:
    """What the libraries are asked beside their defaults: no stale listings, and no login by mistake."""
    options: dict[str, Any] = {"use_listings_cache": False}
    if scheme in ("http", "https"):
        from aiohttp import ClientTimeout

        # its default ends every download after 5 minutes
        timeout = ClientTimeout(total=None, sock_connect=30, sock_read=60)
        options["client_kwargs"] = {"timeout": timeout, "trust_env": True}
    elif scheme in ("az", "abfs", "abfss") and "AZURE_STORAGE_ANON" not in os.environ:
        options["anon"] = False  # else its library would not look for a login
    return options


def _found(name: str, path: str, info: dict[str, Any]) -> Found:
    return Found(name, path, info.get("size"), next(iter(_versions(info)), ""))


def _versions(info: dict[str, Any]) -> list[str]:
    """What tells a file's version, the surest first; a listing may hold less, or in another writing, than the file."""
    known = [str(info[key]).strip('"') for key in _VERSIONS if info.get(key)]
    times = [info[key] for key in _TIMES if info.get(key)]
    stamps = [time.timestamp() if isinstance(time, datetime) else time for time in times]  # a listing may have numbers
    return known + [f"{info.get('size')} {stamp}" for stamp in stamps]


def _why(error: Exception, scheme: str) -> str:
    chain: list[BaseException] = [error]
    while (below := chain[-1].__cause__ or chain[-1].__context__) and below not in chain:
        chain.append(below)
    names = {name for one in chain for kind in type(one).__mro__[:-1] for name in [kind.__name__]}
    status = next((code for one in chain if isinstance(code := getattr(one, "status", None), int)), 0)
    login = _CHAINS.get(scheme, "see whether the address still holds, and who may read it")
    said = without_secrets(first_line(error))
    if any(mark in name for name in names for mark in _NO_CREDENTIALS):
        return f"no credentials were found; {login}"
    if status in (401, 403) or isinstance(error, PermissionError):
        return f"no access ({said}); the credentials in use may not do this, or there are none: {login}"
    if status == 404 or (isinstance(error, FileNotFoundError) and not status and not _cut(names)):
        return f"there is no such file or folder; see to the name{_ENDPOINT.get(scheme, '')}"
    if any(mark in name for name in names for mark in _TIMEOUT):
        return f"no answer in time ({said}); see to the network, and try again: what was fetched is kept"
    if _cut(names):
        return f"it cannot be reached ({said}); see to the network and to the address{_ENDPOINT.get(scheme, '')}"
    return f"the store refused ({type(error).__name__}: {said})"


def _cut(names: set[str]) -> bool:
    return any(mark in name for name in names for mark in (*_NO_NETWORK, *_TIMEOUT))
