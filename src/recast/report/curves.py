"""Learning curves, and the exposure bias of models fed their own forecasts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recast.report.bands import Band, picture, together
from recast.report.document import Block, Picture, Section, Text
from recast.report.events import Curve, read_curves
from recast.report.groups import Group
from recast.report.metric import described
from recast.report.study import Ranked, Study
from recast.report.svg import data_uri
from recast.report.words import number, several

MOST = 5  # groups in a picture
BIAS = "exposure_bias"
FORCED = "/teacher_forced"


@dataclass(frozen=True)
class Kind:
    """A kind of curve.

    Args:
        tag: Its name in TensorBoard.
        label: Label of its axis.
        title: What it is.
    """

    tag: str
    label: str
    title: str


def section(study: Study) -> Section:
    """Pictures of the best groups of each data set."""
    blocks: list[Block] = []
    for ranked in study.ranked:
        blocks += _blocks(ranked)
    if not blocks:
        blocks = [Text("No run has curves.")]
    return Section("Learning curves and exposure bias", blocks, "curves")


def _blocks(ranked: Ranked) -> list[Block]:
    shown = ranked.scored[:MOST]
    logs = {group: [read_curves(run.folder) for run in group.finished] for group in shown}
    lacking = sum(not log for found in logs.values() for log in found)
    drawn = [_picture(ranked, kind, logs) for kind in _kinds(ranked, logs)]
    blocks: list[Block] = [found for found in drawn if found is not None]
    if lacking:
        blocks.append(
            Text(f"{ranked.data.name}: {several(lacking, 'run')} without a TensorBoard log: no curves of them.", "note")
        )
    left_out = len(ranked.scored) - MOST
    if left_out > 0 and blocks:
        blocks.append(Text(f"{ranked.data.name}: the best {MOST} groups; {left_out} more are left out.", "note"))
    return blocks


def _kinds(ranked: Ranked, logs: Mapping[Group, Sequence[Mapping[str, Curve]]]) -> list[Kind]:
    metric = ranked.metric
    exposed, known = _exposed(logs), described(ranked.data.finished)
    unit = f" [{known[exposed].unit}]" if exposed in known and known[exposed].unit else ""
    return [
        Kind(f"{metric.name}/validation", f"validation {metric.title}", f"validation {metric.name}, free-running"),
        Kind("loss/train", "training loss", "training loss"),
        Kind(BIAS, f"exposure bias{unit}", f"exposure bias: free-running less teacher-forced validation {exposed}"),
    ]


def _exposed(logs: Mapping[Group, Sequence[Mapping[str, Curve]]]) -> str:
    """The metric that the exposure bias is a difference of; "" where no run has it."""
    tags = (tag for found in logs.values() for log in found for tag in log)
    return next((tag.removesuffix(FORCED) for tag in tags if tag.endswith(FORCED)), "")


def _picture(ranked: Ranked, kind: Kind, logs: dict[Group, list[dict[str, Curve]]]) -> Picture | None:
    bands: list[Band] = []
    for group, found in logs.items():
        curves = [log[kind.tag] for log in found if kind.tag in log]
        if curves:
            bands.append(together(f"{group.label} ({several(len(curves), 'run')})", curves))
    # A model without a decoder has no exposure bias, and a curve of zeros says nothing.
    if not bands or (kind.tag == BIAS and not any(band.mean.any() for band in bands)):
        return None
    figure = picture(bands, x="optimiser step", y=kind.label, marked=0 if kind.tag == BIAS else None)
    ends = "; ".join(f"{band.name}: {number(band.mean[0])} to {number(band.mean[-1])}" for band in bands)
    return Picture(
        f"{ranked.data.name}: {kind.title}",
        data_uri(figure),
        f"{kind.title}, first to last value: {ends}",
        "Lines: means over seeds. Bands: from the smallest to the largest seed. Where some runs ended earlier, over "
        "those still in training.",
    )
