"""Unrolls a horizon from recurrent states, open loop or closed."""

from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from recast.attention.attention import Attention, Memory
from recast.heads.head import Head
from recast.models.stack import Stack
from recast.types import Share

Feedback = Literal["prediction", "constant"]


class Rollout(NamedTuple):
    """What the decoder produced: head parameters, and the values that it would feed back."""

    parameters: Float[Tensor, "batch horizon targets parameters"]
    values: Float[Tensor, "batch horizon targets"]


class Decoder(nn.Module):
    """Layers of cells and a linear readout: at each lead it reads the value of the lead before and known inputs.

    Args:
        stack: The layers.
        attention: How the outputs of the top layer look back at the context before they are read out.
        head: Meaning of the readout, and what is fed back.
        targets: Number of targets.
        feedback: What the free-running decoder reads: its own "prediction", or the first value again ("constant").
        detach_feedback: Whether the gradient stops at values fed back.
    """

    def __init__(
        self,
        *,
        stack: Stack,
        attention: Attention,
        head: Head,
        targets: int,
        feedback: Feedback = "prediction",
        detach_feedback: bool = False,
    ) -> None:
        super().__init__()
        self.stack = stack
        self.attention = attention
        self.head = head
        self.targets = targets
        self.feedback = feedback
        self.detach_feedback = detach_feedback
        self.readout = nn.Linear(stack.hidden_size, targets * head.parameters_per_target)

    def open_loop(
        self,
        states: list[Any],
        previous: Float[Tensor, "batch horizon targets"],
        known: Float[Tensor, "batch horizon known"],
        base: Float[Tensor, "batch horizon targets"],
        memory: Memory,
    ) -> Float[Tensor, "batch horizon targets parameters"]:
        """Head parameters when every lead is fed a given value: one pass.

        Args:
            states: State of each layer before the first lead.
            previous: The value fed at each lead: that of the lead before.
            known: Inputs known ahead, at each lead.
            base: The anchor's forecast.
            memory: What the attention looks at.
        """
        outputs, _ = self.stack(torch.cat([previous, known], dim=-1), states)
        return self._head_parameters(self.attention(outputs, memory), base)

    def closed_loop(
        self,
        states: list[Any],
        first: Float[Tensor, "batch targets"],
        known: Float[Tensor, "batch horizon known"],
        base: Float[Tensor, "batch horizon targets"],
        memory: Memory,
        *,
        truth: Float[Tensor, "batch horizon targets"] | None = None,
        mask: Bool[Tensor, "batch leads"] | None = None,
        generator: torch.Generator | None = None,
        share: Share | None = None,
    ) -> Rollout:
        """The forecast when each lead is fed the one before.

        Args:
            states: State of each layer before the first lead.
            first: The value fed at the first lead.
            known: Inputs known ahead, at each lead.
            base: The anchor's forecast.
            memory: What the attention looks at. Where it holds fewer windows than there are in `first`, the latter
                are several samples of each, one set of all windows after the other.
            truth: The true values, needed where there is a mask.
            mask: True where the truth of a lead is fed to the next one; the last lead feeds none.
            generator: Source of random numbers of a stochastic head.
            share: Which windows of the batch of all processes these are.
        """
        value = first
        parameters, values = [], []
        # unbind, not [:, lead]: the backward pass of an index allocates the whole tensor at each step.
        truths = () if truth is None else truth.unbind(1)
        for lead, (ahead, anchor) in enumerate(zip(known.unbind(1), base.unbind(1), strict=True)):
            output, states = self.stack.step(torch.cat([value, ahead], dim=-1), states)
            queries = output.unflatten(0, (-1, len(memory.values))).transpose(0, 1)
            output = self.attention(queries, memory).transpose(0, 1).flatten(0, 1)
            parameters.append(self._head_parameters(output, anchor))
            values.append(self.head.feedback(parameters[-1], generator, share))
            if self.feedback == "prediction":
                value = values[-1].detach() if self.detach_feedback else values[-1]
            else:
                value = first
            if mask is not None and lead < mask.shape[1]:
                value = torch.where(mask[:, lead, None], truths[lead], value)
        return Rollout(torch.stack(parameters, dim=1), torch.stack(values, dim=1))

    def _head_parameters(
        self, outputs: Float[Tensor, "*steps hidden"], base: Float[Tensor, "*steps targets"]
    ) -> Float[Tensor, "*steps targets parameters"]:
        raw = self.readout(outputs).unflatten(-1, (self.targets, self.head.parameters_per_target))
        return self.head.shift(raw, base)
