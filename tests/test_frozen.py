"""Our frozen values are what `dataclasses` would have made, in all that can be seen of them."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import typing
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import imgfetch
from imgfetch import frozen
from imgfetch.model.markup import Candidate, Viewport
from imgfetch.model.result import ErrorKind, Failure

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(imgfetch.__file__).parent


def classes() -> list[type]:
    """All that the house makes so."""
    rooms = (path.relative_to(ROOT.parent).with_suffix("") for path in sorted(ROOT.rglob("*.py")))
    modules = [import_module(".".join(room.parts)) for room in rooms if room.name not in ("__main__", "cell")]
    known = {id(each): each for module in modules for each in vars(module).values()}
    return [each for each in known.values() if isinstance(each, type) and "__shown__" in vars(each)]


def twins(fields: list[tuple[str, bool]]) -> tuple[Any, Any]:
    """One class in both makes: each field's name, and whether it has a default (its name) and no repr."""
    made: list[type] = []
    for make, field in ((frozen.dataclass, frozen.field), (dataclasses.dataclass, dataclasses.field)):
        given = {name: field(default=name, repr=False) for name, default in fields if default}
        body = {"__annotations__": dict.fromkeys((name for name, _ in fields), "str"), "__module__": __name__}
        made.append(make(frozen=True, slots=True)(type("Twin", (), {**body, **given})))
    return made[0], made[1]


def outcome(act: Callable[[], object]) -> object:
    """What came of it, or what was said against it."""
    try:
        return act()
    except (TypeError, AttributeError) as error:
        return type(error), str(error)


NAMES = ["url", "self_", "set_url", "make", "default", "values", "names", "a", "b"]
FIELDS = st.lists(st.sampled_from(NAMES), unique=True).flatmap(
    lambda names: st.integers(0, len(names)).map(
        lambda first: [(name, place >= first) for place, name in enumerate(names)]
    )
)
WORDS = st.lists(st.sampled_from("xyz"), max_size=4)
BY_NAME = st.dictionaries(st.sampled_from(NAMES), st.sampled_from("xyz"), max_size=3)


@settings(deadline=None)
@given(fields=FIELDS, words=WORDS, others=WORDS, named=BY_NAME)
def test_a_class_is_as_the_standard_library_makes_it(
    fields: list[tuple[str, bool]], words: list[str], others: list[str], named: dict[str, str]
) -> None:
    ours, theirs = twins(fields)

    def check(see: Callable[[Any], object]) -> None:
        assert outcome(lambda: see(ours)) == outcome(lambda: see(theirs))

    check(lambda twin: repr(twin(*words, **named)))
    check(lambda twin: hash(twin(*words, **named)))
    check(lambda twin: twin(*words) == twin(*others))
    check(lambda twin: twin(*words) == words)
    check(lambda twin: repr(dataclasses.replace(twin(*words), **named)))
    check(lambda twin: dataclasses.asdict(twin(*words)))
    check(lambda twin: dataclasses.astuple(twin(*words)))
    check(lambda twin: [str(field) for field in dataclasses.fields(twin)])
    check(lambda twin: repr(copy.copy(twin(*words))))
    check(lambda twin: twin(*words).__getstate__())
    for name, _ in fields:
        check(lambda twin, name=name: setattr(twin(*words), name, "x"))  # type: ignore[misc]
        check(lambda twin, name=name: delattr(twin(*words), name))  # type: ignore[misc]
    check(lambda twin: twin.__match_args__)
    check(lambda twin: twin.__slots__)
    check(inspect.signature)
    check(lambda twin: typing.get_type_hints(twin.__init__))


@settings(deadline=None)
@given(fields=FIELDS, words=WORDS, named=BY_NAME)
def test_replace_says_what_the_standard_one_says(
    fields: list[tuple[str, bool]], words: list[str], named: dict[str, str]
) -> None:
    ours, _ = twins(fields)
    value: Any = outcome(lambda: ours(*words))
    assume(isinstance(value, ours))
    assert outcome(lambda: frozen.replace(value, **named)) == outcome(
        lambda: dataclasses.replace(value, **named)
    )
    assert frozen.by_name(value) == dataclasses.asdict(value)


def test_no_class_asks_for_what_is_not_offered() -> None:
    found = classes()
    assert len(found) > 50
    for each in found:
        assert not any("__shown__" in vars(base) for base in each.__mro__[1:])
        assert [field.name for field in dataclasses.fields(each)] == list(vars(each)["__match_args__"])
        assert not any(word in str(each.__annotations__) for word in ("ClassVar", "InitVar", "KW_ONLY"))
        assert not hasattr(each, "__post_init__")


def test_what_is_neither_frozen_nor_in_slots_is_made_elsewhere() -> None:
    for words in ({"frozen": True, "slots": False}, {"frozen": False, "slots": True}):
        with pytest.raises(TypeError, match="dataclasses makes the others"):
            frozen.dataclass(**words)


def test_values_are_pickled_by_their_fields_alone() -> None:
    """As they were when `dataclasses` made them: what was pickled then can be read."""
    value = Viewport(1280, 720)
    assert pickle.loads(pickle.dumps(value)) == value
    assert value.__reduce_ex__(2)[2] == [1280, 720, 1.0, 16.0, "light"]


def test_a_class_may_be_derived_from_and_have_attributes_of_its_own() -> None:
    class Counted(Candidate):
        count = 0

    counted = Counted("a.webp", width=480)
    counted.count = 7
    assert (counted.count, repr(counted)) == (
        7,
        f"{Counted.__qualname__}(url='a.webp', width=480, height=None, density=None)",
    )
    assert counted != Candidate("a.webp", width=480)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'url'"):
        counted.url = "b.webp"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'colour'"):
        Candidate("a.webp").colour = "red"  # type: ignore[attr-defined]

    @dataclasses.dataclass(frozen=True)
    class Named(Viewport):
        name: str = "phone"

    named = Named(360, 640, name="tablet")
    assert dataclasses.replace(Named(360, 640), name="tablet") == named
    assert copy.deepcopy(named) == named


def test_the_first_value_may_be_one_of_a_derived_class() -> None:
    """Whose constructor calls the one that is made only then."""

    @frozen.dataclass(frozen=True, slots=True)
    class Base:
        url: str

    class Derived(Base):
        def __init__(self, host: str, path: str) -> None:
            super().__init__(host + path)

    assert Derived("h.example", "/a").url == "h.example/a"
    assert Base("h.example/a").url == "h.example/a"


def test_a_secret_is_not_shown() -> None:
    failed = Failure(
        ErrorKind.DNS, "no such host", "https://h.example/", given="https://h.example/?token=secret"
    )
    assert "secret" not in repr(failed)
    assert "secret" in failed.given
