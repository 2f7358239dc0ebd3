"""Operations of torch that its exporter to ONNX lacks, or writes wrongly, in ONNX's own."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

OPSET = 18
"""Operator set of the files: that of ONNX Runtime 1.14 and later."""


@contextmanager
def further_operations(steps: int) -> Iterator[None]:
    """Teaches the exporter the operations that it lacks, over so many steps at most."""
    further: dict[str, Callable[..., Any]] = {
        "gru_cell": _gru_cell,
        "lstm_cell": _lstm_cell,
        "rnn_tanh_cell": _rnn_tanh_cell,
        "cummax": _running("Max", steps),
        "cummin": _running("Min", steps),
        "movedim": _movedim,
        "repeat_interleave": _repeat_interleave,
    }
    onnx: Any = torch.onnx
    for name, symbolic in further.items():
        onnx.register_custom_op_symbolic(f"aten::{name}", symbolic, OPSET)
    try:
        yield
    finally:
        for name in further:
            onnx.unregister_custom_op_symbolic(f"aten::{name}", OPSET)


def _number(value: Any) -> int:
    """A whole number that is a constant of the graph."""
    from torch.onnx import symbolic_helper

    found: Any = symbolic_helper._get_const(value, "i", "number")  # noqa: SLF001
    return found


def _sums(g: Any, x: Any, hidden: Any, weights: Sequence[Any]) -> tuple[Any, Any]:
    """W x + b of the inputs, and of the state."""
    weight_ih, weight_hh, bias_ih, bias_hh = weights
    return (
        g.op("Gemm", x, weight_ih, bias_ih, transB_i=1),
        g.op("Gemm", hidden, weight_hh, bias_hh, transB_i=1),
    )


def _gru_cell(g: Any, x: Any, hidden: Any, *weights: Any) -> Any:
    own, fed = (g.op("Split", part, axis_i=1, num_outputs_i=3, outputs=3) for part in _sums(g, x, hidden, weights))
    reset, update = (g.op("Sigmoid", g.op("Add", own[gate], fed[gate])) for gate in (0, 1))
    candidate = g.op("Tanh", g.op("Add", own[2], g.op("Mul", reset, fed[2])))
    return g.op("Add", candidate, g.op("Mul", update, g.op("Sub", hidden, candidate)))


def _lstm_cell(g: Any, x: Any, states: Any, *weights: Any) -> Any:
    hidden, cell = states.node().inputs()
    whole = g.op("Add", *_sums(g, x, hidden, weights))
    read, kept, new, shown = g.op("Split", whole, axis_i=1, num_outputs_i=4, outputs=4)
    kept, read, shown = (g.op("Sigmoid", gate) for gate in (kept, read, shown))
    after = g.op("Add", g.op("Mul", kept, cell), g.op("Mul", read, g.op("Tanh", new)))
    return g.op("Mul", shown, g.op("Tanh", after)), after


def _rnn_tanh_cell(g: Any, x: Any, hidden: Any, *weights: Any) -> Any:
    return g.op("Tanh", g.op("Add", *_sums(g, x, hidden, weights)))


def _movedim(g: Any, values: Any, source: Any, destination: Any) -> Any:
    """The exporter's own takes a negative place for a place in the permutation."""
    from torch.onnx import symbolic_helper

    rank = symbolic_helper._get_tensor_rank(values)  # noqa: SLF001
    if rank is None:
        raise ValueError("movedim of a tensor whose number of axes is not known")
    of, to = (_number(place) % rank for place in (source, destination))
    order = [place for place in range(rank) if place != of]
    order.insert(to, of)
    return g.op("Transpose", values, perm_i=order)


def _repeat_interleave(g: Any, values: Any, repeats: Any, axis: Any, *_: Any) -> Any:
    """The exporter's own loses the dynamic batch."""
    from torch.onnx import symbolic_helper

    rank = symbolic_helper._get_tensor_rank(values)  # noqa: SLF001
    if rank is None or symbolic_helper._is_none(axis):  # noqa: SLF001
        raise ValueError("repeat_interleave without an axis, or of a tensor whose number of axes is not known")
    place = _number(axis) % rank
    times = _number(repeats)

    def at(position: int, length: int) -> Any:
        numbers = [times if number == position else 1 for number in range(length)]
        return g.op("Constant", value_t=torch.tensor(numbers))

    apart = g.op("Unsqueeze", values, g.op("Constant", value_t=torch.tensor([place + 1])))
    shape = g.op("Mul", g.op("Shape", values), at(place, rank))
    return g.op("Reshape", g.op("Tile", apart, at(place + 1, rank + 1)), shape)


def _running(extreme: str, steps: int) -> Callable[..., Any]:
    """The largest, or smallest, value so far along an axis: log2(steps) times the extreme of all and all shifted.

    Args:
        extreme: "Max" or "Min".
        steps: As many as there can be; of fewer, the last shifts change nothing.
    """

    def symbolic(g: Any, values: Any, axis: Any) -> Any:
        from torch.onnx import symbolic_helper

        sizes = symbolic_helper._get_tensor_sizes(values)  # noqa: SLF001
        if sizes is None:
            raise ValueError("a running extreme of a tensor whose number of axes is not known")
        axis = _number(axis) % len(sizes)
        is_flag = values.type().scalarType() == "Bool"
        found = g.op("Cast", values, to_i=torch.onnx.TensorProtoDataType.INT64) if is_flag else values

        def numbers(*of: int) -> Any:
            return g.op("Constant", value_t=torch.tensor(of))

        shift = 1
        while shift < steps:
            begun = g.op("Slice", found, numbers(0), numbers(shift), numbers(axis))
            later = g.op("Slice", found, numbers(shift), numbers(steps), numbers(axis))
            before = g.op("Slice", found, numbers(0), numbers(-shift), numbers(axis))
            found = g.op("Concat", begun, g.op(extreme, later, before), axis_i=axis)
            shift *= 2
        if is_flag:
            found = g.op("Cast", found, to_i=torch.onnx.TensorProtoDataType.BOOL)
        found.setType(values.type())
        # Where each stands is read by nobody; the values stand in for it.
        return found, found

    return symbolic
