/* The largest cells of bins in terms of REAL: a part of `largest.c`. */

#include "planes.h"

/* Keep the larger values; one that is not a number is. */
INLINE void TYPED(keep)(REAL *restrict kept, const REAL *restrict values, Py_ssize_t count) {
    for (Py_ssize_t i = 0; i < count; i++) {
        REAL value = values[i], own = kept[i];
        kept[i] = (value > own) | (value != value) ? value : own;
    }
}

/* Write the largest of some cells, which are not none, channel by channel. */
INLINE void TYPED(write_bin)(REAL *restrict bin, const struct array *cells, const int64_t down[2],
                             const int64_t across[2]) {
    Py_ssize_t channels = cells->size[2], few = 32; /* whose values stay in registers */
    const REAL *first = (const REAL *)cells->buffer.buf + across[0] * cells->stride[1];
    for (Py_ssize_t c = 0; c < channels; c += few) {
        Py_ssize_t count = channels - c < few ? channels - c : few;
        memcpy(bin + c, first + down[0] * cells->stride[0] + c, count * sizeof *bin);
        for (int64_t y = down[0]; y < down[1]; y++) {
            const REAL *cell = first + y * cells->stride[0] + c;
            for (int64_t x = across[0]; x < across[1]; x++, cell += cells->stride[1]) {
                if (count == few) TYPED(keep)(bin + c, cell, few);
                else TYPED(keep)(bin + c, cell, count);
            }
        }
    }
    for (Py_ssize_t c = 0; c < channels; c++) {
        BITS bits = CANONICAL_NAN;
        if (bin[c] != bin[c]) memcpy(bin + c, &bits, sizeof bits);
    }
}

/* Write crop after crop; return -1 if there is no memory. */
DISPATCHED static int TYPED(write_crops)(const struct work *work) {
    Py_ssize_t PH = work->pooled[0], PW = work->pooled[1], channels = work->cells.size[2];
    REAL *bins = malloc(PH * PW * channels * sizeof *bins + 1);
    if (!bins) return -1;
    for (Py_ssize_t k = 0; k < work->rois; k++) {
        const int64_t *down = work->edges[0] + k * PH * 2, *across = work->edges[1] + k * PW * 2;
        for (Py_ssize_t at = 0; at < PH * PW; at++) {
            const int64_t *rows = down + at / PW * 2, *columns = across + at % PW * 2;
            if (rows[0] < rows[1] && columns[0] < columns[1])
                TYPED(write_bin)(bins + at * channels, &work->cells, rows, columns);
            else memset(bins + at * channels, 0, channels * sizeof *bins);
        }
        TYPED(turn)((REAL *)work->bins.buffer.buf + work->rows[k] * work->bins.stride[0],
                    work->bins.stride[1], bins, channels, PH * PW, channels);
    }
    free(bins);
    return 0;
}
