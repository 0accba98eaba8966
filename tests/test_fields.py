from typing import Any, Literal

import pytest
from pydantic import ValidationError

from goldenpair.specs.fields import MISSING, Meta, Section, meta, option, section, subsection


class Leafy(Section):
    count: int = option(1, "How many", ge=1, le=9, popular=True)
    share: float = option(0.5, "How much", gt=0, lt=1, automl=True)
    name: str = option("a", "What it is called", alias="title", tao_template="b", start="c")
    limit: float | None = option(None, "Where it ends", ge=0)
    colour: list[float] = option([0.0, 0.0, 0.0], "Three numbers", length=3)
    ids: list[int] = option([0], "Some indices")
    order: dict[str, int] | None = option(None, "Name and place")
    batch: int | None = option(None, "Batch")
    unit: Literal["epoch", "step"] = option("epoch", "Unit")
    old: bool = option(False, "Left over", no_effect="nobody reads it")
    path: str = option(MISSING, "File", needed_by=("train",))


class Branchy(Section):
    leafy: Leafy = section(Leafy, "The leaves", needed_by=("train", "evaluate"))
    maybe: Leafy | None = option(None, "Perhaps leaves")
    plain: int = 3


def field(name: str, kind: type[Section] = Leafy):
    return kind.model_fields[name]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("count", Meta(popular=True)),
        ("share", Meta(automl=True)),
        ("name", Meta(alias="title", tao_template="b", start="c")),
        ("limit", Meta()),
        ("old", Meta(no_effect="nobody reads it")),
        ("path", Meta(needed_by=("train",))),
    ],
)
def test_meta_gives_back_what_was_declared(name, said):
    assert meta(field(name)) == said


def test_meta_of_sections_and_of_plain_fields():
    assert meta(field("leafy", Branchy)) == Meta(needed_by=("train", "evaluate"))
    assert meta(field("plain", Branchy)) == Meta()


def test_description_is_kept():
    assert field("count").description == "How many"
    assert field("leafy", Branchy).description == "The leaves"


@pytest.mark.parametrize("name", ["leafy", "maybe"])
def test_subsection_of_a_branch(name):
    assert subsection(field(name, Branchy)) is Leafy


@pytest.mark.parametrize("name", ["count", "limit", "ids", "order", "unit"])
def test_a_leaf_has_no_subsection(name):
    assert subsection(field(name)) is None


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("count", [1, 9, 3.0, "4"], [0, 10, 3.5, "four", None, [1]]),
        ("share", [0.1, 0.999, "0.2"], [0, 1, float("nan"), None]),
        ("limit", [None, 0, 2.5], [-0.1, "far"]),
        ("colour", [[1, 2, 3]], [[1, 2], [1, 2, 3, 4], 5, ["a", "b", "c"]]),
        ("unit", ["step"], ["Step", "", None]),
        ("name", ["", "b", 7, 0.5], [None, ["a"]]),
        ("old", [True, False, "true"], [None, 2, "maybe"]),
    ],
)
def test_what_an_option_accepts(name, good, bad):
    for value in good:
        Leafy(**{name: value})
    for value in bad:
        with pytest.raises(ValidationError) as caught:
            Leafy(**{name: value})
        assert caught.value.errors()[0]["loc"][0] == name


def test_numbers_become_text_where_text_is_wanted():
    assert Leafy(name=7).name == "7"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", True),
        ("share", False),
        ("limit", True),
        ("batch", True),
        ("ids", [0, True]),
        ("colour", [0.5, 0.5, False]),
        ("order", {"a": True}),
        ("name", True),
    ],
)
def test_true_is_no_number_and_no_text(name, value):
    with pytest.raises(ValidationError):
        Leafy(**{name: value})


def test_unknown_keys_are_mistakes():
    with pytest.raises(ValidationError, match="extra_forbidden"):
        Leafy(cuont=1)  # type: ignore[call-arg]


def test_a_spec_does_not_change():
    leafy = Leafy()
    with pytest.raises(ValidationError, match="frozen"):
        leafy.count = 2


def test_specs_do_not_share_defaults():
    first: Any = Branchy()
    first.leafy.ids.append(7)
    assert Branchy().leafy.ids == [0]
