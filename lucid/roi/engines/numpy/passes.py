"""What weights are computed for: each pass over RoIs has a strategy that chooses its forms."""

import numpy as np

from lucid.roi.engines.numpy import tuning
from lucid.roi.engines.numpy.layout import (
    BandLayout,
    ColumnForms,
    ListSizes,
    RowForms,
    Spans,
    band_layout,
    list_sizes,
    most_slots,
    spans_of,
    touched_slots,
    window_slots,
)
from lucid.roi.geometry import Geometry
from lucid.roi.taps import Taps
from lucid.roi.types import Bools, Ints

# The bits of products with rows of one to three values depend on where these lie.
NARROW_BYTES = 128


class BoxGradientPass:
    """The gradient of boxes: slopes are wanted, and columns are in one band."""

    slopes = True
    gathers = True  # cells into a patch

    def spans(self, geometry: Geometry, taps: Taps, cell_bytes: int) -> Spans:
        """Return which cells lines list: those with a tap."""
        return spans_of(geometry, taps, touched_slots(taps))

    def layout(self, geometry: Geometry, spans: Spans, cell_bytes: int) -> BandLayout:
        """Choose how lines are stored, for cells of so many bytes."""
        sizes = list_sizes(spans)
        rows_gapless, cols_gapless = spans.gapless.reshape(2, -1)
        gapless = rows_gapless & cols_gapless
        rows = self.row_forms(geometry.pooled[0], gapless, sizes, cell_bytes)
        cols = self.column_forms(geometry.pooled, rows, sizes, cell_bytes)
        return band_layout(geometry.pooled, sizes, rows, cols)

    def row_forms(self, PH: int, gapless: Bools, sizes: ListSizes, cell_bytes: int) -> RowForms:
        """Choose the form that costs least: gathered or in place, in one band or bin by bin."""
        now, width = tuning.current, sizes.total[1] * cell_bytes
        total, widest = sizes.total[0], sizes.widest_bin[0]
        placeable = gapless & (width >= NARROW_BYTES) & now.rows_in_place
        large = placeable & (widest * width >= now.in_place_bytes)
        in_one, in_all = now.many_bins_factor * PH * total, now.one_bin_factor * PH * widest
        costs = [
            (total + in_one) * width,
            np.where(PH > 1, (widest * PH + in_all) * width, np.inf),
            np.where(placeable, now.call_bytes + in_one * width, np.inf),
            np.where(large & (PH > 1), now.call_bytes * PH + in_all * width, np.inf),
        ]
        form = np.argmin(costs, axis=0)
        return RowForms(by_bin=form % 2 == 1, in_place=form >= 2, uncopied=form >= 2)

    def column_forms(
        self, pooled: tuple[int, int], rows: RowForms, sizes: ListSizes, cell_bytes: int
    ) -> ColumnForms:
        """Choose one band for all."""
        nowhere = np.zeros(len(rows.by_bin), bool)
        return ColumnForms(by_bin=nowhere, strided=nowhere)


class CropsPass(BoxGradientPass):
    """Crops: columns, too, may be in several bands."""

    slopes = False

    def column_forms(
        self, pooled: tuple[int, int], rows: RowForms, sizes: ListSizes, cell_bytes: int
    ) -> ColumnForms:
        """Choose bands where they spare more than they cost.

        Columns of a band for each bin are listed twice if neighbours share them: they are gathered,
        and weighted by row, twice.
        """
        (PH, PW), now = pooled, tuning.current
        if PW == 1:
            return super().column_forms(pooled, rows, sizes, cell_bytes)
        total, widest = sizes.total[1], sizes.widest_bin[1]
        spared = total * cell_bytes * now.many_bins_factor - now.bin_call_bytes
        height = np.where(rows.by_bin, sizes.widest_bin[0] * PH, sizes.total[0])
        again = (widest * PW - total) * height * cell_bytes * (1 + now.one_bin_factor) / (PH * PW)
        by_bin = widest * cell_bytes * now.one_bin_factor + again < spared
        weighted = sizes.strided_bin * cell_bytes * now.one_bin_factor
        strided = (spared - weighted) * PH * PW > now.group_bytes
        fits = sizes.stride * (PW - 1) + sizes.strided_bin <= total
        return ColumnForms(
            by_bin=by_bin & ~rows.in_place & now.cols_by_bin,
            strided=strided & fits & rows.in_place & now.cols_strided,
        )


class FeatureGradientPass(BoxGradientPass):
    """The gradient of features: windows are added to, perhaps as a whole."""

    slopes = False
    gathers = False

    def spans(self, geometry: Geometry, taps: Taps, cell_bytes: int) -> Spans:
        """Return which cells lines list: those with a tap, or all where that is less work."""
        forms = touched_slots(taps), window_slots(taps)
        touched, window = (most_slots(taps, slot, len(geometry)) for slot in forms)
        fills = fills_window(touched, window, geometry.pooled[0], cell_bytes)
        return spans_of(geometry, taps, np.where(np.tile(fills, 2)[taps.line], *reversed(forms)))

    def row_forms(self, PH: int, gapless: Bools, sizes: ListSizes, cell_bytes: int) -> RowForms:
        """Choose one band or bin by bin, which is less work to add to a map's gradient."""
        now, width = tuning.current, sizes.total[1] * cell_bytes
        one_by_one = PH * (
            now.add_call_bytes + now.add_one_bin_factor * sizes.widest_bin[0] * width
        )
        by_bin = one_by_one < now.add_many_bins_factor * sizes.total[0] * width
        return RowForms(
            by_bin=by_bin & gapless & (PH > 1),
            in_place=np.zeros(len(by_bin), bool),
            uncopied=np.ones(len(by_bin), bool),
        )


Pass = BoxGradientPass | CropsPass | FeatureGradientPass


def fills_window(touched: Ints, window: Ints, bins: int, cell_bytes: int) -> Bools:
    """Return of which RoIs all cells of the window are added to: less work than to leave some out.

    They touch (2, K) cells along the axes of windows (2, K), and have so many rows of bins.
    """
    now = tuning.current
    all_cells = window.prod(axis=0) + now.add_column_factor * bins * (window[1] - touched[1])
    scattered = now.add_scattered_factor * touched.prod(axis=0) * cell_bytes + now.add_roi_bytes
    fills: Bools = all_cells * cell_bytes < scattered
    return fills
