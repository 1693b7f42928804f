/* Crops and gradients of turned grids of samples, in C: what `lucid.roi.engines.compiled.turned`
   calls.

   The same RoI gives the same bits on any machine, whatever its neighbours and however many
   threads; `kernel.c` says by what means. The order of additions:

   - crop: sample after sample of a bin, row by row, and of each its four cells; as many samples as
     are listed at once, then their sums;
   - maximum: the four cells of each sample; of equal samples the first;
   - gradient of features: RoI after RoI, bin after bin, sample after sample;
   - gradient of boxes: the same, channel i of a scalar product in lane i % LANES.

   Samples are listed as they are needed, and only rows and columns of them that are near the map,
   so that neither memory nor time depends on how large a box is. `turned.h` is included twice, for
   float and for double. */

#include "common.h"
#include "turned_samples.h"

enum {
    STEP = 32,   /* channels whose sums are in registers at once */
    LANES = 8,   /* partial sums of a scalar product */
    TILE = 64,   /* bins whose channels are turned at once */
    COLUMNS = 5, /* of a box */
};
#define MOST_BINS (1 << 20)             /* of a RoI along an axis */
#define MOST_SAMPLES ((int64_t)1 << 42) /* of a bin along an axis */
#define MOST_CELLS ((int64_t)1 << 60)   /* of a table */

enum pass { CROPS, MAXIMA, FEATURES, BOXES };

/* What is worked on. */
struct work {
    struct grids grids;
    struct array cells, bins; /* (cells, channels); (rows, channels, PH, PW) */
    const int64_t *rows;      /* of each RoI among the bins */
    int renormalize;          /* whether samples out of range do not take part in maxima */
};

#define REAL float
#define BITS uint32_t
#define EXPONENT 0x7f800000u
#define LARGEST 0x1.fffffep127f
#define CANONICAL_NAN 0x7fc00000u
#define TYPED(name) name##_f4
#include "turned.h"
#undef REAL
#undef BITS
#undef EXPONENT
#undef LARGEST
#undef CANONICAL_NAN
#undef TYPED
#define REAL double
#define BITS uint64_t
#define EXPONENT 0x7ff0000000000000u
#define LARGEST 0x1.fffffffffffffp1023
#define CANONICAL_NAN 0x7ff8000000000000u
#define TYPED(name) name##_f8
#include "turned.h"

/* ---- The module: every function takes its arrays apart, checks them, and lets others run. ---- */

/* Whether grids are of so many RoIs, and can be walked on. */
static int grids_fit(struct grids *grids, const Py_buffer at[9]) {
    Py_ssize_t K = grids->rois = at[7].len / 8;
    int fits = at[7].len == K * 8 && at[8].len == K * 8 && at[3].len == K * 2;
    for (int i = 0; fits && i < 7; i++) fits = i == 3 || at[i].len == K * 16;
    fits = fits && grids->bins[0] >= 1 && grids->bins[0] <= MOST_BINS && grids->bins[1] >= 1
        && grids->bins[1] <= MOST_BINS && grids->cells <= MOST_CELLS;
    if (!fits) return 0;
    grids->centre = at[0].buf, grids->start = at[1].buf, grids->length = at[2].buf;
    grids->fixed = at[3].buf, grids->samples = at[4].buf, grids->turn = at[5].buf;
    grids->size = at[6].buf, grids->base = at[7].buf, grids->pitch = at[8].buf;
    for (Py_ssize_t i = 0; fits && i < 2 * K; i++)
        fits = grids->samples[i] >= 0 && grids->samples[i] <= MOST_SAMPLES && grids->size[i] >= 1
            && grids->size[i] <= INT32_MAX;
    for (Py_ssize_t k = 0; fits && k < K; k++)
        fits = grids->base[k] >= -MOST_CELLS && grids->base[k] <= MOST_CELLS
            && grids->pitch[k] >= 0 && grids->pitch[k] <= INT32_MAX;
    return fits;
}

/* Whether cells and bins belong together. */
static int arrays_fit(const struct work *work, const Py_buffer *rows) {
    const Py_ssize_t *size = work->bins.size, *stride = work->bins.stride;
    const Py_ssize_t *bins = work->grids.bins;
    int fits = (work->cells.stride[1] == 1 || size[1] < 2) && work->cells.size[1] == size[1]
        && size[2] == bins[0] && size[3] == bins[1] && (stride[3] == 1 || bins[1] == 1)
        && (stride[2] == bins[1] || bins[0] == 1) && rows->len == work->grids.rois * 8;
    for (Py_ssize_t k = 0; fits && k < work->grids.rois; k++)
        fits = work->rows[k] >= 0 && work->rows[k] < size[0];
    return fits;
}

static PyObject *result_of(const struct work *work, enum pass pass, int wide) {
    Py_ssize_t size = work->grids.rois * COLUMNS * (Py_ssize_t)sizeof(double);
    PyObject *result = pass == BOXES ? PyByteArray_FromStringAndSize(NULL, size) : Py_NewRef(Py_None);
    if (!result) return NULL;
    double *gradient = pass == BOXES ? (double *)PyByteArray_AsString(result) : NULL;
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = wide ? work_on_f8(work, pass, gradient) : work_on_f4(work, pass, gradient);
    Py_END_ALLOW_THREADS
    if (!failed) return result;
    Py_DECREF(result);
    return failed == -2 ? PyErr_NoMemory() : refused("samples must read cells of the table");
}

static PyObject *run(PyObject *args, enum pass pass) {
    struct work work = {0};
    Py_buffer at[10]; /* the arrays of grids, and rows */
    PyObject *cells, *bins, *result = NULL;
    Py_ssize_t itemsize;
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*y*y*y*y*(nn)OOy*n|p", at, at + 1, at + 2, at + 3, at + 4,
                          at + 5, at + 6, at + 7, at + 8, work.grids.bins, work.grids.bins + 1,
                          &cells, &bins, at + 9, &itemsize, &work.renormalize))
        return NULL;
    if (itemsize != 4 && itemsize != 8) refused("there is no such dtype");
    else if (!take(cells, &work.cells, 2, itemsize, pass == FEATURES)) {
        if (!take(bins, &work.bins, 4, itemsize, pass <= MAXIMA)) {
            work.grids.cells = work.cells.size[0], work.rows = at[9].buf;
            if (grids_fit(&work.grids, at) && arrays_fit(&work, at + 9))
                result = result_of(&work, pass, itemsize == 8);
            else refused("arrays do not belong together");
            PyBuffer_Release(&work.bins.buffer);
        }
        PyBuffer_Release(&work.cells.buffer);
    }
    for (int i = 0; i < 10; i++) PyBuffer_Release(at + i);
    return result;
}

static PyObject *lay_out(PyObject *self, PyObject *args) {
    struct array planes, cells;
    PyObject *from, *to, *result = NULL;
    Py_ssize_t itemsize;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOn", &from, &to, &itemsize)) return NULL;
    if (itemsize != 4 && itemsize != 8) return refused("there is no such dtype");
    if (take(from, &planes, 3, itemsize, 0)) return NULL;
    if (!take(to, &cells, 3, itemsize, 1)) {
        const Py_ssize_t *size = planes.size, *own = cells.size;
        if (own[0] == size[1] && own[1] == size[2] && own[2] == size[0]
            && (planes.stride[2] == 1 || size[2] < 2) && (cells.stride[2] == 1 || size[0] < 2)) {
            Py_BEGIN_ALLOW_THREADS
            if (itemsize == 8) lay_out_f8(&planes, &cells);
            else lay_out_f4(&planes, &cells);
            Py_END_ALLOW_THREADS
            result = Py_NewRef(Py_None);
        } else refused("arrays do not belong together");
        PyBuffer_Release(&cells.buffer);
    }
    PyBuffer_Release(&planes.buffer);
    return result;
}

#define PASS(name, pass) \
    static PyObject *name(PyObject *self, PyObject *args) { (void)self; return run(args, pass); }
PASS(crops, CROPS)
PASS(maxima, MAXIMA)
PASS(features, FEATURES)
PASS(boxes, BOXES)

static PyMethodDef methods[] = {
    {"lay_out", lay_out, METH_VARARGS, "Write planes to cells, channels side by side."},
    {"crops", crops, METH_VARARGS, "Write the crops of RoIs."},
    {"maxima", maxima, METH_VARARGS, "Write the largest samples of the bins of some RoIs."},
    {"features", features, METH_VARARGS, "Add the gradient of crops to cells."},
    {"boxes", boxes, METH_VARARGS, "Return the gradient of boxes from that of crops."},
    {NULL, NULL, 0, NULL},
};

MODULE(_turned, "Crops and gradients of turned grids.")
