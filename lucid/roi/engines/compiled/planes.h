/* Planes of channels to cells with channels side by side, and back, in terms of REAL. */

#undef SIDE
#if BYTES == 4 && WIDE && (defined(__clang__) || __GNUC__ >= 12)
#define SIDE 8 /* of a square that is turned at once */
#else
#define SIDE 4
#endif
#ifdef __GNUC__
typedef REAL TYPED(Loose) __attribute__((aligned(1))); /* one that may lie at any byte, as in zip files */
#else
typedef REAL TYPED(Loose);
#endif
#if defined(__clang__) || __GNUC__ >= 12
typedef REAL TYPED(Quad) __attribute__((vector_size(4 * sizeof(REAL)), aligned(1), may_alias));
#undef QUAD
#define QUAD(values) (*(TYPED(Quad) *)(values))
#endif

/* Write a square of SIDE by SIDE values turned about. */
INLINE void TYPED(turn_square)(REAL *out, Py_ssize_t step, const TYPED(Loose) *in,
                               Py_ssize_t pitch) {
#if SIDE == 8
    TYPED(Lane) r[4], s[4];
    for (int side = 0; side < 8; side += 4) { /* of the four columns from here on */
        for (int i = 0; i < 4; i++)
            r[i] = __builtin_shufflevector(QUAD(in + i * pitch + side), QUAD(in + (i + 4) * pitch + side),
                                           0, 1, 2, 3, 4, 5, 6, 7);
        for (int i = 0; i < 4; i += 2) {
            s[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
            s[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
        }
        for (int i = 0; i < 2; i++) {
            LANE(out + (side + 2 * i) * step, 0) =
                __builtin_shufflevector(s[i], s[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
            LANE(out + (side + 2 * i + 1) * step, 0) =
                __builtin_shufflevector(s[i], s[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        }
    }
#elif defined(QUAD)
    TYPED(Quad) a = QUAD(in), b = QUAD(in + pitch), c = QUAD(in + 2 * pitch), d = QUAD(in + 3 * pitch);
    TYPED(Quad) e = __builtin_shufflevector(a, b, 0, 4, 1, 5), f = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    TYPED(Quad) g = __builtin_shufflevector(a, b, 2, 6, 3, 7), h = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    QUAD(out) = __builtin_shufflevector(e, f, 0, 1, 4, 5);
    QUAD(out + step) = __builtin_shufflevector(e, f, 2, 3, 6, 7);
    QUAD(out + 2 * step) = __builtin_shufflevector(g, h, 0, 1, 4, 5);
    QUAD(out + 3 * step) = __builtin_shufflevector(g, h, 2, 3, 6, 7);
#else
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) out[i * step + j] = in[j * pitch + i];
#endif
}

/* Write `rows` of `count` values as their columns; fetch those that lie so far `ahead` meanwhile, of
   rows that are too many for the processor to foresee. */
INLINE void TYPED(turn_ahead)(REAL *restrict out, Py_ssize_t step,
                              const TYPED(Loose) *restrict in, Py_ssize_t pitch, Py_ssize_t rows,
                              Py_ssize_t count, Py_ssize_t ahead) {
    Py_ssize_t r = 0;
    for (; r + SIDE <= rows; r += SIDE) {
        Py_ssize_t i = 0;
        for (; i + SIDE <= count; i += SIDE) {
            for (int k = 0; ahead && i % (Py_ssize_t)(64 / sizeof(REAL)) == 0 && k < SIDE; k++)
                PREFETCH(in + (r + k) * pitch + i + ahead);
            TYPED(turn_square)(out + i * step + r, step, in + r * pitch + i, pitch);
        }
        for (; i < count; i++)
            for (Py_ssize_t k = r; k < r + SIDE; k++) out[i * step + k] = in[k * pitch + i];
    }
    for (; r < rows; r++)
        for (Py_ssize_t i = 0; i < count; i++) out[i * step + r] = in[r * pitch + i];
}

INLINE void TYPED(turn)(REAL *restrict out, Py_ssize_t step, const REAL *restrict in,
                        Py_ssize_t pitch, Py_ssize_t rows, Py_ssize_t count) {
    TYPED(turn_ahead)(out, step, in, pitch, rows, count, 0);
}
