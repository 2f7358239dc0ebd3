"""The series that all rows are trained on."""

from pathlib import Path

import numpy as np

CONSTITUENTS = ((12.4206, 0.36), (12.0, 0.23), (25.8193, 0.11), (23.9345, 0.06), (12.6583, 0.08))
"""Period [hours] and amplitude [m] of M2, S2, O1, K1 and N2."""
STEP = 10
"""Distance between rows. [minutes]"""
SURGE_STD, SURGE_ROOT, NOISE_STD = 0.15, 0.999, 0.01
"""Of the first-order process that stands for the weather, and of the instrument's noise. [m, per step, m]"""


def tide(rows: int, seed: int = 0) -> np.ndarray:
    """A simulated sea level in metres, shape (rows,): a tide with random phases, a red noise, and a white one.

    With the past of the red noise known, the best possible mean squared error over 100 leads is 0.0022 m^2.

    Args:
        rows: Its length. [steps]
        seed: Of phases and noise.
    """
    random = np.random.default_rng(seed)
    hours = np.arange(rows) * STEP / 60
    level = np.zeros(rows)
    for period, amplitude in CONSTITUENTS:
        level += amplitude * np.cos(2 * np.pi * hours / period + random.uniform(0, 2 * np.pi))
    steps = SURGE_STD * np.sqrt(1 - SURGE_ROOT**2) * random.standard_normal(rows)
    surge = np.empty(rows)
    surge[0] = SURGE_STD * random.standard_normal()
    for row in range(1, rows):
        surge[row] = SURGE_ROOT * surge[row - 1] + steps[row]
    return level + surge + NOISE_STD * random.standard_normal(rows)


def write(series: np.ndarray, path: Path) -> None:
    """Writes a CSV file with the columns "datetime" and "level"; the numbers can be read without loss."""
    times = np.datetime64("2020-01-01T00:00", "m") + STEP * np.arange(len(series))
    lines = [f"{time},{level!r}\n" for time, level in zip(times, series.tolist(), strict=True)]
    path.write_text("datetime,level\n" + "".join(lines), encoding="utf-8")


def read(path: str) -> np.ndarray:
    """The levels in such a file, float64, shape (rows,)."""
    return np.loadtxt(path, delimiter=",", skiprows=1, usecols=1)
