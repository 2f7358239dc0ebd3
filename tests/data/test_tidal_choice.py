"""Constituents chosen on a record, against a search that fits each set anew."""

import numpy as np
import pytest
from utide import ut_constants

from recast.data.features.tidal_basis import TidalBasis
from recast.data.features.tidal_choice import candidates, chosen_constituents

HOUR = 3_600_000
BEGIN = 1_600_000_000_000


def times_of(days: float, step_hours: float = 1.0) -> np.ndarray:
    return BEGIN + (np.arange(round(days * 24 / step_hours)) * step_hours * HOUR).astype(np.int64)


def tide_of(times: np.ndarray, names: list[str], amplitudes: list[float]) -> np.ndarray:
    cosines = TidalBasis(names, None).at(times)[:, : len(names)]
    return cosines @ np.asarray(amplitudes)


def red_noise(count: int, seed: int = 0) -> np.ndarray:
    """Like surge: an autoregression with a memory of two days of hours."""
    noise, found = np.random.default_rng(seed).normal(size=count), np.zeros(count)
    for step in range(1, count):
        found[step] = 0.98 * found[step - 1] + noise[step]
    return found[:, np.newaxis] / found.std()


def by_brute_force(times: np.ndarray, values: np.ndarray) -> list[str]:
    """The rule as it is written: each set fitted with NumPy's least squares on each part."""
    names = candidates()
    basis = TidalBasis(names, None).at(times)
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    blocks = np.array_split(np.arange(len(times)), 10)

    def error(chosen: list[int]) -> float:
        columns = basis[:, [*chosen, *(place + len(names) for place in chosen), -1]]
        total = 0.0
        for order in (blocks, blocks[::-1]):
            for count in range(5, 10):
                fitted, ahead = np.concatenate(order[:count]), order[count]
                weight = np.linalg.lstsq(columns[fitted], values[fitted], rcond=None)[0]
                total += float(((columns[ahead] @ weight - values[ahead]) ** 2).sum())
        return total

    const = ut_constants.const
    table = {name: (cycles, size) for name, cycles, size in zip(const.name, const.freq, const.doodsonamp, strict=True)}

    def hides(one: int, other: int) -> bool:
        (cycles, size), (near, own) = table[names[one]], table[names[other]]
        return abs(near - cycles) * (times[-1] - times[0]) / HOUR < 1 and np.nan_to_num(abs(size)) > np.nan_to_num(
            abs(own)
        )

    chosen: list[int] = []
    current = error(chosen)
    while True:
        free = [place for place in range(len(names)) if place not in chosen]
        errors = {place: error([*chosen, place]) for place in free if not any(hides(other, place) for other in free)}
        best = min(errors, key=errors.__getitem__)
        if errors[best] >= 0.999 * current:
            return [names[place] for place in chosen]
        chosen.append(best)
        current = errors[best]


def test_the_choice_is_that_of_a_search_which_fits_each_set_anew():
    times = times_of(40, 2)
    own = tide_of(times, ["M2", "S2", "K1"], [1.0, 0.5, 0.3])[:, np.newaxis] + 0.7 * red_noise(len(times))
    other = tide_of(times, ["M2", "M3"], [2.0, 0.3])[:, np.newaxis] + red_noise(len(times), 1)
    values = np.concatenate([own, 100 * other], axis=1)
    found = chosen_constituents(times, values, None)
    assert found == by_brute_force(times, values)
    assert found[0] == "M2"


def test_constituents_of_a_pure_tide_are_found():
    times = times_of(120)
    planted = ["M2", "S2", "O1", "K1", "M4"]
    values = tide_of(times, planted, [1.0, 0.5, 0.4, 0.3, 0.1])[:, np.newaxis]
    assert set(chosen_constituents(times, values + 1e-3 * red_noise(len(times)), None)) == set(planted)


@pytest.mark.parametrize("days", [0.5, 20, 120])
def test_where_there_is_no_tide_few_are_chosen(days):
    times = times_of(days)
    assert len(chosen_constituents(times, red_noise(len(times)), None)) <= 3


def test_records_with_nothing_to_choose_on_have_none():
    times = times_of(3)
    for values in (np.full((len(times), 1), 2.0), np.where(np.arange(len(times)) < 9, 1.0, np.nan)[:, np.newaxis]):
        assert chosen_constituents(times, values, None) == []


def test_gaps_leave_the_choice_to_what_was_observed():
    times, random = times_of(60), np.random.default_rng(0)
    values = tide_of(times, ["M2", "O1"], [1.0, 0.4])[:, np.newaxis] + 0.1 * red_noise(len(times))
    seen = random.random(len(times)) < 0.7
    with_gaps = np.where(seen[:, np.newaxis], values, np.nan)
    assert chosen_constituents(times, with_gaps, None) == chosen_constituents(times[seen], values[seen], None)


def test_rows_of_several_series_are_taken_in_order_of_time():
    times = times_of(60)
    values = tide_of(times, ["M2", "O1"], [1.0, 0.4])[:, np.newaxis] + 0.1 * red_noise(len(times))
    later_first = np.r_[720:1440, 0:720]
    expected = chosen_constituents(times, values, None)
    assert chosen_constituents(times[later_first], values[later_first], None) == expected


def test_long_periods_are_no_candidates():
    assert {"M2", "K1", "M8"} <= set(candidates())
    assert not {"SA", "SSA", "MM", "MF", "MSF", "Z0"} & set(candidates())
