"""How an option is declared: once, with everything that is said of it anywhere.

A spec is a tree of pydantic models. Each leaf is an `option`, each branch a `section`. Validation, JSON schema,
commented template and docs table read what is declared here and nowhere else.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.fields import FieldInfo

MISSING = "???"  # OmegaConf's mark for a value that the user has to give
_EXTRA = "x-goldenpair"
PathKind = Literal["file", "model", "folder", "images", "results", "output"]


class Section(BaseModel):
    """A branch of a spec. Unknown keys are mistakes; numbers become text where text is wanted, as in TAO.

    A spec does not change once it is checked: load it again with other overrides instead.
    """

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True, frozen=True, protected_namespaces=())

    @field_validator("*", mode="before")
    @classmethod
    def _yes_is_no_number(cls, value: Any, info: Any) -> Any:
        # pydantic reads true as 1; in a spec `num_epochs: true` is a slip of the pen
        field = cls.model_fields[info.field_name]
        kinds = set(_kinds(field.annotation))
        if kinds & {int, float} and not kinds & {bool, str} and subsection(field) is None and _holds_bool(value):
            raise ValueError("true and false are not numbers")
        return value

    def changed(self, *names: str) -> list[str]:
        """Those of its options whose value is not the default; an empty text is the same as none."""
        fields = type(self).model_fields
        return [name for name in names if differs(getattr(self, name), fields[name])]


def differs(value: Any, field: FieldInfo) -> bool:
    default = field.get_default(call_default_factory=True, validated_data={})
    return bool(value != default and (value or None, default or None) != (None, None))


def _kinds(annotation: Any) -> list[Any]:
    """The plain types of an annotation; of a mapping, those of its values."""
    inner = get_args(annotation)[1:] if get_origin(annotation) is dict else get_args(annotation)
    return [annotation, *(kind for one in inner for kind in _kinds(one))]


def _holds_bool(value: Any) -> bool:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return isinstance(value, bool) or any(map(_holds_bool, inside))


@dataclass(frozen=True)
class Meta:
    """What an option's declaration says beyond type, default, bounds and description.

    `start` is what a template written by `goldenpair spec` proposes and `tao_template` what TAO's own templates
    propose, each None where it is the default; `tao_leaves_open` where they propose nothing. `not_in_tao`: TAO 7.3
    does not know the option, because it is ours or because TAO dropped it. `needed_by` names the actions that cannot
    run while the value is `???`. `no_effect` says why an option that TAO accepts changes nothing here. `math_cond` is
    TAO's condition on the values that a search may try. `path` says that the value names something on a disk or in a
    store: a file, a model (a file with others beside it, or a folder), a folder, a folder of pictures or an archive of
    one, the folder of results, or a file below it that is written.
    """

    popular: bool = False
    automl: bool = False
    start: Any = None
    tao_template: Any = None
    tao_leaves_open: bool = False
    not_in_tao: bool = False
    needed_by: tuple[str, ...] = ()
    no_effect: str = ""
    alias: str = ""
    math_cond: str = ""
    path: PathKind | Literal[""] = ""


def meta(field: FieldInfo) -> Meta:
    extra = field.json_schema_extra
    found = extra.get(_EXTRA) if isinstance(extra, dict) else None
    if not isinstance(found, dict):
        return Meta()
    return Meta(**{**found, "needed_by": tuple(found.get("needed_by", ()))})  # type: ignore[arg-type]


def _said(values: dict[str, Any]) -> dict[str, Any]:
    said = {key: value for key, value in values.items() if value not in (None, False, "", (), [])}
    if "needed_by" in said:
        said["needed_by"] = list(said["needed_by"])
    return {_EXTRA: said} if said else {}


def option(
    default: Any,
    description: str,
    *,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    length: int | None = None,
    pattern: str | None = None,
    examples: tuple[str, ...] = (),
    popular: bool = False,
    automl: bool = False,
    start: Any = None,
    tao_template: Any = None,
    tao_leaves_open: bool = False,
    not_in_tao: bool = False,
    needed_by: tuple[str, ...] = (),
    no_effect: str = "",
    alias: str = "",
    math_cond: str = "",
    path: PathKind | Literal[""] = "",
) -> Any:
    """Declare a leaf. Bounds hold everywhere; `length` fixes the length of a list, `pattern` is the regular
    expression of a text, `examples` are values that schemas and docs name although others are allowed too. See Meta
    for the rest."""
    extra = _said(
        {
            "popular": popular,
            "automl": automl,
            "start": start,
            "tao_template": tao_template,
            "tao_leaves_open": tao_leaves_open,
            "not_in_tao": not_in_tao,
            "needed_by": needed_by,
            "no_effect": no_effect,
            "alias": alias,
            "math_cond": math_cond,
            "path": path,
        }
    )
    return Field(
        default=default,  # pydantic copies a list for every spec
        description=description,
        ge=ge,
        gt=gt,
        le=le,
        lt=lt,
        min_length=length,
        max_length=length,
        pattern=pattern,
        examples=list(examples) or None,
        json_schema_extra=extra or None,
    )


def section(kind: type[Section], description: str, *, needed_by: tuple[str, ...] = (), not_in_tao: bool = False) -> Any:
    """Declare a branch. `needed_by` holds for every mandatory value below it, `not_in_tao` for all of it."""
    return Field(
        default_factory=kind,
        description=description,
        json_schema_extra=_said({"needed_by": needed_by, "not_in_tao": not_in_tao}) or None,
    )


def branch(field: FieldInfo) -> type[Section] | None:
    """The section behind a field that is always there; None for a leaf, and for one that may be null as a whole."""
    return subsection(field) if field.default_factory is not None else None


def subsection(field: FieldInfo) -> type[Section] | None:
    """The model behind a branch, also behind an optional one; None for a leaf."""
    candidates = (field.annotation, *getattr(field.annotation, "__args__", ()))
    for kind in candidates:
        if isinstance(kind, type) and issubclass(kind, Section):
            return kind
    return None
