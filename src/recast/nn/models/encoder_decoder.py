"""The recurrent encoder-decoder with scheduled teacher forcing."""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from recast.data.spec import Feature, SeriesSpec
from recast.errors import ConfigurationError
from recast.nn.anchors import LastAnchor
from recast.nn.attention import Attention, Memory, NoAttention
from recast.nn.heads.head import Head
from recast.nn.models.bidirectional_encoder import BidirectionalEncoder
from recast.nn.models.decoder import Feedback
from recast.nn.models.encoder import Encoder
from recast.nn.models.model import AnchorFactory
from recast.nn.models.reads import EVERYTHING
from recast.nn.models.stack import CellFactory, Stack
from recast.nn.models.teacher_forcing import MaskUnit
from recast.nn.models.unrolling import UnrollingModel
from recast.nn.schedules import Schedule
from recast.options import Fraction, PositiveInt, checked
from recast.types import Batch

AttentionFactory = Callable[..., Attention]
SHARED: dict[Feature, tuple[str, str]] = dict.fromkeys(
    ("past", "masks"),
    (
        "tied=True shares one stack of cells, so that the encoder reads nothing that the decoder cannot know",
        "use tied=False or data without them",
    ),
)


class EncoderDecoder(UnrollingModel):
    """A recurrent encoder reads the context; a recurrent decoder starts from its state and unrolls the horizon.

    See `UnrollingModel` for what the decoder is fed, and how `schedule` determines it. The encoder-decoder is that of
    Cho et al. 2014 (arXiv 1406.1078) and Sutskever et al. 2014 (arXiv 1409.3215), with the last observation as first
    input.

    Args:
        spec: Names and sizes of the data; set by the program.
        cell: The recurrent cell of every layer.
        head: What is forecast, and the training loss.
        schedule: Teacher-forcing probability over training.
        layers: Layers of the encoder, and of the decoder. [layers]
        dropout: Probability of dropping an output between layers in training.
        anchor: The base forecast that the network's output is added to.
        attention: How the decoder's outputs attend to those of the encoder before the forecast is read from them.
        bidirectional: Whether the encoder reads the context in both directions. Its outputs have twice the size, and
            learnt linear maps form the decoder's initial states from the last states of both directions.
        tied: Whether encoder and decoder share their weights; needs a series without past inputs, and a unidirectional
            encoder.
        feedback: What the free-running decoder reads: its own "prediction", or always the first input ("constant"). The
            constant decoder is inferior: it does not see its own forecasts, so that the hidden state alone must keep
            track of the lead. It is included because published notebooks use it.
        detach_feedback: Whether the gradient stops at values fed back (as in Bengio et al. 2015), or flows through.
        mask_unit: Whether the choice between truth and output is made at each "step" of each sample, once per
            "sequence", or once per "batch".

    Raises:
        ConfigurationError: if an option is out of range, or `tied` does not fit the data or the encoder.
    """

    reads: ClassVar[frozenset[Feature]] = EVERYTHING

    @checked
    def __init__(
        self,
        *,
        spec: SeriesSpec,
        cell: CellFactory,
        head: Head,
        schedule: Schedule,
        layers: PositiveInt = 1,
        dropout: Fraction = 0.0,
        anchor: AnchorFactory = LastAnchor,
        attention: AttentionFactory = NoAttention,
        bidirectional: bool = False,
        tied: bool = False,
        feedback: Feedback = "prediction",
        detach_feedback: bool = False,
        mask_unit: MaskUnit = "step",
    ) -> None:
        super().__init__(spec=spec, head=head, anchor=anchor, exceptions=SHARED if tied else None)
        if tied and bidirectional:
            raise ConfigurationError(
                "EncoderDecoder: tied=True shares one stack of cells, but with bidirectional=True the encoder has two, "
                "one for each direction; use tied=False or bidirectional=False"
            )
        decoder_stack = partial(
            Stack,
            cell=cell,
            given_start=True,
            input_size=spec.targets + self.inputs.ahead_size,
            layers=layers,
            dropout=dropout,
        )
        if bidirectional:
            stack = decoder_stack()
            self.encoder = BidirectionalEncoder(
                cell=cell,
                input_size=self.inputs.context_size,
                layers=layers,
                dropout=dropout,
                state_sizes=stack.state_sizes,
            )
        else:
            encoder = Encoder(cell=cell, input_size=self.inputs.context_size, layers=layers, dropout=dropout)
            stack = encoder.stack if tied else decoder_stack()
            self.encoder = encoder
        self.unroll_with(
            stack,
            attention(query_size=stack.hidden_size, memory_size=self.encoder.hidden_size),
            schedule=schedule,
            feedback=feedback,
            detach_feedback=detach_feedback,
            mask_unit=mask_unit,
        )
        if isinstance(self.decoder.attention, NoAttention) and not tied:
            # With several processes, DDP would wait for their gradients.
            for weight in self.encoder.output_weights():
                weight.requires_grad_(False)

    @property
    def forecasts_from_origins(self) -> bool:
        """Whether the encoder is unidirectional, and only its states reach the decoder."""
        return isinstance(self.encoder, Encoder) and not self.decoder.attention.looks_back

    def start(self, batch: Batch) -> tuple[list[Any], Memory]:
        """The decoder's initial states, and the memory it may attend to."""
        last = None if self.decoder.attention.looks_back else 0
        outputs, states = self.encoder(batch, self.inputs.context(batch), last=last)
        return states, self.decoder.attention.memorise(outputs)
