/* Largest samples of blocks of bins, in terms of REAL: a part of `passes.h`. */

/* Keep the larger of two values; one that is not a number is. */
INLINE void TYPED(keep)(REAL *kept, REAL value) {
    if ((value > *kept) | (value != value)) *kept = value;
}

#ifdef __GNUC__
INLINE void TYPED(keep_lane)(TYPED(Lane) *kept, TYPED(Lane) value) {
    __typeof__(value > *kept) wins = (value > *kept) | (value != value);
    *kept = (TYPED(Lane))(((__typeof__(wins))value & wins) | ((__typeof__(wins))*kept & ~wins));
}
#endif

/* Samples of a block: columns of lines, each of which reads cells of its line. */
struct TYPED(block) {
    const REAL *line;
    Py_ssize_t lines, pitch, columns;
    const TYPED(Tap) *tap;
    const int64_t *at; /* where the taps of each column begin */
    int pairs;         /* whether all columns have two taps */
};

/* Write the largest samples of a block, LANES channels after the other, and return where they end.
   Few of them are told apart, so that their weights stay in registers. */
INLINE Py_ssize_t TYPED(keep_lanes)(REAL *restrict bin, const struct TYPED(block) *block,
                                    Py_ssize_t width, int begins, Py_ssize_t lines,
                                    Py_ssize_t columns, int pairs) {
    Py_ssize_t i = 0;
#ifdef __GNUC__
    for (; i + LANES <= width; i += LANES) {
        TYPED(Lane) kept = {0};
        if (!begins) kept = LANE(bin + i, 0);
        for (Py_ssize_t y = 0; y < lines; y++) {
            const REAL *line = block->line + y * block->pitch + i;
            const TYPED(Tap) *restrict tap = block->tap;
            for (Py_ssize_t j = 0; j < columns; j++) {
                Py_ssize_t taps = pairs ? 2 : block->at[j + 1] - block->at[j];
                TYPED(Lane) sum = {0};
                for (Py_ssize_t t = 0; t < taps; t++, tap++)
                    sum += tap->weight * LANE(line + tap->offset, 0);
                if (begins && !y && !j) kept = sum;
                else TYPED(keep_lane)(&kept, sum);
            }
        }
        LANE(bin + i, 0) = kept;
    }
#endif
    return i;
}

/* Keep the largest samples of a block in a bin; what is there is among them unless it `begins`. */
INLINE void TYPED(keep_block)(REAL *restrict bin, const struct TYPED(block) *block, Py_ssize_t width,
                              int begins) {
    Py_ssize_t i, lines = block->lines, columns = block->columns;
    if (begins && block->pairs && lines == 2 && columns == 2)
        i = TYPED(keep_lanes)(bin, block, width, 1, 2, 2, 1);
    else i = TYPED(keep_lanes)(bin, block, width, begins, lines, columns, 0);
    for (; i < width; i++)
        for (Py_ssize_t y = 0; y < block->lines; y++) {
            const TYPED(Tap) *tap = block->tap;
            for (Py_ssize_t j = 0; j < block->columns; j++) {
                REAL value = 0;
                for (int64_t t = block->at[j]; t < block->at[j + 1]; t++, tap++)
                    value += tap->weight * block->line[y * block->pitch + tap->offset + i];
                if (begins && !y && !j) bin[i] = value;
                else TYPED(keep)(bin + i, value);
            }
        }
}

/* Blend the rows of some bins of a block, `p` and following, as many as lines have room for; return
   how many that are: those without rows, of which every sample is 0, are one at a time. */
INLINE Py_ssize_t TYPED(blend_block)(struct TYPED(scratch) *s, const struct work *work, Py_ssize_t p,
                                     REAL factor) {
    Py_ssize_t left = work->block[0] - p % work->block[0], some = TYPED(together)(s, work->lists, p);
    if (some > left) some = left;
    for (Py_ssize_t i = 0; i < some; i++) {
        Py_ssize_t rows = TYPED(list_rows)(s, work, p + i, factor);
        TYPED(blend_rows)(s->line + i * s->n * s->width, s->map, s->touched[1], work->cells.stride[1],
                          s->n, s->rows, rows, s->width);
    }
    return some;
}

/* Write the largest values of all blocks of a RoI (PH, PW, channels). */
APART void TYPED(weigh_blocks)(REAL *bins, struct TYPED(scratch) *s, const struct work *work,
                               REAL factor) {
    Py_ssize_t width = s->width, across = work->other.size[3] * width;
    const int64_t *cols = s->at[1];
    struct TYPED(block) block = {.line = s->line, .pitch = s->n * width, .columns = work->block[1]};
    for (Py_ssize_t p = 0; p < work->lists->bins[0]; p += larger_of(block.lines, 1)) {
        REAL *bin = bins + p / work->block[0] * across;
        int begins = p % work->block[0] == 0;
        block.lines = TYPED(blend_block)(s, work, p, factor);
        for (Py_ssize_t q = 0; block.lines && q < work->lists->bins[1]; q += block.columns, bin += width) {
            block.tap = s->columns + (cols[q] - cols[0]), block.at = cols + q, block.pairs = 1;
            for (Py_ssize_t j = q; j < q + block.columns; j++) block.pairs &= cols[j + 1] - cols[j] == 2;
            TYPED(keep_block)(bin, &block, width, begins);
        }
        for (Py_ssize_t i = 0; !block.lines && i < across; i++)
            if (begins) bin[i] = 0;
            else TYPED(keep)(bin + i, 0);
    }
}
