"""One storage for all rows of a panel, and the gather that makes a batch from it."""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from recast.data.panel import Panel, Role
from recast.data.prepare.local_scales import LocalScales
from recast.data.spec import PanelSpec, SeriesSpec
from recast.types import Batch, Categories, ItemSizes, Observed, Truths


class Layout:
    """The columns of a storage: the only place where they are identified by position.

    The real columns come first, those of each role together, known columns before the sines and cosines of time; then,
    where values may be missing, a mask of each; then the categories, those of the targets last.

    Args:
        spec: The panel's description.
    """

    def __init__(self, spec: PanelSpec) -> None:
        sizes = {
            "target": len(spec.reals("target")),
            "past": len(spec.reals("past")),
            "known": spec.known_reals,
        }
        self.reals = sum(sizes.values())
        categories = [len(spec.categories(role)) for role in ("past", "known", "target")]
        self.widths = [*sizes.values(), *(size * spec.masked for size in sizes.values()), *categories]
        self.width = sum(self.widths)
        self.past_categories, self.known_categories, self.target_categories = (
            slice(first, stop) for first, stop in pairwise(np.cumsum([0, *self.widths]).tolist()[-4:])
        )
        self.has_target_categories = categories[-1] > 0
        self.from_origin = [place for place, column in enumerate(spec.reals("known")) if column.from_origin]
        """Those known columns of which a window has the difference from the origin."""
        self.has_masks = spec.masked
        self.has_categories = bool(sum(categories) or spec.categories("static"))
        # Each part, even an empty one, costs half a microsecond per batch.
        self._parts = self.widths if self.has_masks or self.has_categories else self.widths[:3]

    def split(self, rows: Float[Tensor, "*any width"]) -> tuple[Tensor, ...]:
        """Targets, past and known columns; where there are any, masks of these, and categories: past, known, target."""
        return rows.split_with_sizes(self._parts, dim=-1)


@dataclass(frozen=True, eq=False)
class Storage:
    """All scaled rows of a panel, followed by a row of zeros that padding is read from.

    A batch is one gather: no sample is processed individually, and memory is the storage plus one batch.

    Args:
        spec: The panel's description.
        values: Scaled values, float32, shape (rows + 1, width), laid out by `Layout`.
        starts: First row of each piece, int64, shape (pieces,).
        lengths: Rows of each piece, int64, shape (pieces,).
        items: Item of each piece, int64, shape (pieces,).
        static: Scaled static inputs of each item, float32, shape (items, static).
        static_categories: Levels of the static categories of each item, int64, shape (items, categories).
        labels: Label of each item, int64, shape (items,); None without labels.
        truths: The targets of each row in the data's unit; None where nothing is forecast.
        local: How targets are scaled item by item or window by window; None: all alike.
        from_origin: Scaled values of the columns of `Layout.from_origin`, of which `values` has none: in float32, the
            difference of two times of today would be lost. None: there are no such columns.
    """

    spec: PanelSpec
    values: Float[Tensor, "rows width"]
    starts: Int[Tensor, " pieces"]
    lengths: Int[Tensor, " pieces"]
    items: Int[Tensor, " pieces"]
    static: Float[Tensor, "items static"]
    static_categories: Int[Tensor, "items categories"]
    labels: Int[Tensor, " items"] | None = None
    truths: Truths | None = None
    local: LocalScales | None = None
    from_origin: Float64[Tensor, "steps columns"] | None = None

    @cached_property
    def layout(self) -> Layout:
        """Which columns hold what."""
        return Layout(self.spec)

    @property
    def device(self) -> torch.device:
        """The device that holds it."""
        return self.values.device

    def to(self, device: torch.device) -> "Storage":
        """A copy on a device."""
        names = ("values", "starts", "lengths", "items", "static", "static_categories")
        labels = None if self.labels is None else self.labels.to(device)
        truths = None if self.truths is None else self.truths.on(device)
        local = None if self.local is None else self.local.on(device)
        from_origin = None if self.from_origin is None else self.from_origin.to(device)
        others = {"labels": labels, "truths": truths, "local": local, "from_origin": from_origin}
        return replace(self, **others, **{name: getattr(self, name).to(device) for name in names})

    def windows(self, starts: Int[Tensor, " batch"], context: int, horizon: int) -> Batch:
        """The windows of `context` and `horizon` steps that begin at the rows `starts`."""
        rows = self._every_window(context + horizon)[starts].transpose(1, 2)
        batch = self._batch(rows, context, starts, *self._items_of(starts))
        if self.from_origin is not None:
            values = self.from_origin[starts.unsqueeze(1) + torch.arange(context + horizon, device=self.device)]
            values = values - values[:, context - 1 : context]
            # The gathered rows are the batch's own.
            batch.known[..., self.layout.from_origin] = values.to(batch.known.dtype)
        return batch

    @cached_property
    def _views(self) -> dict[int, Tensor]:
        return {}

    def _every_window(self, length: int) -> Float[Tensor, "windows width length"]:
        """All windows of a length, as a view; cached, as recreating it slows the gather by a third."""
        view = self._views.get(length)
        if view is None:
            view = self._views[length] = self.values.unfold(0, length, 1)
        return view

    def _items_of(self, starts: Int[Tensor, " batch"]) -> tuple[Int[Tensor, " batch"], Float[Tensor, "batch static"]]:
        """The item of each window, and its static inputs."""
        if len(self.static) > 1:
            item = self.items[torch.searchsorted(self.starts, starts, right=True) - 1]
            return item, self.static[item]
        size = len(starts)
        if size not in self._only_item:
            self._only_item[size] = (torch.zeros_like(starts), self.static.expand(size, -1))
        return self._only_item[size]

    @cached_property
    def _only_item(self) -> dict[int, tuple[Tensor, Tensor]]:
        """The result of `_items_of` for a single item, by the number of windows."""
        return {}

    def sequences(self, pieces: Int[Tensor, " batch"], beyond: int = 0) -> Batch:
        """Whole pieces, as long as the longest of them; the others are padded with zeros.

        Args:
            pieces: Which.
            beyond: How many rows after each are read as if they were its own.
        """
        lengths = self.lengths[pieces] + beyond
        steps = torch.arange(int(lengths.max()) if len(pieces) else 0, device=self.device)
        starts = self.starts[pieces]
        rows = starts.unsqueeze(1) + steps
        # Beyond a sequence's end, the row of zeros is read.
        rows = rows.where(steps < lengths.unsqueeze(1), len(self.values) - 1)
        item = self.items[pieces]
        label = None if self.labels is None else self.labels[item]
        batch = self._batch(self.values[rows], len(steps), starts, item, self.static[item])
        return batch._replace(lengths=lengths, label=label)

    def _batch(self, rows: Tensor, context: int, start: Tensor, item: Tensor, static: Tensor) -> Batch:
        layout = self.layout
        parts = layout.split(rows)
        observed = categories = None
        if layout.has_masks:
            masks = (parts[3][:, :context], parts[4][:, :context], parts[5], parts[3][:, context:])
            observed = Observed(*(mask > 0 for mask in masks))
        if layout.has_categories:
            categories = Categories(
                past=parts[6][:, :context].long(),
                known=parts[7].long(),
                static=self.static_categories[item],
                target=parts[8].long() if layout.has_target_categories else None,
            )
        targets, scaling = parts[0], None
        if self.local is not None:
            seen = parts[3] > 0 if layout.has_masks else None
            targets, scaling = self.local.apply(targets, item, context, seen)
            if self.local.local.level:
                static = torch.cat([static, scaling.level.to(static.dtype)], dim=1)
        return Batch(
            history=targets[:, :context],
            past=parts[1][:, :context],
            known=parts[2],
            static=static,
            target=targets[:, context:],
            start=start,
            item=item,
            observed=observed,
            categories=categories,
            truths=self.truths,
            scaling=scaling,
        )


def hours(times: np.ndarray) -> np.ndarray:
    """Hours since 1970-01-01 UTC of `datetime64[ns]` stamps, float64."""
    return times.astype("datetime64[ns]").astype(np.int64) / 3.6e12


def periodic(times: np.ndarray, periods: tuple[float, ...]) -> np.ndarray:
    """Sine and cosine of 2 pi t / period for each period, shape (rows, 2 * periods), float32.

    Args:
        times: Stamps, `datetime64[ns]`.
        periods: Periods. [hours]
    """
    cycles = hours(times)[:, None] / np.asarray(periods, dtype=np.float64)
    angles = 2 * np.pi * (cycles % 1.0)
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(len(times), -1).astype(np.float32)


def stored(panel: Panel, spec: PanelSpec, sizes: ItemSizes | None = None) -> Storage:
    """The storage of a panel under the scaling of a spec.

    Args:
        panel: The panel, its categories as levels of the spec.
        spec: Its description.
        sizes: What scaled metrics divide by, item by item; None: the numbers of the spec.
    """
    layout = Layout(spec)
    values = torch.zeros(len(panel) + 1, layout.width, dtype=torch.float32)
    reals = [place for place, column in enumerate(spec.columns) if not column.is_category]
    # Scaled in float64 first: a small signal on a large offset would lose precision in float32.
    offset, scale = (np.asarray(numbers)[reals] for numbers in (spec.offset, spec.scale))
    local = None
    if isinstance(spec, SeriesSpec) and spec.local is not None:
        local = LocalScales.of(panel, spec.targets, spec.local)
        offset[: spec.targets], scale[: spec.targets] = 0.0, 1.0
    scaled = (panel.values if len(reals) == len(spec.columns) else panel.values[:, reals]) - offset
    scaled /= scale
    if local is not None:
        local.store(scaled[:, : spec.targets], panel)
    moving = [place for place, column in enumerate(spec.columns[real] for real in reals) if column.from_origin]
    from_origin = torch.from_numpy(scaled[:, moving]) if moving else None
    scaled[:, moving] = 0.0
    if spec.masked:
        observed = ~np.isnan(scaled)
        scaled[~observed] = 0.0
        first = layout.reals
        values[:-1, first : first + observed.shape[1]] = torch.from_numpy(observed)
        # The sines and cosines of time are always known.
        values[:-1, first + observed.shape[1] : 2 * layout.reals] = 1.0
    values[:-1, : len(reals)] = torch.from_numpy(scaled)
    if isinstance(spec, SeriesSpec) and spec.periods:
        values[:-1, len(reals) : layout.reals] = torch.from_numpy(periodic(panel.clock, spec.periods))
    places: tuple[tuple[Role, slice], ...] = (
        ("past", layout.past_categories),
        ("known", layout.known_categories),
        ("target", layout.target_categories),
    )
    for role, place in places:
        columns = [place for place in panel.of(role) if spec.columns[place].is_category]
        values[:-1, place] = torch.from_numpy(
            _codes(panel.values[:, columns], [spec.columns[c].levels for c in columns])
        )
    static, categories = _static(panel, spec)
    truths = None
    if isinstance(spec, SeriesSpec):
        # The panel's own memory: targets come first.
        truths = Truths(torch.from_numpy(np.require(panel.values[:, : spec.targets], np.float64, "W")), sizes)
    return Storage(
        spec=spec,
        values=values,
        starts=torch.from_numpy(panel.starts.astype(np.int64)),
        lengths=torch.from_numpy(panel.lengths),
        items=torch.from_numpy(panel.items),
        static=torch.from_numpy(static.astype(np.float32)),
        static_categories=torch.from_numpy(categories),
        labels=None if panel.label_column is None else torch.from_numpy(panel.labels),
        truths=truths,
        local=local,
        from_origin=from_origin,
    )


def _codes(values: np.ndarray, levels: list[tuple[str, ...] | None]) -> np.ndarray:
    """Indices of levels, int64; the number of levels encodes "not observed"."""
    unknown = np.array([len(names or ()) for names in levels])
    return np.where(np.isnan(values), unknown, values).astype(np.int64)


def _static(panel: Panel, spec: PanelSpec) -> tuple[np.ndarray, np.ndarray]:
    """The real static inputs of each item, scaled, 0 where unknown; and the categories."""
    inputs = [place for place, column in enumerate(spec.static) if column.role == "static"]
    reals = [place for place in inputs if not spec.static[place].is_category]
    others = [place for place in inputs if spec.static[place].is_category]
    offset, scale = (np.asarray(numbers)[reals] for numbers in (spec.static_offset, spec.static_scale))
    scaled = (panel.static_values[:, reals] - offset) / np.where(scale > 0, scale, 1.0)
    codes = _codes(panel.static_values[:, others], [spec.static[place].levels for place in others])
    return np.nan_to_num(scaled), codes
