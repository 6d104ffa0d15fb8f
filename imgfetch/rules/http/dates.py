"""HTTP-dates, read as strictly as they are defined: a date that is nearly one is none.

`email.utils` would read more than RFC 9110 allows, and takes longer to import than a warm run takes; so
do regular expressions to compile.
"""

from __future__ import annotations

from functools import lru_cache


def read(value: str) -> float | None:
    """Seconds since the epoch of an HTTP-date in any of its three forms, or None. Whole seconds."""
    return _read(value) if len(value) < 64 else None


@lru_cache(maxsize=1024)  # a run that fetched many images together has few dates
def _read(value: str) -> float | None:
    """IMF-fixdate, RFC 850 and asctime (RFC 9110 §5.6.7), in any case: senders are not careful about that."""
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
    """The century of a year in two digits: what is "more than 50 years in the future" is past (§5.6.7).

    POSIX draws that line at 69.
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
    """Days since 1970-01-01 in the Gregorian calendar; years begin in March, so that leap days come last."""
    year -= month < 3
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return 365 * year + year // 4 - year // 100 + year // 400 + of_year - 719_468
