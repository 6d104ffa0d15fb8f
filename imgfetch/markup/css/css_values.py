"""CSS values: lengths, resolutions and the math functions (CSS Values 4 §6, §7, §10), in one unit each.

    Token ─▶ its unit: px, dppx, radians ─▶ sums of products of values ─▶ Quantity, or None if it is invalid

Two dialects. Media queries, and Firefox everywhere, know all math functions. Chromium has its own parser for
`sizes`: it knows four functions, needs no space around + and -, and rejects a division by zero.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.markup.css.css_tokens import without_space

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from imgfetch.markup.css.css_tokens import Token
    from imgfetch.model.markup import Viewport

FLT_MAX = 3.4028234663852886e38
"""The largest number of a browser, which replaces any larger one (CSS Values 4 §5.1)."""


class Quantity(NamedTuple):
    """A number with its measure."""

    number: float
    measure: str = ""
    """`length` in px, `resolution` in dppx, `angle` in radians, or empty for a plain number."""


class Dialect(NamedTuple):
    """The features of a parser of calculations."""

    functions: frozenset[str]
    strict: bool
    """True if + and - need spaces around them, constants have names, and x / 0 is infinite, not invalid."""


def quantity(token: Token, viewport: Viewport, dialect: Dialect) -> Quantity | None:
    """Evaluate a number, a dimension or a math function; return None for any other or invalid token."""
    try:
        value = _Calculation(viewport, dialect).value(token)
    except _Invalid:
        return None
    # A result that is not a number becomes zero; one out of range is clamped (CSS Values 4 §10.12).
    return Quantity(0.0 if math.isnan(value.number) else _in_range(value.number), value.measure)


class _Invalid(Exception):
    """The calculation has a syntax error or mixes measures."""


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
            operands.append(Quantity(1.0))  # the default step of numbers (CSS Values 4 §10.3)
        measure = operands[0].measure
        if (
            not function.min_arguments <= len(operands) <= function.max_arguments
            or measure not in function.measures
            or any(operand.measure != measure for operand in operands)
        ):
            raise _Invalid
        number = _computed(function.compute, *(operand.number for operand in operands))
        return Quantity(number, measure if function.result is None else function.result)

    def _operands(self, name: str, arguments: list[list[Token]]) -> list[Quantity]:
        unbounded = [[token.text for token in without_space(argument)] == ["none"] for argument in arguments]
        if name != "clamp" or not self._dialect.strict or unbounded not in _MAY_BE_UNBOUNDED:
            return [self._sum(argument) for argument in arguments]
        value = self._sum(arguments[1])
        lower, upper = (
            Quantity(limit, value.measure) if unbounded[position] else self._sum(arguments[position])
            for position, limit in ((0, -math.inf), (2, math.inf))
        )
        return [lower, value, upper]

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
    """Return the size and the measure of every known unit."""
    width, height = viewport.width / 100, viewport.height / 100
    # The text runs horizontally, so the inline axis is the width. The window has no retractable bars, so the
    # small, large and dynamic viewports are equal; without a container, its units refer to the viewport.
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
        # Sizes and media queries do not use the fonts of the page: the units of the root are the same.
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
"""Multiples of the font size. All but em depend on the reader's fonts: these are the values of CSS without a
font, and for lh the value of Chromium's default font."""
_RESOLUTION = {"dppx": 1.0, "x": 1.0, "dpi": 1 / 96, "dpcm": 2.54 / 96}
_ANGLE = {"rad": 1.0, "deg": math.pi / 180, "grad": math.pi / 200, "turn": 2 * math.pi}


# ---------------------------------------------------------------------------------------------------
# Functions


class _Function(NamedTuple):
    compute: Callable[..., float]
    min_arguments: int
    max_arguments: int
    measures: frozenset[str]
    """The measures that the arguments may have; all arguments have the same."""
    result: str | None = None
    """The measure of the result; None for that of the arguments."""


def _computed(compute: Callable[..., float], *numbers: float) -> float:
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


def _rounded(whole: Callable[[float], float]) -> Callable[[float, float], float]:
    return lambda number, step: whole(number / step) * step


_ANY_MEASURE = frozenset({"", "length", "resolution", "angle"})
_PLAIN = frozenset({""})
_ANGLE_OR_PLAIN = frozenset({"", "angle"})
_ANY_NUMBER = 10_000

_FUNCTIONS = {
    "calc": _Function(lambda value: value, 1, 1, _ANY_MEASURE),
    "min": _Function(lambda *values: min(values), 1, _ANY_NUMBER, _ANY_MEASURE),
    "max": _Function(lambda *values: max(values), 1, _ANY_NUMBER, _ANY_MEASURE),
    "clamp": _Function(lambda lower, value, upper: max(lower, min(value, upper)), 3, 3, _ANY_MEASURE),
    "round": _Function(_rounded(lambda ratio: math.floor(ratio + 0.5)), 2, 2, _ANY_MEASURE),
    "round nearest": _Function(_rounded(lambda ratio: math.floor(ratio + 0.5)), 2, 2, _ANY_MEASURE),
    "round up": _Function(_rounded(math.ceil), 2, 2, _ANY_MEASURE),
    "round down": _Function(_rounded(math.floor), 2, 2, _ANY_MEASURE),
    "round to-zero": _Function(_rounded(math.trunc), 2, 2, _ANY_MEASURE),
    "mod": _Function(lambda number, step: number % step, 2, 2, _ANY_MEASURE),
    "rem": _Function(math.fmod, 2, 2, _ANY_MEASURE),
    "sin": _Function(math.sin, 1, 1, _ANGLE_OR_PLAIN, ""),
    "cos": _Function(math.cos, 1, 1, _ANGLE_OR_PLAIN, ""),
    "tan": _Function(math.tan, 1, 1, _ANGLE_OR_PLAIN, ""),
    "asin": _Function(math.asin, 1, 1, _PLAIN, "angle"),
    "acos": _Function(math.acos, 1, 1, _PLAIN, "angle"),
    "atan": _Function(math.atan, 1, 1, _PLAIN, "angle"),
    "atan2": _Function(math.atan2, 2, 2, _ANY_MEASURE, "angle"),
    "pow": _Function(math.pow, 2, 2, _PLAIN),
    "sqrt": _Function(math.sqrt, 1, 1, _PLAIN),
    "hypot": _Function(math.hypot, 1, _ANY_NUMBER, _ANY_MEASURE),
    "log": _Function(math.log, 1, 2, _PLAIN),
    "exp": _Function(math.exp, 1, 1, _PLAIN),
    "abs": _Function(math.fabs, 1, 1, _ANY_MEASURE),
    "sign": _Function(lambda value: (value > 0) - (value < 0), 1, 1, _ANY_MEASURE, ""),
}
_CONSTANTS = {"pi": math.pi, "e": math.e, "infinity": math.inf, "-infinity": -math.inf, "nan": math.nan}

_MAY_BE_UNBOUNDED = ([True, False, False], [False, False, True], [True, False, True])
"""The bounds that `clamp(none, …, none)` may lack (CSS Values 4 §10.4)."""

ALL_MATH = Dialect(frozenset(name for name in _FUNCTIONS if " " not in name), strict=True)
CHROMIUM_SIZES = Dialect(frozenset({"calc", "min", "max", "clamp"}), strict=False)
