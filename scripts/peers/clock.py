"""When training batches end, and the weights at some instants."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

WARM_UP = 3
"""Batches that the rate leaves out: in the first ones memory is reserved and code compiled."""
LEAST = 4
"""Batches that the rate is measured over at least."""


class Clock:
    """Watches a training from within, and says when it has lasted long enough.

    Time runs from the start of the first training batch. All that training does between two batches counts: loading,
    logging, the progress bar, the end of an epoch.

    Args:
        seconds: After which training is over. [s]
        instants: When the weights are copied, ascending; they are copied at the end of training, too. [s]
    """

    def __init__(self, seconds: float, instants: Sequence[float] = ()) -> None:
        self.seconds = seconds
        self.first_step_at: float | None = None
        self.network: nn.Module | None = None
        self.snapshots: list[tuple[float, dict[str, Tensor]]] = []
        self._instants = list(instants)
        self._started: float | None = None
        self._ends: list[float] = []
        self._windows: list[int] = []

    def begin(self, network: nn.Module) -> None:
        """A training batch begins."""
        if self._started is None:
            self.network = network
            self._started = time.perf_counter()

    def end_batch(self, windows: int) -> bool:
        """A training batch has ended; whether training is over.

        Args:
            windows: Windows in it.
        """
        if self.first_step_at is None:
            self.first_step_at = time.time()
        if self._started is None:
            raise RuntimeError("a training batch has ended that never began")
        elapsed = time.perf_counter() - self._started
        self._ends.append(elapsed)
        self._windows.append(windows)
        if self._instants and elapsed >= self._instants[0]:
            self._copy_weights()
            self._instants = [instant for instant in self._instants if instant > elapsed]
        return elapsed >= self.seconds and len(self._ends) >= WARM_UP + LEAST

    def end(self) -> None:
        """Training has ended, by itself or because it was over; what came after the last batch changed no weight."""
        if self._ends and (not self.snapshots or self.snapshots[-1][0] < self._ends[-1]):
            self._copy_weights()

    def _copy_weights(self) -> None:
        if self.network is None:
            raise RuntimeError("no training batch has begun")
        weights = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        self.snapshots.append((self._ends[-1], weights))

    @property
    def batches(self) -> int:
        """Training batches so far."""
        return len(self._ends)

    def rate(self) -> float:
        """Training windows a second after the warm-up.

        Raises:
            RuntimeError: if training ended before it could be measured.
        """
        if len(self._ends) < WARM_UP + LEAST:
            raise RuntimeError(f"training ended after {len(self._ends)} batches; {WARM_UP + LEAST} are needed")
        return sum(self._windows[WARM_UP:]) / (self._ends[-1] - self._ends[WARM_UP - 1])

    def callback(self, base: type, windows: Callable[[Any], int]) -> Any:
        """This clock as a callback of Lightning.

        Args:
            base: `Callback` of the package that the trainer is of: `lightning.pytorch` or `pytorch_lightning`.
            windows: Number of windows in a training batch.
        """
        clock = self

        class Watch(base):
            def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
                clock.begin(pl_module)

            def on_train_batch_end(
                self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
            ) -> None:
                if clock.end_batch(windows(batch)):
                    trainer.should_stop = True

            def on_train_end(self, trainer: Any, pl_module: Any) -> None:
                clock.end()

        return Watch()
