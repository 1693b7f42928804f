/* The largest samples of turned grids, in terms of REAL: a part of `turned.h`. */

/* Keep the larger values; one that is not a number is. */
INLINE void TYPED(keep)(REAL *restrict kept, const REAL *restrict values, Py_ssize_t count) {
    for (Py_ssize_t i = 0; i < count; i++) {
        REAL value = values[i], own = kept[i];
        kept[i] = (value > own) | (value != value) ? value : own;
    }
}

#ifdef __GNUC__
INLINE void TYPED(keep_lane)(TYPED(Lane) *kept, const TYPED(Lane) *value) {
    __typeof__(*value > *kept) wins = (*value > *kept) | (*value != *value);
    *kept = (TYPED(Lane))(((__typeof__(wins))*value & wins) | ((__typeof__(wins))*kept & ~wins));
}
#endif

/* Write the values of a sample: its four cells are added to 0, one after the other. */
INLINE void TYPED(read)(REAL *restrict out, const REAL *restrict from,
                        const struct TYPED(tap) *restrict tap, Py_ssize_t channels) {
    for (Py_ssize_t i = 0; i < channels; i++) {
        REAL sum = 0;
        for (int t = 0; t < 4; t++) sum += tap[t].weight * from[tap[t].offset + i];
        out[i] = sum;
    }
}

/* Keep the largest of samples, and of what is there unless these are the `first`. */
INLINE void TYPED(keep_samples)(REAL *restrict out, const REAL *restrict from, struct TYPED(scratch) *s,
                                int count, int first) {
    const struct TYPED(tap) *restrict taps = s->taps;
    Py_ssize_t i = 0;
#ifdef __GNUC__
    for (; i + 2 * LANES <= s->channels; i += 2 * LANES) {
        TYPED(Lane) kept[2] = {{0}, {0}};
        if (!first) kept[0] = LANE(out + i, 0), kept[1] = LANE(out + i, 1);
        for (int k = 0; k < count; k++) {
            TYPED(Lane) a = {0}, b = {0};
            for (int t = 4 * k; t < 4 * k + 4; t++) {
                const REAL *next = from + taps[t].offset + i;
                a += taps[t].weight * LANE(next, 0), b += taps[t].weight * LANE(next, 1);
            }
            if (first && !k) kept[0] = a, kept[1] = b;
            else TYPED(keep_lane)(kept, &a), TYPED(keep_lane)(kept + 1, &b);
        }
        LANE(out + i, 0) = kept[0], LANE(out + i, 1) = kept[1];
    }
#endif
    for (int k = 0; k < count; k++) {
        TYPED(read)(s->more + i, from + i, taps + 4 * k, s->channels - i);
        if (first && !k) memcpy(out + i, s->more + i, (s->channels - i) * sizeof *out);
        else TYPED(keep)(out + i, s->more + i, s->channels - i);
    }
}

/* Write the largest samples of a bin; one out of range is 0, and takes part unless it is said not to. */
INLINE int TYPED(write_largest)(REAL *out, const struct work *work, const struct roi *roi,
                                struct TYPED(scratch) *s, Py_ssize_t p, Py_ssize_t q) {
    struct walk walk = walk_on(roi, p, q);
    double every = (double)roi->samples[0] * (double)roi->samples[1], seen = 0;
    for (int count = LISTED; count == LISTED; seen += count) {
        count = list_more(roi, &walk, s->samples);
        if (count < 0) return -1;
        TYPED(weigh)(s->taps, s->samples, count, 1, work->cells.stride[0]);
        if (count) TYPED(keep_samples)(out, work->cells.buffer.buf, s, count, seen == 0);
    }
    if (seen == 0) memset(out, 0, s->channels * sizeof *out);
    for (Py_ssize_t c = 0; c < s->channels; c++) {
        if (seen < every && !work->renormalize && out[c] < 0) out[c] = 0;
        out[c] = TYPED(canonical)(out[c]);
    }
    return 0;
}
