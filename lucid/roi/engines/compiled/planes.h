/* Planes of channels to cells with channels side by side, and back, in terms of REAL. */

/* Write a square of four by four values turned about. */
INLINE void TYPED(turn_square)(REAL *out, Py_ssize_t step, const REAL *in, Py_ssize_t pitch) {
#if defined(__clang__) || __GNUC__ >= 12
    typedef REAL quad __attribute__((vector_size(4 * sizeof(REAL))));
    quad a, b, c, d;
    memcpy(&a, in, sizeof a), memcpy(&b, in + pitch, sizeof b);
    memcpy(&c, in + 2 * pitch, sizeof c), memcpy(&d, in + 3 * pitch, sizeof d);
    quad e = __builtin_shufflevector(a, b, 0, 4, 1, 5), f = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    quad g = __builtin_shufflevector(a, b, 2, 6, 3, 7), h = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    a = __builtin_shufflevector(e, f, 0, 1, 4, 5), b = __builtin_shufflevector(e, f, 2, 3, 6, 7);
    c = __builtin_shufflevector(g, h, 0, 1, 4, 5), d = __builtin_shufflevector(g, h, 2, 3, 6, 7);
    memcpy(out, &a, sizeof a), memcpy(out + step, &b, sizeof b);
    memcpy(out + 2 * step, &c, sizeof c), memcpy(out + 3 * step, &d, sizeof d);
#else
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) out[i * step + j] = in[j * pitch + i];
#endif
}

/* Planes (channels, count) to cells (count, channels), or back. */
INLINE void TYPED(turn)(REAL *planes, Py_ssize_t pitch, REAL *cells, Py_ssize_t step,
                        Py_ssize_t channels, Py_ssize_t count, int back) {
    for (Py_ssize_t c = 0; c < channels; c += 4)
        for (Py_ssize_t i = 0; i < count; i += 4) {
            REAL *plane = planes + c * pitch + i, *cell = cells + i * step + c;
            if (c + 4 <= channels && i + 4 <= count) {
                if (back) TYPED(turn_square)(plane, pitch, cell, step);
                else TYPED(turn_square)(cell, step, plane, pitch);
                continue;
            }
            for (Py_ssize_t k = 0; k < 4 && c + k < channels; k++)
                for (Py_ssize_t j = 0; j < 4 && i + j < count; j++)
                    if (back) plane[k * pitch + j] = cell[j * step + k];
                    else cell[j * step + k] = plane[k * pitch + j];
        }
}
