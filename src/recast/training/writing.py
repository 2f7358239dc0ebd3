"""Text as a language model reads and writes it."""

from collections.abc import Iterator
from itertools import islice
from typing import cast

import torch

from recast.data.prepare.text import encode
from recast.data.sources.text import Symbol, symbols_of
from recast.data.spec import LINE_BREAK, TextSpec
from recast.nn.heads.categorical import Sampler
from recast.nn.models.language_model import LanguageModel

START = LINE_BREAK
"""What a model goes on from unless it is given something."""


def split(text: str, spec: TextSpec) -> list[str]:
    """The symbols of a text, as those of the training were made."""
    return symbols_of(text, cast("Symbol", spec.symbol), lower=spec.lower)


def stream(model: LanguageModel, prompt: str, sampler: Sampler, generator: torch.Generator) -> Iterator[str]:
    """Symbols that go on from a prompt, without end.

    Args:
        model: The model, in evaluation mode.
        prompt: What comes before them, one symbol at least.
        sampler: How they are drawn.
        generator: What draws.
    """
    vocabulary = model.spec.vocabulary
    codes = torch.from_numpy(encode(split(prompt, model.spec), vocabulary)).to(model.readout.weight.device)
    for code in model.continuation(codes, sampler, generator):
        yield vocabulary[code]


def written(model: LanguageModel, prompt: str, length: int, sampler: Sampler, generator: torch.Generator) -> str:
    """A text that goes on from a prompt, which it does not repeat.

    Args:
        model: The model, in evaluation mode.
        prompt: Characters that come before it.
        length: Symbols to write.
        sampler: How they are drawn.
        generator: What draws.
    """
    return "".join(islice(stream(model, prompt, sampler, generator), length))
