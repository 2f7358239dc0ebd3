"""A model whose decoder unrolls the horizon, trained with scheduled teacher forcing."""

from abc import abstractmethod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recast.nn.attention import Attention, Memory
from recast.nn.cells.cell import each_field
from recast.nn.models.decoder import Decoder, Feedback
from recast.nn.models.history import held_truth
from recast.nn.models.model import ForecastModel, TrainingForecast
from recast.nn.models.stack import Stack
from recast.nn.models.teacher_forcing import MaskUnit, TeacherForcingMask
from recast.nn.schedules import Schedule
from recast.types import Batch, Progress


class UnrollingModel(ForecastModel):
    """A recurrent decoder unrolls the horizon from states derived from the context.

    At lead k the decoder reads the value of lead k - 1 (at the first lead the last observation) and the inputs known
    ahead. In training that value is the truth with the probability given by the schedule (teacher forcing; Williams &
    Zipser 1989), otherwise the model's own output (scheduled sampling; Bengio et al. 2015, arXiv 1506.03099). Forecasts
    are always free-running.

    A model of this kind subclasses this, calls `unroll_with` and implements `start`.

    Attributes:
        decoder: Unrolls the horizon.
        schedule: Teacher-forcing probability over training.
        teacher_forcing_mask: Draws which steps are fed the truth; a stochastic head draws its feedback in training from
            the same generator.
    """

    decoder: Decoder
    schedule: Schedule
    teacher_forcing_mask: TeacherForcingMask

    def unroll_with(
        self,
        stack: Stack,
        attention: Attention,
        *,
        schedule: Schedule,
        feedback: Feedback,
        detach_feedback: bool,
        mask_unit: MaskUnit,
    ) -> None:
        """Builds the decoder, and how it is taught.

        Args:
            stack: Its layers.
            attention: How their outputs attend to the context.
            schedule: Teacher-forcing probability over training.
            feedback: What the free-running decoder reads; see `Decoder`.
            detach_feedback: Whether the gradient stops at values fed back.
            mask_unit: What the choice between truth and output is made for; see `TeacherForcingMask`.
        """
        self.decoder = Decoder(
            stack=stack,
            attention=attention,
            head=self.head,
            targets=self.spec.targets,
            feedback=feedback,
            detach_feedback=detach_feedback,
        )
        self.schedule = schedule
        self.teacher_forcing_mask = TeacherForcingMask(mask_unit)

    @property
    def last_layer(self) -> nn.Module:
        """The decoder's readout."""
        return self.decoder.readout

    @abstractmethod
    def start(self, batch: Batch) -> tuple[list[Any], Memory]:
        """The state of each of the decoder's layers before the first lead, and the memory its attention may read."""

    def forward(self, batch: Batch) -> Float[Tensor, "batch horizon targets parameters"]:
        """Head parameters of the free-running forecast."""
        states, memory = self.start(batch)
        ahead = self.inputs.ahead(batch)
        return self.decoder.closed_loop(states, self.last(batch), ahead, self.base(batch), memory).parameters

    def training_forecast(self, batch: Batch, progress: Progress) -> TrainingForecast:
        """The forecast with the truth fed where the teacher-forcing mask is true."""
        probabilities = self.schedule.probabilities(progress, self.spec.horizon)
        states, memory = self.start(batch)
        batch = self.seen_from_origins(batch)
        observed = batch.target_observed
        if all(probability == 1 for probability in probabilities) and observed is None:
            return TrainingForecast(self._fed_the_truth(states, memory, batch), batch.target)
        mask = None
        if any(probability > 0 for probability in probabilities):
            mask = self.teacher_forcing_mask.draw(probabilities, len(batch.start), batch.share).to(batch.target.device)
            if observed is not None:
                # Where the truth is missing, the model's own output is fed.
                mask = mask & observed[:, : mask.shape[1]].all(dim=-1)
        rollout = self.decoder.closed_loop(
            states,
            self.last(batch),
            self.inputs.ahead(batch),
            self.base(batch),
            memory,
            truth=batch.target,
            mask=mask,
            generator=self.teacher_forcing_mask.generator,
            share=batch.share,
        )
        return TrainingForecast(rollout.parameters, batch.target, observed)

    def teacher_forced(self, batch: Batch) -> Float[Tensor, "batch horizon targets parameters"]:
        """Head parameters when every lead is fed the truth before it: one open-loop pass."""
        return self._fed_the_truth(*self.start(batch), batch)

    def _fed_the_truth(
        self, states: list[Any], memory: Memory, batch: Batch
    ) -> Float[Tensor, "batch horizon targets parameters"]:
        previous = held_truth(batch)[:, batch.context - 1 : -1]
        return self.decoder.open_loop(states, previous, self.inputs.ahead(batch), self.base(batch), memory)

    def diagnostics(self, progress: Progress) -> dict[str, float]:
        """The teacher-forcing probability."""
        return {"teacher_forcing_probability": self.schedule.probability(progress)}

    @property
    def feeds_back(self) -> bool:
        """Not with `feedback=constant`."""
        return self.decoder.feedback == "prediction"

    def trajectories(
        self, batch: Batch, samples: int, generator: torch.Generator
    ) -> Float[Tensor, "samples batch horizon targets"]:
        """Draws in closed loop: each lead is drawn given the lead drawn before it."""
        states, memory = self.start(batch)
        states = [each_field(lambda part: part.repeat(samples, 1), state) for state in states]
        parts = (self.last(batch), self.inputs.ahead(batch), self.base(batch))
        first, ahead, base = (part.repeat(samples, *(1,) * (part.dim() - 1)) for part in parts)
        values = self.decoder.closed_loop(states, first, ahead, base, memory, generator=generator).values
        return values.unflatten(0, (samples, -1))
