"""The recurrent encoder-decoder with scheduled teacher forcing."""

import torch
from jaxtyping import Float
from torch import Tensor

from recast.anchors.last import LastAnchor
from recast.errors import ConfigurationError
from recast.heads.head import Head
from recast.models.coins import Coin, Coins
from recast.models.decoder import Decoder, Feedback
from recast.models.encoder import Encoder
from recast.models.model import AnchorFactory, ForecastModel, TrainingForecast
from recast.models.stack import CellFactory, Stack
from recast.options import Fraction, PositiveInt, checked
from recast.schedules.schedule import Schedule
from recast.types import Batch, Progress, SeriesSpec


class EncoderDecoder(ForecastModel):
    """A recurrent encoder reads the context; a recurrent decoder starts from its state and unrolls the horizon.

    At lead k the decoder reads the value of lead k - 1 (at the first lead the last observation) and the inputs known
    ahead. In training that value is the truth with the probability that `schedule` gives (teacher forcing; Williams &
    Zipser 1989), else the model's own output (scheduled sampling; Bengio et al. 2015, arXiv 1506.03099). Forecasts
    always run free. The encoder-decoder is that of Cho et al. 2014 (arXiv 1406.1078) and Sutskever et al. 2014
    (arXiv 1409.3215), with the last observation as first input.

    Args:
        spec: Names and sizes of the data; given by the program.
        cell: The recurrent cell of every layer.
        head: What is forecast, and the training loss.
        schedule: Teacher-forcing probability over training.
        layers: Layers of the encoder, and of the decoder. [layers]
        dropout: Probability of dropping an output between layers in training.
        anchor: The base forecast that the network's output is added to.
        tied: Whether encoder and decoder share their weights; needs a series without past inputs.
        feedback: What the free-running decoder reads: its own "prediction", or the first input again and again
            ("constant"). The constant decoder is inferior: it cannot tell which value it has reached, so that each
            lead must be counted out by the hidden state alone. It is here because published notebooks do it.
        detach_feedback: Whether the gradient stops at values fed back (as in Bengio et al. 2015), or flows through.
        coin: Whether the choice between truth and output is made at each "step" of each sample, once for each
            "sequence", or once for each "batch".

    Raises:
        ConfigurationError: if an option is out of range, or `tied` does not fit the data.
    """

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
        tied: bool = False,
        feedback: Feedback = "prediction",
        detach_feedback: bool = False,
        coin: Coin = "step",
    ) -> None:
        super().__init__(spec=spec, head=head, anchor=anchor)
        if tied and spec.inputs != spec.targets + spec.known:
            past = ", ".join(spec.names[spec.targets :])
            raise ConfigurationError(
                f"EncoderDecoder: tied=True shares one stack of cells, but the encoder also reads past inputs ({past}) "
                "that the decoder cannot know; use tied=False or a source without past inputs"
            )
        self.schedule = schedule
        self.encoder = Encoder(cell=cell, input_size=spec.inputs, layers=layers, dropout=dropout)
        self.decoder = Decoder(
            stack=self.encoder.stack
            if tied
            else Stack(cell=cell, input_size=spec.targets + spec.known, layers=layers, dropout=dropout),
            head=head,
            targets=spec.targets,
            feedback=feedback,
            detach_feedback=detach_feedback,
        )
        self.coins = Coins(coin)

    def forward(self, batch: Batch) -> Float[Tensor, "batch horizon targets parameters"]:
        """Head parameters of the free-running forecast."""
        _, states = self.encoder(batch)
        return self.decoder.closed_loop(states, self.last(batch), batch.known, self.base(batch)).parameters

    def training_forecast(self, batch: Batch, progress: Progress) -> TrainingForecast:
        """The forecast with the truth fed by the schedule's coins."""
        probabilities = self.schedule.probabilities(progress, self.spec.horizon)
        if all(probability == 1 for probability in probabilities):
            return TrainingForecast(self.teacher_forced(batch), batch.target)
        if all(probability == 0 for probability in probabilities):
            return TrainingForecast(self(batch), batch.target)
        mask = self.coins.toss(probabilities, len(batch.start)).to(batch.target.device)
        _, states = self.encoder(batch)
        rollout = self.decoder.closed_loop(
            states, self.last(batch), batch.known, self.base(batch), truth=batch.target, mask=mask
        )
        return TrainingForecast(rollout.parameters, batch.target)

    def teacher_forced(self, batch: Batch) -> Float[Tensor, "batch horizon targets parameters"]:
        """Head parameters when every lead is fed the truth before it: one open-loop pass."""
        _, states = self.encoder(batch)
        previous = torch.cat([self.last(batch).unsqueeze(1), batch.target[:, :-1]], dim=1)
        return self.decoder.open_loop(states, previous, batch.known, self.base(batch))

    def diagnostics(self, progress: Progress) -> dict[str, float]:
        """The teacher-forcing probability."""
        return {"teacher_forcing_probability": self.schedule.probability(progress)}

    def trajectories(
        self, batch: Batch, samples: int, generator: torch.Generator
    ) -> Float[Tensor, "samples batch horizon targets"]:
        """Draws in closed loop: each lead is drawn given the lead drawn before it."""
        _, states = self.encoder(batch)
        states = [type(state)(*(part.repeat(samples, 1) for part in state)) for state in states]
        first, known, base = (
            part.repeat(samples, *(1,) * (part.dim() - 1)) for part in (self.last(batch), batch.known, self.base(batch))
        )
        values = self.decoder.closed_loop(states, first, known, base, generator=generator).values
        return values.unflatten(0, (samples, -1))
