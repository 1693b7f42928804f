/* The samples of turned grids, bin by bin, as far as they are near a map: a part of `turned.c`. */

enum {
    LISTED = 256, /* samples of a bin at once */
    FEW = 8,      /* samples that are not worth a look at whether they are near the map */
};
#define SLACK 0x1p-46 /* how much more than arithmetic asks for is near, of the sizes in it */
#define MOST_SLACK 256.0 /* cells: where arithmetic is not as exact, no sample has its own place */

/* Grids of K RoIs, (2, K) each, rows before columns, and where a table has their cells. */
struct grids {
    Py_ssize_t rois, bins[2];
    const double *centre, *start, *length, *turn;
    const int64_t *samples, *size;
    const char *fixed;           /* whether the extent is the least one */
    const int64_t *base, *pitch; /* (K,): cell (y, x) is in row base + y * pitch + x */
    int64_t cells;               /* rows of the table */
};

/* One RoI: its grid, and which of its rows of samples are near the map. */
struct roi {
    double centre[2], start[2], length[2], sine, cosine, low[2], high[2];
    int64_t samples[2], size[2], base, pitch, cells, near[2];
    int grows[2];
};

/* A sample in range: the cells that it reads, and where it is. */
struct sample {
    Py_ssize_t cell[4]; /* first and second row, of each the first and the second column */
    double y, x;        /* how much of the second ones */
    double v, u;        /* from the centre, before it is turned */
    double down, across; /* in bins from the start */
    int moves[2];
};

/* How far the samples of a bin are listed. */
struct walk {
    Py_ssize_t p, q;
    int64_t row, rows, column, columns; /* the next ones, and where they end */
    double down, v;
};

/* A position in samples, somewhat above or below a place, within 0 and `total`. */
INLINE int64_t number_at(double place, double start, double step, int64_t total, int more) {
    double at = (place - start) / step;
    if (!(at > -8)) return 0;
    if (at > (double)total + 8) return total;
    int64_t number = (int64_t)at + more;
    return number < 0 ? 0 : number > total ? total : number;
}

/* Which samples lie between two places along an axis, and a few more: the first, and the end. */
INLINE void between(const struct roi *roi, int axis, Py_ssize_t bins, double low, double high,
                    int64_t out[2]) {
    int64_t total = roi->samples[axis] * bins;
    double step = roi->length[axis] / (double)roi->samples[axis];
    out[0] = 0, out[1] = total;
    if (!(step > 0)) return;
    out[0] = number_at(low, roi->start[axis], step, total, -3);
    out[1] = number_at(high, roi->start[axis], step, total, 4);
    double most = ((double)(roi->size[0] + roi->size[1]) + 2 * MOST_SLACK) / step + 8;
    if ((double)(out[1] - out[0]) > most) out[1] = out[0] + (int64_t)most;
}

/* Find which rows of samples are near: between those through the corners of the map. */
static void find_near(struct roi *roi, Py_ssize_t bins) {
    double least = 0, most = 0;
    for (int corner = 0; corner < 4; corner++) {
        double y = corner & 2 ? roi->high[0] : roi->low[0], x = corner & 1 ? roi->high[1] : roi->low[1];
        double v = x * roi->sine + y * roi->cosine;
        if (!corner || v < least) least = v;
        if (!corner || v > most) most = v;
    }
    between(roi, 0, bins, least, most, roi->near);
}

static struct roi roi_at(const struct grids *grids, Py_ssize_t k) {
    Py_ssize_t K = grids->rois;
    struct roi roi = {.sine = grids->turn[k], .cosine = grids->turn[K + k], .base = grids->base[k],
                      .pitch = grids->pitch[k], .cells = grids->cells};
    double sizes = 0;
    for (int axis = 0; axis < 2; axis++) {
        Py_ssize_t at = axis * K + k;
        roi.centre[axis] = grids->centre[at], roi.start[axis] = grids->start[at];
        roi.length[axis] = grids->length[at], roi.samples[axis] = grids->samples[at];
        roi.size[axis] = grids->size[at], roi.grows[axis] = !grids->fixed[at];
        double start = roi.start[axis], centre = roi.centre[axis];
        sizes += (double)roi.size[axis] + (start < 0 ? -start : start)
            + (centre < 0 ? -centre : centre);
    }
    double slack = SLACK * sizes < MOST_SLACK ? SLACK * sizes : MOST_SLACK;
    for (int axis = 0; axis < 2; axis++) {
        roi.low[axis] = -1 - roi.centre[axis] - slack;
        roi.high[axis] = (double)roi.size[axis] - roi.centre[axis] + slack;
    }
    roi.near[1] = roi.samples[0] * grids->bins[0];
    if (roi.samples[0] > FEW) find_near(&roi, grids->bins[0]);
    return roi;
}

/* Begin with a bin. */
INLINE struct walk walk_on(const struct roi *roi, Py_ssize_t p, Py_ssize_t q) {
    int64_t first = p * roi->samples[0], end = first + roi->samples[0];
    struct walk walk = {.p = p, .q = q};
    walk.row = (roi->near[0] > first ? roi->near[0] : first) - first;
    walk.rows = (roi->near[1] < end ? roi->near[1] : end) - first;
    if (roi->samples[1] == 0) walk.rows = walk.row;
    return walk;
}

/* Go on with the next row of a bin, and with what of it is near. */
INLINE void next_row(const struct roi *roi, struct walk *walk) {
    walk->down = (double)walk->p + ((double)walk->row + 0.5) / (double)roi->samples[0];
    walk->v = roi->start[0] + walk->down * roi->length[0];
    walk->row++, walk->column = 0, walk->columns = roi->samples[1];
    if (roi->samples[1] <= FEW) return;
    double step[2] = {-roi->sine, roi->cosine};
    double base[2] = {walk->v * roi->cosine, walk->v * roi->sine};
    int64_t first = walk->q * roi->samples[1], end = first + roi->samples[1], near[2];
    double low = 0, high = 0;
    for (int axis = 0, some = 0; axis < 2; axis++) {
        if (step[axis] == 0) continue;
        double from = (roi->low[axis] - base[axis]) / step[axis];
        double to = (roi->high[axis] - base[axis]) / step[axis];
        double least = from < to ? from : to, most = from < to ? to : from;
        if (!some || least > low) low = least;
        if (!some || most < high) high = most;
        some = 1;
    }
    /* As many bins as there are: numbers of samples begin with the first. */
    between(roi, 1, walk->q + 1, low, high, near);
    walk->column = (near[0] > first ? near[0] : first) - first;
    walk->columns = (near[1] < end ? near[1] : end) - first;
}

INLINE double within(double value, double most) {
    return value < 0 ? 0 : value > most ? most : value;
}

/* List a sample if it is in range; return -1 if the table does not have its cells. */
INLINE int list_one(const struct roi *roi, const struct walk *walk, struct sample *out, int *count) {
    double across = (double)walk->q + ((double)walk->column + 0.5) / (double)roi->samples[1];
    double u = roi->start[1] + across * roi->length[1], v = walk->v;
    double y = -u * roi->sine + v * roi->cosine + roi->centre[0];
    double x = u * roi->cosine + v * roi->sine + roi->centre[1];
    if (!(y >= -1 && y <= (double)roi->size[0] && x >= -1 && x <= (double)roi->size[1])) return 0;
    int64_t last[2] = {roi->size[0] - 1, roi->size[1] - 1};
    double cy = within(y, (double)last[0]), cx = within(x, (double)last[1]);
    int64_t top = (int64_t)cy, left = (int64_t)cx;
    int64_t row = roi->base + top * roi->pitch + left, right = left < last[1];
    int64_t below = top < last[0] ? roi->pitch : 0;
    if (row < 0 || row + below + right >= roi->cells) return -1;
    *out = (struct sample){.cell = {row, row + right, row + below, row + below + right},
                           .y = cy - (double)top, .x = cx - (double)left, .v = v, .u = u,
                           .down = walk->down, .across = across,
                           .moves = {y >= 0 && y < (double)last[0], x >= 0 && x < (double)last[1]}};
    ++*count;
    return 0;
}

/* List the next samples of a bin that are in range, as many as there is room for; return how many,
   or -1 if the table does not have their cells. */
INLINE int list_more(const struct roi *roi, struct walk *walk, struct sample *out) {
    int count = 0;
    while (count < LISTED) {
        if (walk->column >= walk->columns) {
            if (walk->row >= walk->rows) break;
            next_row(roi, walk);
            continue;
        }
        if (list_one(roi, walk, out + count, &count)) return -1;
        walk->column++;
    }
    return count;
}
