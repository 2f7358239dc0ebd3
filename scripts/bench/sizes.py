"""How much is measured: the full benchmark, the quick one, and one that only shows that everything works."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Sizes:
    """Sizes of the work and of the measurement.

    Args:
        context: Rows that a window reads. [steps]
        horizon: Rows that are forecast. [steps]
        cells: Recurrent cells.
        hidden: Units of a layer.
        batch: Windows in a training batch. [windows]
        threads: Numbers of torch's threads.
        rounds: In each of which everything that is compared has its turn.
        seconds: That a measurement lasts at least. [s]
        thorough: Whether other sizes of the network and the batch, and slower ways, are measured, too.
        inference_batches: Windows in a batch of forecasts. [windows]
        memory_batches: Windows in the training batch whose memory is measured. [windows]
        memory_rounds: Processes for each of these.
        loader_rows: Rows of the series that loaders are measured on. [steps]
        loader_batches: Batches that a loader gives in a round.
        lightning_rows: Rows of the tide that the trainer is measured on. [steps]
        lightning_seconds: Seconds of training in a round. [s]
        starts: How often each command is started.
        long_rows: Rows of the long series. [steps]
        quality_rows: Rows of the series that quality is measured on. [steps]
        quality_threads: Numbers of torch's threads that recast's recipe is timed with.
        seeds: Of weights and order.
        epochs: Of the notebook's recipe.
        notebook_mse: Quality of the notebook's recipe where it is not measured; none: it is. [m2]
    """

    context: int = 800
    horizon: int = 100
    cells: tuple[str, ...] = ("gru", "lstm", "rnn")
    hidden: int = 64
    batch: int = 32
    threads: tuple[int, ...] = (1, 2)
    rounds: int = 5
    seconds: float = 0.5
    thorough: bool = True
    inference_batches: tuple[int, ...] = (32, 128, 512)
    memory_batches: tuple[int, ...] = (32, 256)
    memory_rounds: int = 3
    loader_rows: int = 1_000_000
    loader_batches: int = 2_000
    lightning_rows: int = 26_208
    lightning_seconds: float = 6.0
    starts: int = 5
    long_rows: int = 1_000_000
    quality_rows: int = 25_600
    quality_threads: tuple[int, ...] = (1, 2)
    seeds: tuple[int, ...] = (0, 1, 2)
    epochs: int = 10
    notebook_mse: float | None = None


FULL = Sizes()
QUICK = replace(
    FULL,
    rounds=2,
    seconds=0.05,
    thorough=False,
    memory_batches=(32,),
    memory_rounds=1,
    loader_rows=200_000,
    loader_batches=500,
    lightning_seconds=1.0,
    starts=2,
    quality_threads=(1,),
    seeds=(0,),
    # Median of .0044, .0056 and .0058: three seeds, ten epochs, the fast engine.
    notebook_mse=0.0056,
)
TINY = replace(
    QUICK,
    context=30,
    horizon=10,
    cells=("gru",),
    hidden=16,
    batch=8,
    rounds=1,
    seconds=0.01,
    inference_batches=(8, 16),
    memory_batches=(8,),
    loader_rows=2_000,
    loader_batches=20,
    lightning_rows=800,
    lightning_seconds=0.1,
    starts=1,
    long_rows=5_000,
    quality_rows=800,
    epochs=1,
    notebook_mse=None,
)
SIZES = {"full": FULL, "quick": QUICK, "tiny": TINY}
