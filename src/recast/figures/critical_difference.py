"""The critical-difference diagram: average ranks of many models, and which of them are indistinguishable."""

import math
import textwrap
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recast.errors import DataError
from recast.figures.style import ACCENT, BLACK, DARK_GREY, GREY, TICK_SIZE, TITLE_SIZE, blank, fold

# All lengths in inches: the axes' coordinates are inches from the upper left corner.
AXIS = 4.6  # length of the rank axis
CHARACTER = 0.078  # width of an average character of TICK_SIZE
LINE = 0.16  # height of a line of TICK_SIZE
SIDE = 0.45  # from the end of the rank axis to the names; the average rank fits in
RULER_TOP, AXIS_TOP = 0.25, 0.85  # of the critical difference's ruler, of the rank axis
BAR_GAP = 0.13  # between two bars
TICK = 0.08
EDGE = 0.1

WRAPPED = 32  # characters; a longer name takes more lines
ROUNDING = 1e-9


def critical_difference(
    ranks: Mapping[str, float],
    *,
    distance: float,
    cliques: Sequence[Sequence[str]],
    blocks: int,
    alpha: float,
    title: str = "",
) -> Figure:
    """Average ranks on an axis, a bar over each group of indistinguishable models, and the critical difference.

    As in Demsar (2006), JMLR 7, section 3.2.4, with the best rank on the left. The better half of the models is named
    on the left, the best on top, the other half on the right, the worst on top.

    Args:
        ranks: Average rank of each model, between 1 and their number; 1 is best.
        distance: The critical difference of average ranks.
        cliques: Groups of models that are not shown to differ, by name.
        blocks: Number of blocks that were ranked, for the heading.
        alpha: Level of the critical difference.
        title: Heading before the number of blocks.

    Raises:
        DataError: if there are fewer than 2 models, a rank is out of range, the distance is not positive, or a group
            names an unknown model.
    """
    _check(ranks, distance, cliques)
    order = sorted(ranks, key=lambda name: ranks[name])
    names = {name: _wrap(name) for name in order}
    half = (len(order) + 1) // 2
    left, right = order[:half], order[half:][::-1]
    margins = [_margin([names[name] for name in side]) for side in (left, right)]
    bars = _rows([(ranks[group[0]], ranks[group[-1]]) for group in (_sort(clique, ranks) for clique in cliques)])
    names_top = AXIS_TOP + BAR_GAP * (1 + max((row + 1 for *_, row in bars), default=0)) + 0.15
    bottoms = [names_top + sum(_height(names[name]) for name in side) for side in (left, right)]
    width, height = margins[0] + AXIS + margins[1], max(bottoms) + EDGE

    figure = blank(width=width, height=height + 0.45)
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    scale = _Scale(len(order), margins[0])
    _axis(axes, scale)
    _ruler(axes, scale, distance, alpha)
    for first, last, row in bars:
        y = AXIS_TOP + BAR_GAP * (row + 1)
        ends = [scale.at(first) - 0.05, scale.at(last) + 0.05]
        axes.plot(ends, [y, y], color=BLACK, linewidth=4, solid_capstyle="butt", zorder=3, gid="clique")
    for side, edge in ((left, margins[0] - SIDE), (right, margins[0] + AXIS + SIDE)):
        y = names_top
        for name in side:
            row = _height(names[name])
            _name(axes, names[name], ranks[name], x=scale.at(ranks[name]), edge=edge, y=y + row / 2)
            y += row
    unit = "block" if blocks == 1 else "blocks"
    heading = f"{title}: average ranks" if title else "Average ranks"
    axes.set_title(
        fold(f"{heading} over {blocks} {unit} (1 is best)", max(40, int(width / 0.1))),
        fontsize=TITLE_SIZE,
        parse_math=False,
    )
    return figure


class _Scale:
    """Maps ranks to inches from the left."""

    def __init__(self, models: int, start: float) -> None:
        self.models = models
        self.start = start

    def at(self, rank: float) -> float:
        return self.start + AXIS * (rank - 1) / (self.models - 1)


def _check(ranks: Mapping[str, float], distance: float, cliques: Sequence[Sequence[str]]) -> None:
    if len(ranks) < 2:
        raise DataError(f"critical difference: {len(ranks)} models, at least 2 are needed")
    for name, rank in ranks.items():
        if not 1 - ROUNDING <= rank <= len(ranks) + ROUNDING:
            raise DataError(
                f"critical difference: '{name}' has average rank {rank:g}; among {len(ranks)} models it lies between "
                f"1 and {len(ranks)}"
            )
    if not (distance > 0 and math.isfinite(distance)):
        raise DataError(f"critical difference: the distance is {distance:g}, expected a positive number")
    for name in (name for clique in cliques for name in clique):
        if name not in ranks:
            raise DataError(f"critical difference: no model '{name}' of a group; found: {', '.join(ranks)}")


def _axis(axes: Axes, scale: _Scale) -> None:
    y = AXIS_TOP
    axes.plot([scale.at(1), scale.at(scale.models)], [y, y], color=DARK_GREY, linewidth=1)
    step = 1 if scale.models <= 12 else 2
    for half in range(2, 2 * scale.models + 1):
        whole = half % 2 == 0
        if not whole and scale.models > 12:
            continue
        x = scale.at(half / 2)
        axes.plot([x, x], [y, y - (TICK if whole else TICK / 2)], color=DARK_GREY, linewidth=0.8)
        if whole and (half // 2 - 1) % step == 0:
            axes.text(x, y - 1.4 * TICK, str(half // 2), ha="center", va="bottom", fontsize=TICK_SIZE, color=DARK_GREY)


def _ruler(axes: Axes, scale: _Scale, distance: float, alpha: float) -> None:
    """The critical difference as a length on the axis's scale, from rank 1; open-ended if longer than the axis."""
    fits = distance <= scale.models - 1
    start, end = scale.at(1), scale.at(1 + min(distance, scale.models - 1))
    axes.plot([start, end], [RULER_TOP, RULER_TOP], color=ACCENT, linewidth=1.6, gid="ruler")
    for x in [start, end] if fits else [start]:
        axes.plot([x, x], [RULER_TOP - TICK / 1.5, RULER_TOP + TICK / 1.5], color=ACCENT, linewidth=1.6)
    text = f"critical difference {distance:.2f} (Nemenyi, {100 * alpha:g} %)"
    if not fits:
        text += ", longer than the axis"
    axes.text(start, RULER_TOP - TICK, text, ha="left", va="bottom", fontsize=TICK_SIZE, color=ACCENT)


def _name(axes: Axes, name: str, rank: float, *, x: float, edge: float, y: float) -> None:
    """A line from the axis down to the model's own row, out to the name, and the average rank above that line."""
    out, beside, towards = (-1, "right", "left") if edge < x else (1, "left", "right")
    axes.plot([x, x, edge], [AXIS_TOP, y, y], color=GREY, linewidth=0.9, zorder=2)
    axes.text(edge - out * 0.02, y - 0.02, f"{rank:.2f}", ha=towards, va="bottom", fontsize=8, color=GREY)
    axes.text(edge + out * 0.07, y, name, ha=beside, va="center", fontsize=TICK_SIZE, color=BLACK, parse_math=False)


def _wrap(name: str) -> str:
    """A name on at most three lines; a longer one loses its middle, since names often differ in their last word."""
    lines = textwrap.wrap(name, WRAPPED, break_on_hyphens=False)
    return "\n".join(lines if len(lines) <= 3 else [lines[0], f"{lines[1]} …", lines[-1]])


def _margin(names: Sequence[str]) -> float:
    longest = max((len(line) for name in names for line in name.split("\n")), default=0)
    return SIDE + 0.1 + CHARACTER * longest + EDGE


def _height(name: str) -> float:
    return LINE * (1.6 + name.count("\n"))


def _sort(clique: Sequence[str], ranks: Mapping[str, float]) -> list[str]:
    return sorted(clique, key=lambda name: ranks[name])


def _rows(bars: Sequence[tuple[float, float]]) -> list[tuple[float, float, int]]:
    """For each bar, the first row in which it touches no other."""
    ends: list[float] = []
    placed = []
    for first, last in sorted(bars):
        row = next((row for row, end in enumerate(ends) if end < first - ROUNDING), len(ends))
        ends[row : row + 1] = [last]
        placed.append((first, last, row))
    return placed
