/* Largest samples of blocks of bins, in terms of REAL: a part of `passes.h`. */

/* Keep the larger of two values; one that is not a number is. */
INLINE void TYPED(keep)(REAL *kept, REAL value) {
    if ((value > *kept) | (value != value)) *kept = value;
}

#ifdef __GNUC__
INLINE void TYPED(keep_lane)(TYPED(Lane) *kept, const TYPED(Lane) *value) {
    __typeof__(*value > *kept) wins = (*value > *kept) | (*value != *value);
    *kept = (TYPED(Lane))(((__typeof__(wins))*value & wins) | ((__typeof__(wins))*kept & ~wins));
}
#endif

/* Keep the largest values of some columns of a line, each a sum over taps; those of `bin` are among
   them unless it is the `first` line. */
INLINE void TYPED(keep_columns)(REAL *restrict bin, const REAL *restrict line,
                                const TYPED(Tap) *columns, const int64_t *at, Py_ssize_t count,
                                Py_ssize_t width, int first) {
    Py_ssize_t i = 0;
#ifdef __GNUC__
    for (; i + LANES <= width; i += LANES) {
        TYPED(Lane) kept = {0};
        if (!first) kept = LANE(bin + i, 0);
        for (Py_ssize_t j = 0; j < count; j++) {
            TYPED(Lane) sum = {0};
            for (int64_t t = at[j] - at[0]; t < at[j + 1] - at[0]; t++)
                sum += columns[t].weight * LANE(line + columns[t].offset + i, 0);
            if (first && !j) kept = sum;
            else TYPED(keep_lane)(&kept, &sum);
        }
        LANE(bin + i, 0) = kept;
    }
#endif
    for (; i < width; i++)
        for (Py_ssize_t j = 0; j < count; j++) {
            REAL value = 0;
            for (int64_t t = at[j] - at[0]; t < at[j + 1] - at[0]; t++)
                value += columns[t].weight * line[columns[t].offset + i];
            if (first && !j) bin[i] = value;
            else TYPED(keep)(bin + i, value);
        }
}

/* Write the largest values of all blocks of a RoI (PH, PW, channels). */
APART void TYPED(weigh_blocks)(REAL *bins, struct TYPED(scratch) *s, const struct work *work,
                               REAL factor) {
    Py_ssize_t width = s->width, across = work->other.size[3] * width;
    const int64_t *cols = s->at[1];
    for (Py_ssize_t p = 0; p < work->lists->bins[0]; p++) {
        Py_ssize_t rows = TYPED(list_rows)(s, work, p, factor);
        REAL *bin = bins + p / work->block[0] * across;
        int first = p % work->block[0] == 0;
        if (rows)
            TYPED(blend_rows)(s->line, s->map, s->touched[1], work->cells.stride[1], s->n, s->rows, rows,
                              width);
        for (Py_ssize_t q = 0; rows && q < work->lists->bins[1]; q += work->block[1], bin += width)
            TYPED(keep_columns)(bin, s->line, s->columns + (cols[q] - cols[0]), cols + q,
                                work->block[1], width, first);
        for (Py_ssize_t i = 0; !rows && i < across; i++)
            if (first) bin[i] = 0;
            else TYPED(keep)(bin + i, 0);
    }
}
