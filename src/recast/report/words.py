"""Human-readable formatting of numbers."""

import math

NOTHING = "-"
MINUTE, HOUR = 60.0, 3600.0


def number(value: float, digits: int = 4) -> str:
    """A number with `digits` significant digits: `number(0.0123456)` is "0.01235"."""
    if not math.isfinite(value):
        return NOTHING
    if value == 0:
        return "0"
    if not 1e-4 <= abs(value) < 1e6:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{max(0, digits - 1 - math.floor(math.log10(abs(value))))}f}"


def spread(mean: float, deviation: float) -> str:
    """Mean ± standard deviation, both to the second digit of the deviation: "0.01234 ± 0.00056"."""
    if not math.isfinite(mean):
        return NOTHING
    if not math.isfinite(deviation):
        return number(mean)
    largest = max(abs(mean), deviation)
    if largest == 0:
        return "0 ± 0"
    power = 0 if 1e-4 <= largest < 1e6 else math.floor(math.log10(largest))
    mean, deviation = mean / 10**power, deviation / 10**power
    if deviation < 1e-9 * abs(mean):
        text = f"{number(mean)} ± 0"
    else:
        decimals = min(12, max(0, 1 - math.floor(math.log10(deviation))))
        text = f"{mean:.{decimals}f} ± {deviation:.{decimals}f}"
    return f"({text})e{power:+03d}" if power else text


def signed(value: float, digits: int = 3) -> str:
    """A number with its sign."""
    text = number(value, digits)
    return text if text in (NOTHING, "0") or value < 0 else f"+{text}"


def decimals(value: float, places: int = 3) -> str:
    """A number of order 1, with its sign."""
    if not math.isfinite(value):
        return NOTHING
    text = f"{value:+.{places}f}"
    return text.lstrip("+-") if float(text) == 0 else text


def probability(value: float) -> str:
    """A p-value."""
    if not math.isfinite(value):
        return NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def duration(seconds: float) -> str:
    """A duration in a suitable unit."""
    if not math.isfinite(seconds):
        return NOTHING
    if seconds < MINUTE:
        return f"{number(seconds, 2 if seconds < 10 else 3)} s"
    return f"{seconds / MINUTE:.1f} min" if seconds < HOUR else f"{seconds / HOUR:.1f} h"


def count(value: float) -> str:
    """An integer with thousands separators."""
    return f"{value:,.0f}" if math.isfinite(value) else NOTHING


def several(amount: int, thing: str) -> str:
    """An amount of things: "1 run", "3 runs"."""
    return f"{amount:,} {thing}{'' if amount == 1 else 's'}"
