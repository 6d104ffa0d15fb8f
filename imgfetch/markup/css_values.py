"""CSS values: lengths, resolutions and the math functions (CSS Values 4 §6, §7, §10), in one unit each.

    Token ─▶ its unit: px, dppx, radians ─▶ sums of products of values ─▶ Quantity, None where it is invalid

Two dialects. Media queries, and Firefox everywhere, know all math functions. Chromium's `sizes` has a reader
of its own, which knows four of them, asks for no space around + and -, and takes no division by zero.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.markup.css_tokens import without_space

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from imgfetch.markup.css_tokens import Token
    from imgfetch.model import Viewport

FLT_MAX = 3.4028234663852886e38
"""The largest number of a browser: what is larger is cut to it (CSS Values 4 §5.1)."""


class Quantity(NamedTuple):
    """A number and what it measures: `length` in px, `resolution` in dppx, `angle` in radians, or nothing."""

    number: float
    measure: str = ""


class Dialect(NamedTuple):
    """What a reader of calculations knows."""

    functions: frozenset[str]
    strict: bool
    """Whether + and - need spaces around them, constants have names, and x / 0 is infinite, not invalid."""


def quantity(token: Token, viewport: Viewport, dialect: Dialect) -> Quantity | None:
    """What a number, a dimension or a math function comes to; None for all else, and where it is invalid."""
    try:
        value = _Calculation(viewport, dialect).value(token)
    except _Invalid:
        return None
    # A result that is no number is zero, and none is out of range (CSS Values 4 §10.12).
    return Quantity(0.0 if math.isnan(value.number) else _in_range(value.number), value.measure)


class _Invalid(Exception):
    """The calculation means nothing."""


class _Calculation:
    def __init__(self, viewport: Viewport, dialect: Dialect) -> None:
        self._units = _units(viewport)
        self._dialect = dialect

    def value(self, token: Token) -> Quantity:
        if token.kind == "number":
            return Quantity(_in_range(token.number))
        if token.kind == "dimension" and token.text in self._units:
            size, measure = self._units[token.text]
            return Quantity(_in_range(token.number) * size, measure)
        if token.kind == "function" and token.text in self._dialect.functions:
            return self._function(token.text, _between_commas(token.parts))
        raise _Invalid

    def _function(self, name: str, arguments: list[list[Token]]) -> Quantity:
        if name == "round":
            strategy = f"round {' '.join(token.text for token in without_space(arguments[0]))}"
            if strategy in _FUNCTIONS and len(arguments) > 1:
                name, arguments = strategy, arguments[1:]
        function = _FUNCTIONS[name]
        operands = self._operands(name, arguments)
        if len(operands) == 1 and name.startswith("round"):
            operands.append(Quantity(1.0))  # the step of numbers, where none is given (CSS Values 4 §10.3)
        measure = operands[0].measure
        if (
            not function.fewest <= len(operands) <= function.most
            or measure not in function.takes
            or any(operand.measure != measure for operand in operands)
        ):
            raise _Invalid
        number = _worked_out(function.compute, *(operand.number for operand in operands))
        return Quantity(number, measure if function.gives is None else function.gives)

    def _operands(self, name: str, arguments: list[list[Token]]) -> list[Quantity]:
        unbounded = [[token.text for token in without_space(argument)] == ["none"] for argument in arguments]
        if name != "clamp" or not self._dialect.strict or unbounded not in _MAY_BE_UNBOUNDED:
            return [self._sum(argument) for argument in arguments]
        value = self._sum(arguments[1])
        least, most = (
            Quantity(limit, value.measure) if unbounded[position] else self._sum(arguments[position])
            for position, limit in ((0, -math.inf), (2, math.inf))
        )
        return [least, value, most]

    def _sum(self, parts: Sequence[Token]) -> Quantity:
        terms: list[list[Token]] = [[]]
        signs = [1.0]
        for position, token in enumerate(parts):
            if token.kind in ("+", "-"):
                around = [neighbour.kind for neighbour in parts[max(position - 1, 0) : position + 2 : 2]]
                if self._dialect.strict and around != ["space", "space"]:
                    raise _Invalid
                signs.append(1.0 if token.kind == "+" else -1.0)
                terms.append([])
            elif token.kind != "space":
                terms[-1].append(token)
        products = [self._product(term) for term in terms]
        measure = products[0].measure
        if any(product.measure != measure for product in products):
            raise _Invalid
        return Quantity(
            sum(sign * product.number for sign, product in zip(signs, products, strict=True)), measure
        )

    def _product(self, tokens: Sequence[Token]) -> Quantity:
        if len(tokens) % 2 == 0:
            raise _Invalid
        number, measure = self._operand(tokens[0])
        for operator, token in zip(tokens[1::2], tokens[2::2], strict=True):
            operand = self._operand(token)
            if operator.kind == "*" and not (measure and operand.measure):
                number *= operand.number
                measure = measure or operand.measure
            elif operator.kind == "/" and not operand.measure and (operand.number or self._dialect.strict):
                number = _divided(number, operand.number)
            else:
                raise _Invalid
        return Quantity(number, measure)

    def _operand(self, token: Token) -> Quantity:
        if token.kind == "(":
            return self._sum(token.parts)
        if token.kind == "ident" and token.text in _CONSTANTS and self._dialect.strict:
            return Quantity(_CONSTANTS[token.text])
        return self.value(token)


def _between_commas(parts: Sequence[Token]) -> list[list[Token]]:
    arguments: list[list[Token]] = [[]]
    for token in parts:
        if token.kind == ",":
            arguments.append([])
        else:
            arguments[-1].append(token)
    return arguments


def _in_range(number: float) -> float:
    return max(-FLT_MAX, min(number, FLT_MAX))


# ---------------------------------------------------------------------------------------------------
# Units


@lru_cache(maxsize=16)
def _units(viewport: Viewport) -> Mapping[str, Quantity]:
    """Every unit that means something here, and how much it is."""
    width, height = viewport.width / 100, viewport.height / 100
    # The text runs horizontally, so the inline axis is the width. No bars slide in and out, so the small,
    # large and dynamic viewports are one; and with no container around, the viewport stands for it.
    sides = {
        "w": width,
        "h": height,
        "i": width,
        "b": height,
        "min": min(width, height),
        "max": max(width, height),
    }
    lengths = _ABSOLUTE | {
        kind + side: size for kind in ("v", "sv", "lv", "dv", "cq") for side, size in sides.items()
    }
    for unit, part in _FONT.items():
        # Neither sizes nor media queries see the page's fonts: the root's units are the same.
        lengths[unit] = lengths[f"r{unit}"] = part * viewport.font_size
    return {
        unit: Quantity(size, measure)
        for measure, units in (("length", lengths), ("resolution", _RESOLUTION), ("angle", _ANGLE))
        for unit, size in units.items()
    }


_ABSOLUTE = {
    "px": 1.0,
    "cm": 96 / 2.54,
    "mm": 9.6 / 2.54,
    "q": 2.4 / 2.54,
    "in": 96.0,
    "pt": 4 / 3,
    "pc": 16.0,
}
_FONT = {"em": 1.0, "ex": 0.5, "ch": 0.5, "ic": 1.0, "cap": 0.7, "lh": 1.1875}
"""In parts of the font size. All but em hang on the reader's fonts: these are what CSS falls back to without
one, and for lh what Chromium's default font gives."""
_RESOLUTION = {"dppx": 1.0, "x": 1.0, "dpi": 1 / 96, "dpcm": 2.54 / 96}
_ANGLE = {"rad": 1.0, "deg": math.pi / 180, "grad": math.pi / 200, "turn": 2 * math.pi}


# ---------------------------------------------------------------------------------------------------
# Functions


class _Function(NamedTuple):
    compute: Callable[..., float]
    fewest: int
    most: int
    takes: frozenset[str]
    """What its arguments may measure; they all measure the same."""
    gives: str | None = None
    """What the result measures; None where that is what the arguments do."""


def _worked_out(compute: Callable[..., float], *numbers: float) -> float:
    if any(map(math.isnan, numbers)):
        return math.nan
    try:
        return compute(*numbers)
    except OverflowError:
        return math.inf
    except (ValueError, ZeroDivisionError):
        return math.nan


def _divided(number: float, divisor: float) -> float:
    if divisor or math.isnan(divisor):
        return number / divisor
    return (
        math.nan
        if number == 0 or math.isnan(number)
        else math.copysign(math.inf, number) * math.copysign(1, divisor)
    )


def _steps(whole: Callable[[float], float]) -> Callable[[float, float], float]:
    return lambda number, step: whole(number / step) * step


_ANYTHING = frozenset({"", "length", "resolution", "angle"})
_NUMBERS = frozenset({""})
_ANGLES = frozenset({"", "angle"})
_MANY = 10_000

_FUNCTIONS = {
    "calc": _Function(lambda value: value, 1, 1, _ANYTHING),
    "min": _Function(lambda *values: min(values), 1, _MANY, _ANYTHING),
    "max": _Function(lambda *values: max(values), 1, _MANY, _ANYTHING),
    "clamp": _Function(lambda least, value, most: max(least, min(value, most)), 3, 3, _ANYTHING),
    "round": _Function(_steps(lambda ratio: math.floor(ratio + 0.5)), 2, 2, _ANYTHING),
    "round nearest": _Function(_steps(lambda ratio: math.floor(ratio + 0.5)), 2, 2, _ANYTHING),
    "round up": _Function(_steps(math.ceil), 2, 2, _ANYTHING),
    "round down": _Function(_steps(math.floor), 2, 2, _ANYTHING),
    "round to-zero": _Function(_steps(math.trunc), 2, 2, _ANYTHING),
    "mod": _Function(lambda number, step: number % step, 2, 2, _ANYTHING),
    "rem": _Function(math.fmod, 2, 2, _ANYTHING),
    "sin": _Function(math.sin, 1, 1, _ANGLES, ""),
    "cos": _Function(math.cos, 1, 1, _ANGLES, ""),
    "tan": _Function(math.tan, 1, 1, _ANGLES, ""),
    "asin": _Function(math.asin, 1, 1, _NUMBERS, "angle"),
    "acos": _Function(math.acos, 1, 1, _NUMBERS, "angle"),
    "atan": _Function(math.atan, 1, 1, _NUMBERS, "angle"),
    "atan2": _Function(math.atan2, 2, 2, _ANYTHING, "angle"),
    "pow": _Function(math.pow, 2, 2, _NUMBERS),
    "sqrt": _Function(math.sqrt, 1, 1, _NUMBERS),
    "hypot": _Function(math.hypot, 1, _MANY, _ANYTHING),
    "log": _Function(math.log, 1, 2, _NUMBERS),
    "exp": _Function(math.exp, 1, 1, _NUMBERS),
    "abs": _Function(math.fabs, 1, 1, _ANYTHING),
    "sign": _Function(lambda value: (value > 0) - (value < 0), 1, 1, _ANYTHING, ""),
}
_CONSTANTS = {"pi": math.pi, "e": math.e, "infinity": math.inf, "-infinity": -math.inf, "nan": math.nan}

_MAY_BE_UNBOUNDED = ([True, False, False], [False, False, True], [True, False, True])
"""Where `clamp(none, …, none)` may have no bound (CSS Values 4 §10.4)."""

ALL_MATH = Dialect(frozenset(name for name in _FUNCTIONS if " " not in name), strict=True)
CHROMIUM_SIZES = Dialect(frozenset({"calc", "min", "max", "clamp"}), strict=False)
