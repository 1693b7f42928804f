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

   `passes.h` is included for float and for double, for any processor and for wide registers. */

#include "common.h"
#include <float.h>
#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#endif

enum {
    STEP = 32,  /* channels whose sums are in registers at once */
    LANES = 8,  /* partial sums of a scalar product */
    CELLS = 64, /* whose channels are turned at once */
    LINE_BYTES = 16 << 10,  /* of lines that are worked on at once */
    STAGED_BYTES = 8 << 10, /* of a crop that are turned at once */
    TURNED_BYTES = 32 << 10, /* of cells that are turned back at once */
    PAST_BYTES = 1 << 20,   /* of what is written past the cache */
};
#ifdef __GNUC__
#define WHOLE STEP /* channels that are summed in registers */
#else
#define WHOLE PY_SSIZE_T_MAX
#endif

#include "lists.h"

/* What is worked on: RoIs, the cells they lie on with the corner of these on the map, and bins. */
struct work {
    struct lists *lists;
    Py_ssize_t first, end;
    struct array cells, other; /* (h, w, channels); (rows, channels, PH, PW) or (channels, h, w) */
    int32_t top, left;
    Py_ssize_t block[2]; /* bins of which the largest is one of the other array */
    Py_buffer rows; /* int64, of each RoI in the other array, if that is of bins */
};

enum pass { CROPS, FEATURES, BOXES, OWN, OUT, BACK };

/* The passes for one dtype and one kind of processor. */
struct passes {
    int (*work_on_rois)(const struct work *, enum pass, double *);
    int (*write_own)(const struct work *);
    int (*lay_out)(const struct work *), (*lay_back)(const struct work *);
};

/* Find the columns that RoIs touch in each row of cells: the first, and the one after the last. */
static void spans_of(int32_t (*spans)[2], const struct work *work) {
    const struct lists *lists = work->lists;
    for (Py_ssize_t y = 0; y < work->cells.size[0]; y++) spans[y][0] = INT32_MAX, spans[y][1] = 0;
    for (Py_ssize_t roi = work->first; roi < work->end; roi++) {
        const int64_t *rows = touched_of(lists, 0, roi);
        int32_t own[2];
        span_of(lists, 1, roi, own);
        for (int64_t row = rows[0]; own[1] && row < rows[1]; row++) {
            int32_t *span = spans[lists->touched[row] - work->top];
            if (own[0] < span[0]) span[0] = own[0];
            if (own[1] > span[1]) span[1] = own[1];
        }
    }
}

#define CPU any
#ifdef __AVX2__
#define WIDE 1
#else
#define WIDE 0
#endif
#define BYTES 4
#include "passes.h"
#define BYTES 8
#include "passes.h"

/* Wider registers where there are some: more values at once, the same bits. */
#if !WIDE && defined(__x86_64__) && defined(__GNUC__)
#define WIDENS
#undef CPU
#undef WIDE
#undef TARGET
#define CPU avx2
#define WIDE 1
#define TARGET __attribute__((target("avx2")))
#define BYTES 4
#include "passes.h"
#define BYTES 8
#include "passes.h"
#endif

static const struct passes *passes_of(Py_ssize_t itemsize) {
#ifdef WIDENS
    if (__builtin_cpu_supports("avx2")) return itemsize == 8 ? &passes_f8_avx2 : &passes_f4_avx2;
#endif
    return itemsize == 8 ? &passes_f8_any : &passes_f4_any;
}

/* ---- The module: every function takes its arrays apart, checks them, and lets others run. ---- */

#define LISTS "lucid.roi.engines.compiled.lists"

static void forget_lists(PyObject *capsule) {
    free(PyCapsule_GetPointer(capsule, LISTS));
}

/* Return lists of so many RoIs; release the buffers that taps lie in. */
static PyObject *make_lists(struct taps *taps, Py_ssize_t rois, const Py_ssize_t bins[2],
                            int what, int fits, Py_buffer *buffers, int count) {
    int failed = -1;
    struct lists *lists = NULL;
    if (fits && bins[0] >= 1 && bins[1] >= 1 && bins[0] <= MOST_BINS && bins[1] <= MOST_BINS) {
        Py_BEGIN_ALLOW_THREADS
        int64_t largest = largest_of(taps, rois);
        if (largest > 0) {
            lists = new_lists(rois, bins, most_taps(taps, rois, bins), what);
            failed = lists ? fill(lists, taps, largest) : -2;
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
    int what;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*y*y*y*(nn)i", at, at + 1, at + 2, at + 3, at + 4, at + 5,
                          at + 6, at + 7, bins, bins + 1, &what))
        return NULL;
    struct taps taps = {.count = at[0].len / 8, .line = at[0].buf, .bin = at[1].buf,
                        .cell = at[2].buf, .weight = at[3].buf, .slope = {at[4].buf, at[5].buf},
                        .size = at[6].buf, .above = at[7].len ? at[7].buf : NULL};
    taps.adjacent = taps.count ? at[3].len / 8 / taps.count : 0;
    int fits = at[1].len == at[0].len && at[2].len == at[0].len && at[6].len % 16 == 0
        && (!taps.above || at[7].len == at[6].len / 2)
        && at[3].len == at[0].len * taps.adjacent
        && (what != FOR_BOXES || (at[4].len == at[3].len && at[5].len == at[3].len));
    return make_lists(&taps, at[6].len / 16, bins, what, fits, at, 8);
}

static PyObject *lists_of_grids(PyObject *self, PyObject *args) {
    Py_buffer at[6]; /* starts, lengths, whether these are fixed, samples, sizes, rows above */
    Py_ssize_t bins[2];
    double scale[2];
    int what;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*y*(dd)(nn)i", at, at + 1, at + 2, at + 3, at + 4, at + 5,
                          scale, scale + 1, bins, bins + 1, &what))
        return NULL;
    struct taps taps = {.start = at[0].buf, .length = at[1].buf, .fixed = at[2].buf,
                        .samples = at[3].buf, .size = at[4].buf, .scale = {scale[0], scale[1]},
                        .above = at[5].len ? at[5].buf : NULL};
    int fits = at[4].len % 16 == 0 && at[2].len == at[4].len / 8
        && (!taps.above || at[5].len == at[4].len / 2);
    for (int i = 0; i < 4; i++) fits = fits && (i == 2 || at[i].len == at[4].len);
    return make_lists(&taps, at[4].len / 16, bins, what, fits, at, 6);
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
    int fits = work->cells.stride[2] == 1 || size[2] < 2 || pass == OWN;
    fits = fits && (all[0] == all[1] || (all[0] >= work->top && all[1] - work->top <= size[0]
                                         && all[2] >= work->left && all[3] - work->left <= size[1]));
    if (pass >= OUT)
        return fits && other[0] == size[2] && other[1] == size[0] && other[2] == size[1]
            && (pass == OUT || stride[2] == 1 || other[2] < 2);
    Py_ssize_t channels = pass == OWN ? size[2] / bins[0] / bins[1] : size[2];
    fits = fits && (pass != OWN || channels * bins[0] * bins[1] == size[2]);
    fits = fits && other[1] == channels && (stride[3] == 1 || other[3] == 1)
        && other[2] * work->block[0] == bins[0] && other[3] * work->block[1] == bins[1]
        && (stride[2] == other[3] || other[2] == 1)
        && work->rows.len == (work->end - work->first) * 8
        && (pass == CROPS || pass == OWN || lists->reader_at) && (pass != BOXES || (lists->slope[0] && size[2] <= STEP));
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
    int writes = pass == CROPS || pass == OWN || pass == BACK;
    Py_ssize_t multiple = pass == OUT ? 1 : *itemsize; /* planes of a file lie anywhere */
    if (take_from(other, &work->other, pass < OUT ? 4 : 3, *itemsize, writes, multiple)) return 2;
    if (fit(work, pass)) return 3;
    return refused("arrays do not belong together"), -3;
}

static int work_on(const struct work *work, enum pass pass, Py_ssize_t itemsize, double *gradient) {
    const struct passes *passes = passes_of(itemsize);
    if (pass == OUT) return passes->lay_out(work);
    if (pass == BACK) return passes->lay_back(work);
    if (pass == OWN) return passes->write_own(work);
    return passes->work_on_rois(work, pass, gradient);
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
        failed = work_on(&work, pass, itemsize, gradient);
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
PASS(own_crops, OWN)
PASS(features, FEATURES)
PASS(boxes, BOXES)
PASS(lay_out, OUT)
PASS(lay_back, BACK)

#include "few.h"

static PyMethodDef methods[] = {
    {"lists", lists_of_taps, METH_VARARGS, "Return taps merged, as the other functions take them."},
    {"grid_lists", lists_of_grids, METH_VARARGS, "Return the same of grids of samples."},
    {"window", window, METH_VARARGS, "Return the rows and columns of the window of some RoIs."},
    {"lay_out", lay_out, METH_VARARGS, "Write the cells that RoIs touch, channels side by side."},
    {"lay_back", lay_back, METH_VARARGS, "Write cells to all of a map, zeros elsewhere."},
    {"crops", crops, METH_VARARGS, "Write the crops of some RoIs, or the largest bins of blocks."},
    {"few_crops", few_crops, METH_VARARGS, "Write crops of boxes; return False if these are large."},
    {"own_crops", own_crops, METH_VARARGS, "Write crops whose bins have channels of their own."},
    {"features", features, METH_VARARGS, "Add the gradient of crops to cells."},
    {"boxes", boxes, METH_VARARGS, "Return the gradient of boxes from that of crops."},
    {NULL, NULL, 0, NULL},
};

MODULE(_kernel, "Crops and gradients from taps.")
