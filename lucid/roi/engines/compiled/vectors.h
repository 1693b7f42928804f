/* Sums of cells, scalar products and copies, in terms of REAL. Arithmetic is on runs of
   channels; the order of the additions of each value is that of the taps. */

struct TYPED(tap) {
    Py_ssize_t offset; /* of what is read, in values */
    REAL weight;
};
typedef struct TYPED(tap) TYPED(Tap);

#ifdef __GNUC__
/* LANES channels in one or a few registers, wherever they lie in memory. */
typedef REAL TYPED(Lane)
    __attribute__((vector_size(LANES * sizeof(REAL)), aligned(sizeof(REAL)), may_alias));
#define LANE(values, i) (((TYPED(Lane) *)(values))[i])
#endif

/* to = the sum of weight * from[offset ..] over taps, for n cells and a step of channels. Cells
   lie at multiples of a step: those that are read at some of a list, if there is one. */
INLINE void TYPED(blend_step)(REAL *restrict to, Py_ssize_t to_step, const REAL *restrict from,
                              const int32_t *at, Py_ssize_t step, Py_ssize_t n,
                              const TYPED(Tap) *restrict tap, Py_ssize_t taps) {
#ifdef __GNUC__
    for (Py_ssize_t x = 0; x < n; x++, to += to_step) {
        const REAL *in = from + (at ? at[x] : x) * step, *next = in + tap->offset;
        TYPED(Lane) a = tap->weight * LANE(next, 0), b = tap->weight * LANE(next, 1);
        TYPED(Lane) c = tap->weight * LANE(next, 2), d = tap->weight * LANE(next, 3);
        for (Py_ssize_t t = 1; t < taps; t++) { /* four sums, which stay in registers */
            next = in + tap[t].offset;
            a += tap[t].weight * LANE(next, 0), b += tap[t].weight * LANE(next, 1);
            c += tap[t].weight * LANE(next, 2), d += tap[t].weight * LANE(next, 3);
        }
        LANE(to, 0) = a, LANE(to, 1) = b, LANE(to, 2) = c, LANE(to, 3) = d;
    }
#endif
}

/* The same of fewer channels. */
APART void TYPED(blend_rest)(REAL *restrict to, Py_ssize_t to_step, const REAL *restrict from,
                             const int32_t *at, Py_ssize_t step, Py_ssize_t n,
                             const TYPED(Tap) *tap, Py_ssize_t taps, Py_ssize_t width) {
    for (Py_ssize_t x = 0; x < n; x++, to += to_step) {
        const REAL *in = from + (at ? at[x] : x) * step;
        Py_ssize_t i = 0;
#ifdef __GNUC__
        for (; i + LANES <= width; i += LANES) {
            TYPED(Lane) sum = tap->weight * LANE(in + tap->offset + i, 0);
            for (Py_ssize_t t = 1; t < taps; t++)
                sum += tap[t].weight * LANE(in + tap[t].offset + i, 0);
            LANE(to + i, 0) = sum;
        }
#endif
        for (; i < width; i++) {
            REAL sum = tap->weight * in[tap->offset + i];
            for (Py_ssize_t t = 1; t < taps; t++) sum += tap[t].weight * in[tap[t].offset + i];
            to[i] = sum;
        }
    }
}

/* The same of all channels; few taps are told apart once for all cells, so that their weights stay
   in registers. */
INLINE void TYPED(blend)(REAL *to, Py_ssize_t to_step, const REAL *from, const int32_t *at,
                         Py_ssize_t step, Py_ssize_t n, const TYPED(Tap) *tap, Py_ssize_t taps,
                         Py_ssize_t width) {
    if (!taps)
        for (Py_ssize_t x = 0; x < n; x++) memset(to + x * to_step, 0, width * BYTES);
    for (; taps && width >= WHOLE; width -= WHOLE, to += WHOLE, from += WHOLE)
        switch (taps) {
        case 1: TYPED(blend_step)(to, to_step, from, at, step, n, tap, 1); break;
        case 2: TYPED(blend_step)(to, to_step, from, at, step, n, tap, 2); break;
        case 3: TYPED(blend_step)(to, to_step, from, at, step, n, tap, 3); break;
        case 4: TYPED(blend_step)(to, to_step, from, at, step, n, tap, 4); break;
        default: TYPED(blend_step)(to, to_step, from, at, step, n, tap, taps);
        }
    if (taps && width) TYPED(blend_rest)(to, to_step, from, at, step, n, tap, taps, width);
}

/* Write a line: the sums of rows of some columns of a map. */
APART void TYPED(blend_rows)(REAL *line, const REAL *map, const int32_t *at, Py_ssize_t step,
                             Py_ssize_t n, const TYPED(Tap) *tap, Py_ssize_t taps,
                             Py_ssize_t width) {
    TYPED(blend)(line, width, map, at, step, n, tap, taps, width);
}

/* to[offset ..] += weight * a line, for each tap: the transpose of `blend_rows`. */
INLINE void TYPED(spread_step)(REAL *restrict map, const int32_t *at, Py_ssize_t step,
                               const REAL *restrict line, Py_ssize_t n, Py_ssize_t width,
                               const TYPED(Tap) *restrict tap, Py_ssize_t taps) {
#ifdef __GNUC__
    for (Py_ssize_t x = 0; x < n; x++, line += width) {
        REAL *to = map + at[x] * step;
        const TYPED(Lane) a = LANE(line, 0), b = LANE(line, 1), c = LANE(line, 2), d = LANE(line, 3);
        for (Py_ssize_t t = 0; t < taps; t++) {
            REAL *out = to + tap[t].offset, weight = tap[t].weight;
            LANE(out, 0) += weight * a, LANE(out, 1) += weight * b;
            LANE(out, 2) += weight * c, LANE(out, 3) += weight * d;
        }
    }
#endif
}

/* Add a line to rows of some columns of a map: the transpose of `blend_rows`. */
APART void TYPED(spread_rows)(REAL *map, const int32_t *at, Py_ssize_t step, const REAL *line,
                              Py_ssize_t n, const TYPED(Tap) *tap, Py_ssize_t taps,
                              Py_ssize_t width) {
    Py_ssize_t i = 0;
    for (; i + WHOLE <= width; i += WHOLE)
        switch (taps) {
        case 2: TYPED(spread_step)(map + i, at, step, line + i, n, width, tap, 2); break;
        case 3: TYPED(spread_step)(map + i, at, step, line + i, n, width, tap, 3); break;
        case 4: TYPED(spread_step)(map + i, at, step, line + i, n, width, tap, 4); break;
        default: TYPED(spread_step)(map + i, at, step, line + i, n, width, tap, taps);
        }
    for (Py_ssize_t x = 0; i < width && x < n; x++)
        for (Py_ssize_t t = 0; t < taps; t++)
            for (Py_ssize_t j = i; j < width; j++)
                map[at[x] * step + tap[t].offset + j] += tap[t].weight * line[x * width + j];
}

/* Write cells of lines, a sum of cells of other lines each; its taps begin at `at`. */
APART void TYPED(blend_columns)(REAL *to, Py_ssize_t to_line, Py_ssize_t cells, const REAL *from,
                                Py_ssize_t from_line, Py_ssize_t lines, const TYPED(Tap) *tap,
                                const int64_t *at, Py_ssize_t width) {
    for (Py_ssize_t x = 0, taps; x < cells; x++, to += width, tap += taps) {
        taps = at[x + 1] - at[x];
        TYPED(blend)(to, to_line, from, NULL, from_line, lines, tap, taps, width);
    }
}

/* sums[tap] += the product of values and from[offset ..] over n cells, for each tap, and the `blend`
   of these cells to `out`, if it `blends`. Channel i is added to lane i % LANES: of STEP channels the
   first to the second and the third to the fourth, then both; of fewer each by itself. The lanes are
   added at the end, in double. */
INLINE void TYPED(dot_step)(REAL *restrict sums, REAL *restrict out, const REAL *values,
                            Py_ssize_t step, const REAL *from, const int32_t *at,
                            Py_ssize_t from_step, Py_ssize_t n, const TYPED(Tap) *restrict tap,
                            Py_ssize_t taps, int blends, int few) {
#ifdef __GNUC__
    TYPED(Lane) own[4] = {{0}, {0}, {0}, {0}}; /* sums of few taps stay in registers */
    for (Py_ssize_t t = 0; few && t < taps; t++) own[t] = LANE(sums, t);
    for (Py_ssize_t x = 0; x < n; x++) {
        const REAL *value = values + x * step, *in = from + (at ? at[x] : x) * from_step;
        const TYPED(Lane) e = LANE(value, 0), f = LANE(value, 1);
        const TYPED(Lane) g = LANE(value, 2), h = LANE(value, 3);
        TYPED(Lane) a = {0}, b = {0}, c = {0}, d = {0};
        for (Py_ssize_t t = 0; t < taps; t++) {
            const REAL *next = in + tap[t].offset, weight = tap[t].weight;
            const TYPED(Lane) j = LANE(next, 0), k = LANE(next, 1);
            const TYPED(Lane) l = LANE(next, 2), m = LANE(next, 3);
            if (few) own[t] += (e * j + f * k) + (g * l + h * m);
            else LANE(sums, t) += (e * j + f * k) + (g * l + h * m);
            if (blends) a += weight * j, b += weight * k, c += weight * l, d += weight * m;
        }
        if (!blends) continue;
        LANE(out, 0) = a, LANE(out, 1) = b, LANE(out, 2) = c, LANE(out, 3) = d;
        out += STEP;
    }
    for (Py_ssize_t t = 0; few && t < taps; t++) LANE(sums, t) = own[t];
#endif
}

/* The same of fewer channels than a step, or without vectors. */
APART void TYPED(dot_rest)(REAL *sums, const REAL *values, Py_ssize_t step, const REAL *from,
                           const int32_t *at, Py_ssize_t from_step, Py_ssize_t n,
                           const TYPED(Tap) *tap, Py_ssize_t taps, Py_ssize_t width) {
    for (Py_ssize_t x = 0; x < n; x++)
        for (Py_ssize_t t = 0; t < taps; t++) {
            const REAL *v = values + x * step, *w = from + (at ? at[x] : x) * from_step + tap[t].offset;
            for (Py_ssize_t i = 0; i < (width == STEP ? LANES : width); i++)
                sums[t * LANES + i % LANES] += width < STEP ? v[i] * w[i]
                    : (v[i] * w[i] + v[i + LANES] * w[i + LANES])
                        + (v[i + 2 * LANES] * w[i + 2 * LANES] + v[i + 3 * LANES] * w[i + 3 * LANES]);
        }
}

/* The same of a step of channels, or fewer; values lie at so many steps. */
INLINE void TYPED(dots)(REAL *sums, REAL *out, const REAL *values, Py_ssize_t step,
                        const REAL *from, const int32_t *at, Py_ssize_t from_step, Py_ssize_t n,
                        const TYPED(Tap) *tap, Py_ssize_t taps, Py_ssize_t width, int blends) {
#define DOT(taps, few) \
    TYPED(dot_step)(sums, out, values, step, from, at, from_step, n, tap, taps, blends, few)
    if (width < WHOLE) {
        TYPED(dot_rest)(sums, values, step, from, at, from_step, n, tap, taps, width);
        if (blends) TYPED(blend_rows)(out, from, at, from_step, n, tap, taps, width);
        return;
    }
    switch (taps) {
    case 1: DOT(1, 1); break;
    case 2: DOT(2, 1); break;
    case 3: DOT(3, 1); break;
    case 4: DOT(4, 1); break;
    default: DOT(taps, 0);
    }
#undef DOT
}

/* For a line: the products of it and of rows, and their sums. */
APART void TYPED(dot_rows)(REAL *sums, REAL *line, const REAL *values, const REAL *map,
                           const int32_t *at, Py_ssize_t step, Py_ssize_t n, const TYPED(Tap) *tap,
                           Py_ssize_t taps, Py_ssize_t width) {
    TYPED(dots)(sums, line, values, width, map, at, step, n, tap, taps, width, 1);
}

/* For cells of lines: the products of them and of the cells of other lines that they are sums of. */
APART void TYPED(dot_columns)(REAL *sums, const REAL *values, Py_ssize_t line, Py_ssize_t cells,
                              const REAL *from, Py_ssize_t from_line, Py_ssize_t lines,
                              const TYPED(Tap) *tap, const int64_t *at, Py_ssize_t width) {
    for (Py_ssize_t x = 0, taps; x < cells; x++, values += width, tap += taps, sums += taps * LANES) {
        taps = at[x + 1] - at[x];
        TYPED(dots)(sums, NULL, values, line, from, NULL, from_line, lines, tap, taps, width, 0);
    }
}

INLINE double TYPED(total)(const REAL *sums) {
    double total = 0;
    for (int j = 0; j < LANES; j++) total += (double)sums[j];
    return total;
}

#include "planes.h"

INLINE int TYPED(is_finite)(REAL value) { return value - value == 0; }

INLINE REAL TYPED(canonical)(REAL value) {
    BITS bits = CANONICAL_NAN;
    if (value != value) memcpy(&value, &bits, sizeof bits);
    return value;
}

/* Copy values, `past` the cache if nobody reads them soon, so that it need not fetch what is written
   over: only whole lines of it, as parts would wait for the rest. Return whether all are finite. */
INLINE int TYPED(copy)(REAL *to, const REAL *from, Py_ssize_t count, int past) {
    Py_ssize_t i = 0;
    REAL rest = 0; /* as long as all are finite */
    (void)past;
#ifdef __GNUC__
    TYPED(Lane) rests = {0};
#if WIDE
    for (; past && i < count && (uintptr_t)(to + i) % 64; i++) to[i] = from[i], rest += from[i] - from[i];
    Py_ssize_t lines = past ? count - (count - i) % (64 / BYTES) : 0;
#endif
    for (; i + LANES <= count; i += LANES) {
        TYPED(Lane) values = LANE(from + i, 0);
        rests += values - values;
#if WIDE
        for (int j = 0; i < lines && j < (int)sizeof values; j += 32)
            _mm256_stream_ps((float *)((char *)(to + i) + j), _mm256_loadu_ps((const float *)((const char *)(from + i) + j)));
        if (i < lines) continue;
#endif
        LANE(to + i, 0) = values;
    }
    for (int j = 0; j < LANES; j++) rest += rests[j];
#endif
    for (; i < count; i++) to[i] = from[i], rest += from[i] - from[i];
    return rest == 0;
}

/* Let what was written past the cache be seen by others. */
INLINE void TYPED(finish)(void) {
#if WIDE
    _mm_sfence();
#endif
}

/* Make every value that is not a number the same one. */
INLINE void TYPED(make_canonical)(REAL *values, Py_ssize_t count) {
    for (Py_ssize_t i = 0; i < count; i++) values[i] = TYPED(canonical)(values[i]);
}

/* Write zeros; `memset` is made for more of them. */
INLINE void TYPED(clear)(REAL *values, Py_ssize_t count) {
    Py_ssize_t i = 0;
#ifdef __GNUC__
    for (; i + LANES <= count; i += LANES) LANE(values + i, 0) = (TYPED(Lane)){0};
#endif
    for (; i < count; i++) values[i] = 0;
}
