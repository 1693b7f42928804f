/* Largest samples of blocks of bins, in terms of REAL: a part of `passes.h`. */

/* The larger of two values; one that is not a number is. */
INLINE REAL TYPED(larger)(REAL kept, REAL value) {
    return (value > kept) | (value != value) ? value : kept;
}

#ifdef __GNUC__
INLINE TYPED(Lane) TYPED(larger_lane)(TYPED(Lane) kept, TYPED(Lane) value) {
    __typeof__(value > kept) wins = (value > kept) | (value != value);
    return (TYPED(Lane))(((__typeof__(wins))value & wins) | ((__typeof__(wins))kept & ~wins));
}
#endif

/* Keep the largest values of some columns of a line, each a sum over taps; those of `bin` are among
   them unless it is the `first` line. */
INLINE void TYPED(keep_columns)(REAL *restrict bin, const REAL *restrict line,
                                const TYPED(Tap) *columns, const int64_t *at, Py_ssize_t count,
                                Py_ssize_t width, int first) {
    Py_ssize_t i = 0;
#ifdef __GNUC__
    for (; i + STEP <= width; i += STEP) {
        TYPED(Lane) k = {0}, l = {0}, m = {0}, n = {0};
        if (!first) k = LANE(bin + i, 0), l = LANE(bin + i, 1), m = LANE(bin + i, 2), n = LANE(bin + i, 3);
        for (Py_ssize_t j = 0; j < count; j++) {
            TYPED(Lane) a = {0}, b = {0}, c = {0}, d = {0};
            for (int64_t t = at[j] - at[0]; t < at[j + 1] - at[0]; t++) {
                const REAL *next = line + columns[t].offset + i, weight = columns[t].weight;
                a += weight * LANE(next, 0), b += weight * LANE(next, 1);
                c += weight * LANE(next, 2), d += weight * LANE(next, 3);
            }
            if (first && !j) k = a, l = b, m = c, n = d;
            else k = TYPED(larger_lane)(k, a), l = TYPED(larger_lane)(l, b),
                 m = TYPED(larger_lane)(m, c), n = TYPED(larger_lane)(n, d);
        }
        LANE(bin + i, 0) = k, LANE(bin + i, 1) = l, LANE(bin + i, 2) = m, LANE(bin + i, 3) = n;
    }
#endif
    for (; i < width; i++)
        for (Py_ssize_t j = 0; j < count; j++) {
            REAL value = 0;
            for (int64_t t = at[j] - at[0]; t < at[j + 1] - at[0]; t++)
                value += columns[t].weight * line[columns[t].offset + i];
            bin[i] = first && !j ? value : TYPED(larger)(bin[i], value);
        }
}

/* Write the largest values of all blocks of a RoI (PH, PW, channels). */
INLINE void TYPED(weigh_blocks)(REAL *bins, struct TYPED(scratch) *s, const struct work *work,
                                Py_ssize_t roi, REAL factor) {
    const struct lists *lists = work->lists;
    const int64_t *rows = bins_of(lists, 0, roi), *cols = s->column_bins;
    const int32_t *column = lists->column + lists->columns_at[roi];
    Py_ssize_t n = lists->columns_at[roi + 1] - lists->columns_at[roi], width = s->width;
    Py_ssize_t step = work->cells.stride[1], across = work->other.size[3] * width;
    const REAL *cells = (const REAL *)work->cells.buffer.buf - work->left * step;
    for (Py_ssize_t p = 0; p < lists->bins[0]; p++) {
        const TYPED(Tap) *end = TYPED(list_rows)(s, work, rows + p, factor);
        REAL *bin = bins + p / work->block[0] * across;
        int reads = end > s->rows, first = p % work->block[0] == 0;
        if (reads) TYPED(blend)(s->line, cells, column, n, step, s->rows, end - s->rows, width);
        for (Py_ssize_t q = 0; reads && q < lists->bins[1]; q += work->block[1], bin += width)
            TYPED(keep_columns)(bin, s->line, s->columns + (cols[q] - cols[0]), cols + q,
                                work->block[1], width, first);
        for (Py_ssize_t i = 0; !reads && i < across; i++)
            bin[i] = first ? 0 : TYPED(larger)(bin[i], 0);
    }
}
