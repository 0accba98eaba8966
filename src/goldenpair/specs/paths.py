"""Values of a spec by their dotted paths, and a spec as data that anybody may read."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from goldenpair.specs.fields import Section
from goldenpair.storage.uris import without_secrets

S = TypeVar("S", bound=Section)


def leaf(section: Section, path: str) -> Any:
    """The value at a dotted path."""
    value: Any = section
    for name in path.split("."):
        value = getattr(value, name)
    return value


def replaced(section: S, path: Sequence[str], value: str) -> S:
    """The same section with another text at a path."""
    name, *rest = path
    below = getattr(section, name)
    return section.model_copy(update={name: replaced(below, rest, value) if rest else value})


def plain_without_secrets(section: Section, written: Mapping[str, str]) -> dict[str, Any]:
    """A section as plain data, with `written` in place of its values, and no secret in the name of a remote file."""
    for path, value in written.items():
        section = replaced(section, path.split("."), value)
    found: dict[str, Any] = _without_secrets(section.model_dump())
    return found


def _without_secrets(value: Any) -> Any:
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, dict):
        return {key: _without_secrets(inner) for key, inner in value.items()}
    return [_without_secrets(inner) for inner in value] if isinstance(value, list) else value
