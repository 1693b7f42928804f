"use strict";

// RoIAlign of one plane of numbers, as the library computes it. Pairs are y before x.

const MOST_SAMPLES = 2 ** 40; // per bin

function pairOf(value) {
  if (Array.isArray(value)) return value;
  return typeof value === "object" ? [value.y, value.x] : [value, value];
}

// Where samples lie along one axis: where the first bin starts, the length of a bin, in cells, and
// samples per bin. These are counted in single precision where features are, as kernels count.
function gridOf(low, high, scale, bins, how) {
  const round = how.single ? Math.fround : (value) => value;
  const offset = how.aligned ? 0.5 : 0;
  const least = how.aligned ? 0 : 1;
  const start = low * scale - offset;
  const length = Math.max(high * scale - offset - start, least) / bins;
  if (how.samplingRatio > 0) return { start, length, samples: how.samplingRatio };
  const [first, last] = [low, high].map((end) => round(round(round(end) * round(scale)) - offset));
  const extent = Math.max(round(last - first), least);
  return { start, length, samples: Math.min(Math.ceil(round(extent / bins)), MOST_SAMPLES) };
}

// Which cells each bin reads along an axis of so many cells, and with which weights.
function tapsOf({ start, length, samples }, bins, size) {
  const step = length / Math.max(samples, 1);
  return Array.from({ length: bins }, (_, bin) => {
    const taps = [];
    const origin = start + bin * length;
    const [first, last] = samplesNear(origin, step, samples, size);
    for (let sample = first; sample < last; sample++) {
      const position = start + (bin + (sample + 0.5) / samples) * length;
      if (position < -1 || position > size) continue;
      const clamped = Math.min(Math.max(position, 0), size - 1);
      const cell = Math.floor(clamped);
      const fraction = clamped - cell;
      taps.push([cell, (1 - fraction) / samples]);
      taps.push([Math.min(cell + 1, size - 1), fraction / samples]);
    }
    return taps;
  });
}

// The first sample of a bin that may lie on the map, and the one after the last.
function samplesNear(origin, step, samples, size) {
  if (!(step > 0)) return [0, samples];
  const first = Math.ceil((-1 - origin) / step - 0.5) - 2;
  const last = Math.floor((size - origin) / step - 0.5) + 3;
  return [Math.max(first, 0), Math.min(Math.max(last, 0), samples)];
}

// The crop of a box [x1, y1, x2, y2] in input coordinates: rows of numbers.
function poolPlane(plane, [height, width], box, how) {
  const [scaleY, scaleX] = pairOf(how.spatialScale);
  const [moveY, moveX] = pairOf(how.offset);
  const [binsY, binsX] = how.outputSize;
  const down = gridOf(box[1] + moveY, box[3] + moveY, scaleY, binsY, how);
  const across = gridOf(box[0] + moveX, box[2] + moveX, scaleX, binsX, how);
  const rows = tapsOf(down, binsY, height);
  const columns = tapsOf(across, binsX, width);
  return rows.map((rowTaps) =>
    columns.map((columnTaps) => {
      let sum = 0;
      for (const [row, rowWeight] of rowTaps) {
        let line = 0;
        for (const [column, weight] of columnTaps) line += weight * plane[row * width + column];
        sum += rowWeight * line;
      }
      return sum;
    }),
  );
}
