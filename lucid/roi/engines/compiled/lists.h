/* The touched cells of RoIs, merged from what their bins read. */

enum { MOST_BINS = 1 << 20 };           /* of a RoI along an axis */
#define MOST_SAMPLES ((int64_t)1 << 42) /* of a bin */

/* What the bins of K RoIs read. Line k is the rows of RoI k, line K + k its columns. Never changed
   once it is made. */
struct lists {
    Py_ssize_t rois, bins[2];
    Py_ssize_t room, taps;     /* so many taps have room; so many there are */
    Py_ssize_t most_taps[2];   /* of a line, along each axis */
    Py_ssize_t most_cells[2];  /* that a line touches, along each axis */
    int64_t *at;               /* where the taps of each bin begin, line after line */
    int32_t *cell;             /* (taps,) which of the cells that its line touches a tap reads */
    double *weight, *slope[2]; /* (taps,) each; slopes by start and by end, or NULL */
    int64_t *touched_at;       /* (2K + 1,) where the cells of each line begin */
    int32_t *touched;          /* those that a line touches, ascending */
    /* The taps of columns once more, by what they read; or NULL: */
    int64_t *reader_at; /* where those of each touched column begin */
    int32_t *reader;    /* (taps,) their bins, ascending */
    double *share;      /* (taps,) their weights */
};

enum what { FOR_CROPS, FOR_FEATURES, FOR_BOXES }; /* lists are made; with readers, with slopes */

INLINE const int64_t *bins_of(const struct lists *lists, int axis, Py_ssize_t roi) {
    return lists->at + axis * lists->rois * lists->bins[0] + roi * lists->bins[axis];
}

INLINE const int64_t *touched_of(const struct lists *lists, int axis, Py_ssize_t roi) {
    return lists->touched_at + axis * lists->rois + roi;
}

/* Lists with room for so many taps, in one piece of memory; NULL if there is none. */
static struct lists *new_lists(Py_ssize_t rois, const Py_ssize_t bins[2], Py_ssize_t taps,
                               enum what what) {
    Py_ssize_t most = PY_SSIZE_T_MAX / 64, starts = bins[0] + bins[1] + 2;
    int slopes = what == FOR_BOXES, readers = what != FOR_CROPS;
    if (taps > most || bins[0] > most / 2 || bins[1] > most / 2 || rois > most / starts - 1)
        return NULL;
    size_t values = taps * (1 + 2 * slopes + 2 * readers), counts = rois * starts + 4;
    struct lists *lists = malloc(sizeof *lists + 8 * (values + counts) + 4 * taps * (2 + readers));
    if (!lists) return NULL;
    *lists = (struct lists){.rois = rois, .bins = {bins[0], bins[1]}, .room = taps};
    double *next = (double *)(lists + 1);
    lists->weight = next, next += taps;
    for (int end = 0; slopes && end < 2; end++) lists->slope[end] = next, next += taps;
    if (readers) lists->share = next, next += taps;
    lists->at = (int64_t *)next;
    lists->touched_at = lists->at + rois * (bins[0] + bins[1]) + 1;
    int64_t *end = lists->touched_at + 2 * rois + 1;
    if (readers) lists->reader_at = end, end += taps + 2;
    lists->cell = (int32_t *)end;
    lists->touched = lists->cell + taps;
    lists->reader = lists->touched + taps;
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

/* Number the cells that a line touches, and have its taps name them by number. `number` is 0 for
   every cell of a line, before and after. */
static void number_cells(struct lists *lists, int64_t line, int64_t begin, int32_t *number) {
    int64_t first = lists->touched_at[line], next = first;
    int32_t least = INT32_MAX, most = -1;
    for (int64_t tap = begin; tap < lists->taps; tap++) {
        int32_t cell = lists->cell[tap];
        number[cell] = 1;
        if (cell < least) least = cell;
        if (cell > most) most = cell;
    }
    for (int32_t cell = least; cell <= most; cell++)
        if (number[cell]) {
            number[cell] = (int32_t)(next - first);
            lists->touched[next++] = cell;
        }
    for (int64_t tap = begin; tap < lists->taps; tap++) lists->cell[tap] = number[lists->cell[tap]];
    for (int64_t i = first; i < next; i++) number[lists->touched[i]] = 0;
    lists->touched_at[line + 1] = next;
}

INLINE Py_ssize_t larger_of(Py_ssize_t a, Py_ssize_t b) { return a > b ? a : b; }

/* Merge what the bins of a line read, from tap `i` on if there are taps; return where those end, or
   -1 where they are not as they must be. */
static Py_ssize_t fill_line(struct lists *lists, const struct taps *taps, Py_ssize_t i,
                            int64_t line, int32_t *number) {
    int axis = line >= lists->rois;
    Py_ssize_t roi = line - axis * lists->rois;
    int64_t *at = (int64_t *)bins_of(lists, axis, roi), begin = lists->taps, near[2];
    if (taps->start) samples_near(taps, line, lists->bins[axis], near);
    for (Py_ssize_t bin = 0; bin < lists->bins[axis]; bin++) {
        at[bin] = lists->taps;
        if (!taps->start) i = add_taps(lists, taps, i, line, bin);
        else if (add_samples(lists, taps, near, line, bin)) i = -1;
        if (i < 0) return -1;
    }
    at[lists->bins[axis]] = lists->taps;
    number_cells(lists, line, begin, number);
    int64_t first = lists->touched_at[line], end = lists->touched_at[line + 1];
    for (int64_t cell = first; !axis && taps->above && cell < end; cell++)
        lists->touched[cell] += (int32_t)taps->above[roi];
    lists->most_taps[axis] = larger_of(lists->most_taps[axis], lists->taps - begin);
    lists->most_cells[axis] = larger_of(lists->most_cells[axis], end - first);
    return i;
}

INLINE int64_t *readers_of(const struct lists *lists, Py_ssize_t roi) {
    return lists->reader_at + (touched_of(lists, 1, roi)[0] - touched_of(lists, 1, 0)[0]);
}

/* List the taps of columns by what they read: count them, then fill. */
static void list_readers(struct lists *lists) {
    int64_t *all = lists->reader_at, columns = readers_of(lists, lists->rois) - all;
    memset(all, 0, (columns + 2) * sizeof *all);
    for (int fills = 0; fills < 2; fills++) {
        const int64_t *bin = bins_of(lists, 1, 0);
        for (Py_ssize_t roi = 0; roi < lists->rois; roi++)
            for (Py_ssize_t b = 0; b < lists->bins[1]; b++, bin++)
                for (int64_t tap = bin[0]; tap < bin[1]; tap++) {
                    int64_t *at = readers_of(lists, roi) + lists->cell[tap] + 1;
                    if (!fills) at[1]++;
                    if (!fills) continue;
                    lists->reader[*at] = (int32_t)b;
                    lists->share[(*at)++] = lists->weight[tap];
                }
        for (int64_t i = 1; !fills && i < columns + 2; i++) all[i] += all[i - 1];
    }
}

/* Fill lists; return 0, -1 where what bins read is not as it must be, -2 where there is no memory. */
static int fill(struct lists *lists, const struct taps *taps, int64_t largest) {
    int32_t *number = calloc(largest, sizeof *number);
    if (!number) return -2;
    Py_ssize_t i = 0;
    lists->touched_at[0] = lists->at[0] = 0;
    for (Py_ssize_t line = 0; line < 2 * lists->rois && i >= 0; line++)
        i = fill_line(lists, taps, i, line, number);
    free(number);
    if (i != taps->count) return -1;
    if (lists->reader_at) list_readers(lists);
    return 0;
}

/* Return the largest side of a map, or -1 where sizes, places or numbers of samples cannot be. */
static int64_t largest_of(const struct taps *taps, Py_ssize_t rois) {
    int64_t largest = 1;
    for (Py_ssize_t line = 0; line < 2 * rois; line++) {
        if (taps->size[line] < 1 || taps->size[line] > INT32_MAX) return -1;
        if (taps->samples && (taps->samples[line] < 0 || taps->samples[line] > MOST_SAMPLES)) return -1;
        if (line < rois && taps->above
            && (taps->above[line] < 0 || taps->above[line] > INT32_MAX - taps->size[line])) return -1;
        largest = larger_of(largest, taps->size[line]);
    }
    return largest;
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

/* The cells of a line from the first that it touches to the one after the last; or none. */
INLINE void span_of(const struct lists *lists, int axis, Py_ssize_t roi, int32_t span[2]) {
    const int64_t *at = touched_of(lists, axis, roi);
    span[0] = at[0] < at[1] ? lists->touched[at[0]] : 0;
    span[1] = at[0] < at[1] ? lists->touched[at[1] - 1] + 1 : 0;
}

/* The smallest window that holds those of RoIs from `first` to `end`, rows then columns. */
static void bounds(const struct lists *lists, Py_ssize_t first, Py_ssize_t end, int32_t out[4]) {
    int32_t all[4] = {INT32_MAX, 0, INT32_MAX, 0}, own[4];
    for (Py_ssize_t roi = first; roi < end; roi++) {
        span_of(lists, 0, roi, own), span_of(lists, 1, roi, own + 2);
        if (own[0] == own[1] || own[2] == own[3]) continue;
        for (int side = 0; side < 4; side += 2) {
            if (own[side] < all[side]) all[side] = own[side];
            if (own[side + 1] > all[side + 1]) all[side + 1] = own[side + 1];
        }
    }
    for (int side = 0; side < 4; side++) out[side] = all[1] ? all[side] : 0;
}
