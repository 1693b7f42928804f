/* Crops and gradients from taps, in C: what `lucid.roi.engines.compiled` calls.

   The same RoI gives the same bits on any machine, whatever its neighbours and however many
   threads: each value is a chain of additions in one stated order, in the dtype that features are
   weighted in; products are rounded before they are added (no contraction); nothing is asked of
   the mathematical library. The order:

   - weight of a bin for a cell: its taps, one after the other (float64, then rounded once);
   - crop: for each touched column the bin's rows from top to bottom; of these the bin's columns
     from left to right;
   - gradient of features: RoI after RoI, bin after bin along each axis, tap after tap;
   - gradient of boxes: see `dots`.

   Cells have some channels side by side, so few that a map of them stays in the cache while all
   RoIs are weighted on it, and all arithmetic is on runs of channels. Only cells that a bin reads
   are touched, so a NaN spreads no farther than a plain loop would carry it.

   `passes.h` is included twice, for float and for double. */

#include "common.h"
#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define STREAMS
#endif

enum {
    STEP = 32,  /* channels whose sums are in registers at once */
    LANES = 8,  /* partial sums of a scalar product */
    CELLS = 64, /* whose channels are turned at once */
    STAGED_BYTES = 8 << 10, /* of a crop that are turned at once */
    PAST_BYTES = 1 << 20, /* of crops that are written past the cache */
    MOST_BINS = 1 << 20,  /* of a RoI along an axis */
};
#define MOST_SAMPLES ((int64_t)1 << 42) /* of a bin */

/* The touched cells of K RoIs, merged from what their bins read. Never changed once it is made. */
struct lists {
    Py_ssize_t rois, bins[2], room, taps; /* so many taps have room; so many there are */
    Py_ssize_t most_rows;       /* taps of one bin along rows */
    Py_ssize_t most_columns;    /* touched columns of a RoI */
    Py_ssize_t most_column_taps; /* of a RoI */
    int64_t *at;         /* where bins begin: (K, PH + 1) along rows, then (K, PW + 1) */
    int32_t *cell;       /* (taps,) the row that a tap reads, or the number of its column */
    double *weight;      /* (taps,) */
    double *slope[2];    /* (taps,) each, by start and by end; or NULL */
    int64_t *columns_at; /* (K + 1,) where the columns of a RoI begin */
    int32_t *column;     /* those that a RoI touches, ascending */
    int32_t (*window)[4]; /* (K,) first row, the one after the last; the same of columns */
};

INLINE const int64_t *bins_of(const struct lists *lists, int axis, Py_ssize_t roi) {
    return lists->at + (axis ? lists->rois * (lists->bins[0] + 1) : 0)
        + roi * (lists->bins[axis] + 1);
}

/* Lists with room for so many taps, in one piece of memory; NULL if there is none. */
static struct lists *new_lists(Py_ssize_t rois, const Py_ssize_t bins[2], Py_ssize_t taps,
                               int slopes) {
    Py_ssize_t most = PY_SSIZE_T_MAX / 64, starts = bins[0] + bins[1] + 2;
    if (taps > most || bins[0] > most / 2 || bins[1] > most / 2 || rois > most / starts - 1)
        return NULL;
    size_t values = taps * (1 + 2 * slopes), counts = rois * starts + rois + 1;
    struct lists *lists = malloc(sizeof *lists + 8 * (values + counts) + 8 * taps + 16 * rois);
    if (!lists) return NULL;
    *lists = (struct lists){.rois = rois, .bins = {bins[0], bins[1]}, .room = taps};
    lists->weight = (double *)(lists + 1);
    for (int end = 0; slopes && end < 2; end++) lists->slope[end] = lists->weight + taps * (1 + end);
    lists->at = (int64_t *)(lists->weight + values);
    lists->columns_at = lists->at + rois * starts;
    lists->window = (int32_t(*)[4])(lists->at + counts);
    lists->cell = (int32_t *)(lists->window + rois);
    lists->column = lists->cell + taps;
    return lists;
}

/* What bins read, as an operator says it; either of `lucid.roi.taps`. */
struct taps {
    const int64_t *size;  /* (2K,) of the map */
    const int64_t *above; /* (K,) rows of cells above the map's own; or NULL */
    /* Taps of lines, sorted: */
    Py_ssize_t count, adjacent;
    const int64_t *line, *bin, *cell;
    const double *weight, *slope[2]; /* (adjacent, count); slopes may be NULL */
    /* Or grids of samples, (2K,) each: */
    const double *start, *length;
    const int64_t *samples;
    const char *fixed;
    double scale[2];
};

/* Add a tap to those of its bin, which begin at `begin`: a cell that is there already gains. */
INLINE int add(struct lists *lists, int64_t begin, int64_t cell, double weight, double by_start,
               double by_end) {
    int64_t at = lists->taps;
    while (at > begin && lists->cell[at - 1] > cell) at--;
    int found = at > begin && lists->cell[at - 1] == cell;
    /* Else it is the last: taps ascend, and those before read all cells up to their last. */
    if (!found && lists->taps == lists->room) return -1;
    at = found ? at - 1 : lists->taps++;
    lists->cell[at] = (int32_t)cell;
    lists->weight[at] = (found ? lists->weight[at] : 0) + weight;
    if (!lists->slope[0]) return 0;
    lists->slope[0][at] = (found ? lists->slope[0][at] : 0) + by_start;
    lists->slope[1][at] = (found ? lists->slope[1][at] : 0) + by_end;
    return 0;
}

/* Add the taps of a bin, from tap `i` on; return where they end, or -1 where one reads a cell that
   is not on the map, or cells do not ascend. */
static Py_ssize_t add_taps(struct lists *lists, const struct taps *taps, Py_ssize_t i,
                           int64_t line, Py_ssize_t bin) {
    int64_t begin = lists->taps, before = 0, size = taps->size[line];
    for (; i < taps->count && taps->line[i] == line && taps->bin[i] == bin; i++) {
        if (taps->cell[i] < before || taps->cell[i] >= size) return -1;
        before = taps->cell[i];
        for (Py_ssize_t t = 0; t < taps->adjacent; t++) {
            Py_ssize_t from = t * taps->count + i;
            int64_t cell = before + t < size ? before + t : size - 1;
            int slopes = lists->slope[0] != NULL;
            if (add(lists, begin, cell, taps->weight[from], slopes ? taps->slope[0][from] : 0,
                    slopes ? taps->slope[1][from] : 0)) return -1;
        }
    }
    return i;
}

INLINE double between(double value, double least, double most) {
    value = value > least ? value : least;
    return value < most ? value : most;
}

/* Find which samples of a grid may be in range: a box may be far larger than the map, and only
   those near it are ever visited. They are numbered through the bins. */
static void samples_near(const struct taps *taps, int64_t line, Py_ssize_t bins, int64_t near[2]) {
    double total = (double)taps->samples[line] * (double)bins, start = taps->start[line];
    double step = taps->length[line] / (double)(taps->samples[line] ? taps->samples[line] : 1);
    near[0] = 0, near[1] = (int64_t)total;
    if (!(step > 0)) return;
    near[0] = (int64_t)between((-1 - start) / step - 3, 0, total);
    near[1] = (int64_t)between(((double)taps->size[line] - start) / step + 3, 0, total);
}

/* Add the samples of a bin that are in range, each of which reads two cells. Every operation is one
   of `RoiAlign.taps`, in its order. */
static int add_samples(struct lists *lists, const struct taps *taps, const int64_t near[2],
                       int64_t line, Py_ssize_t bin) {
    int axis = line >= lists->rois;
    int64_t begin = lists->taps, per_bin = taps->samples[line], first = bin * per_bin;
    double samples = (double)per_bin, share = 1 / samples, last = (double)(taps->size[line] - 1);
    int64_t i = near[0] > first ? near[0] - first : 0;
    int64_t end = near[1] - first < per_bin ? near[1] - first : per_bin;
    for (; i < end; i++) {
        double from_start = (double)bin + ((double)i + 0.5) / samples;
        double position = taps->start[line] + from_start * taps->length[line];
        if (!(position >= -1 && position <= last + 1)) continue;
        double clamped = between(position, 0, last), slope[2] = {0, 0};
        int64_t cell = (int64_t)clamped;
        double fraction = clamped - (double)cell;
        if (lists->slope[0]) {
            double rise = taps->scale[axis] * (position >= 0 && position < last) / samples;
            slope[1] = taps->fixed[line] ? 0 : rise * (from_start / (double)lists->bins[axis]);
            slope[0] = rise - slope[1];
        }
        if (add(lists, begin, cell, (1 - fraction) * share, -slope[0], -slope[1])
            || add(lists, begin, cell < last ? cell + 1 : cell, fraction * share, slope[0], slope[1]))
            return -1;
    }
    return 0;
}

/* Merge what the bins of a line read, from tap `i` on if there are taps; return where those end, or
   -1 where they are not as they must be. */
static Py_ssize_t fill_line(struct lists *lists, const struct taps *taps, Py_ssize_t i,
                            int64_t line, int axis) {
    Py_ssize_t roi = line - axis * lists->rois;
    int64_t *at = (int64_t *)bins_of(lists, axis, roi), begin = lists->taps, near[2];
    int32_t *window = lists->window[roi] + 2 * axis;
    if (taps->start) samples_near(taps, line, lists->bins[axis], near);
    for (Py_ssize_t bin = 0; bin < lists->bins[axis]; bin++) {
        at[bin] = lists->taps;
        if (!taps->start) i = add_taps(lists, taps, i, line, bin);
        else if (add_samples(lists, taps, near, line, bin)) i = -1;
        if (i < 0) return -1;
        if (!axis && lists->taps - at[bin] > lists->most_rows)
            lists->most_rows = lists->taps - at[bin];
    }
    at[lists->bins[axis]] = lists->taps;
    window[0] = begin < lists->taps ? INT32_MAX : 0, window[1] = 0;
    for (int64_t tap = begin; tap < lists->taps; tap++) {
        if (lists->cell[tap] < window[0]) window[0] = lists->cell[tap];
        if (lists->cell[tap] >= window[1]) window[1] = lists->cell[tap] + 1;
    }
    if (!axis && taps->above && begin < lists->taps) {
        int32_t above = (int32_t)taps->above[roi];
        for (int64_t tap = begin; tap < lists->taps; tap++) lists->cell[tap] += above;
        window[0] += above, window[1] += above;
    }
    if (axis && lists->taps - begin > lists->most_column_taps)
        lists->most_column_taps = lists->taps - begin;
    return i;
}

/* Number the columns that a RoI touches, and have its taps name them by number. `number` is 0 for
   every column of the map, before and after. */
static void number_columns(struct lists *lists, Py_ssize_t roi, int32_t *number) {
    const int64_t *at = bins_of(lists, 1, roi);
    int64_t begin = at[0], end = at[lists->bins[1]], first = lists->columns_at[roi], next = first;
    for (int64_t tap = begin; tap < end; tap++) number[lists->cell[tap]] = 1;
    for (int32_t x = lists->window[roi][2]; x < lists->window[roi][3]; x++)
        if (number[x]) {
            number[x] = (int32_t)(next - first);
            lists->column[next++] = x;
        }
    for (int64_t tap = begin; tap < end; tap++) lists->cell[tap] = number[lists->cell[tap]];
    for (int64_t i = first; i < next; i++) number[lists->column[i]] = 0;
    lists->columns_at[roi + 1] = next;
    if (next - first > lists->most_columns) lists->most_columns = next - first;
}

/* Fill lists; return 0, -1 where what bins read is not as it must be, -2 where there is no memory. */
static int fill(struct lists *lists, const struct taps *taps, int64_t widest) {
    int32_t *number = calloc(widest, sizeof *number);
    if (!number) return -2;
    Py_ssize_t i = 0;
    lists->columns_at[0] = 0;
    for (Py_ssize_t line = 0; line < 2 * lists->rois && i >= 0; line++) {
        int axis = line >= lists->rois;
        i = fill_line(lists, taps, i, line, axis);
        if (axis && i >= 0) number_columns(lists, line - lists->rois, number);
    }
    free(number);
    return i == taps->count ? 0 : -1;
}

/* Return the width of the widest map, or -1 where sizes, places or numbers of samples cannot be. */
static int64_t widest_of(const struct taps *taps, Py_ssize_t rois) {
    int64_t widest = 1;
    for (Py_ssize_t line = 0; line < 2 * rois; line++) {
        if (taps->size[line] < 1 || taps->size[line] > INT32_MAX) return -1;
        if (taps->samples && (taps->samples[line] < 0 || taps->samples[line] > MOST_SAMPLES)) return -1;
        if (line >= rois && taps->size[line] > widest) widest = taps->size[line];
        if (line < rois && taps->above
            && (taps->above[line] < 0 || taps->above[line] > INT32_MAX - taps->size[line])) return -1;
    }
    return widest;
}

/* Return how many taps there may be after they are merged. */
static Py_ssize_t most_taps(const struct taps *taps, Py_ssize_t rois, const Py_ssize_t bins[2]) {
    Py_ssize_t most = taps->count * taps->adjacent;
    for (Py_ssize_t line = 0; taps->start && line < 2 * rois; line++) {
        Py_ssize_t own = bins[line >= rois];
        int64_t near[2];
        samples_near(taps, line, own, near);
        /* Bins that follow each other share two cells at most. */
        int64_t samples = 2 * (near[1] - near[0]), cells = taps->size[line] + 2 * own;
        most += samples < cells ? samples : cells;
    }
    return most;
}

/* The smallest window that holds those of RoIs from `first` to `end`, rows then columns. */
static void bounds(const struct lists *lists, Py_ssize_t first, Py_ssize_t end, int32_t out[4]) {
    int32_t all[4] = {INT32_MAX, 0, INT32_MAX, 0};
    for (Py_ssize_t roi = first; roi < end; roi++) {
        const int32_t *own = lists->window[roi];
        if (own[0] == own[1] || own[2] == own[3]) continue;
        for (int side = 0; side < 4; side += 2) {
            if (own[side] < all[side]) all[side] = own[side];
            if (own[side + 1] > all[side + 1]) all[side + 1] = own[side + 1];
        }
    }
    for (int side = 0; side < 4; side++) out[side] = all[1] ? all[side] : 0;
}

/* Whether this machine can write past the cache by 32 bytes; by 16 it is no gain. */
INLINE int can_stream(void) {
#ifdef STREAMS
    return __builtin_cpu_supports("avx");
#else
    return 0;
#endif
}

/* Copy what nobody reads soon: past the cache, which need not fetch what is written over. */
#ifdef STREAMS
__attribute__((target("avx")))
#endif
static void copy_past(char *to, const char *from, size_t size) {
    size_t at = 0;
#ifdef STREAMS
    size_t odd = -(uintptr_t)to % 32;
    if (odd < size) memcpy(to, from, at = odd);
    for (; at + 32 <= size && odd < size; at += 32)
        _mm256_stream_ps((float *)(to + at), _mm256_loadu_ps((const float *)(from + at)));
#endif
    memcpy(to + at, from + at, size - at);
}

/* Let what was written past the cache be seen by others. */
INLINE void fence(void) {
#ifdef STREAMS
    _mm_sfence();
#endif
}

/* What is worked on: RoIs, the cells they lie on with the corner of these on the map, and bins. */
struct work {
    struct lists *lists;
    Py_ssize_t first, end;
    struct array cells, other; /* (h, w, channels); (rows, channels, PH, PW) or (channels, h, w) */
    int32_t top, left;
    Py_ssize_t block[2]; /* bins of which the largest is one of the other array */
    Py_buffer rows; /* int64, of each RoI in the other array, if that is of bins */
};

enum pass { CROPS, FEATURES, BOXES, OUT, BACK };

/* Find the columns that RoIs touch in each row of cells: the first, and the one after the last. */
static void spans_of(int32_t (*spans)[2], const struct work *work) {
    const struct lists *lists = work->lists;
    for (Py_ssize_t y = 0; y < work->cells.size[0]; y++) spans[y][0] = INT32_MAX, spans[y][1] = 0;
    for (Py_ssize_t roi = work->first; roi < work->end; roi++) {
        const int64_t *at = bins_of(lists, 0, roi);
        const int32_t *window = lists->window[roi];
        if (window[2] == window[3]) continue;
        for (int64_t tap = at[0]; tap < at[lists->bins[0]]; tap++) {
            int32_t *span = spans[lists->cell[tap] - work->top];
            if (window[2] < span[0]) span[0] = window[2];
            if (window[3] > span[1]) span[1] = window[3];
        }
    }
}

#define REAL float
#define BITS uint32_t
#define EXPONENT 0x7f800000u
#define CANONICAL_NAN 0x7fc00000u
#define TYPED(name) name##_f4
#include "passes.h"
#undef REAL
#undef BITS
#undef EXPONENT
#undef CANONICAL_NAN
#undef TYPED
#define REAL double
#define BITS uint64_t
#define EXPONENT 0x7ff0000000000000u
#define CANONICAL_NAN 0x7ff8000000000000u
#define TYPED(name) name##_f8
#include "passes.h"

/* ---- The module: every function takes its arrays apart, checks them, and lets others run. ---- */

#define LISTS "lucid.roi.engines.compiled.lists"

static void forget_lists(PyObject *capsule) {
    free(PyCapsule_GetPointer(capsule, LISTS));
}

/* Return lists of so many RoIs; release the buffers that taps lie in. */
static PyObject *make_lists(struct taps *taps, Py_ssize_t rois, const Py_ssize_t bins[2],
                            int slopes, int fits, Py_buffer *buffers, int count) {
    int failed = -1;
    struct lists *lists = NULL;
    if (fits && bins[0] >= 1 && bins[1] >= 1 && bins[0] <= MOST_BINS && bins[1] <= MOST_BINS) {
        Py_BEGIN_ALLOW_THREADS
        int64_t widest = widest_of(taps, rois);
        if (widest > 0) {
            lists = new_lists(rois, bins, most_taps(taps, rois, bins), slopes);
            failed = lists ? fill(lists, taps, widest) : -2;
        }
        Py_END_ALLOW_THREADS
    }
    for (int i = 0; i < count; i++) PyBuffer_Release(buffers + i);
    if (!failed) return PyCapsule_New(lists, LISTS, forget_lists);
    if (lists) free(lists);
    return failed == -2 ? PyErr_NoMemory() : refused("taps must be sorted, and on their map");
}

static PyObject *lists_of_taps(PyObject *self, PyObject *args) {
    Py_buffer at[8]; /* line, bin, cell, weights, two slopes, sizes, rows above */
    Py_ssize_t bins[2];
    int slopes;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*y*y*y*(nn)p", at, at + 1, at + 2, at + 3, at + 4, at + 5,
                          at + 6, at + 7, bins, bins + 1, &slopes))
        return NULL;
    struct taps taps = {.count = at[0].len / 8, .line = at[0].buf, .bin = at[1].buf,
                        .cell = at[2].buf, .weight = at[3].buf, .slope = {at[4].buf, at[5].buf},
                        .size = at[6].buf, .above = at[7].len ? at[7].buf : NULL};
    taps.adjacent = taps.count ? at[3].len / 8 / taps.count : 0;
    int fits = at[1].len == at[0].len && at[2].len == at[0].len && at[6].len % 16 == 0
        && (!taps.above || at[7].len == at[6].len / 2)
        && at[3].len == at[0].len * taps.adjacent
        && (!slopes || (at[4].len == at[3].len && at[5].len == at[3].len));
    return make_lists(&taps, at[6].len / 16, bins, slopes, fits, at, 8);
}

static PyObject *lists_of_grids(PyObject *self, PyObject *args) {
    Py_buffer at[6]; /* starts, lengths, whether these are fixed, samples, sizes, rows above */
    Py_ssize_t bins[2];
    double scale[2];
    int slopes;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*y*(dd)(nn)p", at, at + 1, at + 2, at + 3, at + 4, at + 5,
                          scale, scale + 1, bins, bins + 1, &slopes))
        return NULL;
    struct taps taps = {.start = at[0].buf, .length = at[1].buf, .fixed = at[2].buf,
                        .samples = at[3].buf, .size = at[4].buf, .scale = {scale[0], scale[1]},
                        .above = at[5].len ? at[5].buf : NULL};
    int fits = at[4].len % 16 == 0 && at[2].len == at[4].len / 8
        && (!taps.above || at[5].len == at[4].len / 2);
    for (int i = 0; i < 4; i++) fits = fits && (i == 2 || at[i].len == at[4].len);
    return make_lists(&taps, at[4].len / 16, bins, slopes, fits, at, 6);
}

/* Return the lists of a capsule, if RoIs from `first` to `end` are among them. */
static struct lists *lists_of(PyObject *capsule, Py_ssize_t first, Py_ssize_t end) {
    struct lists *lists = PyCapsule_GetPointer(capsule, LISTS);
    if (lists && (first < 0 || first > end || end > lists->rois)) return refused("no such RoIs"), NULL;
    return lists;
}

static PyObject *window(PyObject *self, PyObject *args) {
    PyObject *capsule;
    Py_ssize_t first, end;
    int32_t all[4];
    (void)self;
    if (!PyArg_ParseTuple(args, "Onn", &capsule, &first, &end)) return NULL;
    struct lists *lists = lists_of(capsule, first, end);
    if (!lists) return NULL;
    bounds(lists, first, end, all);
    return Py_BuildValue("(iiii)", all[0], all[1], all[2], all[3]);
}

/* Whether cells and bins, or cells and planes, are as a pass takes them, and hold all RoIs. */
static int fit(const struct work *work, enum pass pass) {
    const struct lists *lists = work->lists;
    const Py_ssize_t *size = work->cells.size, *other = work->other.size;
    const Py_ssize_t *stride = work->other.stride, *bins = lists->bins;
    const int64_t *rows = work->rows.buf;
    int32_t all[4];
    bounds(lists, work->first, work->end, all);
    int fits = work->cells.stride[2] == 1 || size[2] < 2;
    fits = fits && (all[0] == all[1] || (all[0] >= work->top && all[1] - work->top <= size[0]
                                         && all[2] >= work->left && all[3] - work->left <= size[1]));
    if (pass >= OUT)
        return fits && other[0] == size[2] && other[1] == size[0] && other[2] == size[1]
            && (pass == OUT || stride[2] == 1 || other[2] < 2);
    fits = fits && other[1] == size[2] && (stride[3] == 1 || other[3] == 1)
        && other[2] * work->block[0] == bins[0] && other[3] * work->block[1] == bins[1]
        && (stride[2] == other[3] || other[2] == 1)
        && work->rows.len == (work->end - work->first) * 8
        && (pass != BOXES || lists->slope[0]);
    for (Py_ssize_t i = 0; fits && i < work->end - work->first; i++)
        fits = rows[i] >= 0 && rows[i] < other[0];
    return fits;
}

/* Take apart what a pass is called with; return how many arrays are taken, 3 if all is well. */
static int begin(struct work *work, PyObject *args, enum pass pass, Py_ssize_t *itemsize) {
    PyObject *capsule, *cells, *other;
    work->block[0] = work->block[1] = 1;
    if (!PyArg_ParseTuple(args, "OnnOiiOy*n|(nn)", &capsule, &work->first, &work->end, &cells,
                          &work->top, &work->left, &other, &work->rows, itemsize, work->block,
                          work->block + 1))
        return 0;
    work->lists = lists_of(capsule, work->first, work->end);
    if (!work->lists) return 1;
    if (*itemsize != 4 && *itemsize != 8) return refused("there is no such dtype"), 1;
    for (int axis = 0; axis < 2; axis++)
        if (work->block[axis] < 1 || work->block[axis] > (pass == CROPS ? MOST_BINS : 1))
            return refused("there is no such block"), 1;
    if (take(cells, &work->cells, 3, *itemsize, pass == FEATURES || pass == OUT)) return 1;
    if (take(other, &work->other, pass < OUT ? 4 : 3, *itemsize, pass == CROPS || pass == BACK))
        return 2;
    if (fit(work, pass)) return 3;
    return refused("arrays do not belong together"), -3;
}

static int work_on(const struct work *work, enum pass pass, int wide, double *gradient) {
    if (pass == OUT) return wide ? lay_out_f8(work) : lay_out_f4(work);
    if (pass == BACK) return wide ? lay_back_f8(work) : lay_back_f4(work);
    return wide ? work_on_rois_f8(work, pass, gradient) : work_on_rois_f4(work, pass, gradient);
}

static PyObject *run(PyObject *args, enum pass pass) {
    struct work work;
    Py_ssize_t itemsize;
    int taken = begin(&work, args, pass, &itemsize), failed = 0;
    PyObject *result = NULL;
    if (taken == 3)
        result = pass == BOXES ? PyByteArray_FromStringAndSize(NULL, (work.end - work.first) * 32)
                               : Py_NewRef(Py_None);
    if (result) {
        double *gradient = pass == BOXES ? (double *)PyByteArray_AsString(result) : NULL;
        Py_BEGIN_ALLOW_THREADS
        failed = work_on(&work, pass, itemsize == 8, gradient);
        Py_END_ALLOW_THREADS
    }
    Py_buffer *buffers[] = {&work.rows, &work.cells.buffer, &work.other.buffer};
    for (int i = 0; i < abs(taken); i++) PyBuffer_Release(buffers[i]);
    if (!failed) return result;
    Py_DECREF(result);
    return PyErr_NoMemory();
}

#define PASS(name, pass) \
    static PyObject *name(PyObject *self, PyObject *args) { (void)self; return run(args, pass); }
PASS(crops, CROPS)
PASS(features, FEATURES)
PASS(boxes, BOXES)
PASS(lay_out, OUT)
PASS(lay_back, BACK)

static PyMethodDef methods[] = {
    {"lists", lists_of_taps, METH_VARARGS, "Return taps merged, as the other functions take them."},
    {"grid_lists", lists_of_grids, METH_VARARGS, "Return the same of grids of samples."},
    {"window", window, METH_VARARGS, "Return the rows and columns of the window of some RoIs."},
    {"lay_out", lay_out, METH_VARARGS, "Write the cells that RoIs touch, channels side by side."},
    {"lay_back", lay_back, METH_VARARGS, "Write cells to all of a map, zeros elsewhere."},
    {"crops", crops, METH_VARARGS, "Write the crops of some RoIs, or the largest bins of blocks."},
    {"features", features, METH_VARARGS, "Add the gradient of crops to cells."},
    {"boxes", boxes, METH_VARARGS, "Return the gradient of boxes from that of crops."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, .m_name = "_kernel", .m_doc = "Crops and gradients from taps.",
    .m_methods = methods, .m_slots = slots,
};

PyMODINIT_FUNC PyInit__kernel(void) { return PyModuleDef_Init(&module); }
