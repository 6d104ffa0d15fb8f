"""HTTP-dates, parsed to the letter of their definition.

`email.utils` accepts more than RFC 9110 allows, and its import takes longer than a warm run. So does the
compilation of regular expressions.
"""

from __future__ import annotations

from functools import lru_cache


def read(value: str) -> float | None:
    """Parse an HTTP-date in any of its three forms; return whole seconds since the epoch, or None."""
    return _read(value) if len(value) < 64 else None


@lru_cache(maxsize=1024)  # images that were fetched together have few different dates
def _read(value: str) -> float | None:
    """Parse IMF-fixdate, RFC 850 and asctime (RFC 9110 §5.6.7), in any case: senders often get it wrong."""
    match value.strip(" \t").lower().split(" "):
        case [weekday, day, month, year, time, "gmt"] if weekday[3:] == "," and weekday[:3] in _WEEKDAYS:
            return _seconds(day, month, year, time) if len(year) == 4 else None
        case [weekday, date, time, "gmt"] if weekday[:3] in _WEEKDAYS and weekday[3:] in _ENDINGS:
            day, month, year = [*date.split("-"), "", ""][:3]
            return _seconds(day, month, _century(year) + year, time) if len(date) == 9 else None
        case [weekday, month, "", day, time, year] if weekday in _WEEKDAYS and len(day) == 1:
            return _seconds("0" + day, month, year, time)
        case [weekday, month, day, time, year] if weekday in _WEEKDAYS:
            return _seconds(day, month, year, time)
        case _:
            return None


_WEEKDAYS = frozenset(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))
_ENDINGS = frozenset(("day,", "sday,", "nesday,", "rsday,", "urday,"))
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LENGTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def _century(year: str) -> str:
    """Return the century of a year in two digits: "more than 50 years in the future" is past (§5.6.7).

    As in POSIX, 69 and above belong to the past century.
    """
    return "20" if year < "69" else "19"


def _seconds(day: str, month: str, year: str, time: str) -> float | None:
    digits = day + year + time[:2] + time[3:5] + time[6:]
    if (len(day), len(year), len(time)) != (2, 4, 8) or not (digits.isascii() and digits.isdigit()):
        return None
    if time[2] != ":" or time[5] != ":" or month not in _MONTHS:
        return None
    number, hours, minutes, seconds = _MONTHS.index(month) + 1, int(time[:2]), int(time[3:5]), int(time[6:])
    if hours > 23 or minutes > 59 or seconds > 60 or not 1 <= int(day) <= _LENGTHS[number - 1]:
        return None
    return float(_days(int(year), number, int(day)) * 86_400 + hours * 3_600 + minutes * 60 + seconds)


def _days(year: int, month: int, day: int) -> int:
    """Count the days since 1970-01-01; years begin in March here, so that leap days come last."""
    year -= month < 3
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return 365 * year + year // 4 - year // 100 + year // 400 + of_year - 719_468
