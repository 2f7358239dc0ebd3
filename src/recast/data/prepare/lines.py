"""The lines of a text as sequences, each from the line break before it to the one that ends it."""

import numpy as np
from jaxtyping import Int
from torch import Tensor

from recast.data.prepare.loader import OrderedLoader
from recast.data.sources.text import Text
from recast.data.spec import LINE_BREAK
from recast.types import Batch, Share


def in_lines(text: Text) -> Text:
    """The text with a line break before its first line, and one after its last."""
    end = [] if text.symbols[-1] == LINE_BREAK else [LINE_BREAK]
    return text._replace(symbols=[LINE_BREAK, *text.symbols, *end])


def line_starts(text: Text) -> Int[np.ndarray, " lines"]:
    """The place of the line break before each line of such a text; the last is the one before none."""
    return np.flatnonzero([symbol == LINE_BREAK for symbol in text.symbols])


class LineLoader(OrderedLoader):
    """Batches of whole lines, padded to the longest of the batch, whose items are the pieces of the storage.

    A piece is a line with the line break before it; the one that ends it is the first row of the next piece.

    What training averages over are the symbols to predict, so that these are the items of a `Share`.
    """

    def gather(self, items: Int[Tensor, " batch"]) -> Batch:
        """The lines of the pieces `items`."""
        return self.storage.sequences(items, beyond=1)

    def batch(self, plan: Int[Tensor, " items"], number: int) -> Batch:
        """One batch of this process."""
        found = super().batch(plan, number)
        if found.share is None:
            return found
        size = self.order.batch_size * self.order.world
        counts = self.storage.lengths[plan[number * size : (number + 1) * size]]
        before, own = found.share.first, len(found.start) if found.share.weight else 0
        total, mine = int(counts.sum()), int(counts[before : before + own].sum())
        share = Share(total, first=int(counts[:before].sum()), weight=mine * self.order.world / total)
        return found._replace(share=share)
