/* Crops of few RoIs from their boxes, all in one call: on arrays in Python, calls would take longer
   than the work. */

enum { FEW_BYTES = 448 << 10 }; /* of cells, which a core's own cache holds */

/* How grids of samples follow from boxes. */
struct rule {
    double scale[2], offset, least; /* rows before columns; in cells */
    Py_ssize_t ratio, most;         /* samples of a bin: if above 0; else at most */
};

/* Return the samples of a bin for an extent and bins of which every step is rounded to float, or to
   double: as many as the bin is long in cells, rounded up. */
static int64_t count_f4(const double ends[2], double scale, Py_ssize_t bins, const struct rule *rule) {
    const float far = FLT_MAX / 8, factor = (float)between(scale, 0, FLT_MAX);
    float cells[2];
    for (int end = 0; end < 2; end++) {
        float value = (float)between(ends[end], -FLT_MAX, FLT_MAX) * factor;
        cells[end] = (float)between(value, -far, far) - (float)rule->offset;
    }
    float extent = cells[1] - cells[0], least = (float)rule->least;
    float bin = (extent > least ? extent : least) / (float)bins;
    if (!(bin < (float)rule->most)) return rule->most;
    return (int64_t)bin + ((float)(int64_t)bin < bin);
}

static int64_t count_f8(double bin, const struct rule *rule) {
    if (!(bin < (double)rule->most)) return rule->most;
    return (int64_t)bin + ((double)(int64_t)bin < bin);
}

/* Grids of so many RoIs, as `struct taps` has them, in one piece of memory that `start` begins. */
struct grids {
    double *start, *length;
    int64_t *samples, *size;
};

/* Write the grids of RoIs: operation by operation those of `RoiAlign.windows`. */
static void write_grids(struct grids grids, const double *boxes, const struct work *work,
                        const struct rule *rule, Py_ssize_t itemsize) {
    const double far = 0x1p1020;
    for (Py_ssize_t line = 0; line < 2 * work->end; line++) {
        int axis = line >= work->end;
        const double *box = boxes + 4 * (line - axis * work->end) + 1 - axis, ends[2] = {box[0], box[2]};
        double start = between(ends[0] * rule->scale[axis], -far, far) - rule->offset;
        double extent = between(ends[1] * rule->scale[axis], -far, far) - rule->offset - start;
        Py_ssize_t bins = work->other.size[2 + axis];
        double bin = (extent > rule->least ? extent : rule->least) / (double)bins;
        grids.start[line] = start, grids.length[line] = bin;
        grids.size[line] = work->cells.size[axis];
        grids.samples[line] = rule->ratio > 0 ? rule->ratio
            : itemsize == 8 ? count_f8(bin, rule) : count_f4(ends, rule->scale[axis], bins, rule);
    }
}

/* Return the lists of RoIs from their boxes, which lie on all of a map; NULL if there is no memory. */
static struct lists *lists_of_boxes(const double *boxes, const struct work *work,
                                    const struct rule *rule, Py_ssize_t itemsize) {
    Py_ssize_t lines = 2 * work->end, *bins = (Py_ssize_t[]){work->other.size[2], work->other.size[3]};
    double *memory = malloc(4 * lines * sizeof *memory + 1);
    if (!memory) return NULL;
    struct grids grids = {memory, memory + lines, (int64_t *)memory + 2 * lines,
                          (int64_t *)memory + 3 * lines};
    write_grids(grids, boxes, work, rule, itemsize);
    struct taps taps = {.start = grids.start, .length = grids.length, .samples = grids.samples,
                        .size = grids.size};
    struct lists *lists = new_lists(work->end, bins, most_taps(&taps, work->end, bins), FOR_CROPS);
    if (lists && fill(lists, &taps, larger_of(work->cells.size[0], work->cells.size[1])))
        free(lists), lists = NULL;
    free(memory);
    return lists;
}

/* Write the crops of some channels after the others, so many that their cells stay in the cache;
   return 1 if these are too many for that, -1 if there is no memory. */
static int write_few(struct work *work, struct array planes, Py_ssize_t itemsize) {
    int32_t all[4];
    bounds(work->lists, 0, work->end, all);
    Py_ssize_t high = all[1] - all[0], wide = all[3] - all[2], channels = planes.size[0];
    Py_ssize_t some = FEW_BYTES / itemsize / larger_of(high * wide, 1) / STEP * STEP;
    if (!some) return 1;
    some = some < channels ? some : channels;
    char *cells = malloc(high * wide * some * itemsize + 64), *crops = work->other.buffer.buf;
    char *plane = (char *)planes.buffer.buf + (all[0] * planes.stride[1] + all[2]) * itemsize;
    if (!cells) return -1;
    int failed = 0;
    work->top = all[0], work->left = all[2];
    work->cells.buffer.buf = (char *)(((uintptr_t)cells + 63) / 64 * 64);
    for (Py_ssize_t c = 0, n; c < channels && !failed; c += n) {
        n = channels - c < some ? channels - c : some;
        work->cells.size[0] = high, work->cells.size[1] = wide, work->cells.size[2] = n;
        work->cells.stride[0] = wide * n, work->cells.stride[1] = n, work->cells.stride[2] = 1;
        work->other.size[1] = n;
        work->other.buffer.buf = crops + c * work->other.stride[1] * itemsize;
        struct work copy = *work;
        copy.other = planes;
        copy.other.buffer.buf = plane + c * planes.stride[0] * itemsize;
        failed = work_on(&copy, OUT, itemsize, NULL) || work_on(work, CROPS, itemsize, NULL) ? -1 : 0;
    }
    work->other.buffer.buf = crops;
    free(cells);
    return failed;
}

/* Whether arrays belong together, and numbers are such as a rule may have. */
static int fit_few(const struct work *work, const struct array *planes, const struct rule *rule) {
    const Py_ssize_t *size = work->other.size, *stride = work->other.stride;
    const int64_t *rows = work->rows.buf;
    int fits = planes->size[0] == size[1] && planes->stride[2] == 1 && stride[3] == 1
        && stride[2] == size[3] && stride[1] == size[2] * size[3]
        && rule->least >= 0 && rule->most >= 1 && rule->most <= MOST_SAMPLES && rule->ratio <= MOST_SAMPLES;
    for (int axis = 0; axis < 2; axis++)
        fits = fits && size[2 + axis] >= 1 && size[2 + axis] <= MOST_BINS
            && planes->size[1 + axis] >= 1 && planes->size[1 + axis] <= INT32_MAX;
    for (Py_ssize_t roi = 0; fits && roi < work->end; roi++) fits = rows[roi] >= 0 && rows[roi] < size[0];
    return fits;
}

/* Write the crops of boxes (K, 4); return as `write_few` does, or 2 with an error. */
static int run_few(struct work *work, const struct array *planes, const Py_buffer *boxes,
                   const struct rule *rule, Py_ssize_t itemsize) {
    int failed;
    work->end = work->rows.len / 8;
    work->cells.size[0] = planes->size[1], work->cells.size[1] = planes->size[2];
    if (boxes->len != work->end * 32 || !fit_few(work, planes, rule))
        return refused("arrays do not belong together"), 2;
    Py_BEGIN_ALLOW_THREADS
    work->lists = lists_of_boxes(boxes->buf, work, rule, itemsize);
    failed = work->lists ? write_few(work, *planes, itemsize) : -1;
    free(work->lists);
    Py_END_ALLOW_THREADS
    return failed;
}

static PyObject *few_crops(PyObject *self, PyObject *args) {
    PyObject *features, *crops;
    Py_buffer boxes;
    Py_ssize_t itemsize;
    struct array planes;
    struct rule rule;
    struct work work = {.block = {1, 1}};
    int failed = 2;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOy*y*n(dd)ddnn", &features, &crops, &boxes, &work.rows, &itemsize,
                          rule.scale, rule.scale + 1, &rule.offset, &rule.least, &rule.ratio, &rule.most))
        return NULL;
    if (itemsize != 4 && itemsize != 8) refused("there is no such dtype");
    else if (!take(features, &planes, 3, itemsize, 0)) {
        if (!take(crops, &work.other, 4, itemsize, 1)) {
            failed = run_few(&work, &planes, &boxes, &rule, itemsize);
            PyBuffer_Release(&work.other.buffer);
        }
        PyBuffer_Release(&planes.buffer);
    }
    PyBuffer_Release(&boxes);
    PyBuffer_Release(&work.rows);
    if (failed == 2) return NULL;
    return failed < 0 ? PyErr_NoMemory() : PyBool_FromLong(!failed);
}
