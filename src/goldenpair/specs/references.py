"""References in a spec, `${a.b}`: what each stands for, and those that lead to nothing or in a circle."""

import re
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import InterpolationToMissingValueError, OmegaConfBaseException

from goldenpair.specs.fields import MISSING, Section, meta, subsection

Plain = dict[str, Any]
_INSIDE_TEXT = re.compile(r"\$\{([\w.]+)\}")


def resolve(kind: type[Section], plain: Plain, problems: list[str]) -> tuple[Plain, set[str]]:
    """Every `${a.b}` replaced by what it points to; one that cannot be is a problem and becomes `???`.

    Also the paths whose fault is that of another one, which is told.
    """
    if not _refers(plain):  # most specs: OmegaConf would take longer than all else
        named: Plain = _with_text_keys(plain)
        return named, set()
    aliases: set[str] = set()
    texts = _with_aliases(kind, plain, "", aliases)
    config = OmegaConf.create(texts)
    spoilt: set[str] = set()

    def value_of(node: DictConfig | ListConfig, key: Any, raw: Any, path: str) -> Any:
        try:
            value = node[key]
            if isinstance(value, DictConfig | ListConfig):
                return children(value, raw if isinstance(raw, dict | list) else _unresolved(value), path)
            for reference in _named(raw) if value != raw else ():
                if raw != f"${{{reference}}}" and OmegaConf.select(config, reference) is None:
                    problems.append(f"{path}: {raw!r} refers to {reference}, which is not set")
            return value
        except InterpolationToMissingValueError:
            return MISSING
        except (OmegaConfBaseException, RecursionError) as error:
            circle = isinstance(error, RecursionError) or "recursive" in str(error).lower()
            leads_to = _leads_to(texts, raw)
            if circle and path in leads_to and path not in spoilt:
                spoilt.update(one for one in leads_to if one != path)  # the same circle from elsewhere
            elif path in spoilt or (leads_to and (circle or all(_stands(texts, one) for one in _named(raw)))):
                spoilt.add(path)
                return MISSING
            problems.append(f"{path}: {raw!r} refers to {'itself in a circle' if circle else 'nothing in this spec'}")
        return MISSING

    def children(node: DictConfig | ListConfig, raw: Any, path: str) -> Any:
        if isinstance(raw, list):
            return [value_of(node, i, each, f"{path}[{i}]") for i, each in enumerate(raw)]
        paths: dict[Any, str] = {key: f"{path}.{key!s}" if path else str(key) for key in raw}
        return {
            str(key): MISSING if raw[key] == MISSING else value_of(node, key, raw[key], place)
            for key, place in paths.items()
            if place not in aliases
        }

    resolved = children(config, _unresolved(config), "")
    assert isinstance(resolved, dict)
    return resolved, spoilt


def _refers(value: object) -> bool:
    """Whether a `${}` stands in it, or a `???` where none is expected."""
    if isinstance(value, dict):
        return any(_refers(each) for each in value.values())
    if isinstance(value, list):
        return any(each == MISSING or _refers(each) for each in value)
    return isinstance(value, str) and "${" in value


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _with_text_keys(each) for key, each in value.items()}
    return [_with_text_keys(each) for each in value] if isinstance(value, list) else value


def _named(raw: object) -> list[str]:
    """The paths that a text refers to."""
    return _INSIDE_TEXT.findall(raw) if isinstance(raw, str) else []


def _leads_to(texts: Plain, raw: object) -> set[str]:
    """The paths that a text refers to, what is there refers to, and so on."""
    todo, found = _named(raw), set[str]()
    while todo:
        path = todo.pop()
        if path not in found:
            found.add(path)
            todo += _named(_stands(texts, path))
    return found


def _stands(texts: Plain, path: str) -> Any:
    """What stands at a path before references are resolved; None if nothing does."""
    value: Any = texts
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _with_aliases(kind: type[Section], plain: Plain, prefix: str, added: set[str]) -> Plain:
    """The same with every alias beside its option, for references; `added` gets their paths."""
    result = dict(plain)
    for key, field in kind.model_fields.items():
        below, value = subsection(field), plain.get(key)
        if below and isinstance(value, dict):
            result[key] = _with_aliases(below, value, f"{prefix}{key}.", added)
        if alias := meta(field).alias:
            result[alias] = value
            added.add(f"{prefix}{alias}")
    return result


def _unresolved(node: DictConfig | ListConfig) -> Any:
    return OmegaConf.to_container(node, resolve=False)
