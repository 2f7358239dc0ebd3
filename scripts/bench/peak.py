"""d. Which share of the processor's multiply-adds a training step uses."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from measuring.spread import spread

from .fma import CHAINS, COLUMNS, DEPTH, LANES, ROWS, chains, products
from .rounds import on_torch_threads, rates
from .routes import Case, routes_of
from .sizes import Sizes
from .table import Sheet, short

LOOP, TILE, TORCH, STEP = "registers", "tile", "torch", "step"
CHAIN_STEPS, TILES, MATRIX = 200_000, 2_000, 1024
FORMULA = "2 (C (12 H² + 9 H I) + F (12 H² + 12 H P + 3 H P)) operations a window"
WORDS = {
    LOOP: f"{CHAINS} chains of multiply-adds in registers",
    TILE: f"recast's tile, {ROWS}x{DEPTH} @ {DEPTH}x{COLUMNS} in the first cache",
    TORCH: f"torch, {MATRIX}x{MATRIX} @ {MATRIX}x{MATRIX}",
    STEP: "GRU training step, numba implementation",
}


def operations(case: Case) -> int:
    """Floating-point operations that the training of a GRU on one window needs, free running, a multiply-add being two.

    With H units, I inputs, one target (P = 1), C rows of context and F of horizon, the multiply-adds are

        a step of the encoder: 3 H (H + I) forward, as many for gates computed again, 3 H² for the gradient of the state
            before, 3 H (H + I) for that of the weights: 12 H² + 9 H I
        a step of the decoder, which reads its own P values: the same and 3 H P for the gradient of what was fed back,
            and 3 H P for the readout, its gradient, and that of its weights: 12 H² + 15 H P

    Gates, biases, loss and optimiser are left out, and so are the zeros that pad inputs to whole vectors.
    """
    h, i, p = case.hidden, case.inputs, 1
    return 2 * (case.context * (12 * h * h + 9 * h * i) + case.horizon * (12 * h * h + 15 * h * p))


def in_threads(work: Callable[[], object]) -> Callable[[int], Callable[[], None]]:
    """The work once in each thread."""
    pools = {}

    def ready(count: int) -> Callable[[], None]:
        pool = pools.setdefault(count, ThreadPoolExecutor(count))

        def run() -> None:
            for done in [pool.submit(work) for _ in range(count)]:
                done.result()

        return run

    return ready


def measure(sizes: Sizes) -> dict[str, Any]:
    """Operations a second. "threads": for each number of them the "rates" of all, and the "share" of the best."""
    case = Case(context=sizes.context, horizon=sizes.horizon, hidden=sizes.hidden, batch=sizes.batch)
    random = np.random.default_rng(0)
    left, right = (random.standard_normal(size).astype(np.float32) for size in (ROWS * DEPTH, DEPTH * COLUMNS))
    matrix, result = torch.randn(MATRIX, MATRIX), torch.empty(MATRIX, MATRIX)
    works: dict[str, Callable[[int], Callable[[], object]]] = {
        LOOP: in_threads(lambda: chains(CHAIN_STEPS, np.float32(0.5))),
        TILE: in_threads(lambda: products(TILES, np.zeros(ROWS * COLUMNS, np.float32), left, right)),
        TORCH: on_torch_threads(lambda: torch.mm(matrix, matrix, out=result)),
        STEP: routes_of(case)["numba"].training(case.data()),
    }
    found = {}
    for threads, values in rates(works, threads=sizes.threads, rounds=sizes.rounds, seconds=sizes.seconds).items():
        each = {
            LOOP: 2 * CHAINS * LANES * CHAIN_STEPS * threads,
            TILE: 2 * ROWS * COLUMNS * DEPTH * TILES * threads,
            TORCH: 2 * MATRIX**3,
            STEP: operations(case) * case.batch,
        }
        speeds = {name: [value * each[name] for value in values[name]] for name in works}
        best = max((LOOP, TILE, TORCH), key=lambda name: spread(speeds[name])["median"])
        found[str(threads)] = {
            "rates": {name: spread(values) for name, values in speeds.items()},
            "best": best,
            "share": {
                name: spread([value / top for value, top in zip(values, speeds[best], strict=True)])
                for name, values in speeds.items()
            },
        }
    return {"formula": FORMULA, "operations": operations(case), "vector_bytes": 4 * LANES, "threads": found}


def sheet(result: dict[str, Any]) -> Sheet:
    """GFLOP/s and shares."""
    shown = Sheet(
        "Share of the peak: float32 operations a second, a multiply-add being two",
        *("what", "threads", "GFLOP/s", "share of\nthe fastest"),
        note=f"Training step: {result['formula']} ({result['operations'] / 1e6:.1f} million);\n"
        "C, F rows of context and horizon, H units, I inputs, P targets: forward, gates computed again, backward, "
        "weights' gradients.",
    )
    for threads, row in result["threads"].items():
        for name, words in WORDS.items():
            rate = {key: value / 1e9 for key, value in row["rates"][name].items()}
            shown.add(words, threads, short(rate), short(row["share"][name], 2))
    return shown
