"use strict";

// What operators make of one plane of numbers, as the library does it. Pairs are y before x.

const MOST_SAMPLES = 2 ** 40; // per bin and axis

function pairOf(value) {
  if (Array.isArray(value)) return value;
  return typeof value === "object" ? [value.y, value.x] : [value, value];
}

// Where a box lies in cells: along each axis where its first bin starts, how long bins are and how
// many samples each has; and what they are turned about, by an angle of this sine and cosine.
function gridOf(box, how) {
  const [scaleY, scaleX] = pairOf(how.spatialScale);
  const [moveY, moveX] = pairOf(how.offset);
  const [binsY, binsX] = how.outputSize;
  const numbers = box.map((one) => one ?? NaN);
  if (how.kind === "turned") return turnedGrid(numbers, [moveY, moveX], scaleY, how);
  const axis = how.kind === "cells" ? axisOfCells : axisOf;
  const [x1, y1, x2, y2] = numbers;
  return {
    down: axis(y1 + moveY, y2 + moveY, scaleY, binsY, how),
    across: axis(x1 + moveX, x2 + moveX, scaleX, binsX, how),
    centre: [0, 0],
    turn: [0, 1],
  };
}

// Samples are counted in single precision where features are, as kernels count.
function rounding(how) {
  return how.single ? Math.fround : (value) => value;
}

function samplesOf(extent, bins, how) {
  if (how.samplingRatio > 0) return how.samplingRatio;
  return Math.min(Math.ceil(rounding(how)(extent / bins)), how.maxSamples ?? MOST_SAMPLES);
}

function axisOf(low, high, scale, bins, how) {
  const round = rounding(how);
  const offset = how.aligned ? 0.5 : 0;
  const least = how.aligned || how.kind === "hats" ? 0 : 1;
  const start = low * scale - offset;
  const length = Math.max(high * scale - offset - start, least) / bins;
  const [first, last] = [low, high].map((end) => round(round(round(end) * round(scale)) - offset));
  return { start, length, samples: samplesOf(Math.max(round(last - first), least), bins, how) };
}

// Rounded to whole cells, of which each covers half a cell on both sides of its centre.
function axisOfCells(low, high, scale, bins, how) {
  const round = rounding(how);
  const [first, last] = [low, high].map((end) => {
    const value = round(round(end) * round(scale));
    return Math.sign(value) * Math.floor(Math.abs(value) + 0.5); // halves away from 0
  });
  return { start: first - 0.5, length: round(Math.max(last - first + 1, 1) / bins), samples: 0 };
}

function turnedGrid([x, y, w, h, angle], [moveY, moveX], scale, how) {
  const round = rounding(how);
  const offset = how.aligned ? 0.5 : 0;
  const least = how.aligned ? 0 : 1;
  const [down, across] = [h, w].map((side, axis) => {
    const extent = Math.max(side * scale, least);
    const bins = how.outputSize[axis];
    const counted = Math.max(round(round(side) * round(scale)), least);
    return { start: -extent / 2, length: extent / bins, samples: samplesOf(counted, bins, how) };
  });
  const turn = [Math.sin, Math.cos].map((of) => Math.round(of(angle * how.radians) * 1e15) / 1e15);
  return {
    down, across, turn,
    centre: [(y + moveY) * scale - offset, (x + moveX) * scale - offset],
  };
}

// The cell of a point of the grid, y and x; and the point of a cell.
function fromGrid({ centre: [y, x], turn: [sine, cosine] }, v, u) {
  return [y - u * sine + v * cosine, x + u * cosine + v * sine];
}

function toGrid({ centre: [y, x], turn: [sine, cosine] }, row, column) {
  const [down, across] = [row - y, column - x];
  return [across * sine + down * cosine, across * cosine - down * sine];
}

// The corners of a box in cells, clockwise from its own top left.
function cornersOf(grid, [binsY, binsX]) {
  const [top, left] = [grid.down.start, grid.across.start];
  const [bottom, right] = [top + grid.down.length * binsY, left + grid.across.length * binsX];
  const corners = [[top, left], [top, right], [bottom, right], [bottom, left]];
  return corners.map(([v, u]) => fromGrid(grid, v, u));
}

// A reading along an axis: two cells and their weights, and its share in the bin.

function readingAt(position, size, share) {
  const clamped = Math.min(Math.max(position, 0), size - 1);
  const cell = Math.floor(clamped);
  return [cell, Math.min(cell + 1, size - 1), cell + 1 - clamped, clamped - cell, share];
}

function readingsOf(axis, bin, size, how) {
  if (how.kind === "cells") return wholeCells(axis, bin, size, how);
  if (axis.samples !== Infinity && how.kind !== "hats") return samplesOn(axis, bin, size);
  const begin = axis.start + bin * axis.length;
  if (how.kind === "hats") return pieces(begin, axis.length, size).map((one) => hat(one, size));
  if (axis.length > 0) {
    return pieces(begin, axis.length, size).map(([at, , share]) => readingAt(at, size, share));
  }
  return begin < -1 || begin > size ? [] : [readingAt(begin, size, 1)];
}

function samplesOn(axis, bin, size) {
  const positions = samplesNear(axis, bin, -1, size).filter((one) => one >= -1 && one <= size);
  return positions.map((one) => readingAt(one, size, 1 / axis.samples));
}

// Where the samples of a bin are, at least those that lie between two places.
function samplesNear({ start, length, samples }, bin, low, high) {
  let [first, last] = [0, samples];
  const step = length / Math.max(samples, 1);
  if (step > 0) {
    const begin = start + bin * length;
    first = Math.max(Math.ceil((low - begin) / step - 0.5) - 2, 0);
    last = Math.min(Math.floor((high - begin) / step - 0.5) + 3, samples);
  }
  return Array.from(
    { length: Math.max(last - first, 0) },
    (_, k) => start + (bin + (first + k + 0.5) / samples) * length,
  );
}

// Parts of a bin between one cell and the next: their middles, these cells, and their shares.
// Between two cells a plane is linear, so that its mean over a part is what it is in the middle.
function pieces(begin, length, size) {
  const found = [];
  const end = Math.min(begin + length, size);
  for (let low = Math.max(Math.floor(begin), -1); low < end; low++) {
    const [first, last] = [Math.max(begin, low), Math.min(end, low + 1)];
    if (last > first) found.push([(first + last) / 2, low, (last - first) / length]);
  }
  return found;
}

// A piece where each cell is a hat that falls to 0 at its neighbours, or beyond the map.
function hat([middle, low, share], size) {
  const part = middle - low;
  const next = low + 1 < size ? part : 0;
  return [Math.max(low, 0), Math.min(low + 1, size - 1), low < 0 ? 0 : 1 - part, next, share];
}

function wholeCells({ start, length }, bin, size, how) {
  const round = rounding(how);
  const held = (cell) => Math.min(Math.max(cell + start + 0.5, 0), size);
  const first = held(Math.floor(round(bin * length)));
  const last = held(Math.ceil(round((bin + 1) * length)));
  const count = Math.max(last - first, 0);
  return Array.from({ length: count }, (_, k) => [first + k, first + k, 1, 0, 1 / count]);
}

// The crop of a box [x1, y1, x2, y2], or [cx, cy, w, h, angle], in input coordinates.
function poolPlane(plane, size, box, how) {
  const grid = gridOf(box, how);
  const pool = how.kind === "turned" ? turnedBins : uprightBins;
  return pool(plane, size, grid, how);
}

function uprightBins(plane, [height, width], grid, how) {
  const [rows, columns] = [[grid.down, height], [grid.across, width]].map(([axis, size], k) =>
    Array.from({ length: how.outputSize[k] }, (_, bin) => readingsOf(axis, bin, size, how)),
  );
  return rows.map((down) =>
    columns.map((across) => {
      const bin = emptyBin();
      for (const row of down) for (const column of across) take(bin, plane, width, row, column);
      return valueOf(bin, how);
    }),
  );
}

function turnedBins(plane, size, grid, how) {
  const corners = [[-1, -1], [-1, size[1]], [size[0], -1], size].map((one) => toGrid(grid, ...one));
  const near = (axis, k, bin) => {
    const ends = corners.map((corner) => corner[k]);
    return samplesNear(axis, bin, Math.min(...ends), Math.max(...ends));
  };
  const share = 1 / (grid.down.samples * grid.across.samples);
  return Array.from({ length: how.outputSize[0] }, (_, row) =>
    Array.from({ length: how.outputSize[1] }, (_, column) => {
      const bin = emptyBin();
      const across = near(grid.across, 1, column);
      for (const v of near(grid.down, 0, row)) {
        for (const u of across) {
          const at = fromGrid(grid, v, u);
          if (at.some((position, k) => position < -1 || position > size[k])) continue;
          take(bin, plane, size[1], readingAt(at[0], size[0], share), readingAt(at[1], size[1], 1));
        }
      }
      return valueOf(bin, how);
    }),
  );
}

// What a bin reads: their sum, the largest, and the share of it that lies on the map.

function emptyBin() {
  return { sum: 0, largest: -Infinity, share: 0 };
}

function take(bin, plane, width, [top, bottom, upper, lower, high], [left, right, near, far, wide]) {
  const [above, below] = [top * width, bottom * width];
  const value =
    upper * (near * plane[above + left] + far * plane[above + right]) +
    lower * (near * plane[below + left] + far * plane[below + right]);
  bin.sum += high * wide * value;
  bin.largest = Math.max(bin.largest, value);
  bin.share += high * wide;
}

function valueOf({ sum, largest, share }, { mode, renormalize }) {
  if (share === 0) return 0;
  if (mode === "avg") return renormalize ? sum / share : sum;
  return renormalize || share > 1 - 1e-9 ? largest : Math.max(largest, 0); // what is outside is 0
}
