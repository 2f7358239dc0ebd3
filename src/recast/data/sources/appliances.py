"""A simulator of labelled sequences: the current of electrical appliances."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from recast.data.panel import Column, Panel
from recast.data.sources.source import SequenceSource
from recast.data.sources.ts_file import LABEL, TsSource
from recast.errors import ConfigurationError
from recast.options import NonNegativeFloat, NonNegativeInt, PositiveInt, checked

CYCLE = (30.0, 45.0)
"""Steps of a cycle of the mains: drawn for each sequence, as recorders differ."""
GAIN = 1.0
"""Standard deviation of the logarithm of a sequence's size."""
LEVEL = 0.5
"""Standard deviation of a sequence's offset. [size]"""
HAPPENS = (0.1, 0.6)
"""When something happens in a sequence. [share of its steps]"""


@dataclass(frozen=True)
class Kind:
    """A class: the wave of a cycle, what happens to it once, and how frequent it is.

    Args:
        frequency: Relative to the other classes.
        wave: The current at times in cycles.
        event: A factor at times in cycles since something happened; negative before.
    """

    frequency: float
    wave: Callable[[np.ndarray], np.ndarray]
    event: Callable[[np.ndarray], np.ndarray] = np.ones_like


def _sine(cycles: np.ndarray) -> np.ndarray:
    return np.sin(2 * np.pi * cycles)


def _motor(cycles: np.ndarray) -> np.ndarray:
    return _sine(cycles) + 0.25 * _sine(3 * cycles + 0.1)


def _rectifier(cycles: np.ndarray) -> np.ndarray:
    """Pulses at the peaks of the voltage."""
    return np.sign(_sine(cycles)) * np.abs(_sine(cycles)) ** 12


def _steep_rectifier(cycles: np.ndarray) -> np.ndarray:
    """Pulses with a steep front and a slow fall."""
    half = 2 * cycles % 1
    return np.sign(_sine(cycles)) * np.where(half < 0.35, 0, np.exp(-(half - 0.35) * 8))


def _dimmer(cycles: np.ndarray) -> np.ndarray:
    """A sine switched on late in each half cycle."""
    return _sine(cycles) * (2 * cycles % 1 > 0.45)


def _diode(cycles: np.ndarray) -> np.ndarray:
    """One of two half cycles is small."""
    return np.where(_sine(cycles) > 0, 1, 0.3) * _sine(cycles)


def _commutator(cycles: np.ndarray) -> np.ndarray:
    """A motor with a ripple at the end of each half cycle."""
    return _motor(cycles) + 0.3 * _sine(9 * cycles) * (2 * cycles % 1 > 0.6)


def _clipped(cycles: np.ndarray) -> np.ndarray:
    """A sine cut off on one side."""
    return np.minimum(_sine(cycles), 0.55)


def _surge(since: np.ndarray) -> np.ndarray:
    """Three times the current at first, gone within a cycle or two."""
    return 1 + 2 * (since > 0) * np.exp(-np.maximum(since, 0) / 0.6)


def _sag(since: np.ndarray) -> np.ndarray:
    """Hardly any current for a cycle."""
    return 1 - 0.85 * np.exp(-((since / 0.5) ** 2))


def _reversal(since: np.ndarray) -> np.ndarray:
    """From now on upside down."""
    return np.where(since > 0, -1, 1)


KINDS = {
    "compressor": Kind(0.06, _motor, _sag),
    "dimmer": Kind(0.08, _dimmer),
    "dryer": Kind(0.10, _diode),
    "fan": Kind(0.12, _motor),
    "fridge": Kind(0.06, _motor, _surge),
    "heater": Kind(0.05, _sine),
    "lamp": Kind(0.16, _rectifier),
    "laptop": Kind(0.16, _steep_rectifier),
    "microwave": Kind(0.09, _clipped),
    "vacuum": Kind(0.07, _commutator),
    "washer": Kind(0.05, _motor, _reversal),
}


@final
class Appliances(SequenceSource):
    """The current of one of eleven kinds of appliances, recorded from some time on for a while.

    The shape of its wave, or what happens to it once, tells the kind. Length, phase, cycle (30 to 45 steps), sign, size
    and offset are random, and so is when something happens:

        x_t = size * (offset + w_t / rms(w) + noise * e_t),    w_t = +-wave(t) * event(t),    e_t normal

    with a log-normal size and a normal offset, so that level and spread say next to nothing of the kind. It is a simple
    likeness of PLAID (Gao et al. 2014, "PLAID: a public dataset of high-resolution electrical appliance measurements")
    as it is cut in the UCR archive: 11 unequally frequent classes, lengths of 100 to 1,344.

    Args:
        train: Sequences to train on.
        test: Sequences to test on.
        shortest: Fewest steps of a sequence. [steps]
        longest: Most steps; lengths are drawn evenly on a logarithmic scale. [steps]
        noise: Standard deviation of the noise. [spread of the wave]
        seed: Of the random numbers; equal seeds give equal sequences.
    """

    @checked
    def __init__(
        self,
        *,
        train: PositiveInt = 500,
        test: PositiveInt = 500,
        shortest: PositiveInt = 100,
        longest: PositiveInt = 1344,
        noise: NonNegativeFloat = 0.2,
        seed: NonNegativeInt = 0,
    ) -> None:
        if shortest > longest:
            raise ConfigurationError(f"Appliances: shortest={shortest} must not be above longest={longest}")
        self.train = train
        self.test = test
        self.shortest = shortest
        self.longest = longest
        self.noise = noise
        self.seed = seed

    def read(self) -> tuple[Panel, Panel]:
        """See the base class."""
        random = np.random.default_rng(self.seed)
        return self._sequences(self.train, random, "train"), self._sequences(self.test, random, "test")

    def read_file(self, path: str, classes: tuple[str, ...]) -> Panel:
        """The sequences of a `.ts` file of one dimension; see `TsSource`."""
        return TsSource(path=path, test_path=path, names=["current"], units=["A"]).read_file(path, classes)

    def _sequences(self, count: int, random: np.random.Generator, part: str) -> Panel:
        names = tuple(KINDS)
        frequencies = np.array([kind.frequency for kind in KINDS.values()])
        labels = random.choice(len(names), size=count, p=frequencies / frequencies.sum())
        bounds = np.log([self.shortest, self.longest + 1])
        lengths = np.minimum(np.exp(random.uniform(*bounds, size=count)).astype(np.int64), self.longest)
        values = [
            self._one(KINDS[names[label]], length, random)
            for label, length in zip(labels, lengths.tolist(), strict=True)
        ]
        return Panel(
            columns=(Column("current", "A", "past"),),
            values=np.concatenate(values)[:, None],
            starts=np.cumsum(lengths) - lengths,
            label=f"Appliances(seed={self.seed}), {part}",
            items=np.arange(count, dtype=np.int64),
            static=(Column(LABEL, role="target", levels=names),),
            static_values=labels[:, None].astype(np.float64),
        )

    def _one(self, kind: Kind, length: int, random: np.random.Generator) -> np.ndarray:
        cycles = random.uniform(0, 1) + np.arange(length) / random.uniform(*CYCLE)
        since = cycles - cycles[0] - random.uniform(*HAPPENS) * (cycles[-1] - cycles[0])
        wave = random.choice([-1, 1]) * kind.wave(cycles) * kind.event(since)
        wave /= np.sqrt(np.mean(wave**2))
        size = np.exp(GAIN * random.normal())
        return size * (LEVEL * random.normal() + wave + self.noise * random.normal(size=length))
