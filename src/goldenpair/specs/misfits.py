"""What does not fit together in a spec, told even where some of its values are wrong by themselves."""

import re
from typing import Any

from pydantic import ValidationError

from goldenpair.specs.common import NetworkSpec
from goldenpair.specs.fields import subsection

Place = tuple[int | str, ...]


def misfits(kind: type[NetworkSpec], plain: dict[str, Any], action: str) -> list[str]:
    """Lines of `NetworkSpec.problems` that no wrong value can have caused.

    Wrong values count as left out. What is said of their sections is not told, nor what names them; nothing is told
    where a value of the root, such as `task`, is wrong: everything may hang on it.
    """
    wrong: list[Place] = []
    while True:
        try:
            spec = kind.model_validate(plain)
            break
        except ValidationError as error:
            places = [mistake["loc"] for mistake in error.errors()]
        for place in places:
            if (field := kind.model_fields.get(str(place[0]))) and subsection(field) is None:
                return []
            plain = _without(plain, place)
        wrong += places
    sections = tuple(f"{place[0]}." for place in wrong)
    names = {part for place in wrong for part in place[1:] if isinstance(part, str)} - _sections(kind)
    return [
        line
        for line in spec.problems(action)
        if not line.startswith(sections) and names.isdisjoint(re.findall(r"\w+", line))
    ]


def _without(plain: dict[str, Any], place: Place) -> dict[str, Any]:
    """The same without what stands at a place of pydantic's; of a list, or of a mapping's value, all of it."""
    key, *rest = place
    below = plain.get(str(key))
    if rest and isinstance(below, dict) and rest[0] in below:
        return {**plain, str(key): _without(below, tuple(rest))}
    return {name: value for name, value in plain.items() if name != key}


def _sections(kind: Any) -> set[str]:
    """The names of all sections below a section."""
    below = {name: found for name, field in kind.model_fields.items() if (found := subsection(field))}
    return set(below).union(*(_sections(one) for one in below.values()))
