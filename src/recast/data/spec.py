"""What a model must know about its data. It flows from data to model, never back."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from recast.data.local_scaling import LocalScaling
from recast.data.panel import Column, Role

Feature = Literal["past", "known", "static", "categories", "masks"]
"""What a panel may have besides fully observed real targets; a model declares which of these it reads."""


ALIKE = 2.0  # sizes of targets whose errors may be added up: a target of half the size counts a quarter in MSE


@dataclass(frozen=True, kw_only=True)
class PanelSpec:
    """Columns, units, scaling of a panel.

    Args:
        columns: The columns over time: targets, then past, then known ones.
        offset: Subtracted from each of them, in its unit; 0 for a category.
        scale: Divides each of them after that, in its unit; positive; 1 for a category.
        static: Columns with one value for each item; with the role "target", what is to be predicted for an item.
        static_offset: Subtracted from each of these.
        static_scale: Divides each of these after that; 0 for one that is the same in all items, of which a model knows
            only the offset.
        masked: Whether values may be missing, so that batches carry masks of what was observed.
    """

    columns: tuple[Column, ...]
    offset: tuple[float, ...]
    scale: tuple[float, ...]
    static: tuple[Column, ...] = ()
    static_offset: tuple[float, ...] = ()
    static_scale: tuple[float, ...] = ()
    masked: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each column over time."""
        return tuple(column.name for column in self.columns)

    @property
    def units(self) -> tuple[str, ...]:
        """Unit of each column over time."""
        return tuple(column.unit for column in self.columns)

    def of(self, *roles: Role) -> tuple[Column, ...]:
        """The columns over time that have one of the roles, in their order."""
        return tuple(column for column in self.columns if column.role in roles)

    def reals(self, role: Role) -> tuple[Column, ...]:
        """The real columns over time with a role."""
        return tuple(column for column in self.of(role) if not column.is_category)

    def categories(self, role: Role) -> tuple[Column, ...]:
        """The categories with a role; static ones are those that are inputs."""
        columns = self.static_inputs if role == "static" else self.of(role)
        return tuple(column for column in columns if column.is_category)

    @property
    def targets(self) -> int:
        """Number of targets over time."""
        return len(self.of("target"))

    @property
    def target_names(self) -> tuple[str, ...]:
        """Name of each target over time."""
        return tuple(column.name for column in self.of("target"))

    @property
    def target_offset(self) -> tuple[float, ...]:
        """The offset of each target over time."""
        return self.offset[: self.targets]

    @property
    def target_scale(self) -> tuple[float, ...]:
        """The scale of each target over time."""
        return self.scale[: self.targets]

    @property
    def unit(self) -> str:
        """The unit of the targets; "mixed" where they differ."""
        units = {column.unit for column in self.of("target")}
        return units.pop() if len(units) == 1 else "mixed"

    @property
    def static_inputs(self) -> tuple[Column, ...]:
        """The static columns that are inputs."""
        return tuple(column for column in self.static if column.role == "static")

    @property
    def known_reals(self) -> int:
        """Numbers known ahead at each step, excluding categories."""
        return len(self.reals("known"))

    @property
    def static_reals(self) -> int:
        """Numbers known of each window as a whole, excluding categories."""
        return len([column for column in self.static_inputs if not column.is_category])

    @property
    def classes(self) -> tuple[str, ...]:
        """The levels of the static column to predict; () if there is none."""
        label = next((column for column in self.static if column.role == "target"), None)
        return () if label is None else label.levels or ()

    @property
    def features(self) -> dict[Feature, str]:
        """What the panel has besides fully observed real targets, with the names of the columns."""
        inputs = [*self.of("past", "known"), *self.static_inputs]
        found: dict[Feature, list[str]] = {
            "past": [column.name for column in self.of("past")],
            "known": self._known_names(),
            "static": self._static_names(),
            "categories": [column.name for column in inputs if column.is_category],
            "masks": ["values not observed"] if self.masked else [],
        }
        return {feature: ", ".join(names) for feature, names in found.items() if names}

    @property
    def since_origin(self) -> tuple[str, ...]:
        """Names of the inputs known ahead whose values are those since the origin of a window."""
        return tuple(column.name for column in self.of("known") if column.from_origin)

    def _known_names(self) -> list[str]:
        return [column.name for column in self.of("known")]

    def _static_names(self) -> list[str]:
        return [column.name for column in self.static_inputs]

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, suitable for a checkpoint and for JSON."""
        return {one.name: _plain(getattr(self, one.name)) for one in fields(self)}


LONG = 200
"""Steps beyond which a recurrence learns little from the loss of a whole sequence; see `SequenceSpec.is_long`."""


@dataclass(frozen=True, kw_only=True)
class SequenceSpec(PanelSpec):
    """The spec of labelled sequences.

    Args:
        longest: Steps of the longest sequence of the training file; 0 if unknown (in checkpoints of recast 0.4).
        own_scale: Whether each sequence is scaled by itself; see `recast.data.prepare.own_scale`.
    """

    longest: int = 0
    own_scale: bool = False

    @property
    def is_long(self) -> bool:
        """Whether the longest sequence has more than `LONG` steps, which other defaults suit than short ones."""
        return self.longest > LONG


UNKNOWN = "<unknown>"
"""The symbol that stands for all that are not in a vocabulary."""
LINE_BREAK = "\n"
"""The symbol before and after each line of a text."""


@dataclass(frozen=True, kw_only=True)
class TextSpec(PanelSpec):
    """The spec of a text: a panel with one target, a category whose levels are the vocabulary.

    The first level is `UNKNOWN`. The column is named by what a symbol is, such as "character".

    Args:
        lower: Whether capital letters were made small ones.
        lines: Whether each line is a text of its own, from the line break before it to the one that ends it.
    """

    lower: bool = False
    lines: bool = False

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The symbols, `UNKNOWN` first."""
        return self.columns[0].levels or ()

    @property
    def symbol(self) -> str:
        """What a symbol is: "character" or "word"."""
        return self.columns[0].name

    @property
    def line_break(self) -> int:
        """The level of the line break, which a text in lines has.

        Raises:
            ValueError: if there is none.
        """
        return self.vocabulary.index(LINE_BREAK)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Characters of each symbol; one that is unknown counts as one."""
        return tuple(1 if symbol == UNKNOWN else len(symbol) for symbol in self.vocabulary)


@dataclass(frozen=True, kw_only=True)
class ImputerSpec:
    """What the imputation model is built from whose values networks read in place of missing ones.

    Args:
        model: The configuration of the model, in plain containers.
        spec: The data that it was trained on.
    """

    model: Mapping[str, Any] = field(hash=False)
    spec: "SeriesSpec"

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, suitable for a checkpoint and for JSON."""
        return {"model": dict(self.model), "spec": self.spec.to_dict()}


@dataclass(frozen=True, kw_only=True)
class SeriesSpec(PanelSpec):
    """The spec of a panel to forecast, with its clock and windows.

    Args:
        step: Distance between rows, a pandas offset alias.
        context: Observed steps that a forecast is made from. [steps]
        horizon: Steps forecast. [steps]
        naive_error: Mean absolute error of the (seasonal) naive forecast on the training rows for each target,
            in its unit: the denominator of MASE (Hyndman & Koehler 2006, section 3).
        periods: Periods of the sine and cosine inputs known for any time, past and future. [hours]
        timezone: "UTC" if the stamps have a zone, otherwise None.
        local: How targets are scaled item by item or window by window, in place of their `offset` and `scale`; None:
            these hold for all.
        items_differ: Whether the items differ in size, so that errors in the data's unit are those of the largest.
        fitted: Numbers of the computed columns that were fitted on training rows, by the name of the feature.
        held: Whether networks read the last observation where a target or past value was not observed; otherwise 0.
        imputer: The imputation model from which networks read targets that were not observed, instead; None: none.
    """

    step: str
    context: int
    horizon: int
    naive_error: tuple[float, ...]
    periods: tuple[float, ...] = ()
    timezone: str | None = None
    local: LocalScaling | None = None
    items_differ: bool = False
    fitted: Mapping[str, tuple[float, ...]] = field(default_factory=dict, hash=False)
    held: bool = False
    imputer: ImputerSpec | None = None

    @property
    def static_reals(self) -> int:
        """Those of the static columns, then the level of each target where that is an input."""
        levels = self.local is not None and self.local.level
        return super().static_reals + levels * self.targets

    @property
    def known_reals(self) -> int:
        """Numbers known ahead at each step: the known columns, then a sine and a cosine for each period."""
        return super().known_reals + 2 * len(self.periods)

    @property
    def scaled_targets(self) -> bool:
        """Whether the scaling brings the targets to one size: their scales are fitted, not all 1."""
        return self.local is not None or any(scale != 1.0 for scale in self.target_scale)

    @property
    def targets_differ(self) -> bool:
        """Whether the targets differ in unit, or more than `ALIKE` times in size, so that the largest would decide.

        Sizes are the scales, where they are fitted, otherwise the naive errors.
        """
        found = self.target_scale if self.scaled_targets else self.naive_error
        sizes = [size for size in found if 0 < size < float("inf")]
        return self.unit == "mixed" or (len(sizes) > 1 and max(sizes) > ALIKE * min(sizes))

    @property
    def sizes_differ(self) -> bool:
        """Whether targets or items differ in unit or size."""
        return self.targets_differ or self.items_differ

    def _static_names(self) -> list[str]:
        levels = self.target_names if self.local is not None and self.local.level else ()
        return [*super()._static_names(), *(f"the level of {name}" for name in levels)]

    def _known_names(self) -> list[str]:
        return [*super()._known_names(), *(f"a period of {period:g} h" for period in self.periods)]


def _plain(value: Any) -> Any:
    if isinstance(value, Column | LocalScaling | ImputerSpec):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
