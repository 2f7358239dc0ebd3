"""Sequence to vector: all leads at once from the end of the context."""

from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor

from recast.data.spec import Feature, SeriesSpec
from recast.errors import ConfigurationError
from recast.nn.anchors import LastAnchor
from recast.nn.heads.head import Head
from recast.nn.models.encoder import Encoder
from recast.nn.models.horizon_readout import HorizonReadout
from recast.nn.models.model import AnchorFactory, ForecastModel, TrainingForecast
from recast.nn.models.reads import EVERYTHING
from recast.nn.models.stack import CellFactory
from recast.options import Fraction, NonNegativeInt, checked
from recast.types import Batch, Progress

Readout = Literal["linear", "recurrent"]
READS_CONTEXT = (
    "readout=recurrent reads the context only",
    "use readout=linear or data without inputs known ahead (data.source.known=null, data.periods=null)",
)


class Direct(ForecastModel):
    """A recurrent network reads the context; its last output gives all leads at once.

    Nothing is fed back, so that errors do not accumulate along the horizon (direct or joint multi-step forecasting; Ben
    Taieb et al. 2012, arXiv 1108.3259, section 2: "MIMO"). Every lead is read from the state after the last
    observation.

    Args:
        spec: Names and sizes of the data; set by the program.
        cell: The recurrent cell of every layer.
        head: What is forecast, and the training loss.
        layers: Layers of cells, excluding the output layer. [layers]
        dropout: Probability of dropping an output between layers in training.
        readout: What the output layer is. "linear": a linear map of the last output and of the inputs known ahead.
            "recurrent": one more cell of the same kind, with a unit for each forecast number; its last output is the
            forecast. The outputs of tanh, GRU and LSTM cells lie in (-1, 1) scaled units, so that forecasts cannot
            depart further than that from the anchor; scale the data accordingly. With `layers` 0 it is the whole
            network: a single recurrent unit where one value is forecast.
        anchor: The base forecast that the network's output is added to.

    Raises:
        ConfigurationError: if an option is out of range, if nothing in the model is recurrent, or if a recurrent
            readout is combined with inputs known ahead, which it cannot read.
    """

    reads: ClassVar[frozenset[Feature]] = EVERYTHING

    @checked
    def __init__(
        self,
        *,
        spec: SeriesSpec,
        cell: CellFactory,
        head: Head,
        layers: NonNegativeInt = 1,
        dropout: Fraction = 0.0,
        readout: Readout = "linear",
        anchor: AnchorFactory = LastAnchor,
    ) -> None:
        super().__init__(
            spec=spec, head=head, anchor=anchor, exceptions={"known": READS_CONTEXT} if readout == "recurrent" else None
        )
        shape = (spec.horizon, spec.targets, head.size)
        self.shape = shape
        if readout == "recurrent":
            self.encoder = Encoder(
                cell=cell,
                input_size=self.inputs.context_size,
                layers=layers,
                dropout=dropout,
                top=shape[0] * shape[1] * shape[2],
            )
            self.readout = None
            return
        if not layers:
            raise ConfigurationError(
                "Direct: layers=0 with readout=linear is a linear map of the last input alone, without memory; "
                "use layers=1 or more, or readout=recurrent"
            )
        self.encoder = Encoder(cell=cell, input_size=self.inputs.context_size, layers=layers, dropout=dropout)
        self.readout = HorizonReadout(
            hidden_size=self.encoder.hidden_size,
            known=self.inputs.ahead_size,
            leads=spec.horizon,
            targets=spec.targets,
            parameters=head.size,
        )

    @property
    def forecasts_from_origins(self) -> bool:
        """True: a forecast needs only the state at its origin."""
        return True

    def training_forecast(self, batch: Batch, progress: Progress) -> TrainingForecast:
        """The forecasts from each origin."""
        seen = self.seen_from_origins(batch)
        return TrainingForecast(self._read(batch, seen), seen.target, seen.target_observed)

    def forward(self, batch: Batch) -> Float[Tensor, "batch horizon targets parameters"]:
        """Head parameters of all leads."""
        return self._read(batch, batch)

    def _read(self, batch: Batch, seen: Batch) -> Float[Tensor, "batch horizon targets parameters"]:
        """Head parameters for the windows `seen` from the origins of a batch."""
        _, states = self.encoder(batch, self.inputs.context(batch), last=0)
        last = states[-1].hidden
        raw = last.unflatten(-1, self.shape) if self.readout is None else self.readout(last, self.inputs.ahead(seen))
        return self.head.shift(raw, self.base(seen))
