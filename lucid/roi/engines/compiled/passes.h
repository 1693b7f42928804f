/* The passes over RoIs, and copies of cells, in terms of REAL: `kernel.c` says what a pass is. */

struct TYPED(tap) {
    Py_ssize_t offset; /* of what is read, in values */
    REAL weight;
};
typedef struct TYPED(tap) TYPED(Tap);

/* Memory of a pass over RoIs. */
struct TYPED(scratch) {
    TYPED(Tap) *rows, *columns; /* of one bin; of all bins of a RoI */
    REAL *line, *back;          /* (touched columns, channels) */
    REAL *bins, *again;         /* (PH, PW, channels) */
    REAL *row_sums, *column_sums; /* (taps, LANES) */
    const int64_t *column_bins; /* where the columns of each bin begin */
    Py_ssize_t width;           /* channels */
};

/* Make room in one piece of memory, which `rows` begins; return -1 if there is none. */
static int TYPED(make_scratch)(struct TYPED(scratch) *s, const struct work *work) {
    const struct lists *lists = work->lists;
    Py_ssize_t width = work->cells.size[2], area = work->other.size[2] * work->other.size[3];
    Py_ssize_t row = lists->most_rows, column = lists->most_column_taps;
    Py_ssize_t channels = 2 * (lists->most_columns + area), taps = row + column;
    if (width && channels > PY_SSIZE_T_MAX / 64 / width) return -1;
    s->width = width;
    s->rows = malloc(taps * (sizeof *s->rows + LANES * sizeof(REAL))
                     + channels * width * sizeof(REAL) + 1);
    if (!s->rows) return -1;
    s->columns = s->rows + row;
    s->row_sums = (REAL *)(s->columns + column);
    s->column_sums = s->row_sums + row * LANES;
    s->line = s->column_sums + column * LANES;
    s->back = s->line + lists->most_columns * width;
    s->bins = s->back + lists->most_columns * width;
    s->again = s->bins + area * width;
    return 0;
}

#ifdef __GNUC__
/* LANES channels in one or two registers, wherever they lie in memory. */
typedef REAL TYPED(Lane)
    __attribute__((vector_size(LANES * sizeof(REAL)), aligned(sizeof(REAL)), may_alias));
#define LANE(values, i) (((TYPED(Lane) *)(values))[i])
#endif

/* A value of the sum of weight * from[offset ..] over taps, in their order. */
INLINE REAL TYPED(sum)(const REAL *from, const TYPED(Tap) *tap, Py_ssize_t taps) {
    REAL sum = tap->weight * from[tap->offset];
    for (Py_ssize_t t = 1; t < taps; t++) sum += tap[t].weight * from[tap[t].offset];
    return sum;
}

/* out = these sums of n cells, which lie at so many steps. */
INLINE void TYPED(blend_cells)(REAL *restrict out, const REAL *restrict from, const int32_t *at,
                               Py_ssize_t n, Py_ssize_t step, const TYPED(Tap) *tap,
                               Py_ssize_t taps, Py_ssize_t width) {
    for (Py_ssize_t x = 0; x < n; x++, out += width) {
        const REAL *cell = from + at[x] * step;
        Py_ssize_t i = 0;
#ifdef __GNUC__
        for (; i + STEP <= width; i += STEP) { /* four sums, which stay in registers */
            const REAL *next = cell + tap->offset + i;
            TYPED(Lane) a = tap->weight * LANE(next, 0), b = tap->weight * LANE(next, 1);
            TYPED(Lane) c = tap->weight * LANE(next, 2), d = tap->weight * LANE(next, 3);
            for (Py_ssize_t t = 1; t < taps; t++) {
                next = cell + tap[t].offset + i;
                a += tap[t].weight * LANE(next, 0), b += tap[t].weight * LANE(next, 1);
                c += tap[t].weight * LANE(next, 2), d += tap[t].weight * LANE(next, 3);
            }
            LANE(out + i, 0) = a, LANE(out + i, 1) = b, LANE(out + i, 2) = c, LANE(out + i, 3) = d;
        }
#endif
        for (; i < width; i++) out[i] = TYPED(sum)(cell + i, tap, taps);
    }
}

/* The same; few taps are told apart once for all cells, so that they stay in registers. */
INLINE void TYPED(blend)(REAL *out, const REAL *from, const int32_t *at, Py_ssize_t n,
                         Py_ssize_t step, const TYPED(Tap) *tap, Py_ssize_t taps,
                         Py_ssize_t width) {
    switch (taps) {
    case 0: memset(out, 0, n * width * sizeof *out); break;
    case 1: TYPED(blend_cells)(out, from, at, n, step, tap, 1, width); break;
    case 2: TYPED(blend_cells)(out, from, at, n, step, tap, 2, width); break;
    case 3: TYPED(blend_cells)(out, from, at, n, step, tap, 3, width); break;
    case 4: TYPED(blend_cells)(out, from, at, n, step, tap, 4, width); break;
    default: TYPED(blend_cells)(out, from, at, n, step, tap, taps, width);
    }
}

/* to[offset ..] += weight * values, for each tap: the transpose of `blend`. */
INLINE void TYPED(spread)(REAL *restrict to, const REAL *restrict values, const TYPED(Tap) *tap,
                          const TYPED(Tap) *end, Py_ssize_t width) {
    Py_ssize_t i = 0;
#ifdef __GNUC__
    for (; i + STEP <= width; i += STEP) {
        const TYPED(Lane) a = LANE(values + i, 0), b = LANE(values + i, 1);
        const TYPED(Lane) c = LANE(values + i, 2), d = LANE(values + i, 3);
        for (const TYPED(Tap) *t = tap; t < end; t++) {
            REAL *out = to + t->offset + i;
            LANE(out, 0) += t->weight * a, LANE(out, 1) += t->weight * b;
            LANE(out, 2) += t->weight * c, LANE(out, 3) += t->weight * d;
        }
    }
#endif
    for (; i < width; i++)
        for (const TYPED(Tap) *t = tap; t < end; t++) to[t->offset + i] += t->weight * values[i];
}

/* sums[tap] += values * from[offset ..], for each tap, and `blend` of the same unless `out` is
   NULL. Channel i is added to lane i % LANES: of STEP channels the first to the second and the
   third to the fourth, then both. The lanes are added at the end, in double. */
INLINE void TYPED(dots)(REAL *restrict sums, REAL *restrict out, const REAL *restrict values,
                        const REAL *restrict from, const TYPED(Tap) *tap, const TYPED(Tap) *end,
                        Py_ssize_t width) {
    Py_ssize_t i = 0;
#ifdef __GNUC__
    for (; i + STEP <= width; i += STEP) {
        const TYPED(Lane) e = LANE(values + i, 0), f = LANE(values + i, 1);
        const TYPED(Lane) g = LANE(values + i, 2), h = LANE(values + i, 3);
        TYPED(Lane) a = {0}, b = {0}, c = {0}, d = {0};
        for (const TYPED(Tap) *t = tap; t < end; t++) {
            const REAL *next = from + t->offset + i;
            const TYPED(Lane) j = LANE(next, 0), k = LANE(next, 1);
            const TYPED(Lane) l = LANE(next, 2), m = LANE(next, 3);
            LANE(sums, t - tap) += (e * j + f * k) + (g * l + h * m);
            if (out) a += t->weight * j, b += t->weight * k, c += t->weight * l, d += t->weight * m;
        }
        if (!out) continue;
        LANE(out + i, 0) = a, LANE(out + i, 1) = b, LANE(out + i, 2) = c, LANE(out + i, 3) = d;
    }
#else
    for (; i + STEP <= width; i += STEP)
        for (const TYPED(Tap) *t = tap; t < end; t++)
            for (int j = 0; j < LANES; j++) {
                const REAL *v = values + i + j, *w = from + t->offset + i + j;
                sums[(t - tap) * LANES + j] += (v[0] * w[0] + v[LANES] * w[LANES])
                    + (v[2 * LANES] * w[2 * LANES] + v[3 * LANES] * w[3 * LANES]);
            }
    for (Py_ssize_t j = 0; out && j < i; j++) out[j] = TYPED(sum)(from + j, tap, end - tap);
#endif
    if (out) memset(out + i, 0, (width - i) * sizeof *out);
    for (const TYPED(Tap) *t = tap; t < end; t++)
        for (Py_ssize_t j = i; j < width; j++) {
            sums[(t - tap) * LANES + j % LANES] += values[j] * from[t->offset + j];
            if (out) out[j] += t->weight * from[t->offset + j];
        }
}

INLINE double TYPED(total)(const REAL *sums) {
    double total = 0;
    for (int j = 0; j < LANES; j++) total += (double)sums[j];
    return total;
}

#include "planes.h"

/* List the columns of all bins of a RoI; their offsets are those in a line. */
INLINE void TYPED(list_columns)(struct TYPED(scratch) *s, const struct lists *lists,
                                Py_ssize_t roi) {
    const int64_t *at = s->column_bins = bins_of(lists, 1, roi);
    for (int64_t tap = at[0]; tap < at[lists->bins[1]]; tap++)
        s->columns[tap - at[0]] = (TYPED(Tap)){lists->cell[tap] * s->width,
                                               (REAL)lists->weight[tap]};
}

/* List the rows of a bin, their weights times a factor; return where they end. */
INLINE const TYPED(Tap) *TYPED(list_rows)(struct TYPED(scratch) *s, const struct work *work,
                                          const int64_t *at, REAL factor) {
    const struct lists *lists = work->lists;
    TYPED(Tap) *next = s->rows;
    for (int64_t tap = at[0]; tap < at[1]; tap++)
        *next++ = (TYPED(Tap)){(lists->cell[tap] - work->top) * work->cells.stride[0],
                               (REAL)lists->weight[tap] * factor};
    return next;
}

#include "maxima.h"

/* Weight a RoI by row and by column: write its bins (PH, PW, channels). */
INLINE void TYPED(weigh)(REAL *bins, struct TYPED(scratch) *s, const struct work *work,
                         Py_ssize_t roi, REAL factor) {
    const struct lists *lists = work->lists;
    const int64_t *rows = bins_of(lists, 0, roi), *cols = s->column_bins;
    const int32_t *column = lists->column + lists->columns_at[roi];
    Py_ssize_t n = lists->columns_at[roi + 1] - lists->columns_at[roi], width = s->width;
    const REAL *cells = work->cells.buffer.buf;
    const int32_t zero = 0;
    if (work->block[0] * work->block[1] > 1) {
        TYPED(weigh_blocks)(bins, s, work, roi, factor);
        return;
    }
    for (Py_ssize_t p = 0; p < lists->bins[0]; p++) {
        const TYPED(Tap) *end = TYPED(list_rows)(s, work, rows + p, factor);
        if (end > s->rows)
            TYPED(blend)(s->line, cells - work->left * work->cells.stride[1], column, n,
                         work->cells.stride[1], s->rows, end - s->rows, width);
        for (Py_ssize_t q = 0; q < lists->bins[1]; q++, bins += width)
            if (end == s->rows) memset(bins, 0, width * sizeof *bins);
            else TYPED(blend)(bins, s->line, &zero, 1, 0, s->columns + (cols[q] - cols[0]),
                              cols[q + 1] - cols[q], width);
    }
}

INLINE int TYPED(is_finite)(REAL value) {
    BITS bits;
    memcpy(&bits, &value, sizeof bits);
    return (bits & EXPONENT) != EXPONENT;
}

INLINE REAL TYPED(canonical)(REAL value) {
    BITS bits = CANONICAL_NAN;
    if (value != value) memcpy(&value, &bits, sizeof bits);
    return value;
}

INLINE int TYPED(all_finite)(const REAL *values, Py_ssize_t count) {
    BITS found = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        BITS bits;
        memcpy(&bits, values + i, sizeof bits);
        found |= (bits & EXPONENT) + (EXPONENT & -EXPONENT); /* carries where all bits are set */
    }
    return !(found >> (8 * sizeof found - 1));
}

/* Means of the largest values may be rounded over them: weight half of them, and double what fits. */
APART void TYPED(mend)(struct TYPED(scratch) *s, const struct work *work, Py_ssize_t roi) {
    Py_ssize_t count = work->other.size[2] * work->other.size[3] * s->width;
    BITS bits = EXPONENT - 1;
    REAL largest;
    memcpy(&largest, &bits, sizeof bits);
    TYPED(weigh)(s->again, s, work, roi, (REAL)0.5);
    for (Py_ssize_t i = 0; i < count; i++) {
        REAL half = s->again[i];
        if (TYPED(is_finite)(s->bins[i])) continue;
        if (TYPED(is_finite)(half))
            half = half > largest / 2 ? largest / 2 : half < -largest / 2 ? -largest / 2 : half;
        s->bins[i] = TYPED(canonical)(half * 2);
    }
}

/* The channels of a RoI's crop, or of its gradient, in the caller's array. */
INLINE REAL *TYPED(crop_of)(const struct work *work, Py_ssize_t roi) {
    const int64_t *rows = work->rows.buf;
    return (REAL *)work->other.buffer.buf + rows[roi - work->first] * work->other.stride[0];
}

/* Write bins to a RoI's crop, `past` the cache if that is asked for; return whether all are finite.
   Few channels at a time, so that they stay in the cache until they are written. */
INLINE int TYPED(write_crop)(struct TYPED(scratch) *s, const struct work *work, Py_ssize_t roi,
                             int past) {
    Py_ssize_t area = work->other.size[2] * work->other.size[3], stride = work->other.stride[1];
    Py_ssize_t some = STAGED_BYTES / sizeof(REAL) / area / 4 * 4, size = area * sizeof(REAL);
    REAL *crop = TYPED(crop_of)(work, roi);
    int finite = 1;
    some = some < 4 ? 4 : some;
    for (Py_ssize_t c = 0, n; c < s->width; c += n, crop += n * stride) {
        n = s->width - c < some ? s->width - c : some;
        TYPED(turn)(s->again, area, s->bins + c, s->width, n, area, 1);
        finite &= TYPED(all_finite)(s->again, n * area);
        if (past) copy_past((char *)crop, (const char *)s->again, n * size);
        else for (Py_ssize_t k = 0; k < n; k++) memcpy(crop + k * stride, s->again + k * area, size);
    }
    return finite;
}

/* Fetch a row of bins' share of the next RoI's gradient, which the processor would not foresee: so
   it is there when it is turned. */
INLINE void TYPED(fetch_next)(const struct TYPED(scratch) *s, const struct work *work,
                              Py_ssize_t roi, Py_ssize_t p) {
    Py_ssize_t row = work->lists->bins[1] * s->width;
    if (roi + 1 == work->end) return;
    for (Py_ssize_t i = p * row; i < (p + 1) * row; i += 64 / (Py_ssize_t)sizeof(REAL))
        PREFETCH(TYPED(crop_of)(work, roi + 1) + i);
}

/* Write the gradient of a line of touched columns from that of a row of bins. */
INLINE void TYPED(spread_columns)(struct TYPED(scratch) *s, const struct lists *lists,
                                  const REAL *bins, Py_ssize_t n) {
    const int64_t *at = s->column_bins;
    memset(s->back, 0, n * s->width * sizeof *s->back);
    for (Py_ssize_t q = 0; q < lists->bins[1]; q++)
        TYPED(spread)(s->back, bins + q * s->width, s->columns + (at[q] - at[0]),
                      s->columns + (at[q + 1] - at[0]), s->width);
}

/* Add a RoI's part of the gradient of features to cells. */
INLINE void TYPED(add_features)(struct TYPED(scratch) *s, const struct work *work,
                                Py_ssize_t roi) {
    const struct lists *lists = work->lists;
    const int32_t *column = lists->column + lists->columns_at[roi];
    Py_ssize_t n = lists->columns_at[roi + 1] - lists->columns_at[roi];
    for (Py_ssize_t p = 0; p < lists->bins[0]; p++) {
        const TYPED(Tap) *end = TYPED(list_rows)(s, work, bins_of(lists, 0, roi) + p, 1);
        TYPED(fetch_next)(s, work, roi, p);
        if (end == s->rows) continue;
        TYPED(spread_columns)(s, lists, s->bins + p * lists->bins[1] * s->width, n);
        for (Py_ssize_t x = 0; x < n; x++)
            TYPED(spread)((REAL *)work->cells.buffer.buf
                              + (column[x] - work->left) * work->cells.stride[1],
                          s->back + x * s->width, s->rows, end, s->width);
    }
}

/* Add to `ends` (start, end) what taps bring: their slopes times the gradients of their weights. */
INLINE void TYPED(add_slopes)(double ends[2], const struct lists *lists, int64_t tap, int64_t end,
                              const REAL *sums) {
    for (; tap < end; tap++, sums += LANES)
        for (int side = 0; side < 2; side++)
            ends[side] += lists->slope[side][tap] * TYPED(total)(sums);
}

/* The gradient (start, end) of a RoI's rows, then of its columns, from that of its bins. */
INLINE void TYPED(box)(double ends[2][2], struct TYPED(scratch) *s, const struct work *work,
                       Py_ssize_t roi) {
    const struct lists *lists = work->lists;
    const int64_t *rows = bins_of(lists, 0, roi), *cols = s->column_bins;
    const int32_t *column = lists->column + lists->columns_at[roi];
    Py_ssize_t n = lists->columns_at[roi + 1] - lists->columns_at[roi], PW = lists->bins[1];
    memset(s->column_sums, 0, (cols[PW] - cols[0]) * LANES * sizeof(REAL));
    for (Py_ssize_t p = 0; p < lists->bins[0]; p++) {
        const REAL *bins = s->bins + p * PW * s->width;
        const TYPED(Tap) *end = TYPED(list_rows)(s, work, rows + p, 1);
        TYPED(fetch_next)(s, work, roi, p);
        if (end == s->rows) continue;
        TYPED(spread_columns)(s, lists, bins, n);
        memset(s->row_sums, 0, (end - s->rows) * LANES * sizeof(REAL));
        for (Py_ssize_t x = 0; x < n; x++) {
            const REAL *cells = (const REAL *)work->cells.buffer.buf
                + (column[x] - work->left) * work->cells.stride[1];
            TYPED(dots)(s->row_sums, s->line + x * s->width, s->back + x * s->width, cells, s->rows,
                        end, s->width);
        }
        TYPED(add_slopes)(ends[0], lists, rows[p], rows[p + 1], s->row_sums);
        for (Py_ssize_t q = 0; q < PW; q++)
            TYPED(dots)(s->column_sums + (cols[q] - cols[0]) * LANES, NULL, bins + q * s->width, s->line,
                        s->columns + (cols[q] - cols[0]), s->columns + (cols[q + 1] - cols[0]),
                        s->width);
    }
    TYPED(add_slopes)(ends[1], lists, cols[0], cols[PW], s->column_sums);
}

/* Work on one RoI after the other; a pass over boxes writes their gradient (x1, y1, x2, y2). */
DISPATCHED static int TYPED(work_on_rois)(const struct work *work, enum pass pass,
                                          double *gradient) {
    struct TYPED(scratch) s;
    if (TYPED(make_scratch)(&s, work)) return -1;
    Py_ssize_t area = work->other.size[2] * work->other.size[3], stride = work->other.stride[1];
    int past = can_stream() && stride == area
        && s.width * area * (Py_ssize_t)sizeof(REAL) * (work->end - work->first) >= PAST_BYTES;
    for (Py_ssize_t roi = work->first; roi < work->end; roi++) {
        double ends[2][2] = {{0, 0}, {0, 0}};
        TYPED(list_columns)(&s, work->lists, roi);
        if (pass == CROPS) {
            TYPED(weigh)(s.bins, &s, work, roi, 1);
            if (TYPED(write_crop)(&s, work, roi, past)) continue;
            TYPED(mend)(&s, work, roi);
            TYPED(write_crop)(&s, work, roi, past);
            continue;
        }
        TYPED(turn)(TYPED(crop_of)(work, roi), stride, s.bins, s.width, s.width, area, 0);
        if (pass == FEATURES) TYPED(add_features)(&s, work, roi);
        else TYPED(box)(ends, &s, work, roi);
        for (int side = 0; pass == BOXES && side < 4; side++)
            *gradient++ = ends[1 - side % 2][side / 2];
    }
    fence();
    free(s.rows);
    return 0;
}

/* Write the cells that RoIs touch, of each row from the first to the last. */
DISPATCHED static int TYPED(lay_out)(const struct work *work) {
    const Py_ssize_t *stride = work->other.stride, *wide = work->cells.stride;
    Py_ssize_t channels = work->cells.size[2];
    int32_t(*spans)[2] = malloc(work->cells.size[0] * sizeof *spans + 1);
    if (!spans) return -1;
    spans_of(spans, work);
    for (Py_ssize_t y = 0; y < work->cells.size[0]; y++) {
        Py_ssize_t begin = spans[y][0] - work->left, count = spans[y][1] - spans[y][0];
        if (count <= 0) continue;
        REAL *to = (REAL *)work->cells.buffer.buf + y * wide[0] + begin * wide[1];
        REAL *from = (REAL *)work->other.buffer.buf + y * stride[1] + begin * stride[2];
        for (Py_ssize_t x = 0; stride[2] == 1 && x < count; x += CELLS)
            TYPED(turn)(from + x, stride[0], to + x * wide[1], wide[1], channels,
                        count - x < CELLS ? count - x : CELLS, 0);
        if (stride[2] != 1)
            for (Py_ssize_t i = 0; i < count; i++)
                for (Py_ssize_t c = 0; c < channels; c++)
                    to[i * wide[1] + c] = from[c * stride[0] + i * stride[2]];
    }
    free(spans);
    return 0;
}

/* Write cells back to their planes. */
DISPATCHED static int TYPED(lay_back)(const struct work *work) {
    const Py_ssize_t *size = work->cells.size, *wide = work->cells.stride;
    for (Py_ssize_t y = 0; y < size[0]; y++)
        for (Py_ssize_t x = 0, n; x < size[1]; x += n) { /* few, which the cache holds */
            n = size[1] - x < CELLS ? size[1] - x : CELLS;
            REAL *cells = (REAL *)work->cells.buffer.buf + y * wide[0] + x * wide[1];
            for (REAL *cell = cells; cell < cells + n * wide[1]; cell += wide[1])
                if (!TYPED(all_finite)(cell, size[2]))
                    for (Py_ssize_t c = 0; c < size[2]; c++) cell[c] = TYPED(canonical)(cell[c]);
            TYPED(turn)((REAL *)work->other.buffer.buf + y * work->other.stride[1] + x,
                        work->other.stride[0], cells, wide[1], size[2], n, 1);
        }
    return 0;
}

#undef LANE
