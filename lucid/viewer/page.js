"use strict";

// What is seen and changed: the state of the page, its crops and colours.

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
// Okabe and Ito's colours, in the order of those of pictures.
const RINGS = ["#e69f00", "#56b4e9", "#d55e00", "#f0e442", "#cc79a7", "#ffffff", "#009e73", "#0072b2"];
// Viridis as three polynomials of the share of its scale, red, green and blue.
const VIRIDIS = [
  [0.2777, 0.1051, -0.3309, -4.6342, 6.2283, 4.7764, -5.4355],
  [0.0054, 1.4046, 0.2148, -5.7991, 14.1799, -13.7451, 4.6459],
  [0.3341, 1.3846, 0.0951, -19.3324, 56.6906, -65.353, 26.3124],
];

const state = { image: 0, roi: 0, photo: false, bins: false, view: null, ...original() };

function original() {
  const { aligned, spatialScale, samplingRatio } = data.operator;
  return { aligned, spatialScale: [...spatialScale], offset: [0, 0], samplingRatio: ratioOf(samplingRatio) };
}

function ratioOf(value) {
  return value === "inf" ? Infinity : value;
}

// Planes of numbers from the page's text: 32 bits, or 16 bits of a range with 65535 for NaN.
function decoded(plane) {
  const bytes = Uint8Array.from(atob(plane.data), (letter) => letter.charCodeAt(0));
  const values = plane.kind === "f4" ? new Float32Array(bytes.buffer) : new Uint16Array(bytes.buffer);
  if (plane.kind === "f4") return values;
  return Float64Array.from(values, (value) => (value === 65535 ? NaN : plane.low + value * plane.step));
}

for (const image of data.images) {
  image.values = image.planes.map(decoded);
  if (image.photo) {
    image.picture = new Image();
    image.picture.onload = () => draw();
    image.picture.src = image.photo.src;
  }
}
state.photo = data.images.some((image) => image.photo);

// How RoIs of an image are pooled: as the page says it, or with other options.
function how(image, options = {}) {
  const { aligned, spatialScale, offset, samplingRatio } = state;
  const own = data.scaleIsFixed ? image.spatialScale : spatialScale;
  return { ...data.operator, aligned, spatialScale: own, offset, samplingRatio, ...options };
}

// The crop of a RoI: rows of numbers, or of three numbers where maps are drawn as colour.
function cropOf(image, roi, options) {
  const asked = how(image, options);
  if (image.step > 1) asked.spatialScale = pairOf(asked.spatialScale).map((one) => one / image.step);
  const crops = image.values.map((plane) => poolPlane(plane, image.drawn, roi.inputBox, asked));
  if (crops.length === 1) return crops[0];
  return crops[0].map((line, y) => line.map((_, x) => crops.map((crop) => crop[y][x])));
}

function found(row) {
  for (const image of data.images) {
    const roi = image.rois.find((one) => one.row === row);
    if (roi) return [image, roi];
  }
  throw new RangeError(`row ${row} is not on this page`);
}

window.lucid = {
  data,
  crop: (row, options = {}) => cropOf(...found(row), options),
};

// Colours.

function shares(values) {
  return values.map((value, k) => {
    const { low, high } = data.range;
    return Math.min(Math.max((value - low[k]) / (high[k] - low[k]), 0), 1);
  });
}

function colorOf(values) {
  if (!values.every(Number.isFinite)) return [0, 0, 0, 0];
  const share = shares(values);
  if (share.length === 3) return [...share.map((one) => Math.round(255 * one)), 255];
  const mixed = VIRIDIS.map((terms) => terms.reduceRight((sum, term) => sum * share[0] + term, 0));
  return [...mixed.map((one) => Math.round(255 * Math.min(Math.max(one, 0), 1))), 255];
}

function painted(height, width, valuesAt) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const pixels = new ImageData(width, height);
  for (let k = 0; k < width * height; k++) pixels.data.set(colorOf(valuesAt(k)), 4 * k);
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

function paintedMap(image) {
  const [height, width] = image.drawn;
  image.painted ??= painted(height, width, (k) => image.values.map((plane) => plane[k]));
  return image.painted;
}

function paintedCrop(crop) {
  const flat = crop.flat().map((one) => [one].flat());
  return painted(crop.length, crop[0].length, (k) => flat[k]);
}
