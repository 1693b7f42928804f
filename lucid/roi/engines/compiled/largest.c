/* The largest cells of bins, in C: what `lucid.roi.engines.compiled.largest` calls.

   A bin is rows and columns of cells; of equal ones the first is its value, a cell that is not a
   number is larger than any, and a bin without cells is 0. So every build gives the same bits.
   `largest.h` is included twice, for float and for double. */

#include "common.h"

/* What is worked on. */
struct work {
    Py_ssize_t rois, pooled[2];
    const int64_t *edges[2]; /* (rois, PH, 2): where bins begin and end; the same of columns */
    const int64_t *rows;     /* (rois,) among the bins */
    struct array cells, bins; /* (h, w, channels); (rows, channels, PH, PW) */
};

#define REAL float
#define BITS uint32_t
#define CANONICAL_NAN 0x7fc00000u
#define TYPED(name) name##_f4
#include "largest.h"
#undef REAL
#undef BITS
#undef CANONICAL_NAN
#undef TYPED
#define REAL double
#define BITS uint64_t
#define CANONICAL_NAN 0x7ff8000000000000u
#define TYPED(name) name##_f8
#include "largest.h"

/* Whether arrays belong together, and all bins lie on the cells. */
static int fits(const struct work *work, const Py_buffer at[3]) {
    const Py_ssize_t *size = work->bins.size, *stride = work->bins.stride, *pooled = work->pooled;
    const struct array *cells = &work->cells;
    Py_ssize_t K = work->rois, most = PY_SSIZE_T_MAX / 64;
    if (pooled[0] < 1 || pooled[1] < 1 || pooled[0] > most / pooled[1]) return 0;
    if (size[2] != pooled[0] || size[3] != pooled[1] || size[1] != cells->size[2]) return 0;
    if ((stride[3] != 1 && size[3] > 1) || (stride[2] != size[3] && size[2] > 1)) return 0;
    if (cells->stride[2] != 1 && cells->size[2] > 1) return 0;
    if (size[1] && pooled[0] * pooled[1] > most / size[1]) return 0;
    if (at[2].len != K * 8) return 0;
    for (int axis = 0; axis < 2; axis++) {
        if (K && at[axis].len / 16 / K != pooled[axis]) return 0;
        if (at[axis].len != K * pooled[axis] * 16) return 0;
        for (Py_ssize_t i = 0; i < K * pooled[axis]; i++) {
            const int64_t *edge = work->edges[axis] + 2 * i;
            if (edge[0] < edge[1] && (edge[0] < 0 || edge[1] > cells->size[axis])) return 0;
        }
    }
    for (Py_ssize_t k = 0; k < K; k++)
        if (work->rows[k] < 0 || work->rows[k] >= size[0]) return 0;
    return 1;
}

static PyObject *crops(PyObject *self, PyObject *args) {
    struct work work = {0};
    Py_buffer at[3]; /* edges of rows, of columns; rows of the bins */
    PyObject *cells, *bins, *result = NULL;
    Py_ssize_t itemsize;
    int failed = 0;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*y*(nn)OOy*n", at, at + 1, work.pooled, work.pooled + 1, &cells,
                          &bins, at + 2, &itemsize))
        return NULL;
    work.rois = at[2].len / 8, work.rows = at[2].buf;
    work.edges[0] = at[0].buf, work.edges[1] = at[1].buf;
    if (itemsize != 4 && itemsize != 8) refused("there is no such dtype");
    else if (!take(cells, &work.cells, 3, itemsize, 0)) {
        if (!take(bins, &work.bins, 4, itemsize, 1)) {
            if (!fits(&work, at)) refused("arrays do not belong together");
            else {
                Py_BEGIN_ALLOW_THREADS
                failed = itemsize == 8 ? write_crops_f8(&work) : write_crops_f4(&work);
                Py_END_ALLOW_THREADS
                result = failed ? PyErr_NoMemory() : Py_NewRef(Py_None);
            }
            PyBuffer_Release(&work.bins.buffer);
        }
        PyBuffer_Release(&work.cells.buffer);
    }
    for (int i = 0; i < 3; i++) PyBuffer_Release(at + i);
    return result;
}

static PyMethodDef methods[] = {
    {"crops", crops, METH_VARARGS, "Write the largest cells of the bins of RoIs."},
    {NULL, NULL, 0, NULL},
};

MODULE(_largest, "The largest cells of bins.")
