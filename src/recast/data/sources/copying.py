"""The copying problem: symbols to repeat after a long time, as a text."""

from string import ascii_lowercase
from typing import Annotated, final

import numpy as np
from annotated_types import Ge, Le

from recast.data.sources.text import SymbolSource, Text
from recast.data.spec import LINE_BREAK
from recast.options import NonNegativeInt, PositiveInt, checked

BLANK, MARKER = ".", "?"


@final
class Copying(SymbolSource):
    """Many lines; each begins with random letters, which it repeats after a long run of blanks and a question mark.

        abhcfgaadb.......................?abhcfgaadb

    A line has `letters` letters, each any of the first `levels` of the alphabet, `length` - 1 dots, a question mark,
    the same letters, and a line break. The copying problem of Hochreiter & Schmidhuber 1997, "Long short-term memory",
    in the form of Arjovsky, Shah & Bengio 2016, arXiv 1511.06464, section 4.1 (8 letters, 10 to remember), for
    `data.lines=true`: there a network hears blanks while it answers, here, as a language model does, the letters that
    stand there.

    The first letters can be known by nobody, so that the cross-entropy of a line cannot lie below letters * ln(levels)
    nats, over its length + 2 letters + 1 symbols: .03991 nats a symbol for 500 steps. Who remembers nothing, and knows
    all else, has twice as much; the difference is what the paper's baseline has, up to the line break.

    Args:
        lines: Number of lines.
        length: Steps from the last of the letters to the question mark. [steps]
        letters: How many letters are to be remembered.
        levels: How many letters there are.
        seed: Of the random numbers; equal seeds give equal texts.
    """

    @checked
    def __init__(
        self,
        *,
        lines: PositiveInt = 10_000,
        length: PositiveInt = 500,
        letters: PositiveInt = 10,
        levels: Annotated[int, Ge(2), Le(26)] = 8,
        seed: NonNegativeInt = 0,
    ) -> None:
        super().__init__(symbol="character", lower=False)
        self.lines = lines
        self.length = length
        self.letters = letters
        self.levels = levels
        self.seed = seed

    def read(self) -> Text:
        """The lines one after the other."""
        alphabet = np.array([*ascii_lowercase[: self.levels], BLANK, MARKER, LINE_BREAK])
        letters = np.random.default_rng(self.seed).integers(0, self.levels, size=(self.lines, self.letters))
        between = np.full((self.lines, self.length), self.levels)
        between[:, -1] = self.levels + 1
        end = np.full((self.lines, 1), self.levels + 2)
        places = np.hstack([letters, between, letters, end])
        label = f"Copying(lines={self.lines}, length={self.length}, seed={self.seed})"
        return Text(label, alphabet[places].ravel().tolist())
