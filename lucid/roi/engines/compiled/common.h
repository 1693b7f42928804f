/* What the C files share: how functions are compiled, and how arrays are taken apart. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TARGET /* the processors that a function is compiled for, if not for all */
#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline)) TARGET
#define APART static __attribute__((noinline)) TARGET
#define PREFETCH(address) __builtin_prefetch(address)
#else
#define INLINE static inline
#define APART static
#define PREFETCH(address) (void)(address)
#endif
/* Wider registers where there are some: more values at once, the same bits. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__AVX2__) && defined(__gnu_linux__) \
    && !defined(__SANITIZE_ADDRESS__)
#define DISPATCHED __attribute__((target_clones("avx2", "default")))
#else
#define DISPATCHED
#endif

/* An array of a caller, checked: sizes, and strides counted in values. */
struct array {
    Py_buffer buffer;
    Py_ssize_t size[4], stride[4];
};

/* Take an array of float32 or float64, whichever `itemsize` says, with so many axes; it begins at a
   multiple of so many bytes. */
INLINE int take_from(PyObject *object, struct array *array, int axes, Py_ssize_t itemsize, int writes,
                     Py_ssize_t multiple) {
    if (PyObject_GetBuffer(object, &array->buffer, writes ? PyBUF_RECORDS : PyBUF_RECORDS_RO))
        return -1;
    const Py_buffer *buffer = &array->buffer;
    const char *format = buffer->format ? buffer->format : "B";
    if (*format == '=' || *format == '@' || *format == (PY_LITTLE_ENDIAN ? '<' : '>')) format++;
    int fits = buffer->ndim == axes && buffer->itemsize == itemsize
        && !strcmp(format, itemsize == 8 ? "d" : "f")
        && (buffer->len == 0 || (uintptr_t)buffer->buf % (size_t)multiple == 0);
    for (int axis = 0; fits && axis < axes; axis++) {
        fits = buffer->strides[axis] % itemsize == 0;
        array->size[axis] = buffer->shape[axis];
        array->stride[axis] = buffer->strides[axis] / itemsize;
    }
    if (fits) return 0;
    PyBuffer_Release(&array->buffer);
    PyErr_SetString(PyExc_TypeError, "an array is not of the dtype and axes that it must be of");
    return -1;
}

/* The same at a multiple of the size of a value, as compilers expect. */
static int take(PyObject *object, struct array *array, int axes, Py_ssize_t itemsize, int writes) {
    return take_from(object, array, axes, itemsize, writes, itemsize);
}

static PyObject *refused(const char *what) {
    PyErr_SetString(PyExc_ValueError, what);
    return NULL;
}

#ifdef Py_GIL_DISABLED
#define WITHOUT_GIL {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#else
#define WITHOUT_GIL
#endif
/* Define the extension module of the functions in `methods`. */
#define MODULE(name, doc) \
    static PyModuleDef_Slot slots[] = {WITHOUT_GIL {0, NULL}}; \
    static struct PyModuleDef module = { \
        PyModuleDef_HEAD_INIT, .m_name = #name, .m_doc = doc, \
        .m_methods = methods, .m_slots = slots, \
    }; \
    PyMODINIT_FUNC PyInit_##name(void) { return PyModuleDef_Init(&module); }
