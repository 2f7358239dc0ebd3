"""What a job is called: by what sets it apart from the others of its sweep."""

import hashlib
import re
from collections.abc import Mapping, Sequence

LONGEST = 100  # characters of a folder's name; file systems take 255, people fewer
DIGITS = 8  # characters up to which a number is shown in full
_STRANGE = re.compile(r"[^\w.+-]+")


def swept(overrides: Sequence[str], given: Sequence[str], hidden: Sequence[str] = ()) -> dict[str, str]:
    """The overrides of a job that the sweep as a whole was not given as they are: the swept ones, value by key.

    Args:
        overrides: The job's, as in `model/cell=gru`.
        given: The sweep's, as on the command line, as in `model/cell=rnn,gru`.
        hidden: Keys that do not count.
    """
    pairs = (override.lstrip("+").partition("=") for override in overrides if override not in given)
    return {key: value for key, _, value in pairs if key not in hidden}


def job_name(options: Mapping[str, str], keys: Sequence[str]) -> str:
    """A folder's name, as in `cell-gru_seed-0`: legal in a shell, in a path, and in an override.

    Args:
        options: What is swept, value by key.
        keys: All keys swept, so that two with the same last word are told apart.
    """
    exact = "_".join(f"{_short(key, keys)}-{value}" for key, value in options.items()) or "run"
    shown = "_".join(f"{_short(key, keys)}-{_rounded(value)}" for key, value in options.items()) or "run"
    name = _STRANGE.sub("-", shown).strip("-.")
    if len(name) > LONGEST or not name:
        name = f"{name[: LONGEST - 9] or 'job'}-{digest(exact)}"
    return name


def digest(text: str) -> str:
    """Eight characters that stand for a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _short(key: str, keys: Sequence[str]) -> str:
    """The last words of a key that no other key ends in."""
    words = re.split(r"[./]", key)
    for count in range(1, len(words)):
        tail = words[-count:]
        if sum(re.split(r"[./]", other)[-count:] == tail for other in keys) <= 1:
            return ".".join(tail)
    return ".".join(words)


def _rounded(value: str) -> str:
    """A number with no more digits than people read; anything else as it is, without quotes."""
    value = value.strip("'\"")
    try:
        return f"{float(value):.4g}" if len(value) > DIGITS else value
    except ValueError:
        return value
