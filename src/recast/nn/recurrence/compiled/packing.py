"""The layout of a network's weights in one flat array, with the order and padding that the kernels expect."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from recast.nn.recurrence.compiled import cells
from recast.nn.recurrence.compiled.gates import BIAS, HIDDEN, HIDDEN_BACKWARD, INPUT, INPUT_BACKWARD, PARTS
from recast.nn.recurrence.compiled.layout import PANEL_COLUMNS, TILE_ROWS, round_up
from recast.nn.recurrence.request import Kind

_KINDS: dict[Kind, int] = {"rnn": cells.RNN, "gru": cells.GRU, "lstm": cells.LSTM}


@dataclass(frozen=True)
class Packing:
    """The sizes of a network, and the layout of its weights.

    All layers are padded to the same number of units. Padding units have zero weights and biases, so that their states
    stay zero.

    Args:
        kind: The cell of all layers.
        sizes: Hidden units of each layer, the lowest first.
        inputs: Inputs of the lowest layer.
        targets: Outputs of the readout; 0: there is no readout.
    """

    kind: Kind
    sizes: tuple[int, ...]
    inputs: int
    targets: int

    @property
    def number(self) -> int:
        """The number of the kind in the kernels."""
        return _KINDS[self.kind]

    @property
    def fields(self) -> int:
        """Fields of a state."""
        return cells.FIELDS[self.number]

    @property
    def planes(self) -> int:
        """Planes of gates."""
        return cells.PLANES[self.number]

    @cached_property
    def units(self) -> int:
        """Padded number of units of a layer."""
        return round_up(max(self.sizes), PANEL_COLUMNS)

    @cached_property
    def input_stride(self) -> int:
        """Padded number of inputs of a row."""
        return round_up(self.inputs, TILE_ROWS)

    @cached_property
    def input_columns(self) -> int:
        """Padded number of input gradients of a row."""
        return round_up(self.inputs, PANEL_COLUMNS)

    @cached_property
    def target_stride(self) -> int:
        """Padded number of gradients of the readout's outputs."""
        return round_up(self.targets, TILE_ROWS)

    @cached_property
    def target_columns(self) -> int:
        """Padded number of the readout's outputs, as the product requires."""
        return round_up(self.targets, PANEL_COLUMNS)

    @cached_property
    def _shapes(self) -> list[list[tuple[int, ...]]]:
        """Shape of each part of each layer, and of the readout, in the order of the offsets."""
        first, stop = cells.INPUT_PLANES[self.number]
        begin, end = cells.HIDDEN_PLANES[self.number]
        units, shapes = self.units, []
        for layer in range(len(self.sizes)):
            depth = units if layer else self.inputs
            panels = units // PANEL_COLUMNS
            shapes.append(
                [
                    (self.planes, units),
                    (panels, depth, stop - first, PANEL_COLUMNS),
                    (panels, units, end - begin, PANEL_COLUMNS),
                    (end - begin, units, units),
                    (stop - first, units, round_up(depth, PANEL_COLUMNS)),
                ]
            )
        return [*shapes, [(self.target_columns,), (units, self.target_columns), (0,), (self.targets, units), (0,)]]

    @cached_property
    def _gradient_shapes(self) -> list[list[tuple[int, ...]]]:
        """The same for the gradients, one for each weight."""
        first, stop = cells.INPUT_PLANES[self.number]
        shapes = []
        for layer, (bias, _, _, hidden, _) in enumerate(self._shapes[:-1]):
            depth = self.units if layer else self.input_stride
            shapes.append([bias, (stop - first, depth, self.units), hidden, (0,), (0,)])
        return [*shapes, [(self.targets,), (self.target_stride, self.units), (0,), (0,), (0,)]]

    @cached_property
    def places(self) -> np.ndarray:
        """Offset of each part of each layer; the readout comes last."""
        return _places(self._shapes)

    @cached_property
    def gradient_places(self) -> np.ndarray:
        """The same for the gradients."""
        return _places(self._gradient_shapes)

    @cached_property
    def gradient_length(self) -> int:
        """Length of the flat array of gradients."""
        return _length(self._gradient_shapes)

    def by_layer(self, fields: Sequence[Any]) -> list[Sequence[Any]]:
        """Splits a list of all fields of all layers' states into layers."""
        return [fields[first : first + self.fields] for first in range(0, len(fields), self.fields)]

    def pack(self, weights: Sequence[np.ndarray]) -> np.ndarray:
        """The flat array.

        Args:
            weights: weight_ih, weight_hh, bias_ih, bias_hh of each layer, in torch's order, then weight and bias of the
                readout, if there is one.
        """
        flat = np.zeros(_length(self._shapes), weights[0].dtype)
        views = _views(flat, self._shapes, self.places)
        for layer, view in enumerate(views[:-1]):
            weight_ih, weight_hh, bias_ih, bias_hh = weights[4 * layer : 4 * layer + 4]
            units, inputs = weight_hh.shape[1], weight_ih.shape[1]
            from_inputs = weight_ih.reshape(-1, units, inputs)
            from_hidden = self._candidate_first(weight_hh.reshape(-1, units, units))
            _into_panels(view[INPUT], from_inputs)
            _into_panels(view[HIDDEN], from_hidden)
            view[HIDDEN_BACKWARD][:, :units, :units] = from_hidden
            view[INPUT_BACKWARD][:, :units, :inputs] = from_inputs
            first, stop = cells.INPUT_PLANES[self.number]
            begin, end = cells.HIDDEN_PLANES[self.number]
            view[BIAS][first:stop, :units] = bias_ih.reshape(-1, units)
            # A diverging network shows in its loss.
            with np.errstate(over="ignore", invalid="ignore"):
                view[BIAS][begin:end, :units] += self._candidate_first(bias_hh.reshape(-1, units))
        if self.targets:
            weight, bias = weights[-2:]
            units = weight.shape[1]
            view = views[-1]
            view[BIAS][: self.targets] = bias
            view[INPUT][:units, : self.targets] = weight.T
            view[HIDDEN_BACKWARD][:, :units] = weight
        return flat

    def unpack(self, gradients: np.ndarray) -> list[np.ndarray]:
        """Gradients of all weights in the order of `pack`, those of the readout last."""
        views = _views(gradients, self._gradient_shapes, self.gradient_places)
        found = []
        for layer, (view, units) in enumerate(zip(views[:-1], self.sizes, strict=True)):
            inputs = self.sizes[layer - 1] if layer else self.inputs
            first, stop = cells.INPUT_PLANES[self.number]
            begin, end = cells.HIDDEN_PLANES[self.number]
            from_inputs = view[INPUT][:, :inputs, :units].transpose(0, 2, 1)
            from_hidden = self._candidate_last(view[HIDDEN][:, :units, :units])
            found += [
                np.ascontiguousarray(from_inputs).reshape(-1, inputs),
                np.ascontiguousarray(from_hidden).reshape(-1, units),
                view[BIAS][first:stop, :units].reshape(-1).copy(),
                self._candidate_last(view[BIAS][begin:end, :units]).reshape(-1).copy(),
            ]
        if self.targets:
            units = self.sizes[-1]
            found += [views[-1][INPUT][: self.targets, :units].copy(), views[-1][BIAS].copy()]
        return found

    def _candidate_first(self, gates: np.ndarray) -> np.ndarray:
        """From torch's order of a GRU's gates r, z, n to n, r, z."""
        return gates[[2, 0, 1]] if self.kind == "gru" else gates

    def _candidate_last(self, gates: np.ndarray) -> np.ndarray:
        """The inverse."""
        return gates[[1, 2, 0]] if self.kind == "gru" else gates


def _into_panels(panels: np.ndarray, gates: np.ndarray) -> None:
    """Weights (gates, units, depth) into panels (see `gates`), which may be padded."""
    count, units, depth = gates.shape
    full, rest = divmod(units, PANEL_COLUMNS)
    whole = gates[:, : units - rest].reshape(count, full, PANEL_COLUMNS, depth)
    panels[:full, :depth] = whole.transpose(1, 3, 0, 2)
    if rest:
        panels[full, :depth, :, :rest] = gates[:, units - rest :].transpose(2, 0, 1)


def _lengths(shapes: list[list[tuple[int, ...]]]) -> list[int]:
    return [math.prod(shape) for parts in shapes for shape in parts]


def _length(shapes: list[list[tuple[int, ...]]]) -> int:
    return sum(_lengths(shapes))


def _places(shapes: list[list[tuple[int, ...]]]) -> np.ndarray:
    lengths = _lengths(shapes)
    return (np.cumsum(lengths) - lengths).reshape(-1, PARTS)


def _views(flat: np.ndarray, shapes: list[list[tuple[int, ...]]], places: np.ndarray) -> list[list[np.ndarray]]:
    return [
        [flat[place : place + math.prod(shape)].reshape(shape) for shape, place in zip(parts, row, strict=True)]
        for parts, row in zip(shapes, places.tolist(), strict=True)
    ]
