/* The passes over RoIs, and copies of cells, for one dtype and one kind of processor: BYTES says how
   large a value is, CPU which instructions there are, WIDE whether for registers of 32 bytes. */

#if BYTES == 4
#define REAL float
#define BITS uint32_t
#define CANONICAL_NAN 0x7fc00000u
#define LARGEST FLT_MAX
#define TYPED_BY(name, cpu) name##_f4_##cpu
#else
#define REAL double
#define BITS uint64_t
#define CANONICAL_NAN 0x7ff8000000000000u
#define LARGEST DBL_MAX
#define TYPED_BY(name, cpu) name##_f8_##cpu
#endif
#define TYPED_OF(name, cpu) TYPED_BY(name, cpu)
#define TYPED(name) TYPED_OF(name, CPU)

#include "vectors.h"

/* Memory of a pass over RoIs, and what it says about the one at hand. */
struct TYPED(scratch) {
    Py_ssize_t width;           /* channels */
    TYPED(Tap) *rows, *columns; /* of one bin; of all bins of a RoI */
    TYPED(Tap) *readers;        /* of all touched columns: bins */
    REAL *line, *back;          /* (some rows of bins, touched columns, channels) */
    REAL *bins, *again;         /* (PH, PW, channels) */
    REAL *row_sums, *column_sums; /* (taps, LANES) */
    /* Of the RoI at hand: */
    const int64_t *at[2];       /* where the rows, and columns, of each bin begin */
    const int64_t *reader_at;   /* where the readers of each touched column begin */
    const int32_t *touched[2];  /* rows, and columns */
    Py_ssize_t n;               /* touched columns */
    REAL *map;                  /* row 0 and column 0, where they would be */
};

/* Make room in one piece of memory, which `rows` begins, lines of cells where those of the cache begin;
   return -1 if there is none. */
static int TYPED(make_scratch)(struct TYPED(scratch) *s, const struct work *work) {
    const struct lists *lists = work->lists;
    Py_ssize_t width = work->cells.size[2], area = work->other.size[2] * work->other.size[3];
    Py_ssize_t row = lists->most_taps[0], column = lists->most_taps[1], taps = row + 2 * column;
    if (width && 2 * (lists->most_cells[1] + area) > PY_SSIZE_T_MAX / 64 / width) return -1;
    Py_ssize_t line = larger_of(lists->most_cells[1] * width, LINE_BYTES / BYTES);
    s->width = width;
    s->rows = malloc(taps * (sizeof *s->rows + LANES * BYTES) + 2 * (line + area * width) * BYTES + 64);
    if (!s->rows) return -1;
    s->columns = s->rows + row;
    s->readers = s->columns + column;
    s->line = (REAL *)((uintptr_t)(s->readers + column + 64 / sizeof *s->rows - 1) / 64 * 64);
    s->back = s->line + line;
    s->bins = s->back + line;
    s->again = s->bins + area * width;
    s->row_sums = s->again + area * width;
    s->column_sums = s->row_sums + row * LANES;
    return 0;
}

/* Begin with a RoI: list the columns of all its bins; their offsets are those in a line. */
INLINE void TYPED(begin_roi)(struct TYPED(scratch) *s, const struct work *work, Py_ssize_t roi) {
    const struct lists *lists = work->lists;
    const int64_t *columns = touched_of(lists, 1, roi), *at = bins_of(lists, 1, roi);
    Py_ssize_t up = work->top * work->cells.stride[0], back = work->left * work->cells.stride[1];
    s->at[0] = bins_of(lists, 0, roi), s->at[1] = at;
    s->touched[0] = lists->touched + touched_of(lists, 0, roi)[0];
    s->map = (REAL *)work->cells.buffer.buf - up - back;
    s->touched[1] = lists->touched + columns[0];
    s->n = columns[1] - columns[0];
    for (int64_t tap = at[0]; tap < at[lists->bins[1]]; tap++)
        s->columns[tap - at[0]] = (TYPED(Tap)){lists->cell[tap] * s->width, (REAL)lists->weight[tap]};
}

/* List the rows of a bin, their weights times a factor; return how many there are. */
INLINE Py_ssize_t TYPED(list_rows)(struct TYPED(scratch) *s, const struct work *work, Py_ssize_t p,
                                   REAL factor) {
    const struct lists *lists = work->lists;
    int64_t begin = s->at[0][p], end = s->at[0][p + 1];
    for (int64_t tap = begin; tap < end; tap++)
        s->rows[tap - begin] = (TYPED(Tap)){s->touched[0][lists->cell[tap]] * work->cells.stride[0],
                                            (REAL)lists->weight[tap] * factor};
    return end - begin;
}

/* List the bins that read the touched columns of a RoI, one after the other. */
INLINE void TYPED(list_readers)(struct TYPED(scratch) *s, const struct lists *lists, Py_ssize_t roi) {
    const int64_t *at = s->reader_at = readers_of(lists, roi);
    for (int64_t i = at[0]; i < at[s->n]; i++)
        s->readers[i - at[0]] = (TYPED(Tap)){lists->reader[i] * s->width, (REAL)lists->share[i]};
}

/* Return how many bins from `p` on read rows, one after the other, as many as lines have room for. */
INLINE Py_ssize_t TYPED(together)(const struct TYPED(scratch) *s, const struct lists *lists,
                                  Py_ssize_t p) {
    Py_ssize_t some = LINE_BYTES / BYTES / larger_of(s->n * s->width, 1), count = 0;
    for (; p < lists->bins[0] && s->at[0][p + 1] > s->at[0][p] && count <= larger_of(some - 1, 0); p++)
        count++;
    return count;
}

#include "maxima.h"

/* Weight a RoI by row and by column: write its bins (PH, PW, channels). */
static TARGET void TYPED(weigh)(REAL *bins, struct TYPED(scratch) *s, const struct work *work,
                                REAL factor) {
    Py_ssize_t width = s->width, line = s->n * width, across = work->lists->bins[1] * width;
    Py_ssize_t step = work->cells.stride[1];
    if (work->block[0] * work->block[1] > 1) {
        TYPED(weigh_blocks)(bins, s, work, factor);
        return;
    }
    for (Py_ssize_t p = 0, some; p < work->lists->bins[0]; p += some, bins += some * across) {
        some = TYPED(together)(s, work->lists, p);
        for (Py_ssize_t i = 0; i < some; i++) {
            Py_ssize_t rows = TYPED(list_rows)(s, work, p + i, factor);
            TYPED(blend_rows)(s->line + i * line, s->map, s->touched[1], step, s->n, s->rows, rows, width);
        }
        if (some)
            TYPED(blend_columns)(bins, across, work->lists->bins[1], s->line, line, some, s->columns,
                                 s->at[1], width);
        if (some) continue;
        memset(bins, 0, across * BYTES);
        some = 1;
    }
}

/* Return twice a value, as much of it as fits. */
INLINE REAL TYPED(doubled)(REAL half) {
    if (TYPED(is_finite)(half))
        half = half > LARGEST / 2 ? LARGEST / 2 : half < -LARGEST / 2 ? -LARGEST / 2 : half;
    return TYPED(canonical)(half * 2);
}

/* Means of the largest values may be rounded over them: weight half of them, and double what fits. */
APART void TYPED(mend)(struct TYPED(scratch) *s, const struct work *work) {
    Py_ssize_t count = work->other.size[2] * work->other.size[3] * s->width;
    TYPED(weigh)(s->again, s, work, (REAL)0.5);
    for (Py_ssize_t i = 0; i < count; i++)
        if (!TYPED(is_finite)(s->bins[i])) s->bins[i] = TYPED(doubled)(s->again[i]);
}

#include "own.h"

/* The channels of a RoI's crop, or of its gradient, in the caller's array. */
INLINE REAL *TYPED(crop_of)(const struct work *work, Py_ssize_t roi) {
    const int64_t *rows = work->rows.buf;
    return (REAL *)work->other.buffer.buf + rows[roi - work->first] * work->other.stride[0];
}

/* Write bins to a RoI's crop, `past` the cache if that is asked for; return whether all are finite.
   Few channels at a time, so that they stay in the cache until they are written. */
static TARGET int TYPED(write_crop)(struct TYPED(scratch) *s, const struct work *work,
                                    Py_ssize_t roi, int past) {
    Py_ssize_t area = work->other.size[2] * work->other.size[3], stride = work->other.stride[1];
    Py_ssize_t some = larger_of(STAGED_BYTES / BYTES / area / SIDE * SIDE, SIDE);
    REAL *crop = TYPED(crop_of)(work, roi);
    int finite = 1;
    for (Py_ssize_t c = 0, n; c < s->width; c += n, crop += n * stride) {
        n = s->width - c < some ? s->width - c : some;
        TYPED(turn)(s->again, area, s->bins + c, s->width, area, n);
        if (stride == area) finite &= TYPED(copy)(crop, s->again, n * area, past);
        else for (Py_ssize_t k = 0; k < n; k++)
            finite &= TYPED(copy)(crop + k * stride, s->again + k * area, area, 0);
    }
    return finite;
}

/* Fetch some rows of bins of the next RoI's gradient, which the processor would not foresee: so they
   are there when they are turned. */
INLINE void TYPED(fetch_next)(const struct TYPED(scratch) *s, const struct work *work,
                              Py_ssize_t roi, Py_ssize_t p, Py_ssize_t some) {
    Py_ssize_t across = work->lists->bins[1] * s->width;
    if (roi + 1 == work->end) return;
    for (Py_ssize_t i = p * across; i < (p + some) * across; i += 64 / BYTES)
        PREFETCH(TYPED(crop_of)(work, roi + 1) + i);
}

/* Write the gradient of lines from that of some rows of bins, `p` and following. */
INLINE void TYPED(blend_back)(struct TYPED(scratch) *s, const struct work *work, Py_ssize_t p,
                              Py_ssize_t some) {
    Py_ssize_t across = work->lists->bins[1] * s->width;
    TYPED(blend_columns)(s->back, s->n * s->width, s->n, s->bins + p * across, across, some, s->readers,
                         s->reader_at, s->width);
}

/* Add a RoI's part of the gradient of features to cells. */
static TARGET void TYPED(add_features)(struct TYPED(scratch) *s, const struct work *work,
                                       Py_ssize_t roi) {
    for (Py_ssize_t p = 0, some; p < work->lists->bins[0]; p += larger_of(some, 1)) {
        some = TYPED(together)(s, work->lists, p);
        TYPED(fetch_next)(s, work, roi, p, larger_of(some, 1));
        if (some) TYPED(blend_back)(s, work, p, some);
        for (Py_ssize_t i = 0; i < some; i++) {
            Py_ssize_t rows = TYPED(list_rows)(s, work, p + i, 1);
            TYPED(spread_rows)(s->map, s->touched[1], work->cells.stride[1],
                               s->back + i * s->n * s->width, s->n, s->rows, rows, s->width);
        }
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
static TARGET void TYPED(box)(double ends[2][2], struct TYPED(scratch) *s, const struct work *work,
                              Py_ssize_t roi) {
    const struct lists *lists = work->lists;
    Py_ssize_t width = s->width, line = s->n * width, across = lists->bins[1] * width;
    const int64_t *rows = s->at[0], *cols = s->at[1];
    memset(s->column_sums, 0, (cols[lists->bins[1]] - cols[0]) * LANES * BYTES);
    for (Py_ssize_t p = 0, some; p < lists->bins[0]; p += larger_of(some, 1)) {
        const REAL *bins = s->bins + p * across;
        some = TYPED(together)(s, lists, p);
        TYPED(fetch_next)(s, work, roi, p, larger_of(some, 1));
        if (!some) continue;
        TYPED(blend_back)(s, work, p, some);
        for (Py_ssize_t i = 0; i < some; i++) {
            Py_ssize_t count = TYPED(list_rows)(s, work, p + i, 1);
            memset(s->row_sums, 0, count * LANES * BYTES);
            TYPED(dot_rows)(s->row_sums, s->line + i * line, s->back + i * line, s->map,
                            s->touched[1], work->cells.stride[1], s->n, s->rows, count, width);
            TYPED(add_slopes)(ends[0], lists, rows[p + i], rows[p + i + 1], s->row_sums);
        }
        TYPED(dot_columns)(s->column_sums, bins, across, lists->bins[1], s->line, line, some,
                           s->columns, cols, width);
    }
    TYPED(add_slopes)(ends[1], lists, cols[0], cols[lists->bins[1]], s->column_sums);
}

/* Work on one RoI after the other; a pass over boxes writes their gradient (x1, y1, x2, y2). */
static TARGET int TYPED(work_on_rois)(const struct work *work, enum pass pass, double *gradient) {
    struct TYPED(scratch) s;
    if (TYPED(make_scratch)(&s, work)) return -1;
    Py_ssize_t area = work->other.size[2] * work->other.size[3], stride = work->other.stride[1];
    int past = WIDE && stride == area && s.width * area * BYTES * (work->end - work->first) >= PAST_BYTES;
    for (Py_ssize_t roi = work->first; roi < work->end; roi++) {
        double ends[2][2] = {{0, 0}, {0, 0}};
        TYPED(begin_roi)(&s, work, roi);
        if (pass == CROPS) {
            TYPED(weigh)(s.bins, &s, work, 1);
            if (TYPED(write_crop)(&s, work, roi, past)) continue;
            TYPED(mend)(&s, work);
            TYPED(write_crop)(&s, work, roi, past);
            continue;
        }
        TYPED(turn)(s.bins, s.width, TYPED(crop_of)(work, roi), stride, s.width, area);
        TYPED(list_readers)(&s, work->lists, roi);
        if (pass == FEATURES) TYPED(add_features)(&s, work, roi);
        else TYPED(box)(ends, &s, work, roi);
        for (int side = 0; pass == BOXES && side < 4; side++)
            *gradient++ = ends[1 - side % 2][side / 2];
    }
    TYPED(finish)();
    free(s.rows);
    return 0;
}

#include "layout.h"

static const struct passes TYPED(passes) = {TYPED(work_on_rois), TYPED(write_own), TYPED(lay_out),
                                            TYPED(lay_back)};

#undef BYTES
#undef REAL
#undef BITS
#undef CANONICAL_NAN
#undef LARGEST
#undef TYPED_BY
#undef TYPED_OF
#undef TYPED
#undef LANE
