"""Groups runs that may be ranked together: those scored on the same windows of the same data."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from recast.report.groups import constant, value_of
from recast.report.run import Run, mapping
from recast.report.words import count


@dataclass(frozen=True, eq=False)
class DataSet:
    """The same test windows of the same data, and the runs on them.

    Args:
        name: Its name.
        fingerprint: SHA-256 of the data.
        windows: Test windows or sequences that the runs were scored on.
        of: Test windows or sequences that there are: more than `windows` if trainer.limit_test_batches left some out.
        horizon: Steps forecast; None for a classifier. [steps]
        step: Distance between steps, a pandas offset alias; None for a classifier.
        finished: The runs with results.
        others: Runs without results that belong to it, judging by their options.
        constants: Options that differ between data sets but not in this one, with their value.
    """

    name: str
    fingerprint: str
    windows: int
    of: int
    horizon: int | None
    step: str | None
    finished: tuple[Run, ...]
    others: tuple[Run, ...]
    constants: Mapping[str, str]

    @property
    def counted(self) -> str:
        """How many test windows or sequences of how many the runs were scored on."""
        scored, things = count(self.windows), "test windows" if self.horizon else "test sequences"
        return f"{scored} {things}" if self.windows == self.of else f"{scored} of {count(self.of)} {things}"

    @property
    def runs(self) -> tuple[Run, ...]:
        """All of them."""
        return self.finished + self.others


Key = tuple[Any, ...]
MOST = 3  # runs named in a line


def data_sets(runs: Sequence[Run], options: Sequence[str]) -> tuple[list[DataSet], list[Run]]:
    """The data sets with finished runs, and the runs of any state whose data are not known.

    Args:
        runs: All runs.
        options: Options that differ between them.
    """
    finished: dict[Key, list[Run]] = defaultdict(list)
    unknown: list[Run] = []
    for run in runs:
        key = _key(run)
        if run.finished and key is not None:
            finished[key].append(run)
        else:
            unknown.append(run)
    constants = {key: constant(members, options) for key, members in finished.items()}
    others: dict[Key, list[Run]] = {key: [] for key in finished}
    homeless = []
    for run in unknown:
        key = None if run.finished else _meant_for(run, finished, constants)
        (homeless if key is None else others[key]).append(run)
    names = _names(finished, constants)
    found = [
        DataSet(
            name=names[key],
            fingerprint=key[0],
            windows=key[1],
            of=key[2],
            horizon=key[3],
            step=key[4],
            finished=tuple(members),
            others=tuple(others[key]),
            constants=constant([*members, *others[key]], options) if len(finished) > 1 else {},
        )
        for key, members in finished.items()
    ]
    return found, homeless


def _key(run: Run) -> Key | None:
    """Fingerprint, windows scored, all windows, horizon, step, rows and unit of the test part; None if unknown."""
    spec = mapping(run.data.get("spec"))
    if not isinstance(run.data.get("fingerprint"), str) or not isinstance(run.counts.get("test"), int):
        return None
    rows = mapping(run.data.get("parts")).get("test")
    horizon, step = spec.get("horizon"), spec.get("step")
    return (
        run.data["fingerprint"],
        run.scored,
        run.counts["test"],
        horizon if isinstance(horizon, int) else None,
        step if isinstance(step, str) else None,
        str(rows),
        str(run.results.get("unit", "")),
    )


def limited(found: Sequence[DataSet]) -> list[str]:
    """A line for each test part on which some runs were scored in part: which runs are not compared, and why."""
    parts: dict[Key, list[DataSet]] = defaultdict(list)
    for data in found:
        key = _key(data.finished[0])
        if key is not None:
            parts[key[0], *key[2:]].append(data)
    lines = []
    for same in parts.values():
        if len(same) > 1:
            scored = "; ".join(
                f"{data.counted} ({', '.join(run.name for run in data.finished[:MOST])}"
                f"{', ...' if len(data.finished) > MOST else ''})"
                for data in sorted(same, key=lambda data: -data.windows)
            )
            lines.append(
                f"Not compared, since trainer.limit_test_batches had them scored on different windows of the same "
                f"data: {scored}. Run those with a limit again without it."
            )
    return lines


def _meant_for(
    run: Run, finished: Mapping[Key, Sequence[Run]], constants: Mapping[Key, Mapping[str, str]]
) -> Key | None:
    """The data set that matches a run without results in every option that distinguishes data sets."""
    everywhere = set.intersection(*(set(values) for values in constants.values())) if constants else set()
    about_data = {option for option in everywhere if option == "data" or option.startswith(("data.", "data/"))}
    telling = about_data or (everywhere if len(finished) > 1 else set())
    fitting = [key for key, values in constants.items() if all(value_of(run, name) == values[name] for name in telling)]
    return fitting[0] if len(fitting) == 1 else None


def _names(finished: Mapping[Key, Sequence[Run]], constants: Mapping[Key, Mapping[str, str]]) -> dict[Key, str]:
    names = {}
    for key, members in finished.items():
        label = ", ".join(PurePath(part).name for part in str(members[0].data.get("label", "data")).split(", "))
        choice = constants[key].get("data")
        names[key] = f"{choice}: {label}" if choice else label
    for marks in (
        lambda key: f"{key[1]} test windows" if key[1] == key[2] else f"{key[1]} of {key[2]} test windows",
        lambda key: f"horizon {key[3]}",
        lambda key: f"data {key[0][:8]}",
        lambda key: f"rows {key[5]}",
    ):
        taken = list(names.values())
        names = {key: f"{name}, {marks(key)}" if taken.count(name) > 1 else name for key, name in names.items()}
    return names
