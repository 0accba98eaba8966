"""The schema of a spec in TAO's own dialect, its manifest and its templates, for programs that read TAO's.

It is no standard JSON schema: types have TAO's names, an end that is open is the bare token Infinity, and `default`
is what TAO's templates propose. `goldenpair schema` without `--dialect` prints the standard one.

Options that TAO does not have are left out: what such a program builds from this schema then loads in TAO as well as
here, with our defaults for the rest. Where we check more strictly than TAO's own metadata says, the schema says what
is checked here.
"""

import json
import math
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Le
from omegaconf import OmegaConf
from pydantic.fields import FieldInfo

from goldenpair import __version__
from goldenpair.specs.fields import Section, branch, meta
from goldenpair.specs.load import spec_class
from goldenpair.specs.schema import ACTIONS, choices

_SECTIONS_OF_ACTIONS = ("train", "evaluate", "inference", "export", "gen_trt_engine", "quantize")
_IN_EVERY_SCHEMA = ("train", "quantize")
_NAMES = {bool: "bool", int: "int", float: "float", str: "string", list: "list", dict: "collection"}

Tree = dict[str, Any]


def tao_schema(network: str, action: str | None = None) -> Tree:
    """The schema of what `action` may read, or of the whole spec.

    As TAO does it, every action's schema also holds `train` and `quantize`.
    """
    kind = spec_class(network, action)
    fields = {key: field for key, field in _of_tao(kind) if _kept(key, action)}
    paths = [(path, field) for key, field in fields.items() for path, field in _paths(key, field)]
    return {
        "type": "object",
        "properties": {key: _node(key, field) for key, field in fields.items()},
        "default": _defaults(fields),
        "automl_default_parameters": sorted(path for path, field in paths if meta(field).automl),
        "automl_disabled_parameters": sorted(path for path, field in paths if _never_searched(field)),
        "popular": _popular(fields),
        "required": [],
        "x_tao_schema": {
            "action": action,
            "core_module": kind.__module__,
            "model": network,
            "network_arch": network,
            "schema_action": action,
            "schema_version": 1,
            "source": f"goldenpair {__version__}",
        },
    }


def tao_schema_text(network: str, action: str | None = None) -> str:
    return json.dumps(tao_schema(network, action), indent=2) + "\n"


def tao_files(network: str, actions: tuple[str, ...] = ACTIONS) -> dict[str, str]:
    """Schemas, templates and the manifest that names them, as path below a common folder -> content."""
    files, listed = {}, {}
    for action in actions:
        schema = tao_schema(network, action)
        schema_path, template_path = f"schemas/{action}.schema.json", f"references/spec_template_{action}.yaml"
        files[schema_path] = tao_schema_text(network, action)
        files[template_path] = OmegaConf.to_yaml(OmegaConf.create(schema["default"]))
        listed[action] = {
            "path": schema_path,
            "schema_action": action,
            "core_module": schema["x_tao_schema"]["core_module"],
            "spec_template": template_path,
            **{key: schema[key] for key in ("automl_default_parameters", "automl_disabled_parameters", "popular")},
        }
    manifest = {
        "schema_version": 1,
        "model": network,
        "network_arch": network,
        "automl_enabled": True,
        "failures": {},
        "actions": listed,
    }
    return {**files, "schemas/manifest.json": json.dumps(manifest, indent=2) + "\n"}


def _kept(key: str, action: str | None) -> bool:
    return action is None or key not in _SECTIONS_OF_ACTIONS or key in (*_IN_EVERY_SCHEMA, action)


def _of_tao(kind: type[Section]) -> Iterator[tuple[str, FieldInfo]]:
    return ((key, field) for key, field in kind.model_fields.items() if not meta(field).not_in_tao)


def _paths(key: str, field: FieldInfo) -> Iterator[tuple[str, FieldInfo]]:
    """The field and everything below it."""
    yield key, field
    below = branch(field)
    for name, inner in _of_tao(below) if below else ():
        yield from ((f"{key}.{path}", found) for path, found in _paths(name, inner))


def _node(key: str, field: FieldInfo) -> Tree:
    said, below = meta(field), branch(field)
    why = f". No effect: {said.no_effect}" if said.no_effect else ""
    node: Tree = {
        "type": "collection" if below else "categorical" if field.examples else _type(field.annotation),
        "title": key.replace("_", " ").capitalize(),
        "description": f"{field.description}{why}",
    }
    if below:
        inside = dict(_of_tao(below))
        popular = [name for name, inner in inside.items() if meta(inner).popular]
        node |= {"default": _defaults(inside), "automl_enabled": False}
        node |= {"popular": popular} if popular else {}
        return {**node, "properties": {name: _node(name, inner) for name, inner in inside.items()}}
    if not said.tao_leaves_open:
        node["default"] = _default(field)
    node |= _limits(field, node["type"])
    extra = {
        "enum": (field.examples or choices(field.annotation)) if node["type"] == "categorical" else None,
        "pattern": next((found for one in field.metadata if (found := getattr(one, "pattern", None))), None),
        "math_cond": said.math_cond or None,
        "popular": said.popular or None,
        "automl_enabled": False if _never_searched(field) else said.automl or None,
    }
    return node | {name: value for name, value in extra.items() if value is not None}


def _never_searched(field: FieldInfo) -> bool:
    return branch(field) is not None or _type(field.annotation) in ("list", "collection")


def _limits(field: FieldInfo, name: str) -> Tree:
    number = float if name == "float" else int
    bounds: dict[type, Any] = {type(one): one for one in field.metadata}
    if Ge not in bounds:
        return {}
    high = number(bounds[Le].le) if Le in bounds else math.inf
    return {"minimum": number(bounds[Ge].ge), "maximum": high}


def _default(field: FieldInfo) -> Any:
    """What TAO's templates propose; a text that is null at run time is empty there."""
    said = meta(field)
    value = field.default if said.tao_template is None else said.tao_template
    return "" if value is None and _type(field.annotation) == "string" else value


def _defaults(fields: dict[str, FieldInfo]) -> Tree:
    found: Tree = {}
    for key, field in fields.items():
        below = branch(field)
        if below:
            found[key] = _defaults(dict(_of_tao(below)))
        elif not meta(field).tao_leaves_open:
            found[key] = _default(field)
    return found


def _popular(fields: dict[str, FieldInfo]) -> Tree:
    found: Tree = {}
    for key, field in fields.items():
        below = branch(field)
        if below and (inside := _popular(dict(_of_tao(below)))):
            found[key] = inside
        elif meta(field).popular:
            found[key] = _default(field)
    return found


def _type(annotation: Any) -> str:
    kinds = [kind for kind in get_args(annotation) if kind is not type(None)] or [annotation]
    kind = kinds[0] if get_origin(annotation) not in (list, dict, Literal) else annotation
    if get_origin(kind) is Literal:
        return "categorical"
    return _NAMES.get(get_origin(kind) or kind, "collection")
