"""From a file and `key=value` overrides to a checked spec, with every mistake in one message.

OmegaConf reads YAML and JSON and resolves `${a.b}`; pydantic checks. A reference is looked up in the defaults
merged with the file, so it may point to an option that the file leaves out.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from goldenpair.errors import SpecError
from goldenpair.specs.common import NetworkSpec
from goldenpair.specs.fields import MISSING, Section, differs, meta, subsection
from goldenpair.specs.misfits import misfits
from goldenpair.specs.optical_inspection import OpticalInspectionSpec
from goldenpair.specs.references import Plain, resolve
from goldenpair.specs.visual_changenet import VisualChangenetSpec
from goldenpair.storage.uris import is_uri, without_secrets

SPECS: dict[str, type[NetworkSpec]] = {kind.network: kind for kind in (OpticalInspectionSpec, VisualChangenetSpec)}

S = TypeVar("S", bound=Section)


def spec_class(network: str, action: str | None = None) -> type[NetworkSpec]:
    """The spec of a network, SpecError if there is none, or if it has no section for the action."""
    if network not in SPECS:
        raise SpecError("the command", [f"{network!r} is no network; there is {', '.join(SPECS)}"])
    kind = SPECS[network]
    if action is not None and action not in kind.model_fields:
        having = [name for name, other in SPECS.items() if action in other.model_fields]
        advice = f"; use that of {having[0]}: its tables are the same for both" if having else ""
        raise SpecError("the command", [f"{network} has no {action}, here or in TAO{advice}"])
    return kind


def default_spec(network: str, overrides: Sequence[str] = ()) -> NetworkSpec:
    """The spec that an empty file gives, with `key=value` overrides."""
    return load_spec(network, {}, overrides)


def load_spec(
    network: str,
    source: str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    action: str | None = None,
) -> NetworkSpec:
    """Read, merge, resolve and check a spec.

    `source` is a YAML or JSON file, here or remote, or the mapping it would hold. `overrides` are texts such as
    `train.num_epochs=3` or `train.gpu_ids=[0,1]`. With an `action`, the values that it cannot run without
    must be there.

    Raises SpecError that lists every mistake with its path, its value and what is allowed.
    """
    return _checked(spec_class(network, action), source, overrides, action)


def load_section(kind: type[S], overrides: Sequence[str]) -> S:
    """A section by itself, such as the options of a command, from its defaults and `key=value` overrides."""
    return _checked(kind, {}, overrides, None)


def _checked(kind: type[S], source: str | Path | Mapping[str, Any], overrides: Sequence[str], action: str | None) -> S:
    given = dict(source) if isinstance(source, Mapping) else _read(source)
    problems: list[str] = []
    given = _without_gpu_wishes(_canonical(kind, given, "", problems), overrides)
    for override in overrides:
        given = _merge(kind, given, _canonical(kind, _parse(override, problems), "", problems))
    plain, spoilt = resolve(kind, _merge(kind, kind().model_dump(), given), problems)
    problems += _left_open(kind, plain, action)
    checked = _validate(kind, plain, problems)
    if action is not None and issubclass(kind, NetworkSpec):
        problems += misfits(kind, plain, action)
    if problems or checked is None:
        name = "the options" if isinstance(source, Mapping) else f"the spec {without_secrets(str(source))}"
        if issubclass(kind, NetworkSpec) and (other := _reads_like(kind, given)):
            name += f" (which reads like one of {other}, not of {kind.network})"
        first: dict[str, str] = {}  # of each path: a reference to nothing, say, is no wrong type as well
        for problem in problems:
            path = problem.split(": ")[0]
            if path not in spoilt:
                first.setdefault(path, problem)
        raise SpecError(name, [without_secrets(problem) for problem in first.values()])
    return checked


def _reads_like(kind: type[NetworkSpec], given: Plain) -> str:
    """The network that knows all keys of a spec that `kind` does not; "" if there is none."""
    others = (name for name, other in SPECS.items() if not _strange(other, _canonical(other, given, "", [])))
    return next(others, "") if _strange(kind, given) else ""


def _strange(kind: type[Section], given: Plain) -> bool:
    """Whether it has a key that there is not."""
    for key, value in given.items():
        if key not in kind.model_fields:
            return True
        below = subsection(kind.model_fields[key])
        if below and isinstance(value, dict) and _strange(below, value):
            return True
    return False


def without_effect(spec: NetworkSpec, sections: Iterable[str]) -> list[str]:
    """One sentence for each option that was changed from its default and changes nothing, below `sections`."""
    reasons = {
        path: meta(field).no_effect
        for path, field, value in walk(spec)
        if meta(field).no_effect and differs(value, field)
    }
    return [
        f"{path} is accepted and has no effect: {why}"
        for path, why in (reasons | spec.idle()).items()
        if path.split(".")[0] in sections
    ]


def walk(spec: Section, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Every leaf as (dotted path, its FieldInfo, its value), in the order of declaration."""
    for key, field in type(spec).model_fields.items():
        value = getattr(spec, key)
        if isinstance(value, Section):
            yield from walk(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", field, value


def _read(source: str | Path) -> Plain:
    if isinstance(source, str) and is_uri(source):
        from goldenpair.storage.fetching import read_text

        return _as_mapping(read_text(source), f"the spec {without_secrets(source)}")
    path = Path(source)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise SpecError(f"the spec {path}", [f"there is no such file (looked in {Path.cwd()})"]) from None
    except UnicodeDecodeError as error:
        raise SpecError(f"the spec {path}", [f"is not UTF-8 text ({error.reason}, byte {error.start})"]) from None
    except OSError as error:
        raise SpecError(f"the spec {path}", [f"cannot be read: {error}"]) from None
    return _as_mapping(text, f"the spec {path}")


def _as_mapping(text: str, name: str) -> Plain:
    try:
        config = OmegaConf.create(text) if text.strip() else OmegaConf.create({})
    except yaml.YAMLError as error:
        said = " ".join(str(error).replace('"<unicode string>", ', "").split())
        raise SpecError(name, [f"is not YAML or JSON: {said}"]) from None
    except AssertionError:  # OmegaConf's way to say that a text holds one number or word
        config = None
    except (OmegaConfBaseException, ValueError, RecursionError) as error:
        raise SpecError(name, [f"cannot be used: {' '.join(str(error).split())}"]) from None
    if not isinstance(config, DictConfig):
        raise SpecError(name, ["holds no 'key: value' pairs"])
    plain = OmegaConf.to_container(config, resolve=False)
    assert isinstance(plain, dict)
    if list(plain.values()) == [None] and isinstance(yaml.safe_load(text), str):  # OmegaConf makes a key of a text
        raise SpecError(name, ["holds no 'key: value' pairs"])
    return {str(key): value for key, value in plain.items()}


def _parse(override: str, problems: list[str]) -> Plain:
    key, equals, _ = override.partition("=")
    if not equals or not key.strip("+ "):
        problems.append(f"override {override!r}: expected key.path=value, as in train.num_epochs=3")
        return {}
    key, equals, value = override.lstrip("+").partition("=")
    if value.strip().startswith("{"):
        # TAO's containers take {a:0} for a mapping; YAML wants a blank after the colon
        value = re.sub(r"([{,]\s*[\w.-]+):(?=\S)", r"\1: ", value)
    try:
        parsed = OmegaConf.from_dotlist([f"{key}={value}"])
    except (OmegaConfBaseException, yaml.YAMLError, ValueError) as error:
        problems.append(f"override {override!r}: {' '.join(str(error).split())}")
        return {}
    plain = OmegaConf.to_container(parsed, resolve=False)
    assert isinstance(plain, dict)
    return {str(name): value for name, value in plain.items()}


def _canonical(kind: type[Section], given: Plain, prefix: str, problems: list[str]) -> Plain:
    """Aliases under their true names; a section without content is a section left out."""
    aliases = {meta(field).alias: key for key, field in kind.model_fields.items() if meta(field).alias}
    result: Plain = {}
    given_as: dict[str, str] = {}
    for key, value in given.items():
        name = aliases.get(str(key), str(key))
        field = kind.model_fields.get(name)
        below = subsection(field) if field else None
        if below and value is None and field and field.default_factory is not None:
            continue
        if below and isinstance(value, dict):
            value = _canonical(below, value, f"{prefix}{name}.", problems)
        if name in result and result[name] != value:
            other = f"{prefix}{given_as[name]} (the same option) is {result[name]!r}"
            problems.append(f"{prefix}{key}: {value!r}, but {other}")
        result[name], given_as[name] = value, str(key)
    return result


def _without_gpu_wishes(given: Plain, overrides: Sequence[str]) -> Plain:
    """As in TAO: an override of num_gpus or gpu_ids stands alone, whatever the file says of the other."""
    for override in overrides:
        section, _, key = override.lstrip("+").partition("=")[0].partition(".")
        if key in ("num_gpus", "gpu_ids") and isinstance(given.get(section), dict):
            kept = {name: value for name, value in given[section].items() if name not in ("num_gpus", "gpu_ids")}
            given = {**given, section: kept}
    return given


def _merge(kind: type[Section], base: Plain, over: Plain) -> Plain:
    """`over` on top of `base`: sections merge, anything else (also a mapping such as input_map) is replaced."""
    merged = dict(base)
    for key, value in over.items():
        field = kind.model_fields.get(key)
        below = subsection(field) if field else None
        old = merged.get(key)
        both = below is not None and isinstance(value, dict) and isinstance(old, dict)
        merged[key] = _merge(below, old, value) if both and below and isinstance(old, dict) else value
    return merged


def _validate(kind: type[S], plain: Plain, problems: list[str]) -> S | None:
    try:
        return kind.model_validate(plain)
    except ValidationError as error:
        for mistake in error.errors():
            problems.append(f"{_dotted(mistake['loc'])}: {_sentence(kind, mistake)}")
        return None


def _dotted(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        if isinstance(part, str) and "[" in part:  # pydantic's name of an alternative, such as list[str]
            continue
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".")


_BOUNDS = {
    "greater_than_equal": ("ge", "must be at least"),
    "greater_than": ("gt", "must be greater than"),
    "less_than_equal": ("le", "must be at most"),
    "less_than": ("lt", "must be less than"),
}
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "string": "a text",
    "bool": "true or false",
    "list": "a list such as [0, 1]",
    "dict": "a mapping such as {a: 0, b: 1}",
    "model": "a section with keys below it",
}


def _sentence(kind: type[Section], mistake: Mapping[str, Any]) -> str:
    code, value, context = mistake["type"], mistake["input"], mistake.get("ctx", {})
    if code == "extra_forbidden":
        return "unknown key" + _suggestion(kind, tuple(str(part) for part in mistake["loc"]))
    if code in _BOUNDS:
        bound, words = _BOUNDS[code]
        return f"{value!r} is out of bounds; it {words} {context[bound]:g}"
    if code == "literal_error":
        return f"{value!r} is not allowed; it must be one of {context['expected'].replace(' or ', ', ')}"
    if code in ("too_short", "too_long"):
        wanted = context.get("min_length", context.get("max_length"))
        return f"{value!r} has {context['actual_length']} values; it must have {wanted}"
    if code == "value_error":
        said = str(context["error"])
        return f"{value!r}: {said}" if isinstance(value, bool) else said
    if code == "string_pattern_mismatch":
        return f"{value!r} does not match {context['pattern']}"
    for start, words in _KINDS.items():
        if value is None and code.startswith(start):
            return f"it is empty, and must be {words}; to unset it, leave it out or write {MISSING}"
        if code.startswith(start) or code.startswith("model" if start == "model" else f"{start}_"):
            return f"{value!r} is not {words}"
    return f"{value!r}: {mistake['msg']}"


def _suggestion(kind: type[Section], location: tuple[str, ...]) -> str:
    owner: type[Section] | None = kind
    for part in location[:-1]:
        owner = subsection(owner.model_fields[part]) if owner and part in owner.model_fields else None
    siblings = list(owner.model_fields) if owner else []
    near = difflib.get_close_matches(location[-1], siblings, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    elsewhere = [path for path in _paths(kind) if path.split(".")[-1] == location[-1]]
    if elsewhere:
        return f"; did you mean {elsewhere[0]!r}?"
    return f"; known here: {', '.join(siblings)}" if siblings else ""


def _paths(kind: type[Section], prefix: str = "") -> Iterator[str]:
    for key, field in kind.model_fields.items():
        yield f"{prefix}{key}"
        below = subsection(field)
        if below:
            yield from _paths(below, f"{prefix}{key}.")


def _left_open(
    kind: type[Section], plain: Plain, action: str | None, prefix: str = "", needed: bool = False
) -> list[str]:
    """Mandatory values that the action needs, and the mark `???` where nothing is mandatory."""
    problems = []
    for key, field in kind.model_fields.items():
        value, below = plain.get(key), subsection(field)
        wanted = needed or action in meta(field).needed_by
        if below and isinstance(value, dict):
            problems += _left_open(below, value, action, f"{prefix}{key}.", wanted)
        elif wanted and field.default == MISSING and value in (MISSING, None, ""):
            problems.append(f"{prefix}{key}: {action} needs it ({(field.description or '').lower()})")
        elif value == MISSING and field.default != MISSING:
            problems.append(f"{prefix}{key}: {MISSING} stands for a value to be given; give one, or leave it out")
    return problems
