"""What is computed from the declarations: JSON schema, commented template, table for the docs."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from goldenpair.errors import SpecError
from goldenpair.specs.fields import MISSING, Section, branch, meta, subsection
from goldenpair.specs.load import SPECS, spec_class
from goldenpair.specs.simulate import SimulateSpec

SIMULATE = "simulate"
ACTIONS = ("train", "evaluate", "inference", "export")
CONVERT = "dataset_convert"
_NOT_OFFERED = ("gen_trt_engine", "quantize")
_BOUNDS: tuple[tuple[type, str, str], ...] = (
    (Ge, "ge", ">="), (Gt, "gt", ">"), (Le, "le", "<="), (Lt, "lt", "<"),
)  # fmt: skip


def template(network: str, action: str | None = None, task: str | None = None) -> str:
    """A commented YAML spec to start from: every option that has an effect, one a line; `???` is to be filled in.

    Of a network with several tasks it is for one of them, and leaves out the sections of the others. Raises SpecError
    for a task that the network does not have.
    """
    kind = spec_class(network, action)
    field = kind.model_fields.get("task")
    tasks = [one for one in choices(field.annotation) if one] if field else []
    if task is not None and task not in tasks:
        there = f"there is {', '.join(tasks)}" if tasks else f"{network} has none to choose"
        raise SpecError("the command", [f"{task!r} is no task; {there}"])
    chosen = task or (meta(field).start if field else None)
    asked = (f" {action}" if action else "") + (f" --task {task}" if task else "")
    head = [
        f"# A spec for {network}, written by `goldenpair spec {network}{asked}`.",
        "# Every value may be left out but those marked ???. ${a.b} stands for another value of this file.",
    ]
    lines = _lines(kind, "", action, {one for one in tasks if one != chosen})
    return "\n".join([*head, *(f'task: "{chosen}"' if one.startswith("task:") else one for one in lines)]) + "\n"


def schema_text(network: str, action: str | None = None) -> str:
    return json.dumps(json_schema(network, action), indent=2)


def json_schema(network: str, action: str | None = None) -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a spec without `${}` references; with an action, of what it reads and needs.

    `x-goldenpair` holds what JSON schema has no word for: popular, automl, start, no_effect and so on.
    """
    kind = spec_class(network, action)
    schema = kind.model_json_schema()
    for owner in (kind, *_sections(kind)):
        node = schema if owner is kind else schema["$defs"][owner.__name__]
        _add_aliases(owner, node["properties"])
    if action:
        schema["properties"] = {key: value for key, value in schema["properties"].items() if _reads(key, action)}
        _narrow(kind, schema, schema["$defs"], action)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def docs_table(network: str) -> str:
    """The options of a network, or of `simulate`, as a Markdown table."""
    rows = ["| option | type | default | allowed | meaning |", "|---|---|---|---|---|"]
    for path, field in _leaves(_kind(network)):
        said = meta(field)
        text = field.description or ""
        if said.no_effect:
            text += f". No effect: {said.no_effect}"
        if said.alias:
            text += f". Also called `{said.alias}`"
        if said.needed_by:
            text += f". Needed by {', '.join(said.needed_by)}"
        default = "" if field.default is None else json.dumps(_default(field))
        cells = [f"`{path}`", _type_name(field.annotation), f"`{default}`" if default else "", _allowed(field), text]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def flag_help(field: FieldInfo) -> str:
    """What `--help` says of an option that is a flag."""
    default, allowed = _default(field), _allowed(field)
    if field.annotation is bool:
        return field.description or ""
    said = [
        allowed,
        "" if default is None else f"default: {','.join(default) if isinstance(default, list) else default}",
    ]
    return f"{field.description} ({'; '.join(filter(None, said))})".replace("%", "%%")


def _reads(name: str, action: str | None) -> bool:
    if name in _NOT_OFFERED:
        return False
    if name == "wandb":
        return action == "train"
    if action == CONVERT:
        return name in (CONVERT, "results_dir")
    return action is None or name not in (*ACTIONS, CONVERT) or name == action


def _lines(kind: type[Section], indent: str, action: str | None, others: set[str]) -> Iterator[str]:
    """`others` are tasks whose sections are left out."""
    for key, field in kind.model_fields.items():
        below, said = branch(field), meta(field)
        if key in others or (not indent and not _reads(key, action)):
            continue
        if action and said.needed_by and action not in said.needed_by:
            continue
        if below:
            inside = list(_lines(below, indent + "  ", action, others))
            if inside:
                yield f"{indent}{key}:  # {field.description}"
                yield from inside
        elif not said.no_effect:
            value = _default(field) if said.start is None else said.start
            text = f"{indent}{key}: {_yaml(value)}"
            allowed = _allowed(field)
            yield f"{text:<44}  # {field.description}{f' ({allowed})' if allowed else ''}"


def _default(field: FieldInfo) -> Any:
    value = field.get_default(call_default_factory=True, validated_data={})
    return value.model_dump() if isinstance(value, Section) else value


def _yaml(value: Any) -> str:
    if value == MISSING:
        return MISSING
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_yaml(inner) for inner in value) + "]"
    return json.dumps(value)


def _allowed(field: FieldInfo) -> str:
    listed = [choice for choice in choices(field.annotation) if choice is not None]
    if listed:
        return " or ".join(map(str, listed))
    if field.examples:
        return ", ".join([*map(str, field.examples), "..."])
    bounds = [
        f"{sign} {getattr(limit, attribute):g}"
        for limit in field.metadata
        for kind, attribute, sign in _BOUNDS
        if isinstance(limit, kind)
    ]
    return ", ".join(bounds)


def choices(annotation: Any) -> list[Any]:
    """What a Literal allows, also one within an alternative; empty where there is none."""
    arguments = get_args(annotation)
    if getattr(get_origin(annotation), "__name__", str(get_origin(annotation))).endswith("Literal"):
        return list(arguments)
    return [choice for argument in arguments for choice in choices(argument)]


def _type_name(annotation: Any) -> str:
    if annotation is type(None):
        return "null"
    if choices(annotation) and not [a for a in get_args(annotation) if get_args(a)]:
        return "text"
    if get_origin(annotation) is list:
        return f"list of {_type_name(get_args(annotation)[0])}"
    if get_origin(annotation) is dict:
        return "mapping"
    if get_args(annotation):
        return " or ".join(dict.fromkeys(_type_name(argument) for argument in get_args(annotation)))
    names = {str: "text", int: "integer", float: "number", bool: "true or false"}
    return names.get(annotation, "mapping")


def _leaves(kind: type[Section], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for key, field in kind.model_fields.items():
        below = branch(field)
        if below:
            yield from _leaves(below, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", field


def _sections(kind: type[Section]) -> Iterator[type[Section]]:
    for field in kind.model_fields.values():
        below = subsection(field)
        if below:
            yield below
            yield from _sections(below)


def _add_aliases(kind: type[Section], properties: dict[str, Any]) -> None:
    for key, field in kind.model_fields.items():
        alias = meta(field).alias
        if alias and alias not in properties:
            properties[alias] = {**properties[key], "deprecated": True, "description": f"Another name of {key}"}


def _narrow(kind: type[Section], node: dict[str, Any], definitions: dict[str, Any], action: str) -> bool:
    """Leaves out what other actions need and marks what this one needs; tells whether there is any of that."""
    required = []
    for key, field in kind.model_fields.items():
        needed_by, below = meta(field).needed_by, branch(field)
        if key not in node["properties"]:
            continue
        if needed_by and action not in needed_by:
            del node["properties"][key]
        elif below:
            if _narrow(below, definitions[below.__name__], definitions, action):
                required.append(key)
        elif field.default == MISSING:
            required.append(key)
    if required:
        node["required"] = required
    return bool(required)


def spec_page(network: str) -> str:
    """The reference page of a network's options, or of those of `simulate`, as it stands in docs/."""
    made = "Made by `make docs` from the declarations in `src/goldenpair/specs`; do not edit."
    return f"# Options of `{network}`\n\n{made}\n\n{docs_table(network)}"


def _kind(network: str) -> type[Section]:
    return SimulateSpec if network == SIMULATE else spec_class(network)


if __name__ == "__main__":
    for name in (*SPECS, SIMULATE):
        Path(sys.argv[1], f"{name}_spec.md").write_text(spec_page(name), encoding="utf-8", newline="\n")
