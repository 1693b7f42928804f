/* The largest samples of a RoI in a volume, in terms of REAL: a part of `solid.c`. */

/* Memory of a RoI. */
struct TYPED(scratch) {
    REAL *plane, *line, *values; /* (h, w), (w,) and of samples, (nx,) */
    REAL *weight[3][2];          /* (n,) each, of the first and the second cell of samples */
    REAL *bins;                  /* (PD, PH, PW) */
    int64_t *made, *count[3];    /* (h,) for which sample a row of the plane was made; of bins */
};

static int TYPED(make_scratch)(struct TYPED(scratch) *s, const struct work *work) {
    const Py_ssize_t *size = work->cells.size, *bins = work->bins.size;
    Py_ssize_t samples = 0, counts = size[2] + bins[1] + bins[2] + bins[3];
    for (int axis = 0; axis < 3; axis++) samples += 2 * work->line[axis].samples;
    Py_ssize_t values = (size[2] + 1) * size[3] + work->line[2].samples + bins[1] * bins[2] * bins[3];
    s->made = calloc(counts * sizeof *s->made + (values + samples) * sizeof(REAL), 1);
    if (!s->made) return -1;
    s->count[0] = s->made + size[2];
    s->count[1] = s->count[0] + bins[1], s->count[2] = s->count[1] + bins[2];
    s->plane = (REAL *)(s->count[2] + bins[3]);
    s->line = s->plane + size[2] * size[3], s->values = s->line + size[3];
    s->bins = s->values + work->line[2].samples;
    REAL *next = s->bins + bins[1] * bins[2] * bins[3];
    for (int axis = 0; axis < 3; axis++) {
        const struct line *line = work->line + axis;
        for (int end = 0; end < 2; end++, next += line->samples) {
            s->weight[axis][end] = next;
            for (Py_ssize_t i = 0; i < line->samples; i++)
                next[i] = (REAL)line->weight[end * line->samples + i];
        }
        for (Py_ssize_t i = 0; i < line->samples; i++) s->count[axis][line->bin[i]]++;
    }
    return 0;
}

/* Write a row of cells between two: each times a weight. */
INLINE void TYPED(blend)(REAL *restrict out, const REAL *near, const REAL *far, Py_ssize_t step,
                         REAL one, REAL other, Py_ssize_t count) {
    if (step == 1)
        for (Py_ssize_t x = 0; x < count; x++) out[x] = near[x] * one + far[x] * other;
    else
        for (Py_ssize_t x = 0; x < count; x++) out[x] = near[x * step] * one + far[x * step] * other;
}

/* Keep the largest samples of a row of them, at a sample's depth and height. */
INLINE void TYPED(keep_row)(const struct work *work, struct TYPED(scratch) *s, Py_ssize_t k,
                            Py_ssize_t j) {
    const struct line *deep = work->line, *across = work->line + 2;
    Py_ssize_t n = across->samples;
    const int64_t *near = across->cell, *far = across->cell + n;
    REAL *bins = s->bins + (deep->bin[k] * work->bins.size[2] + work->line[1].bin[j]) * work->bins.size[3];
    for (Py_ssize_t i = 0; i < n; i++)
        s->values[i] = s->line[near[i]] * s->weight[2][0][i] + s->line[far[i]] * s->weight[2][1][i];
    for (Py_ssize_t i = 0; i < n; i++) {
        REAL value = s->values[i], *bin = bins + across->bin[i];
        if ((value > *bin) | (value != value)) *bin = value;
    }
}

/* Fetch a row of the next sample along the depth, which the processor would not foresee. */
INLINE void TYPED(fetch_next)(const struct work *work, Py_ssize_t k, const REAL *row) {
    const struct line *deep = work->line;
    for (int end = 0; end < 2 && k + 1 < deep->samples; end++) {
        const REAL *next = row + deep->cell[end * deep->samples + k + 1] * work->cells.stride[1];
        for (Py_ssize_t x = 0; x < work->cells.size[3]; x += 64 / (Py_ssize_t)sizeof *row)
            PREFETCH(next + x * work->cells.stride[3]);
    }
}

/* Find the largest samples of a channel: cells are read along the depth, the height and the width. */
INLINE void TYPED(read_channel)(const struct work *work, struct TYPED(scratch) *s, Py_ssize_t c) {
    const Py_ssize_t *stride = work->cells.stride, *size = work->cells.size;
    const struct line *deep = work->line, *down = work->line + 1;
    const REAL *from = (const REAL *)work->cells.buffer.buf + c * stride[0];
    memset(s->made, 0, size[2] * sizeof *s->made);
    for (Py_ssize_t k = 0; k < deep->samples; k++) {
        const REAL *near = from + deep->cell[k] * stride[1];
        const REAL *far = from + deep->cell[deep->samples + k] * stride[1];
        for (Py_ssize_t j = 0; j < down->samples; j++) {
            const REAL *row[2];
            for (int end = 0; end < 2; end++) {
                int64_t y = down->cell[end * down->samples + j];
                REAL *own = s->plane + y * size[3];
                row[end] = own;
                if (s->made[y] == k + 1) continue;
                s->made[y] = k + 1;
                TYPED(fetch_next)(work, k, from + y * stride[2]);
                TYPED(blend)(own, near + y * stride[2], far + y * stride[2], stride[3],
                             s->weight[0][0][k], s->weight[0][1][k], size[3]);
            }
            TYPED(blend)(s->line, row[0], row[1], 1, s->weight[1][0][j], s->weight[1][1][j], size[3]);
            TYPED(keep_row)(work, s, k, j);
        }
    }
}

/* Write the bins of a channel: 0 where there is no sample, and where one out of range is largest. */
INLINE void TYPED(write_channel)(const struct work *work, const struct TYPED(scratch) *s,
                                 Py_ssize_t c) {
    const Py_ssize_t *stride = work->bins.stride, *size = work->bins.size + 1;
    REAL *to = (REAL *)work->bins.buffer.buf + c * stride[0];
    double every = 1;
    for (int axis = 0; axis < 3; axis++) every *= (double)work->line[axis].per_bin;
    for (Py_ssize_t at = 0; at < size[0] * size[1] * size[2]; at++) {
        Py_ssize_t r = at / size[2] / size[1], p = at / size[2] % size[1], q = at % size[2];
        double count = (double)s->count[0][r] * (double)s->count[1][p] * (double)s->count[2][q];
        REAL value = s->bins[at];
        BITS bits = CANONICAL_NAN;
        if (count == 0 || (value < 0 && count < every && !work->renormalize)) value = 0;
        if (value != value) memcpy(&value, &bits, sizeof value);
        to[r * stride[1] + p * stride[2] + q * stride[3]] = value;
    }
}

/* Write the crop of a RoI; return -1 if there is no memory. */
DISPATCHED static int TYPED(write_crop)(const struct work *work) {
    const Py_ssize_t *size = work->bins.size;
    struct TYPED(scratch) scratch;
    if (TYPED(make_scratch)(&scratch, work)) return -1;
    for (Py_ssize_t c = 0; c < size[0]; c++) {
        for (Py_ssize_t i = 0; i < size[1] * size[2] * size[3]; i++) scratch.bins[i] = -INFINITY;
        TYPED(read_channel)(work, &scratch, c);
        TYPED(write_channel)(work, &scratch, c);
    }
    free(scratch.made);
    return 0;
}
