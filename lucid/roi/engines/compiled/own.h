/* Bins that have channels of their own, in terms of REAL: a part of `passes.h`. Bin (p, q) of channel
   c reads plane (c * PH + p) * PW + q alone, so planes are read where they lie, one after the other,
   each by all RoIs. */

/* What a bin of a RoI reads along an axis: cells counted from the first of a plane, and weights. */
struct TYPED(reads) {
    const int32_t *cell, *touched;
    const double *weight;
    Py_ssize_t count, step;
    int32_t first; /* cell of the map that a plane begins at */
    REAL factor;
};

INLINE struct TYPED(reads) TYPED(reads_of)(const struct work *work, int axis, Py_ssize_t roi,
                                           Py_ssize_t bin, REAL factor) {
    const struct lists *lists = work->lists;
    const int64_t *at = bins_of(lists, axis, roi) + bin;
    return (struct TYPED(reads)){
        .cell = lists->cell + at[0], .touched = lists->touched + touched_of(lists, axis, roi)[0],
        .weight = lists->weight + at[0], .count = at[1] - at[0],
        .step = work->cells.stride[axis], .first = axis ? work->left : work->top, .factor = factor};
}

INLINE Py_ssize_t TYPED(offset_of)(const struct TYPED(reads) *reads, Py_ssize_t i) {
    return (reads->touched[reads->cell[i]] - reads->first) * reads->step;
}

/* A bin of one plane: the sums of its rows, column by column. */
INLINE REAL TYPED(mean_of)(const REAL *plane, const struct TYPED(reads) *rows,
                           const struct TYPED(reads) *columns) {
    REAL mean = 0;
    for (Py_ssize_t x = 0; x < columns->count; x++) {
        const REAL *column = plane + TYPED(offset_of)(columns, x);
        REAL sum = 0;
        for (Py_ssize_t y = 0; y < rows->count; y++) {
            REAL term = (REAL)rows->weight[y] * rows->factor * column[TYPED(offset_of)(rows, y)];
            sum = y ? sum + term : term;
        }
        sum *= (REAL)columns->weight[x];
        mean = x ? mean + sum : sum;
    }
    return mean;
}

/* The same of columns that follow each other in memory: row by row, for few columns at a time. */
INLINE REAL TYPED(mean_of_run)(const REAL *plane, const struct TYPED(reads) *rows,
                               const struct TYPED(reads) *columns) {
    REAL mean = 0, sums[CELLS];
    plane += TYPED(offset_of)(columns, 0);
    for (Py_ssize_t x = 0, n; x < columns->count; x += n) {
        n = columns->count - x < CELLS ? columns->count - x : CELLS;
        for (Py_ssize_t y = 0; y < rows->count; y++) {
            const REAL *row = plane + TYPED(offset_of)(rows, y) + x;
            REAL weight = (REAL)rows->weight[y] * rows->factor;
            if (y) for (Py_ssize_t i = 0; i < n; i++) sums[i] += weight * row[i];
            else for (Py_ssize_t i = 0; i < n; i++) sums[i] = weight * row[i];
        }
        for (Py_ssize_t i = 0; i < n; i++) {
            REAL sum = (REAL)columns->weight[x + i] * sums[i];
            mean = x + i ? mean + sum : sum;
        }
    }
    return mean;
}

INLINE REAL TYPED(own_bin)(const REAL *plane, const struct work *work, Py_ssize_t roi, Py_ssize_t p,
                           Py_ssize_t q, REAL factor) {
    const struct TYPED(reads) rows = TYPED(reads_of)(work, 0, roi, p, factor);
    const struct TYPED(reads) columns = TYPED(reads_of)(work, 1, roi, q, 1);
    Py_ssize_t last = columns.count - 1;
    if (!rows.count || !columns.count) return 0;
    if (last >= LANES && columns.step == 1 && columns.cell[last] - columns.cell[0] == last
        && TYPED(offset_of)(&columns, last) - TYPED(offset_of)(&columns, 0) == last)
        return TYPED(mean_of_run)(plane, &rows, &columns);
    return TYPED(mean_of)(plane, &rows, &columns);
}

/* Write one bin of each RoI, all of a plane; a mean of the largest values is not rounded over them. */
static TARGET void TYPED(own_bins)(const struct work *work, Py_ssize_t c, Py_ssize_t p,
                                   Py_ssize_t q) {
    const Py_ssize_t *stride = work->other.stride, *size = work->other.size;
    Py_ssize_t number = (c * size[2] + p) * size[3] + q;
    const REAL *plane = (REAL *)work->cells.buffer.buf + number * work->cells.stride[2];
    REAL *out = (REAL *)work->other.buffer.buf + c * stride[1] + p * size[3] + q;
    const int64_t *rows = work->rows.buf;
    for (Py_ssize_t roi = work->first; roi < work->end; roi++) {
        REAL mean = TYPED(own_bin)(plane, work, roi, p, q, 1);
        if (!TYPED(is_finite)(mean))
            mean = TYPED(doubled)(TYPED(own_bin)(plane, work, roi, p, q, (REAL)0.5));
        out[rows[roi - work->first] * stride[0]] = mean;
    }
}

static TARGET int TYPED(write_own)(const struct work *work) {
    const Py_ssize_t *size = work->other.size;
    for (Py_ssize_t c = 0; c < size[1]; c++)
        for (Py_ssize_t p = 0; p < size[2]; p++)
            for (Py_ssize_t q = 0; q < size[3]; q++) TYPED(own_bins)(work, c, p, q);
    return 0;
}
