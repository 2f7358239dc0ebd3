"""The recurrent encoder-decoder with scheduled teacher forcing."""

from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from recast.errors import ConfigurationError
from recast.heads.head import Head
from recast.models.coins import Coin, Coins
from recast.models.model import ForecastModel
from recast.models.stack import CellFactory, Stack
from recast.options import Fraction, PositiveInt, checked
from recast.schedules.schedule import Schedule
from recast.types import Batch, Progress, SeriesSpec


class Rollout(NamedTuple):
    """What the decoder produced: head parameters, and the values that it would feed back."""

    parameters: Float[Tensor, "batch horizon targets parameters"]
    values: Float[Tensor, "batch horizon targets"]


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
        anchor: Whether leads are forecast as the change from the last observation: the network then starts from
            persistence, which is hard to beat at the first leads.
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
        anchor: bool = True,
        tied: bool = False,
        feedback: Literal["prediction", "constant"] = "prediction",
        detach_feedback: bool = False,
        coin: Coin = "step",
    ) -> None:
        super().__init__(spec=spec, head=head)
        if tied and spec.inputs != spec.targets + spec.known:
            past = ", ".join(spec.names[spec.targets :])
            raise ConfigurationError(
                f"EncoderDecoder: tied=True shares one stack of cells, but the encoder also reads past inputs ({past}) "
                "that the decoder cannot know; use tied=False or a source without past inputs"
            )
        self.schedule = schedule
        self.anchor = anchor
        self.feedback = feedback
        self.detach_feedback = detach_feedback
        self.encoder = Stack(cell=cell, input_size=spec.inputs, layers=layers, dropout=dropout)
        self.decoder = (
            self.encoder
            if tied
            else Stack(cell=cell, input_size=spec.targets + spec.known, layers=layers, dropout=dropout)
        )
        self.readout = nn.Linear(self.decoder.hidden_size, spec.targets * head.parameters_per_target)
        self.coins = Coins(coin)

    def forward(self, batch: Batch) -> Float[Tensor, "batch horizon targets parameters"]:
        """Head parameters of the free-running forecast."""
        return self._unroll(batch).parameters

    def fit_parameters(self, batch: Batch, progress: Progress) -> Float[Tensor, "batch horizon targets parameters"]:
        """Head parameters with the truth fed by the schedule's coins."""
        probabilities = self.schedule.probabilities(progress, self.spec.horizon)
        if all(probability == 1 for probability in probabilities):
            return self.teacher_forced(batch)
        if all(probability == 0 for probability in probabilities):
            return self(batch)
        mask = self.coins.toss(probabilities, len(batch.start)).to(batch.target.device)
        return self._unroll(batch, mask).parameters

    def teacher_forced(self, batch: Batch) -> Float[Tensor, "batch horizon targets parameters"]:
        """Head parameters when every lead is fed the truth before it: one open-loop pass."""
        _, states = self.encoder(batch.context)
        previous = torch.cat([self._last(batch).unsqueeze(1), batch.target[:, :-1]], dim=1)
        outputs, _ = self.decoder(torch.cat([previous, batch.known], dim=-1), states)
        return self._head_parameters(outputs, self._last(batch).unsqueeze(1))

    def diagnostics(self, progress: Progress) -> dict[str, float]:
        """The teacher-forcing probability."""
        return {"teacher_forcing_probability": self.schedule.probability(progress)}

    def trajectories(
        self, batch: Batch, samples: int, generator: torch.Generator
    ) -> Float[Tensor, "samples batch horizon targets"]:
        """Draws in closed loop: each lead is drawn given the lead drawn before it."""
        _, states = self.encoder(batch.context)
        wide = Batch(*(part.repeat(samples, *(1,) * (part.dim() - 1)) for part in batch))
        states = [type(state)(*(part.repeat(samples, 1) for part in state)) for state in states]
        values = self._decode(wide, states, generator=generator).values
        return values.unflatten(0, (samples, -1))

    def _unroll(self, batch: Batch, mask: Bool[Tensor, "batch leads"] | None = None) -> Rollout:
        _, states = self.encoder(batch.context)
        return self._decode(batch, states, mask)

    def _decode(
        self,
        batch: Batch,
        states: list[Any],
        mask: Bool[Tensor, "batch leads"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Rollout:
        last = self._last(batch)
        value = last
        parameters, values = [], []
        # unbind, not [:, lead]: the backward pass of an index allocates the whole tensor at each step.
        truths = batch.target.unbind(1)
        for lead, known in enumerate(batch.known.unbind(1)):
            output, states = self.decoder.step(torch.cat([value, known], dim=-1), states)
            parameters.append(self._head_parameters(output, last))
            values.append(self.head.feedback(parameters[-1], generator))
            if self.feedback == "prediction":
                value = values[-1].detach() if self.detach_feedback else values[-1]
            else:
                value = last
            if mask is not None and lead < mask.shape[1]:
                value = torch.where(mask[:, lead, None], truths[lead], value)
        return Rollout(torch.stack(parameters, dim=1), torch.stack(values, dim=1))

    def _head_parameters(self, outputs: Tensor, anchor: Tensor) -> Tensor:
        parameters = self.readout(outputs).unflatten(-1, (self.spec.targets, self.head.parameters_per_target))
        return self.head.shift(parameters, anchor) if self.anchor else parameters

    def _last(self, batch: Batch) -> Float[Tensor, "batch targets"]:
        return batch.context[:, -1, : self.spec.targets]
