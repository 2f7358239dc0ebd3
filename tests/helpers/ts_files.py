"""Small `.ts` files for tests."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np


def ts_text(
    sequences: Sequence[np.ndarray], labels: Sequence[str] | None, classes: Sequence[str], *, header: str = ""
) -> str:
    """The text of a file; without labels it says so."""
    names = "false" if labels is None else f"true {' '.join(classes)}"
    dimensions = sequences[0].shape[1]
    lines = [f"@problemName small\n{header}@univariate false\n@dimensions {dimensions}\n@classLabel {names}\n@data"]
    for index, sequence in enumerate(sequences):
        columns = [",".join(map(repr, column.tolist())) for column in sequence.T]
        lines.append(":".join(columns if labels is None else [*columns, labels[index]]))
    return "\n".join(lines) + "\n"


def turning(count: int, seed: int, *, longest: int = 12) -> tuple[list[np.ndarray], list[str]]:
    """Noisy sequences of two dimensions that turn left, turn right or stand still; 4 to `longest` steps."""
    random = np.random.default_rng(seed)
    sequences, labels = [], []
    for index in range(count):
        label = ("left", "right", "still")[index % 3]
        speed = {"left": 0.6, "right": -0.6, "still": 0.0}[label]
        angles = random.uniform(-0.3, 0.3) + speed * np.arange(random.integers(4, longest + 1))
        circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        sequences.append(5 + circle + 0.1 * random.normal(size=circle.shape))
        labels.append(label)
    return sequences, labels


CLASSES = ("left", "right", "still")


def write_turning(folder: Path, *, train: int = 60, test: int = 30) -> tuple[Path, Path]:
    """A training and a test file; the latter has longer sequences."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "turning_TRAIN.ts", folder / "turning_TEST.ts"
    for path, count, seed, longest in zip(paths, (train, test), (0, 1), (12, 17), strict=True):
        path.write_text(ts_text(*turning(count, seed, longest=longest), CLASSES))
    return paths
