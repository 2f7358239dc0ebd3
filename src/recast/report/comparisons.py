"""Statistical comparisons."""

from recast.report import over_blocks, over_origins, over_seeds
from recast.report.document import Block, Section, Text
from recast.report.study import Study


def section(study: Study) -> Section:
    """Tests over seeds, over origins, and over all groups at once."""
    blocks: list[Block] = []
    for ranked in study.ranked:
        if ranked.scored and max(len(group.scores) for group in ranked.scored) < 2:
            blocks.append(
                Text(
                    f"{ranked.data.name}: one seed for each group. What another seed would give is not known, so "
                    "nothing can be said about the options in general.",
                    "warning",
                )
            )
        tables = (over_seeds.levels_table(ranked, study.alpha), over_seeds.groups_table(ranked, study.alpha))
        blocks += [table for table in tables if table is not None]
        blocks += over_origins.blocks(ranked, study.alpha)
    if study.ranked:
        blocks += over_blocks.blocks(study)
    return Section("Comparisons", blocks or [Text("There is nothing to compare.")], "comparisons")
