"""Unrolls a horizon from recurrent states, in open or closed loop."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from recast.nn.attention import Attention, Memory
from recast.nn.heads.head import Head
from recast.nn.models.stack import Stack
from recast.nn.recurrence.engine import engine
from recast.nn.recurrence.request import ClosedLoop, Readout, Rollout
from recast.types import Share

Feedback = Literal["prediction", "constant"]


class Decoder(nn.Module):
    """Layers of cells and a linear readout: at each lead it reads the value of the previous lead and known inputs.

    Args:
        stack: The layers.
        attention: How the outputs of the top layer attend to the context before they are read out.
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
        self.readout = nn.Linear(stack.hidden_size, targets * head.size)

    def open_loop(
        self,
        states: list[Any],
        previous: Float[Tensor, "batch horizon targets"],
        known: Float[Tensor, "batch horizon known"],
        base: Float[Tensor, "batch horizon targets"],
        memory: Memory,
    ) -> Float[Tensor, "batch horizon targets parameters"]:
        """Head parameters when every lead is fed a given value, in one pass.

        Args:
            states: State of each layer before the first lead.
            previous: The value fed at each lead: that of the previous lead.
            known: Inputs known ahead, at each lead.
            base: The anchor's forecast.
            memory: What the attention attends to.
        """
        outputs, _ = self.stack(torch.cat([previous, known], dim=-1), states)
        return self._head_parameters(self._completed(outputs, memory), base)

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
        """The forecast when each lead is fed the previous one.

        Args:
            states: State of each layer before the first lead.
            first: The value fed at the first lead.
            known: Inputs known ahead, at each lead.
            base: The anchor's forecast.
            memory: What the attention attends to. Where it holds fewer windows than `first`, the latter holds several
                samples of each, one complete set of windows after the other.
            truth: The true values, needed where there is a mask.
            mask: True where the truth of a lead is fed to the next one; nothing follows the last lead.
            generator: Source of random numbers of a stochastic head.
            share: Which windows of the global batch of all processes these are.
        """
        readout = self._readout(memory, generator, share)
        if self.feedback == "constant":
            previous = first.unsqueeze(1).expand_as(base)
            if truth is not None and mask is not None:
                fed = functional.pad(mask, (1, base.shape[1] - 1 - mask.shape[1])).unsqueeze(-1)
                previous = torch.where(fed, functional.pad(truth[:, :-1], (0, 0, 1, 0)), previous)
            parameters = self.open_loop(states, previous, known, base, memory)
            return Rollout(parameters, readout.value(parameters))
        return engine().decode(
            ClosedLoop(
                layers=self.stack.layers,
                states=states,
                readout=readout,
                first=first,
                known=known,
                base=base,
                dropout=self.stack.drop(first.shape[0], known.shape[1], first),
                truth=truth,
                mask=mask,
                detach=self.detach_feedback,
            )
        )

    def _readout(self, memory: Memory, generator: torch.Generator | None, share: Share | None) -> Readout:
        def parameters(output: Tensor, base: Tensor, _: Sequence[Tensor]) -> Tensor:
            return self._head_parameters(self._completed(output.unsqueeze(1), memory).squeeze(1), base)

        return Readout(
            parameters=parameters,
            value=partial(self.head.feedback, generator=generator, share=share),
            weight=self.readout.weight,
            bias=self.readout.bias,
            linear=self.head.is_value and not self.attention.looks_back,
        )

    def _completed(
        self, outputs: Float[Tensor, "batch leads hidden"], memory: Memory
    ) -> Float[Tensor, "batch leads hidden"]:
        """The vectors that are read out in place of the outputs; samples of a window share its memory."""
        if not self.attention.looks_back:
            return outputs
        windows, leads = memory.values.shape[0], outputs.shape[1]
        queries = outputs.unflatten(0, (-1, windows)).transpose(0, 1).flatten(1, 2)
        return self.attention(queries, memory).unflatten(1, (-1, leads)).transpose(0, 1).flatten(0, 1)

    def _head_parameters(
        self, outputs: Float[Tensor, "*steps hidden"], base: Float[Tensor, "*steps targets"]
    ) -> Float[Tensor, "*steps targets parameters"]:
        raw = self.readout(outputs).unflatten(-1, (self.targets, self.head.size))
        return self.head.shift(raw, base)
