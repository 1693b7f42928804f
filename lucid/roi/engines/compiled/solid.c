/* The largest samples of a RoI in a volume, in C: what `lucid.roi.engines.compiled.solid_maxima`
   calls.

   A sample is read along the depth, then the height, then the width, each time from two values of
   which each is weighted, and then added. Of equal samples the first is a bin's value, one that is
   not a number is larger than any, and one out of range is 0. So every build gives the same bits.
   `solid.h` is included twice, for float and for double. */

#include "common.h"
#include <math.h>

/* The samples of a RoI along one axis that are in range, (n,) each. */
struct line {
    const int64_t *cell; /* (2, n) first and second that is read */
    const double *weight; /* (2, n) */
    const int64_t *bin;
    Py_ssize_t samples, per_bin; /* in range, and of a bin, in range or not */
};

/* What is worked on. */
struct work {
    struct line line[3];
    struct array cells, bins; /* (channels, d, h, w); (channels, PD, PH, PW) */
    int renormalize;          /* whether samples out of range do not take part */
};

#define REAL float
#define BITS uint32_t
#define CANONICAL_NAN 0x7fc00000u
#define TYPED(name) name##_f4
#include "solid.h"
#undef REAL
#undef BITS
#undef CANONICAL_NAN
#undef TYPED
#define REAL double
#define BITS uint64_t
#define CANONICAL_NAN 0x7ff8000000000000u
#define TYPED(name) name##_f8
#include "solid.h"

/* Take the samples of an axis from their buffers; return whether they read cells, and are of bins. */
static int take_line(struct line *line, const Py_buffer at[3], Py_ssize_t cells, Py_ssize_t bins) {
    Py_ssize_t n = line->samples = at[2].len / 8;
    if (at[2].len != n * 8 || at[0].len != 2 * n * 8 || at[1].len != 2 * n * 8) return 0;
    line->cell = at[0].buf, line->weight = at[1].buf, line->bin = at[2].buf;
    for (Py_ssize_t i = 0; i < 2 * n; i++)
        if (line->cell[i] < 0 || line->cell[i] >= cells) return 0;
    for (Py_ssize_t i = 0; i < n; i++)
        if (line->bin[i] < 0 || line->bin[i] >= bins) return 0;
    return line->per_bin >= 0;
}

/* Whether arrays belong together. */
static int fits(struct work *work, const Py_buffer at[9]) {
    const Py_ssize_t *size = work->cells.size, *bins = work->bins.size;
    Py_ssize_t most = PY_SSIZE_T_MAX / 64, area = 1, plane = size[2] + 1;
    for (int axis = 1; axis < 4; axis++) {
        if (bins[axis] < 1 || bins[axis] > most / area) return 0;
        area *= bins[axis];
        if (!take_line(work->line + axis - 1, at + 3 * (axis - 1), size[axis], bins[axis])) return 0;
    }
    return size[0] == bins[0] && (size[3] == 0 || plane <= most / size[3]);
}

static PyObject *crop(PyObject *self, PyObject *args) {
    struct work work = {0};
    Py_buffer at[9]; /* cells, weights and bins of samples, of one axis after the other */
    PyObject *cells, *bins, *result = NULL;
    Py_ssize_t itemsize, *each[3];
    int failed = 0;
    (void)self;
    for (int axis = 0; axis < 3; axis++) each[axis] = &work.line[axis].per_bin;
    if (!PyArg_ParseTuple(args, "(y*y*y*)(y*y*y*)(y*y*y*)(nnn)pOOn", at, at + 1, at + 2, at + 3, at + 4,
                          at + 5, at + 6, at + 7, at + 8, each[0], each[1], each[2],
                          &work.renormalize, &cells, &bins, &itemsize))
        return NULL;
    if (itemsize != 4 && itemsize != 8) refused("there is no such dtype");
    else if (!take(cells, &work.cells, 4, itemsize, 0)) {
        if (!take(bins, &work.bins, 4, itemsize, 1)) {
            if (!fits(&work, at)) refused("arrays do not belong together");
            else {
                Py_BEGIN_ALLOW_THREADS
                failed = itemsize == 8 ? write_crop_f8(&work) : write_crop_f4(&work);
                Py_END_ALLOW_THREADS
                result = failed ? PyErr_NoMemory() : Py_NewRef(Py_None);
            }
            PyBuffer_Release(&work.bins.buffer);
        }
        PyBuffer_Release(&work.cells.buffer);
    }
    for (int i = 0; i < 9; i++) PyBuffer_Release(at + i);
    return result;
}

static PyMethodDef methods[] = {
    {"crop", crop, METH_VARARGS, "Write the largest samples of the bins of a RoI."},
    {NULL, NULL, 0, NULL},
};

MODULE(_solid, "The largest samples in volumes.")
