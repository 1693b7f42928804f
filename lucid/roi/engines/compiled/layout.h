/* Copies of cells: planes of a map to channels side by side, and back, in terms of REAL. */

/* Write the cells that RoIs touch, of each row from the first to the last; planes may lie at any byte. */
static TARGET int TYPED(lay_out)(const struct work *work) {
    const Py_ssize_t *stride = work->other.stride, *wide = work->cells.stride;
    Py_ssize_t channels = work->cells.size[2], ahead = channels * CELLS * BYTES <= LINE_BYTES ? CELLS : 0;
    int32_t(*spans)[2] = malloc(work->cells.size[0] * sizeof *spans + 1);
    if (!spans) return -1;
    spans_of(spans, work);
    for (Py_ssize_t y = 0; y < work->cells.size[0]; y++) {
        Py_ssize_t begin = spans[y][0] - work->left, count = spans[y][1] - spans[y][0];
        if (count <= 0) continue;
        REAL *to = (REAL *)work->cells.buffer.buf + y * wide[0] + begin * wide[1];
        const TYPED(Loose) *from = work->other.buffer.buf;
        from += y * stride[1] + begin * stride[2];
        for (Py_ssize_t x = 0; stride[2] == 1 && x < count; x += CELLS)
            TYPED(turn_ahead)(to + x * wide[1], wide[1], from + x, stride[0], channels,
                              count - x < CELLS ? count - x : CELLS, ahead);
        if (stride[2] != 1)
            for (Py_ssize_t i = 0; i < count; i++)
                for (Py_ssize_t c = 0; c < channels; c++)
                    to[i * wide[1] + c] = from[c * stride[0] + i * stride[2]];
    }
    free(spans);
    return 0;
}

/* Write cells back to their planes, and zeros in their place. */
static TARGET int TYPED(lay_back)(const struct work *work) {
    const Py_ssize_t *size = work->cells.size, *wide = work->cells.stride, *stride = work->other.stride;
    Py_ssize_t some = larger_of(TURNED_BYTES / BYTES / larger_of(size[2], 1), CELLS), step = some + LANES;
    int past = WIDE && size[0] * size[1] * size[2] * BYTES >= PAST_BYTES;
    REAL *turned = malloc(step * size[2] * BYTES + 1);
    if (!turned) return -1;
    for (Py_ssize_t y = 0; y < size[0]; y++)
        for (Py_ssize_t x = 0, n; x < size[1]; x += n) {
            n = size[1] - x < some ? size[1] - x : some;
            REAL *cells = (REAL *)work->cells.buffer.buf + y * wide[0] + x * wide[1];
            REAL *planes = (REAL *)work->other.buffer.buf + y * stride[1] + x;
            TYPED(turn)(turned, step, cells, wide[1], n, size[2]);
            for (Py_ssize_t i = 0; i < n; i++) TYPED(clear)(cells + i * wide[1], size[2]);
            for (Py_ssize_t c = 0; c < size[2]; c++)
                if (!TYPED(copy)(planes + c * stride[0], turned + c * step, n, past))
                    TYPED(make_canonical)(planes + c * stride[0], n);
        }
    TYPED(finish)();
    free(turned);
    return 0;
}
