"""An encoder of the context, and a decoder over what is known of the horizon, without feedback."""

from typing import Any, ClassVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from recast.data.spec import Feature, SeriesSpec
from recast.errors import ConfigurationError
from recast.nn.anchors import LastAnchor
from recast.nn.cells.cell import Cell
from recast.nn.heads.head import Head
from recast.nn.models.encoder import Encoder
from recast.nn.models.model import AnchorFactory, ForecastModel, TrainingForecast
from recast.nn.models.reads import EVERYTHING
from recast.nn.models.stack import CellFactory, run
from recast.nn.models.vector_to_sequence import Bound, VectorEncoder
from recast.options import Fraction, PositiveInt, checked
from recast.types import Batch, Progress


class OpenLoopDecoder(ForecastModel):
    """A recurrent encoder reads the context; a recurrent decoder reads what is known of the horizon, without feedback.

    At each lead the decoder reads the inputs known ahead, the last observation of the targets, their values at `lags`
    before that lead, and the lead as a share of the horizon. It reads nothing of its own forecasts, so that errors do
    not accumulate, and it can read the horizon in both directions: the wind of the evening is known in the morning. Its
    initial states are a linear map of the encoder's last output. The decoder of Wen et al. 2017 (arXiv 1711.11053,
    section 3.1) reads what is known ahead in a like way, but is no recurrence.

    Args:
        spec: Names and sizes of the data; set by the program.
        cell: The recurrent cell of every layer.
        head: What is forecast, and the training loss.
        layers: Layers of the encoder, and of the decoder. [layers]
        dropout: Probability of dropping an output between layers, of the encoder to the decoder, and before the output,
            in training.
        bidirectional: Whether the decoder reads the horizon in both directions: each layer is two cells, whose outputs
            the next layer reads side by side.
        bound: Function applied to the linear map that gives the initial states: "tanh", as the outputs of most cells
            lie in (-1, 1), or "none".
        readout_size: Units of a layer with ReLU between the decoder's outputs and the forecast; none: the forecast is
            linear in them. [units]
        subtract_last: Whether the targets are read as differences from their last value, so that what the network sees
            does not move with the level; windows with several origins have no such value.
        lags: Steps before each lead at which the decoder reads the targets, at least the horizon and at most the
            context; none: none. Unlike the column of `data/features=target_lags` they follow `subtract_last`. [steps]
        anchor: The base forecast that the network's output is added to.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range, or a lag does not fit the windows.
    """

    reads: ClassVar[frozenset[Feature]] = EVERYTHING
    trained_horizon: Tensor

    @checked
    def __init__(
        self,
        *,
        spec: SeriesSpec,
        cell: CellFactory,
        head: Head,
        layers: PositiveInt = 1,
        dropout: Fraction = 0.0,
        bidirectional: bool = True,
        bound: Bound = "tanh",
        readout_size: PositiveInt | None = None,
        subtract_last: bool = False,
        lags: list[PositiveInt] | None = None,
        anchor: AnchorFactory = LastAnchor,
    ) -> None:
        super().__init__(spec=spec, head=head, anchor=anchor)
        self.shape = (spec.targets, head.size)
        self.dropout = dropout
        self.subtract_last = subtract_last
        self.lags = tuple(lags or ())
        for lag in self.lags:
            if not spec.horizon <= lag <= spec.context:
                raise ConfigurationError(
                    f"OpenLoopDecoder: lags: {lag} steps before each lead are not always in the context; expected "
                    f"{spec.horizon} (the horizon) to {spec.context} (the context)"
                )
        self.encoder = Encoder(cell=cell, input_size=self.inputs.context_size, layers=layers, dropout=dropout)
        size = self.inputs.ahead_size + spec.targets * (1 - subtract_last + len(self.lags)) + 1
        self.ahead, self.back = nn.ModuleList(), nn.ModuleList()
        for _ in range(layers):
            ahead = self._add(self.ahead, cell, size)
            size = ahead + (self._add(self.back, cell, size) if bidirectional else 0)
        self.start = VectorEncoder(cells=[*self.ahead, *self.back], input_size=self.encoder.hidden_size, bound=bound)
        self.hidden = None if readout_size is None else nn.Linear(size, readout_size)
        self.readout = nn.Linear(readout_size or size, spec.targets * head.size)
        # Leads are counted in horizons of the training, whatever is forecast.
        self.register_buffer("trained_horizon", torch.tensor(float(spec.horizon)))

    def _add(self, cells: nn.ModuleList, cell: CellFactory, size: int) -> int:
        built = cell(input_size=size)
        # It always starts from a state that it is given: a learnt one would never be trained.
        built.initial = None
        cells.append(built)
        return built.hidden_size

    @property
    def forecasts_from_origins(self) -> bool:
        """Whether a forecast needs only the encoder's output at its origin: what the encoder reads has no origin."""
        return not (self.subtract_last or self.lags)

    def training_forecast(self, batch: Batch, progress: Progress) -> TrainingForecast:
        """The forecasts from each origin."""
        seen = self.seen_from_origins(batch)
        return TrainingForecast(self._read(batch, seen), seen.target, seen.target_observed)

    def forward(self, batch: Batch) -> Float[Tensor, "batch horizon targets parameters"]:
        """Head parameters of all leads."""
        return self._read(batch, batch)

    def _read(self, batch: Batch, seen: Batch) -> Float[Tensor, "batch horizon targets parameters"]:
        """Head parameters for the windows `seen` from the origins of a batch."""
        relative = self._relative(batch)
        _, states = self.encoder(batch, self.inputs.context(relative), last=0)
        initial = self.start(self._dropped(states[-1].hidden))
        outputs = self._inputs(seen if batch.origins else relative)
        for layer, cell in enumerate(self.ahead):
            outputs = self._layer(outputs if not layer else self._dropped(outputs), cell, layer, initial)
        outputs = self._dropped(outputs)
        if self.hidden is not None:
            outputs = self._dropped(self.hidden(outputs).relu())
        return self.head.shift(self.readout(outputs).unflatten(-1, self.shape), self.base(seen))

    def _relative(self, batch: Batch) -> Batch:
        batch = self.inputs.filled(batch)
        return batch._replace(history=batch.history - self.last(batch).unsqueeze(1)) if self.subtract_last else batch

    def _inputs(self, seen: Batch) -> Float[Tensor, "batch horizon inputs"]:
        """What the decoder reads at each lead."""
        ahead, history = self.inputs.ahead(seen), self.inputs.history(seen)
        windows, horizon = ahead.shape[:2]
        last = [] if self.subtract_last else [self.last(seen).unsqueeze(1).expand(-1, horizon, -1)]
        earlier = [history[:, seen.context - lag :][:, :horizon] for lag in self.lags]
        lead = torch.arange(1, horizon + 1, device=ahead.device, dtype=ahead.dtype) / self.trained_horizon
        return torch.cat(
            [
                ahead,
                *last,
                *earlier,
                lead.to(ahead.dtype).view(1, -1, 1).expand(windows, -1, -1),
            ],
            dim=-1,
        )

    def _layer(self, inputs: Tensor, cell: nn.Module, layer: int, initial: list[Any]) -> Tensor:
        """Outputs of one layer, forward direction first."""
        ahead = run([cast("Cell[Any]", cell)], inputs, [initial[layer]]).outputs
        if not len(self.back):
            return ahead
        back = cast("Cell[Any]", self.back[layer])
        behind = run([back], inputs.flip(1), [initial[len(self.ahead) + layer]]).outputs
        return torch.cat([ahead, behind.flip(1)], dim=-1)

    def _dropped(self, values: Tensor) -> Tensor:
        return functional.dropout(values, self.dropout, self.training)
