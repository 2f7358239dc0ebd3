"""A recurrent network over segments of the series instead of single steps (SegRNN)."""

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from recast.data.spec import Feature, SeriesSpec
from recast.errors import ConfigurationError
from recast.nn.anchors import LastAnchor
from recast.nn.cells.cell import each_field
from recast.nn.heads.head import Head
from recast.nn.models.continuation import continue_from_context
from recast.nn.models.model import AnchorFactory, ForecastModel
from recast.nn.models.reads import EVERYTHING
from recast.nn.models.stack import CellFactory, Stack
from recast.nn.models.teacher_forcing import ResumableGenerator
from recast.nn.recurrence.request import Readout, Rollout
from recast.options import Fraction, PositiveInt, checked
from recast.types import Batch, Share


def cut(sequence: Float[Tensor, "batch time features"], length: int) -> Float[Tensor, "batch segments values"]:
    """All values of each segment of `length` steps, step by step; time must be a multiple of `length`."""
    if not sequence.shape[2]:
        # An exported graph cannot reshape what holds nothing.
        return sequence[:, ::length]
    return sequence.unflatten(1, (-1, length)).flatten(2)


class SegmentEmbedding(nn.Module):
    """relu(W values + V covariates + b) for each segment of each target; the weights are the same for all targets.

    Args:
        segment: Length of a segment. [steps]
        size: Size of the embedding.
        covariates: Values that accompany each segment of all targets; V is left out where there are none.
    """

    def __init__(self, *, segment: int, size: int, covariates: int) -> None:
        super().__init__()
        self.segment = segment
        self.values = nn.Linear(segment, size)
        self.covariates = nn.Linear(covariates, size, bias=False) if covariates else None

    def forward(
        self, values: Float[Tensor, "batch time targets"], covariates: Float[Tensor, "batch segments covariates"]
    ) -> Float[Tensor, "batch targets segments size"]:
        """The embeddings.

        Args:
            values: The targets, a whole number of segments.
            covariates: What accompanies each segment.
        """
        embedded = self.values(values.transpose(1, 2).unflatten(-1, (-1, self.segment)))
        if self.covariates is not None:
            # Expanded, for where a sum broadcasts an ONNX file loses the batch.
            beside = self.covariates(covariates).unsqueeze(1).expand(-1, values.shape[2], -1, -1)
            embedded = embedded + beside
        return embedded.relu()


class Relative(NamedTuple):
    """Windows as the network reads them.

    batch: the windows, with `level` subtracted from the targets of the context; level: what is added back to every
    lead of the forecast; base: what is added to each lead besides.
    """

    batch: Batch
    level: Float[Tensor, "batch 1 targets"]
    base: Float[Tensor, "batch horizon targets"]


Decoding = Literal["parallel", "recurrent"]
READ_ALIKE: dict[Feature, tuple[str, str]] = dict.fromkeys(
    ("past", "masks"),
    (
        "decoding=recurrent reads each forecast segment like one of the context",
        "use decoding=parallel or data without them",
    ),
)


class Segment(ForecastModel):
    """Recurrent cells over segments of `segment` steps: few recurrent steps for a long context and horizon.

    SegRNN, Lin et al. 2023 (arXiv 2308.11200), section 3: each segment of the context is embedded as relu(W
    segment + b), and layers of cells run over the embeddings. The forecast is decoded segment by segment with the same
    cells, and the top layer's output after dropout, h', is read out as W' h' + b':

        parallel   one step from the encoder's state for every segment of the horizon, all at once; its input is the
                   learnt embedding of the segment's position next to that of the channel, each half the embedding's
                   size (PMF)
        recurrent  the encoder's output is read as the first segment; each forecast segment is embedded as those of
                   the context are, and moves the state to that of the next one (RMF)

    The last segment is cut where the horizon ends inside it. Each target is a separate series, independent of the
    others; all share weights, and with parallel decoding a learnt embedding distinguishes them. Beyond the paper, past
    inputs are read along with every target's segment, and known inputs one segment ahead of it: each forecast segment
    reads those of its own steps.

    As in the paper, the last value of each target is subtracted from the context and added to the forecast, so that the
    anchor `last`, less that value, adds nothing.

    Args:
        spec: Names and sizes of the data; set by the program.
        cell: The recurrent cell of every layer.
        head: What is forecast, and the training loss.
        segment: Length of a segment; it must divide the context. [steps]
        decoding: How the horizon is decoded from the encoder's state: "parallel" or "recurrent".
        layers: Layers of cells. [layers]
        dropout: Probability of dropping an output before the readout, and between layers, in training.
        anchor: The base forecast that the network's output is added to.
        subtract_last: Whether the network reads and forecasts each target's difference from its last value.
        embedding: Size of the embedding of a segment; none: the cell's hidden size, as in the paper.

    Raises:
        ConfigurationError: if an option is out of range, the context is not a multiple of `segment`, or recurrent
            decoding is combined with past inputs.
    """

    reads: ClassVar[frozenset[Feature]] = EVERYTHING

    @checked
    def __init__(
        self,
        *,
        spec: SeriesSpec,
        cell: CellFactory,
        head: Head,
        segment: PositiveInt = 10,
        decoding: Decoding = "parallel",
        layers: PositiveInt = 1,
        dropout: Fraction = 0.0,
        anchor: AnchorFactory = LastAnchor,
        subtract_last: bool = True,
        embedding: PositiveInt | None = None,
    ) -> None:
        exceptions = READ_ALIKE if decoding == "recurrent" else None
        super().__init__(spec=spec, head=head, anchor=anchor, exceptions=exceptions)
        _require_whole_segments(spec.context, segment)
        self.segment = segment
        self.decoding: Decoding = decoding
        self.dropout = dropout
        self.subtract_last = subtract_last
        self.future = -(-spec.horizon // segment)
        # The size of a cell's output is known only once it is built.
        size = embedding or cell(input_size=1).hidden_size
        beside, ahead = self.inputs.past_size, self.inputs.ahead_size
        self.embedding = SegmentEmbedding(segment=segment, size=size, covariates=segment * (beside + ahead))
        self.stack = Stack(cell=cell, input_size=size, layers=layers, dropout=dropout)
        self.readout = nn.Linear(self.stack.hidden_size, segment * head.size)
        if decoding == "parallel":
            self.position = nn.Parameter(torch.randn(self.future, size - size // 2))
            self.channel = nn.Parameter(torch.randn(spec.targets, size // 2))
            self.ahead = nn.Linear(segment * ahead, size, bias=False) if ahead else None
        self.draws = ResumableGenerator() if decoding == "recurrent" and head.stochastic else None

    def forward(self, batch: Batch) -> Float[Tensor, "batch horizon targets parameters"]:
        """Head parameters of the free-running forecast."""
        batch, level, base = self._relative(batch)
        output, states = self._encode(batch)
        if self.decoding == "parallel":
            parameters = self._parallel(states, batch, base)
        else:
            generator = self.draws.generator if self.draws is not None and self.training else None
            parameters = self._recurrent(
                output, states, self._ahead(batch), base, generator=generator, share=batch.share
            ).parameters
        return self.head.shift(parameters, level)

    @property
    def feeds_back(self) -> bool:
        """With recurrent decoding."""
        return self.decoding == "recurrent"

    def trajectories(
        self, batch: Batch, samples: int, generator: torch.Generator
    ) -> Float[Tensor, "samples batch horizon targets"]:
        """Draws; with recurrent decoding each segment is drawn given the segments drawn before it."""
        if self.decoding == "parallel":
            return super().trajectories(batch, samples, generator)
        batch, level, base = self._relative(batch)
        output, states = self._encode(batch)
        states = [each_field(lambda part: part.repeat(samples, 1), state) for state in states]
        output, ahead, base = (
            part.repeat(samples, *(1,) * (part.dim() - 1)) for part in (output, self._ahead(batch), base)
        )
        drawn = self._recurrent(output, states, ahead, base, generator=generator).values
        return drawn.unflatten(0, (samples, -1)) + level

    def _relative(self, batch: Batch) -> Relative:
        """The targets as the network reads them: less their last value, if that is an option."""
        if not self.subtract_last:
            return Relative(batch, torch.zeros_like(batch.history[:, -1:]), self.base(batch))
        batch = self.inputs.filled(batch)
        level = self.last(batch).unsqueeze(1)
        # The anchor `none` adds nothing to that value.
        base = self.base(batch) if self.anchor.is_zero else self.base(batch) - level
        return Relative(batch._replace(history=batch.history - level), level, base)

    def _encode(self, batch: Batch) -> tuple[Float[Tensor, "series hidden"], list[Any]]:
        """Output of the top layer after the context, and the state of each layer; a series is a target of a window."""
        beside = cut(self.inputs.past(batch), self.segment)
        known = self._known(batch)[:, 1 : beside.shape[1] + 1]
        embedded = self.embedding(self.inputs.history(batch), torch.cat([beside, known], dim=-1))
        outputs, states = self.stack(embedded.flatten(0, 1), outputs_from=embedded.shape[2] - 1)
        return outputs[:, -1], states

    def _parallel(
        self, states: list[Any], batch: Batch, base: Float[Tensor, "batch horizon targets"]
    ) -> Float[Tensor, "batch horizon targets parameters"]:
        windows, targets = batch.start.shape[0], self.spec.targets
        position = self.position.expand(targets, -1, -1)
        channel = self.channel.unsqueeze(1).expand(-1, self.future, -1)
        inputs = torch.cat([position, channel], dim=-1).expand(windows, -1, -1, -1)
        if self.ahead is not None:
            inputs = inputs + self.ahead(self._ahead(batch)).unsqueeze(1)
        states = [each_field(lambda part: part.repeat_interleave(self.future, dim=0), state) for state in states]
        output, _ = self.stack.step(inputs.flatten(0, 2), states)
        raw = self._read(output).unflatten(0, (-1, targets, self.future))
        raw = raw.flatten(2, 3)[:, :, : self.spec.horizon].transpose(1, 2)
        return self.head.shift(raw, base)

    def _recurrent(
        self,
        output: Float[Tensor, "series hidden"],
        states: list[Any],
        ahead: Float[Tensor, "batch future known"],
        base: Float[Tensor, "batch horizon targets"],
        *,
        generator: torch.Generator | None = None,
        share: Share | None = None,
    ) -> Rollout:
        """The forecast when each segment is fed the one before.

        Args:
            output: The top layer's output at the end of the context.
            states: State of each layer there.
            ahead: Known inputs of the segments of the horizon.
            base: The anchor's forecast.
            generator: Source of random numbers of a stochastic head.
            share: Which windows of the global batch of all processes these are.
        """
        horizon = base.shape[1]
        beyond = self.future * self.segment - horizon

        def parameters(output: Tensor, base: Tensor, _: Sequence[Tensor]) -> Tensor:
            return self.head.shift(self._read(output).unflatten(0, (-1, self.spec.targets)).transpose(1, 2), base)

        def embed(fed: Sequence[Tensor], known: Tensor) -> Tensor:
            return self.embedding(fed[-1], known.unsqueeze(1)).flatten(0, 2)

        rollout = continue_from_context(
            self.stack,
            output,
            states,
            readout=Readout(
                parameters=parameters,
                value=partial(self.head.feedback, generator=generator, share=share),
                weight=self.readout.weight,
                bias=self.readout.bias,
                linear=False,
            ),
            recent=(),
            known=ahead[:, 1:],
            base=functional.pad(base, (0, 0, 0, beyond)).unflatten(1, (-1, self.segment)),
            embed=embed,
        )
        return Rollout(*(part.flatten(1, 2)[:, :horizon] for part in rollout))

    def _read(self, output: Float[Tensor, "series hidden"]) -> Float[Tensor, "series segment parameters"]:
        raw = self.readout(functional.dropout(output, self.dropout, self.training))
        return raw.unflatten(-1, (self.segment, self.head.size))

    def _known(self, batch: Batch) -> Float[Tensor, "batch segments known"]:
        """Known inputs of the segments of context and horizon; zero after the horizon."""
        beyond = self.future * self.segment - self.spec.horizon
        return cut(functional.pad(self.inputs.known(batch), (0, 0, 0, beyond)), self.segment)

    def _ahead(self, batch: Batch) -> Float[Tensor, "batch future known"]:
        """Known inputs of the segments of the horizon."""
        return self._known(batch)[:, -self.future :]


def _require_whole_segments(context: int, segment: int) -> None:
    if context % segment:
        fitting = [length for length in range(1, context + 1) if context % length == 0]
        near = sorted(sorted(fitting, key=lambda length: abs(length - segment))[:3])
        raise ConfigurationError(
            f"Segment: a context of {context} steps is no whole number of segments of {segment} steps; choose another "
            f"segment ({', '.join(map(str, near))}, ...) or another context (data.windows.context="
            f"{-(-context // segment) * segment})"
        )
