"""The device that is checked, and copies of things on it."""

from typing import Any

import torch
from lightning.fabric.utilities.apply_func import move_data_to_device


def described(device: str) -> str:
    """The card's name, or that there is none."""
    return torch.cuda.get_device_name() if device == "cuda" else "CPU (rehearsal: no GPU)"


def cards(device: str) -> int:
    """How many there are; of a rehearsal two, as its processes stand for them."""
    return torch.cuda.device_count() if device == "cuda" else 2


def exact() -> None:
    """Products of float32 in 32 bits: TensorFloat-32 has 10 bits of fraction, which is not what is checked."""
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False


def on(device: str, what: Any) -> Any:
    """A copy of tensors in any nesting on the device."""
    return move_data_to_device(what, torch.device(device))


def finished(device: str) -> None:
    """Waits until the device has done all that it was told."""
    if device == "cuda":
        torch.cuda.synchronize()
