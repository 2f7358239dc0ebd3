"""The choice of what runs a recurrence: the first that can, and one line in the log that says why not another."""

import logging
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import Any

import pytest
import torch
from recurrences import ClosedCase, OpenCase, results
from small_data import small_data
from torch import Tensor

from recast.errors import ConfigurationError
from recast.nn.anchors import LastAnchor, LinearAnchor, NoAnchor
from recast.nn.attention import Luong
from recast.nn.cells.gru import GRU
from recast.nn.cells.layer_norm_gru import LayerNormGRU
from recast.nn.cells.lru import LRU
from recast.nn.cells.lstm import LSTM
from recast.nn.cells.min_gru import MinGRU
from recast.nn.heads.gaussian import Gaussian
from recast.nn.heads.point import Point
from recast.nn.models.encoder_decoder import EncoderDecoder
from recast.nn.models.recursive import Recursive
from recast.nn.models.segment import Segment
from recast.nn.recurrence.engine import Engine, engine, use, using
from recast.nn.recurrence.plain import Plain
from recast.nn.recurrence.request import ClosedLoop, OpenLoop
from recast.nn.schedules import Linear
from recast.runs.configure.compose import compose
from recast.runs.machine import set_up

needs_numba = pytest.mark.skipif(not find_spec("numba"), reason="numba is not installed")
OPEN = OpenCase(time=20, at=(20,), hidden=(3, 3), dtype=torch.float32)
CLOSED = ClosedCase(horizon=20, hidden=(3, 3), dtype=torch.float32)
every_case = pytest.mark.parametrize("case", [OPEN, CLOSED], ids=["open", "closed"])


@pytest.fixture
def lines(caplog) -> Callable[[], list[str]]:
    """What the engine has logged since the last look."""
    caplog.set_level(logging.INFO, "recast.nn.recurrence.engine")

    def look() -> list[str]:
        found = [record.getMessage() for record in caplog.records if record.name == "recast.nn.recurrence.engine"]
        caplog.clear()
        return found

    return look


def ran(engine: Engine, request: OpenLoop | ClosedLoop) -> list[Tensor]:
    unrolled = engine.decode(request) if isinstance(request, ClosedLoop) else engine.sequence(request)
    return list(unrolled) if isinstance(request, ClosedLoop) else [unrolled.outputs]


# What is chosen


@needs_numba
@every_case
def test_on_a_cpu_it_is_numba(case, lines):
    chosen = Engine()
    request = case.request()
    found = ran(chosen, request)
    assert len(lines()) == 1
    assert chosen.choose(request).name == "numba"
    torch.testing.assert_close(found[0], results(Plain(), request)[0])


@needs_numba
def test_each_kind_of_loop_is_logged_once(lines):
    chosen = Engine()
    for case in (OPEN, CLOSED, replace(OPEN, batch=7), replace(CLOSED, batch=40), OPEN):
        chosen.choose(case.request())
    assert lines() == [
        "recurrence, open loop: numba, 1 block of rows on 1 thread",
        "recurrence, closed loop: numba, 1 block of rows on 1 thread",
    ]


@every_case
@pytest.mark.parametrize("name", ["plain", "autograd", pytest.param("numba", marks=needs_numba)])
def test_an_implementation_that_is_asked_for_runs(case, name, lines):
    chosen = Engine(implementation=name)
    request = case.request()
    assert chosen.choose(request).name == name
    (line,) = lines()
    assert line.startswith(f"recurrence, {'open' if case is OPEN else 'closed'} loop: {name}")
    assert "(" not in line
    torch.testing.assert_close(ran(chosen, request)[0], results(Plain(), request)[0])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@every_case
def test_cuda_graphs_need_a_gpu(case, lines):
    assert isinstance(Engine(implementation="cuda_graph").choose(case.request()), Plain)
    what = "open" if case is OPEN else "closed"
    assert lines() == [f"recurrence, {what} loop: plain (cuda_graph: the data are not on a GPU)"]


@needs_numba
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_it_is_not_numba(lines):
    chosen = Engine()
    assert chosen.choose(replace(CLOSED, device="cuda").request()).name == "cuda_graph"
    (line,) = lines()
    assert line.endswith("(numba: the data are not on the CPU)")


@needs_numba
def test_the_order_and_that_a_reason_of_several_is_told_once(lines):
    chosen = Engine()
    request = replace(OPEN, dtype=torch.float32).request()
    other = replace(request, layers=[LayerNormGRU(input_size=1, hidden_size=3)], states=[None])
    assert chosen.choose(other).name == "plain"
    assert lines() == ["recurrence, open loop: plain (a cell is neither tanh RNN nor GRU nor LSTM)"]
    # Others are asked again for the next loop.
    assert chosen.choose(request).name == "numba"
    assert lines() == ["recurrence, open loop: numba, 1 block of rows on 1 thread"]


@needs_numba
@pytest.mark.parametrize("cell", [LRU, MinGRU])
def test_a_cell_that_runs_by_a_scan_is_told(lines, cell):
    request = replace(OPEN, dtype=torch.float32).request()
    other = replace(request, layers=[cell(input_size=1, hidden_size=3)], states=[None])
    assert Engine().choose(other).name == "plain"
    (line,) = lines()
    assert line.startswith("recurrence, open loop: plain, by a scan over all steps (")


def hear(*_: object) -> None:
    """A hook."""


def with_layer(request: Any, layer: Any) -> Any:
    return replace(request, layers=[request.layers[0], layer])


def with_hook(request: Any) -> Any:
    request.layers[1].register_forward_hook(hear)
    return request


def with_double_state(request: Any) -> Any:
    return replace(request, states=[(torch.zeros(2, 3, dtype=torch.float64),)] * 2)


def without_rows(request: Any) -> Any:
    if isinstance(request, OpenLoop):
        return replace(request, inputs=request.inputs[:0])
    changes = {name: getattr(request, name)[:0] for name in ("first", "known", "base")}
    return replace(request, states=[type(state)(state.hidden[:0]) for state in request.states], **changes)


REASONS = {
    "a cell is neither tanh RNN nor GRU nor LSTM": lambda case: with_layer(
        case.request(), MinGRU(input_size=3, hidden_size=3)
    ),
    "the layers are of different kinds (gru, lstm)": lambda case: with_layer(
        case.request(), LSTM(input_size=3, hidden_size=3)
    ),
    "a layer has hooks, so that it must run by itself": lambda case: with_hook(case.request()),
    "numbers are bfloat16": lambda case: replace(case, dtype=torch.bfloat16).request(),
    "numbers are float64 beside float32": lambda case: with_double_state(case.request()),
    "there are no rows": lambda case: without_rows(case.request()),
}


@needs_numba
@every_case
@pytest.mark.parametrize("reason", REASONS)
def test_what_numba_refuses_runs_plain_and_the_log_says_why(case, reason, lines):
    chosen = Engine(implementation="numba")
    request = REASONS[reason](case)
    for _ in range(2):
        assert isinstance(chosen.choose(request), Plain)
    what = "open" if case is OPEN else "closed"
    assert lines() == [f"recurrence, {what} loop: plain (numba: {reason})"]


@needs_numba
@every_case
def test_autocast_runs_plain(case, lines):
    request = case.request()
    with torch.autocast("cpu"):
        assert isinstance(Engine(implementation="numba").choose(request), Plain)
    (line,) = lines()
    assert line.endswith("plain (numba: autocast is on)")


@needs_numba
def test_a_readout_that_is_not_linear_runs_plain(lines):
    request = CLOSED.request()
    request = replace(request, readout=request.readout._replace(linear=False))
    assert isinstance(Engine(implementation="numba").choose(request), Plain)
    assert lines() == ["recurrence, closed loop: plain (numba: what is fed back is not linear in the outputs)"]


@needs_numba
def test_a_function_of_the_values_fed_runs_plain(lines):
    request = replace(CLOSED.request(), embed=lambda fed, known: torch.cat([fed[-1], known], dim=-1).relu())
    assert isinstance(Engine(implementation="numba").choose(request), Plain)
    assert lines() == ["recurrence, closed loop: plain (numba: a step reads a function of the values fed back)"]


@needs_numba
def test_truths_that_learn_are_no_reason_to_refuse():
    request = replace(CLOSED, teaching=0.5, inputs_learn=True).request()
    assert not isinstance(Engine(implementation="numba").choose(request), Plain)


@every_case
def test_a_loop_of_no_rows_gives_no_rows(case):
    assert ran(Engine(), without_rows(case.request()))[0].shape[0] == 0


# Models


def choices(lines: Callable[[], list[str]], **options: Any) -> set[tuple[str, str]]:
    """Kind of loop and implementation of all that a model runs, in training and in a forecast."""
    data = small_data()
    defaults = {"cell": partial(GRU, hidden_size=5), "head": Point(), "schedule": Linear(start=0.5)}
    batch = data.windows_at(data.loader("test").order.items)
    with using(Engine()):
        model = EncoderDecoder(spec=data.spec, **(defaults | options))
        model.forecast(batch, samples=2)
        model.teacher_forced(batch)
    return {re.match(r"recurrence, (\w+) loop: (\w+)", line).groups() for line in lines()}


@needs_numba
def test_an_encoder_decoder_runs_on_numba(lines):
    assert choices(lines) == {("open", "numba"), ("closed", "numba")}
    assert choices(lines, cell=partial(LSTM, hidden_size=5), layers=2) == {("open", "numba"), ("closed", "numba")}


@pytest.mark.parametrize("cell", [MinGRU, LayerNormGRU])
def test_other_cells_run_plain_which_is_said_once_for_both_loops(cell, lines):
    assert choices(lines, cell=partial(cell, hidden_size=5)) == {("open", "plain")}


@needs_numba
@pytest.mark.parametrize("options", [{"attention": Luong}, {"head": Gaussian()}], ids=["attention", "gaussian"])
def test_what_is_fed_back_otherwise_is_plain_and_the_encoder_is_not(options, lines):
    assert choices(lines, **options) == {("open", "numba"), ("closed", "plain")}


@needs_numba
@pytest.mark.parametrize(
    ("options", "closed"),
    [
        ({"anchor": LastAnchor}, "numba"),
        ({"anchor": NoAnchor}, "numba"),
        ({"anchor": partial(LinearAnchor, window=2)}, "plain"),
        ({"head": Gaussian()}, "plain"),
        ({"lags": [2]}, "plain"),
    ],
    ids=["last", "none", "linear", "gaussian", "lags"],
)
def test_a_recursive_model_closes_its_loop_on_numba_where_it_feeds_back_a_sum(options, closed, lines):
    data = small_data()
    defaults = {"cell": partial(GRU, hidden_size=5), "head": Point()}
    batch = data.windows_at(data.loader("test").order.items)
    model = Recursive(spec=data.spec, **(defaults | options))
    with using(Engine()):
        model.forecast(batch, samples=2)
    assert {re.match(r"recurrence, (\w+) loop: (\w+)", line).groups() for line in lines()} == {
        ("open", "numba"),
        ("closed", closed),
    }


@needs_numba
def test_segments_are_fed_back_by_the_definition(lines):
    data = small_data()
    batch = data.windows_at(data.loader("test").order.items)
    model = Segment(
        spec=data.spec, cell=partial(GRU, hidden_size=5), head=Point(), segment=2, decoding="recurrent", layers=2
    )
    with using(Engine()):
        model(batch)
    opened, closed = lines()
    assert opened.startswith("recurrence, open loop: numba")
    assert closed.startswith("recurrence, closed loop: plain (a step reads a function of the values fed back")


# The definition beyond what is linear


def with_readout_of_the_last_values(case: ClosedCase) -> ClosedLoop:
    """A readout that looks at the last three values fed, and a lowest layer that reads two of them squashed."""
    request = case.request()
    weights = torch.tensor([0.5, -0.25, 1.0], dtype=case.dtype)
    linear = request.readout.parameters

    def parameters(output: Tensor, base: Tensor, fed: Sequence[Tensor]) -> Tensor:
        assert len(fed) == len(weights)
        recent = sum(weight * value for weight, value in zip(weights, fed, strict=True))
        return linear(output, base, fed) + recent.unsqueeze(-1)

    return replace(
        request,
        readout=request.readout._replace(parameters=parameters, linear=False),
        before=[torch.randn_like(request.first) for _ in range(2)],
        embed=lambda fed, known: torch.cat([fed[-1] - fed[-3], known], dim=-1).tanh(),
    )


@pytest.mark.parametrize("teaching", [None, 0.5])
def test_a_readout_looks_back_at_values_fed_and_true(teaching):
    case = ClosedCase(hidden=(3,), targets=2, known=1, horizon=6, teaching=teaching, seed=2)
    request = with_readout_of_the_last_values(case)
    found = Engine().decode(request)
    (layer,), (state,) = request.layers, request.states
    history, weights = [*request.before, request.first], (0.5, -0.25, 1.0)
    for lead in range(6):
        state = layer.step(torch.cat([history[-1] - history[-3], request.known[:, lead]], dim=-1).tanh(), state)
        value = state.hidden @ request.readout.weight.t() + request.readout.bias + request.base[:, lead]
        value = value + sum(weight * past for weight, past in zip(weights, history[-3:], strict=True))
        torch.testing.assert_close(found.values[:, lead], value, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(found.parameters[:, lead, :, 0], value, rtol=1e-12, atol=1e-12)
        history.append(value)
        if teaching is not None and lead < request.mask.shape[1]:
            history[-1] = torch.where(request.mask[:, lead, None], request.truth[:, lead], value)


# The engine of the process


def test_one_engine_is_used_for_a_while():
    before, other = engine(), Engine(implementation="plain")
    with using(other) as found:
        assert found is other
        assert engine() is other
    assert engine() is before
    with pytest.raises(ZeroDivisionError), using(other):
        _ = 1 / 0
    assert engine() is before
    use(other)
    assert engine() is other
    use(before)


@pytest.mark.parametrize(
    "options", [{"implementation": "fast"}, {"implementation": None}, {"cache_dir": 3}, {"threads": 0}]
)
def test_options_are_checked(options):
    (name,) = options
    with pytest.raises(ConfigurationError, match=f"Engine: {name}="):
        Engine(**options)


# Threads


@needs_numba
@pytest.mark.parametrize(
    ("implementation", "threads", "expected"),
    [("auto", 3, 1), ("numba", 3, 1), ("autograd", 3, 3), ("plain", 3, 3), ("auto", None, 1), ("plain", None, 2)],
)
def test_torch_has_one_thread_where_compiled_recurrences_have_the_cores(implementation, threads, expected, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert Engine(implementation=implementation, threads=threads).torch_threads == expected


@needs_numba
def test_the_cores_go_to_blocks_of_rows(lines):
    request = OpenCase(batch=40).request()
    Engine(implementation="numba", threads=2).sequence(request)
    assert lines() == ["recurrence, open loop: numba, 3 blocks of rows on 2 threads"]


@needs_numba
@pytest.mark.parametrize("command", ["train", "evaluate", "gradients"])
def test_the_cores_of_a_command_are_those_of_its_recurrences(command, lines):
    config = compose(command, ["threads=2"])
    before = engine(), torch.get_num_threads()
    try:
        set_up(config)
        assert torch.get_num_threads() == 1
        engine().sequence(OpenCase(batch=40).request())
    finally:
        use(before[0])
        torch.set_num_threads(before[1])
    assert lines() == ["recurrence, open loop: numba, 3 blocks of rows on 2 threads"]


# Without Numba

HIDDEN = """
import logging, sys


class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {library!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name.partition(".")[0])


sys.meta_path.insert(0, Hidden())
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
import torch
from recast.nn.cells.gru import GRU
from recast.nn.recurrence.engine import Engine
from recast.nn.recurrence.request import OpenLoop

request = OpenLoop(
    layers=[GRU(input_size=1, hidden_size=3)], inputs=torch.ones(2, 20, 1), states=[None], dropout=[], at=(20,),
    outputs_from=0,
)
for name in ("auto", "numba"):
    chosen = Engine(implementation=name)
    for _ in range(3):
        assert chosen.sequence(request).outputs.shape == (2, 20, 3)
"""


@pytest.mark.slow
@pytest.mark.parametrize("library", ["numba", "platformdirs"])
def test_without_numba_torch_runs_and_the_log_says_what_to_install(library):
    code = HIDDEN.format(library=library)
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    missing = f"{library} is not installed: pip install 'recast-rnn[fast]'"
    assert done.stdout.splitlines() == [
        f"recurrence, open loop: autograd ({missing})",
        f"recurrence, open loop: plain ({missing})",
    ]
