"""Frozen values in slots: `dataclass(frozen=True, slots=True)`, which costs next to nothing until it is used.

The standard decorator imports `inspect`, and compiles five methods of every class as its module is imported,
whether anyone will call them or not; for all of ours that was a fifth of a run that fetches one image. Here
`__init__` is compiled for the first value that is made, and the other methods are the same for all classes.

To pickle, `match` and type checkers, and to the functions of `dataclasses`, such a class is a dataclass like
any other. It takes its fields from its own annotations; it has no fields of base classes, no factories of
defaults, no `ClassVar`, `InitVar` or `__post_init__`. Its `repr` shows no user and password of a URL.
"""

from __future__ import annotations

import sys
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from imgfetch.redaction import without_credentials

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from dataclasses import replace as replace

_Class = TypeVar("_Class", bound=type)
_Value = TypeVar("_Value")


def by_name(value: object) -> dict[str, Any]:
    """The fields of a value by name, as they are."""
    return {name: getattr(value, name) for name in _names(value)}


_REQUIRED = object()


class _Field:
    def __init__(self, *, default: object = _REQUIRED, repr: bool = True) -> None:  # noqa: A002 (as in `dataclasses`)
        self.default = default
        self.repr = repr


def _dataclass(*, frozen: bool, slots: bool) -> Callable[[_Class], _Class]:
    if not (frozen and slots):
        raise TypeError("imgfetch.frozen makes frozen values in slots; dataclasses makes the others")
    return _made


def _replace(value: _Value, /, **changes: object) -> _Value:
    values = [changes.pop(name) if name in changes else getattr(value, name) for name in _names(value)]
    return value.__class__(*values, **changes)  # what is left names no field, and `__init__` says so


if not TYPE_CHECKING:  # type checkers know what the standard library's own do
    dataclass, field, replace = _dataclass, _Field, _replace


def _names(value: Any) -> tuple[str, ...]:  # noqa: ANN401 (of any of our classes)
    names: tuple[str, ...] = value.__match_args__
    return names


# ---------------------------------------------------------------------------------------------------
# A class


def _made(cls: _Class) -> _Class:
    body = dict(vars(cls))
    for name in ("__dict__", "__weakref__"):  # which a class without slots has
        body.pop(name, None)
    fields = {name: _field(body.pop(name, _REQUIRED)) for name in cls.__annotations__}
    body |= {
        "__slots__": tuple(fields),
        "__match_args__": tuple(fields),
        "__shown__": tuple(name for name in fields if fields[name].repr),
        "__values__": _getter(tuple(fields)),
        "__init__": _Late(lambda: _init(made, fields)),
        "__dataclass_fields__": _Late(lambda: _standard(made, fields).__dataclass_fields__),
        "__dataclass_params__": _Late(lambda: _standard(made, fields).__dataclass_params__),
    }
    made: _Class = type(cls)(cls.__name__, cls.__bases__, _METHODS | body)
    made.__qualname__ = cls.__qualname__
    return made


def _getter(names: tuple[str, ...]) -> Callable[[object], tuple[object, ...]]:
    """What gives the fields of a value as a tuple, by one call where it can."""
    if len(names) > 1:
        return attrgetter(*names)
    return staticmethod(lambda value: tuple([getattr(value, name) for name in names]))


def _field(default: object) -> _Field:
    return default if isinstance(default, _Field) else _Field(default=default)


class _Late:
    """Stands in for an attribute of a class until that is looked up for the first time, and made."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner, self._name = owner, name

    def __get__(self, value: object, cls: type) -> object:
        made = self._make()
        setattr(self._owner, self._name, made)
        # Not looked up again by its name: that could find what a derived class has, which called `super`.
        return made.__get__(value, cls) if callable(made) else made


def _init(cls: Any, fields: dict[str, _Field]) -> Callable[..., None]:  # noqa: ANN401 (see `_names`)
    """What one would write, but that it sets the slots past the `__setattr__` that forbids it."""
    known = {f"_set_{name}": vars(cls)[name].__set__ for name in fields}
    known |= {f"_default_{name}": each.default for name, each in fields.items()}
    parameters = [
        name if each.default is _REQUIRED else f"{name}=_default_{name}" for name, each in fields.items()
    ]
    sets = "; ".join(f"_set_{name}(self, {name})" for name in fields)
    made: dict[str, Any] = {}
    source = f"def __init__({', '.join(['self', *parameters])}): {sets or 'pass'}"
    exec(source, {**vars(sys.modules[cls.__module__]), **known}, made)  # noqa: S102 (all in it are names of fields)
    init = made["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__annotations__ = {**cls.__annotations__, "return": None}
    return init  # type: ignore[no-any-return]


def _standard(cls: type, fields: dict[str, _Field]) -> Any:  # noqa: ANN401 (a dataclass)
    """The same class as `dataclasses` makes it, which knows what its functions want to know."""
    from dataclasses import MISSING, field, make_dataclass

    defaults = {name: MISSING if each.default is _REQUIRED else each.default for name, each in fields.items()}
    return make_dataclass(
        cls.__name__,
        [
            (name, cls.__annotations__[name], field(default=defaults[name], repr=each.repr))
            for name, each in fields.items()
        ],
        frozen=True,
        slots=True,
    )


class _Methods:
    """What every class of values has, unless it says otherwise."""

    __match_args__: tuple[str, ...]
    __shown__: tuple[str, ...]
    __values__: Callable[[object], tuple[object, ...]]

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__shown__)
        return without_credentials(f"{self.__class__.__qualname__}({shown})")

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return self.__values__(self) == self.__values__(other)

    def __hash__(self) -> int:
        return hash(self.__values__(self))

    def __setattr__(self, name: str, value: object) -> None:
        _forbid("assign to", self, name)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        _forbid("delete", self, name)
        object.__delattr__(self, name)

    def __replace__(self, /, **changes: object) -> _Methods:
        return _replace(self, **changes)

    def __getstate__(self) -> list[object]:
        return list(by_name(self).values())

    def __setstate__(self, state: list[object]) -> None:
        for name, value in zip(_names(self), state, strict=True):
            object.__setattr__(self, name, value)


_METHODS = {name: each for name, each in vars(_Methods).items() if callable(each)}


def _forbid(what: str, value: object, name: str) -> None:
    """Classes derived from one of values may have attributes of their own."""
    if "__shown__" in vars(type(value)) or name in _names(value):
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot {what} field {name!r}")
