"""Formatting of numbers in sentences."""

NO_DIFFERENCE = "no difference is shown, which does not show that there is none"


def p_value(p: float) -> str:
    """A p-value with its sign: "p = 0.0123", or "p < 0.0001"."""
    if p < 1e-4:
        return "p < 0.0001"
    return f"p = {number(p)}"


def number(value: float) -> str:
    """A number with three significant digits, without needless zeros."""
    return f"{value:.3g}" if value == 0 or 1e-4 <= abs(value) < 1e5 else f"{value:.2e}"


def percent(share: float) -> str:
    """A share of 1 as a percentage."""
    return f"{number(100 * share)} %"


def count(n: int, word: str) -> str:
    """How many there are: "1 seed", "2 seeds"."""
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def order(names: tuple[str, str], difference: float) -> tuple[str, str]:
    """`names`, the better one first, given the first one's error minus the second one's."""
    return names if difference < 0 else (names[1], names[0])
