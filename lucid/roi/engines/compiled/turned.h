/* The passes over RoIs in terms of REAL: `turned.c` says what a pass is. */

struct TYPED(tap) {
    Py_ssize_t offset; /* of what is read, in values */
    REAL weight;
};

/* Memory of a pass. */
struct TYPED(scratch) {
    struct sample *samples;  /* (LISTED,) */
    struct TYPED(tap) *taps; /* (4 * LISTED,) */
    REAL *bins;              /* (TILE, width), channels side by side */
    REAL *more;              /* (width,) */
    Py_ssize_t channels, width; /* apart enough not to share a few places of the cache */
};

#define LINE (Py_ssize_t)(64 / sizeof(REAL)) /* of the cache, in values */
#ifdef __GNUC__
/* LANES channels in one or two registers, wherever they lie in memory. */
typedef REAL TYPED(Lane)
    __attribute__((vector_size(LANES * sizeof(REAL)), aligned(sizeof(REAL)), may_alias));
#define LANE(values, i) (((TYPED(Lane) *)(values))[i])
#endif

static int TYPED(make_scratch)(struct TYPED(scratch) *s, Py_ssize_t channels) {
    if (channels > PY_SSIZE_T_MAX / 64 / (TILE + 1) - STEP) return -2;
    s->channels = channels, s->width = channels + LANES;
    s->samples = malloc(LISTED * (sizeof *s->samples + 4 * sizeof *s->taps)
                        + (TILE + 1) * s->width * sizeof(REAL));
    if (!s->samples) return -2;
    s->taps = (struct TYPED(tap) *)(s->samples + LISTED);
    s->bins = (REAL *)(s->taps + 4 * LISTED);
    s->more = s->bins + TILE * s->width;
    return 0;
}

#include "planes.h"

INLINE REAL TYPED(canonical)(REAL value) {
    BITS bits;
    if (value == value) return value;
    bits = CANONICAL_NAN;
    memcpy(&value, &bits, sizeof value);
    return value;
}

INLINE int TYPED(is_finite)(REAL value) {
    BITS bits;
    memcpy(&bits, &value, sizeof bits);
    return (bits & EXPONENT) != EXPONENT;
}

INLINE int TYPED(all_finite)(const REAL *values, Py_ssize_t count) {
    Py_ssize_t i = 0;
    int holes = 0;
#ifdef __GNUC__
    TYPED(Lane) zeros = {0}; /* infinities and NaN times 0 are NaN, and so are all sums with one */
    for (; i + LANES <= count; i += LANES) zeros += 0 * LANE(values + i, 0);
    for (int lane = 0; lane < LANES; lane++) holes |= zeros[lane] != 0;
#endif
    for (; i < count; i++) holes |= !TYPED(is_finite)(values[i]);
    return !holes;
}

/* Turn samples into what they read, in values of a table whose cells are so far apart. */
INLINE void TYPED(weigh)(struct TYPED(tap) *restrict tap, const struct sample *restrict sample,
                         int count, double share, Py_ssize_t pitch) {
    for (int i = 0; i < count; i++, tap += 4) {
        double y = sample[i].y, x = sample[i].x;
        double weight[4] = {(1 - y) * (1 - x), (1 - y) * x, y * (1 - x), y * x};
        for (int j = 0; j < 4; j++) {
            tap[j].offset = sample[i].cell[j] * pitch;
            tap[j].weight = (REAL)(weight[j] * share);
        }
    }
}

/* out = the sum of weight * from[offset ..] over taps, in their order; there are some. */
INLINE void TYPED(blend)(REAL *restrict out, const REAL *restrict from,
                         const struct TYPED(tap) *restrict tap, int taps, Py_ssize_t channels) {
    Py_ssize_t i = 0;
#ifdef __GNUC__
    for (; i + STEP <= channels; i += STEP) {
        const REAL *next = from + tap->offset + i;
        TYPED(Lane) a = tap->weight * LANE(next, 0), b = tap->weight * LANE(next, 1);
        TYPED(Lane) c = tap->weight * LANE(next, 2), d = tap->weight * LANE(next, 3);
        for (int t = 1; t < taps; t++) {
            next = from + tap[t].offset + i;
            a += tap[t].weight * LANE(next, 0), b += tap[t].weight * LANE(next, 1);
            c += tap[t].weight * LANE(next, 2), d += tap[t].weight * LANE(next, 3);
        }
        LANE(out + i, 0) = a, LANE(out + i, 1) = b, LANE(out + i, 2) = c, LANE(out + i, 3) = d;
    }
#endif
    for (; i < channels; i++) {
        REAL sum = tap->weight * from[tap->offset + i];
        for (int t = 1; t < taps; t++) sum += tap[t].weight * from[tap[t].offset + i];
        out[i] = sum;
    }
}

/* to[offset ..] += weight * values, for each tap: the transpose of `blend`. */
INLINE void TYPED(spread)(REAL *restrict to, const REAL *restrict values,
                          const struct TYPED(tap) *restrict tap, int taps, Py_ssize_t channels) {
    for (int t = 0; t < taps; t++) {
        REAL *out = to + tap[t].offset, weight = tap[t].weight;
        for (Py_ssize_t i = 0; i < channels; i++) out[i] += weight * values[i];
    }
}

/* Write the scalar products of values with four cells. */
INLINE void TYPED(dots)(double out[4], const REAL *restrict values, const REAL *restrict from,
                        const Py_ssize_t cell[4], Py_ssize_t pitch, Py_ssize_t channels) {
    REAL lanes[4][LANES] = {{0}};
    Py_ssize_t i = 0;
#ifdef __GNUC__
    TYPED(Lane) a = {0}, b = {0}, c = {0}, d = {0};
    for (; i + LANES <= channels; i += LANES) {
        const TYPED(Lane) value = LANE(values + i, 0);
        a += value * LANE(from + cell[0] * pitch + i, 0);
        b += value * LANE(from + cell[1] * pitch + i, 0);
        c += value * LANE(from + cell[2] * pitch + i, 0);
        d += value * LANE(from + cell[3] * pitch + i, 0);
    }
    LANE(lanes[0], 0) = a, LANE(lanes[1], 0) = b, LANE(lanes[2], 0) = c, LANE(lanes[3], 0) = d;
#endif
    for (; i < channels; i++)
        for (int j = 0; j < 4; j++)
            lanes[j][i % LANES] += values[i] * from[cell[j] * pitch + i];
    for (int j = 0; j < 4; j++) {
        out[j] = 0;
        for (int lane = 0; lane < LANES; lane++) out[j] += (double)lanes[j][lane];
    }
}

/* Write the sum over a bin's samples, each with so large a share. */
INLINE int TYPED(sum_bin)(REAL *out, const struct work *work, const struct roi *roi,
                          struct TYPED(scratch) *s, struct walk walk, double share) {
    const REAL *from = work->cells.buffer.buf;
    int count = list_more(roi, &walk, s->samples);
    if (count == 0) memset(out, 0, s->channels * sizeof *out);
    for (REAL *to = out; count > 0; to = s->more) {
        TYPED(weigh)(s->taps, s->samples, count, share, work->cells.stride[0]);
        TYPED(blend)(to, from, s->taps, 4 * count, s->channels);
        for (Py_ssize_t c = 0; to != out && c < s->channels; c++) out[c] += to[c];
        count = count < LISTED ? 0 : list_more(roi, &walk, s->samples);
    }
    return count;
}

/* Write a bin; a mean of the largest values is not rounded over them. */
INLINE int TYPED(write_bin)(REAL *out, const struct work *work, const struct roi *roi,
                            struct TYPED(scratch) *s, Py_ssize_t p, Py_ssize_t q, double share) {
    const struct walk walk = walk_on(roi, p, q);
    if (TYPED(sum_bin)(out, work, roi, s, walk, share)) return -1;
    if (TYPED(all_finite)(out, s->channels)) return 0;
    REAL *half = malloc(s->channels * sizeof *half), most = LARGEST / 2;
    if (!half) return -2;
    int failed = TYPED(sum_bin)(half, work, roi, s, walk, share / 2);
    for (Py_ssize_t c = 0; c < s->channels; c++) {
        if (TYPED(is_finite)(half[c]))
            out[c] = 2 * (half[c] > most ? most : half[c] < -most ? -most : half[c]);
        else out[c] = TYPED(canonical)(half[c]);
    }
    free(half);
    return failed;
}

#include "turned_maxima.h"

/* Add what a sample brings to the gradient of its box. */
INLINE void TYPED(add_box)(double out[COLUMNS], const struct work *work, const struct roi *roi,
                           const struct sample *sample, const REAL *values, Py_ssize_t channels) {
    double dot[4], y = sample->y, x = sample->x;
    TYPED(dots)(dot, values, work->cells.buffer.buf, sample->cell, work->cells.stride[0], channels);
    double down = sample->moves[0] ? (1 - x) * (dot[2] - dot[0]) + x * (dot[3] - dot[1]) : 0;
    double across = sample->moves[1] ? (1 - y) * (dot[1] - dot[0]) + y * (dot[3] - dot[2]) : 0;
    double h = sample->down / (double)work->grids.bins[0] - 0.5;
    double w = sample->across / (double)work->grids.bins[1] - 0.5;
    out[0] += across, out[1] += down;
    if (roi->grows[1]) out[2] += w * (across * roi->cosine - down * roi->sine);
    if (roi->grows[0]) out[3] += h * (across * roi->sine + down * roi->cosine);
    out[4] += across * (sample->v * roi->cosine - sample->u * roi->sine)
        - down * (sample->u * roi->cosine + sample->v * roi->sine);
}

/* Take the gradient of a bin to cells, or to the box. */
INLINE int TYPED(pull_bin)(const REAL *values, const struct work *work, const struct roi *roi,
                           struct TYPED(scratch) *s, Py_ssize_t p, Py_ssize_t q, double share,
                           double *gradient) {
    struct walk walk = walk_on(roi, p, q);
    int count = LISTED;
    while (count == LISTED) {
        count = list_more(roi, &walk, s->samples);
        if (count < 0) return -1;
        for (int i = 0; gradient && i < count; i++)
            TYPED(add_box)(gradient, work, roi, s->samples + i, values, s->channels);
        if (gradient) continue;
        TYPED(weigh)(s->taps, s->samples, count, share, work->cells.stride[0]);
        TYPED(spread)(work->cells.buffer.buf, values, s->taps, 4 * count, s->channels);
    }
    return 0;
}

/* Fetch the part of planes that bin `b` of so many is worth, as they are written after the last. */
INLINE void TYPED(fetch)(const REAL *planes, Py_ssize_t plane, Py_ssize_t channels, Py_ssize_t count,
                         Py_ssize_t b) {
    for (Py_ssize_t c = b * channels / count; c < (b + 1) * channels / count; c++)
        for (Py_ssize_t i = 0; i < count; i += LINE) PREFETCH(planes + c * plane + i);
}

/* Work on a RoI, some bins after the other. */
INLINE int TYPED(work_on_roi)(const struct work *work, enum pass pass, Py_ssize_t k,
                              struct TYPED(scratch) *s, double *gradient) {
    const struct roi roi = roi_at(&work->grids, k);
    Py_ssize_t columns = work->grids.bins[1], area = work->grids.bins[0] * columns;
    Py_ssize_t plane = work->bins.stride[1];
    REAL *crop = (REAL *)work->bins.buffer.buf + work->rows[k] * work->bins.stride[0];
    double share = 1 / ((double)roi.samples[0] * (double)roi.samples[1]);
    int failed = 0;
    for (Py_ssize_t first = 0; first < area && !failed; first += TILE) {
        Py_ssize_t count = area - first < TILE ? area - first : TILE;
        if (pass > MAXIMA) TYPED(turn)(s->bins, s->width, crop + first, plane, s->channels, count);
        for (Py_ssize_t b = 0; b < count && !failed; b++) {
            Py_ssize_t p = (first + b) / columns, q = (first + b) % columns;
            REAL *bin = s->bins + b * s->width;
            if (pass <= MAXIMA) TYPED(fetch)(crop + first, plane, s->channels, count, b);
            failed = pass == CROPS ? TYPED(write_bin)(bin, work, &roi, s, p, q, share)
                : pass == MAXIMA   ? TYPED(write_largest)(bin, work, &roi, s, p, q)
                                   : TYPED(pull_bin)(bin, work, &roi, s, p, q, share, gradient);
        }
        for (Py_ssize_t c = 0; pass <= MAXIMA && c < s->channels; c += TILE)
            TYPED(turn)(crop + c * plane + first, plane, s->bins + c, s->width, count,
                        s->channels - c < TILE ? s->channels - c : TILE);
    }
    for (int column = 0; gradient && column < COLUMNS; column++)
        gradient[column] = share > 0 && share <= 1 ? gradient[column] * share : 0;
    return failed;
}

/* Do a pass; return -1 if a sample reads beyond the table, -2 if there is no memory. */
DISPATCHED static int TYPED(work_on)(const struct work *work, enum pass pass, double *gradient) {
    struct TYPED(scratch) scratch;
    int failed = TYPED(make_scratch)(&scratch, work->cells.size[1]);
    if (failed) return failed;
    if (gradient) memset(gradient, 0, work->grids.rois * COLUMNS * sizeof *gradient);
    for (Py_ssize_t k = 0; k < work->grids.rois && !failed; k++)
        failed = TYPED(work_on_roi)(work, pass, k, &scratch, gradient ? gradient + k * COLUMNS : NULL);
    free(scratch.samples);
    return failed;
}

/* Write planes (channels, h, w) to cells (h, w, channels). */
DISPATCHED static void TYPED(lay_out)(const struct array *planes, const struct array *cells) {
    const Py_ssize_t *stride = planes->stride, *wide = cells->stride;
    for (Py_ssize_t y = 0; y < planes->size[1]; y++)
        for (Py_ssize_t x = 0; x < planes->size[2]; x += TILE)
            TYPED(turn)((REAL *)cells->buffer.buf + y * wide[0] + x * wide[1], wide[1],
                        (const REAL *)planes->buffer.buf + y * stride[1] + x, stride[0],
                        planes->size[0], planes->size[2] - x < TILE ? planes->size[2] - x : TILE);
}

#undef LANE
#undef LINE
