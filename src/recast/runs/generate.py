"""Writing text with a checkpoint and nothing else."""

import logging
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, cast

import torch

from recast.data.prepare.text import encode
from recast.data.spec import UNKNOWN
from recast.errors import CheckpointError, ConfigurationError
from recast.nn.heads.categorical import Sampler
from recast.nn.models.language_model import LanguageModel
from recast.runs.checkpoints.bare_model import bare_model
from recast.runs.checkpoints.checkpoint import ALLOWED, described, fitting
from recast.runs.checkpoints.spec import checked_text_spec
from recast.runs.configure.check import check
from recast.runs.configure.options import GeneratorParts
from recast.runs.configure.targets import resolve, trusting
from recast.runs.machine import set_up
from recast.training.checkpoint_format import KEY
from recast.training.writing import split, stream

log = logging.getLogger(__name__)


class Generator:
    """A trained language model that writes; see `load`.

    Args:
        model: The model, in evaluation mode.
    """

    def __init__(self, model: LanguageModel) -> None:
        self.model = model

    def continuation(self, prompt: str, sampler: Sampler, seed: int) -> Iterator[str]:
        """Symbols that go on from a prompt, without end; the same ones for the same seed.

        Args:
            prompt: What comes before them, one symbol at least.
            sampler: How they are drawn.
            seed: Seed of the draws.

        Raises:
            ConfigurationError: if the prompt is empty.
        """
        self._split(prompt)
        return stream(self.model, prompt, sampler, torch.Generator().manual_seed(seed))

    @torch.no_grad()
    def likeliest(self, prompt: str, count: int) -> list[tuple[str, float]]:
        """The likeliest next symbols with their probabilities, the likeliest first.

        Args:
            prompt: What comes before them, one symbol at least.
            count: How many.

        Raises:
            ConfigurationError: if the prompt is empty.
        """
        vocabulary = self.model.spec.vocabulary
        codes = torch.from_numpy(encode(self._split(prompt), vocabulary))
        logits, _ = self.model.read(self.model.heard(codes).unsqueeze(0))
        found = logits[0].double().softmax(0).topk(min(count, len(vocabulary)))
        return [(vocabulary[code], chance) for chance, code in zip(*map(torch.Tensor.tolist, found), strict=True)]

    def _split(self, prompt: str) -> list[str]:
        symbols = split(prompt, self.model.spec)
        if not symbols:
            raise ConfigurationError("prompt: it is empty; give one symbol or more, such as prompt=$'\\n'")
        return symbols

    def unknown(self, prompt: str) -> list[str]:
        """The symbols of a prompt that the vocabulary lacks, each once; they are read as `UNKNOWN`."""
        known = set(self.model.spec.vocabulary)
        return [symbol for symbol in dict.fromkeys(split(prompt, self.model.spec)) if symbol not in known]


def load(path: str | Path, trust: Sequence[str] = ()) -> Generator:
    """The language model of a checkpoint.

    Args:
        path: A file written by a recast run.
        trust: Packages of others whose classes the checkpoint may name.

    Raises:
        CheckpointError: if it cannot be read safely, its parts do not fit each other, or it holds no language model.
    """
    with trusting(*trust):
        content, config = described(path)
        with fitting(path):
            node = config["model"]
            kind = resolve(node["_target_"], ALLOWED)
        if not issubclass(kind, LanguageModel):
            raise CheckpointError(
                f"{path}: it holds a {kind.__name__}, which writes no text; expected a language model"
            )
        with fitting(path):
            check({"model": node}, GeneratorParts, allowed=ALLOWED)
            spec = checked_text_spec(content[KEY].get("spec"))
            model = cast("LanguageModel", bare_model(path, content, node, spec))
    return Generator(model)


def generate(config: dict[str, Any]) -> Iterator[str]:
    """What recast-generate prints, piece by piece: the table of the likeliest next symbols, the prompt, the text.

    Args:
        config: A configuration of recast-generate that has passed the check, in plain containers.

    Raises:
        InputError: if the checkpoint or an option cannot be used; before anything is printed.
    """
    set_up(config)
    generator = load(config["checkpoint"], config["trust"] or ())
    prompt, length = config["prompt"], config["length"]
    unknown = generator.unknown(prompt)
    if unknown:
        log.warning(
            "prompt: read as %s, as the model's vocabulary lacks it: %s", UNKNOWN, ", ".join(map(repr, unknown))
        )
    sampler = Sampler(
        temperature=config["temperature"],
        top_k=config["top_k"],
        top_p=config["top_p"],
        never=generator.model.spec.vocabulary.index(UNKNOWN),
    )
    pieces = generator.continuation(prompt, sampler, config["seed"])
    if config["likeliest"]:
        yield _table(generator.likeliest(prompt, config["likeliest"]))
    if length:
        yield prompt
        yield from islice(pieces, length)
        yield "\n"


def _table(found: list[tuple[str, float]]) -> str:
    """A line for each symbol: as Python writes it, its probability, and that as a bar."""
    names = [symbol if symbol == UNKNOWN else repr(symbol) for symbol, _ in found]
    width = max(map(len, names))
    rows = (
        f"{name:{width}}  {chance:6.1%}  {'█' * round(40 * chance)}".rstrip()
        for name, (_, chance) in zip(names, found, strict=True)
    )
    return "\n".join(["the likeliest next symbols", *rows, "", ""])
