"""Names of files that are not on this machine, and how they are written where everybody may read."""

import os
import re
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from goldenpair.errors import InputError

_SCHEMES = {
    "s3": "s3",
    "aws": "s3",  # TAO's word
    "gs": "gs",
    "gcs": "gs",
    "az": "az",
    "azure": "az",  # TAO's word
    "abfs": "abfs",
    "abfss": "abfss",
    "http": "http",
    "https": "https",
    "file": "file",
    "memory": "memory",  # of this process, for tests
}
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
# a URI within any text, up to where a sentence goes on; a password may hold what otherwise ends one
_WITHIN_TEXT = re.compile(r"""([A-Za-z][A-Za-z0-9+.-]*)://((?:\S*@)?(?:[^\s"'<>`]|["'<>`](?=\w))*)""")
_HOST = re.compile(r"(\[.*\]|[^:]*)(:\d*)?")
_HARMLESS = ("versionid", "generation")  # parameters that only tell versions of a file apart

# parameters of presigned links, by the one that shows whose they are
_SIGNING = {
    "x-amz-signature": "x-amz-.*",
    "x-goog-signature": "x-goog-.*",
    "signature": "signature|expires|awsaccesskeyid|googleaccessid|key-pair-id|policy",
    "sig": "sig|s[eprvt]|skoid|sktid|skt|ske|sks|skv|spr|sip",  # Azure
}


def is_uri(text: str | None) -> bool:
    """Whether a text names a file by a scheme, as in s3://bucket/key; `file://` is one too."""
    return bool(text and _URI.match(text))


def canonical(uri: str) -> str:
    """The same under the one name that a scheme has here; InputError for a scheme that is not offered.

    So is one that carries credentials where they would not be used.
    """
    scheme = uri.partition("://")[0]
    known = _SCHEMES.get(scheme.lower())
    if known is None:
        offered = ", ".join(f"{name}://" for name in ("s3", "gs", "az", "abfs", "http", "https", "file"))
        raise InputError(f"{without_secrets(uri)}: {scheme}:// is not offered; there is {offered} and local paths")
    rest = uri.partition("://")[2]
    if known in ("http", "https"):
        if "@" in rest and not _HOST.fullmatch(_authority(rest).rpartition("@")[2]):
            told = without_secrets(uri)
            raise InputError(f"{told}: it is no address; in a password write / as %2F, ? as %3F and # as %23")
    elif known not in ("abfs", "abfss", "file") and _has_user(known, rest):
        raise InputError(
            f"{without_secrets(uri)}: credentials in a name are not used; give them in the environment, in the "
            "provider's own files or by the machine's role"
        )
    return f"{known}://{rest}"


def is_web(uri: str) -> bool:
    return uri.startswith(("http://", "https://"))


def local_path(uri: str) -> str:
    """The path that a `file://` name stands for."""
    rest = uri.partition("://")[2].removeprefix("localhost")
    return url2pathname(rest) if os.name == "nt" else unquote(rest)


def last_name(uri: str) -> str:
    """The name of the file itself, as it is on a disk."""
    path = urlsplit(uri).path if is_web(uri) else uri.partition("://")[2]
    name = (unquote(path) if is_web(uri) else path).rstrip("/").rpartition("/")[2]
    return re.sub(r'[<>:"|?*\\\x00-\x1f]', "_", name) or "file"


def joined(uri: str, name: str) -> str:
    """`name`, a relative path with slashes, below a folder."""
    return f"{uri.rstrip('/')}/{name}"


def without_query(uri: str) -> str:
    return uri.partition("?")[0] if is_web(uri) else uri


def without_signature(uri: str) -> str:
    """The same without what only says who may read it: two links to one file are one, but `?id=1` is not `?id=2`."""
    path, _, query = uri.partition("?")
    if not is_web(uri) or not query:
        return uri
    given = query.split("&")
    names = {one.partition("=")[0].lower() for one in given}
    signing = "|".join(those for mark, those in _SIGNING.items() if mark in names)
    return "&".join([path, *(one for one in given if not re.fullmatch(signing, one.partition("=")[0].lower()))])


def without_secrets(text: str) -> str:
    """A text whose URIs keep neither user and password nor the values of their parameters.

    What is a secret among parameters, each provider names in its own way; so only those that tell a version are kept.
    """
    return _WITHIN_TEXT.sub(_harmless, text) if "://" in text else text


def _harmless(found: re.Match[str]) -> str:
    scheme, rest = found[1], found[2]
    web = scheme.lower() in ("http", "https")
    if "@" in rest and (web or _has_user(scheme.lower(), rest)):  # of the web always: a password may hold a slash
        rest = f"***@{rest.rpartition('@')[2]}"
    rest, anchor, _ = rest.partition("#") if web else (rest, "", "")
    path, mark, query = rest.partition("?")
    query = "&".join(map(_parameter, query.split("&"))) if mark else ""
    return f"{scheme}://{path}{mark}{query}{anchor and '#***'}"


def _has_user(scheme: str, rest: str) -> bool:
    """Whether a user or a key stands before the name of a bucket; that of abfs is the container."""
    authority = _authority(rest)
    if ":" in authority and not authority.startswith("arn:"):
        return "@" in rest
    return "@" in authority and scheme not in ("abfs", "abfss")


def _authority(rest: str) -> str:
    """User, host and port."""
    return re.split("[/?#]", rest, maxsplit=1)[0]


def _parameter(text: str) -> str:
    name, equals, _ = text.partition("=")
    return text if name.lower() in _HARMLESS else f"{name}=***" if equals else "***"
