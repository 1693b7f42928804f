"use strict";

// What is seen and changed: the state of the page, and how it is drawn.

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
  return { aligned, spatialScale: [...spatialScale], offset: [0, 0], samplingRatio };
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

function how(options = {}) {
  const { aligned, spatialScale, offset, samplingRatio } = { ...state, ...options };
  const { outputSize, single } = data.operator;
  return { aligned: Boolean(aligned), spatialScale, offset, samplingRatio, outputSize, single };
}

// The crop of a RoI: rows of numbers, or of three numbers where maps are drawn as colour.
function cropOf(image, roi, options) {
  const asked = how(options);
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

// The map: a view of it [top, left, cells per pixel] that is panned and zoomed.

function boxOf(roi) {
  const asked = how();
  const [moveY, moveX] = asked.offset;
  const [binsY, binsX] = asked.outputSize;
  const [x1, y1, x2, y2] = roi.inputBox;
  const down = gridOf(y1 + moveY, y2 + moveY, asked.spatialScale[0], binsY, asked);
  const across = gridOf(x1 + moveX, x2 + moveX, asked.spatialScale[1], binsX, asked);
  return [down.start, across.start, down.length * binsY, across.length * binsX];
}

function wholeView(image) {
  const canvas = byId("map");
  const [height, width] = image.size;
  const edges = [[-0.5, -0.5, height - 0.5, width - 0.5]];
  if (image.photo && state.photo) edges.push(image.photo.edges);
  for (const roi of image.rois) {
    const [top, left, high, wide] = boxOf(roi);
    if ([top, left, high, wide].every(Number.isFinite)) edges.push([top, left, top + high, left + wide]);
  }
  const bound = (k, size) => Math.min(Math.max(...edges.map((edge) => edge[k])), 8 * size);
  const least = (k, size) => Math.max(Math.min(...edges.map((edge) => edge[k])), -7 * size);
  const [top, left] = [least(0, height), least(1, width)];
  const [bottom, right] = [bound(2, height), bound(3, width)];
  const cells = 1.06 * Math.max(
    (bottom - top) / canvas.clientHeight, (right - left) / canvas.clientWidth,
  );
  return {
    top: (top + bottom - cells * canvas.clientHeight) / 2,
    left: (left + right - cells * canvas.clientWidth) / 2,
    cells,
  };
}

function zoom(factor, x, y) {
  const { top, left, cells } = state.view;
  const now = Math.min(Math.max(cells / factor, 1e-3), 100);
  state.view = { top: top + y * (cells - now), left: left + x * (cells - now), cells: now };
  draw();
}

function pan(x, y) {
  state.view.top -= y * state.view.cells;
  state.view.left -= x * state.view.cells;
  draw();
}

function hatch(context, color) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 10;
  const pen = tile.getContext("2d");
  pen.strokeStyle = color;
  pen.beginPath();
  for (const shift of [-10, 0, 10]) {
    pen.moveTo(shift, 10);
    pen.lineTo(shift + 10, 0);
  }
  pen.stroke();
  return context.createPattern(tile, "repeat");
}

function draw() {
  const canvas = byId("map");
  const image = data.images[state.image];
  if (!image || !canvas.clientWidth) return;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * ratio;
  canvas.height = canvas.clientHeight * ratio;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  state.view ??= wholeView(image);
  const style = getComputedStyle(document.documentElement);
  context.fillStyle = style.getPropertyValue("--outside");
  context.fillRect(0, 0, canvas.clientWidth, canvas.clientHeight);
  context.fillStyle = hatch(context, style.getPropertyValue("--hatch"));
  context.fillRect(0, 0, canvas.clientWidth, canvas.clientHeight);
  drawMap(context, image, style);
  const order = [...image.rois.keys()].filter((k) => k !== state.roi).concat(state.roi);
  for (const k of image.rois.length ? order : []) drawRoi(context, image.rois[k], k, k === state.roi);
}

function placed([top, left, bottom, right]) {
  const { view } = state;
  return [
    (left - view.left) / view.cells, (top - view.top) / view.cells,
    (right - left) / view.cells, (bottom - top) / view.cells,
  ];
}

function drawMap(context, image, style) {
  const [height, width] = image.size;
  const whole = placed([-0.5, -0.5, height - 0.5, width - 0.5]);
  context.save();
  if (state.photo && image.photo && image.picture.complete) {
    context.drawImage(image.picture, ...placed(image.photo.edges));
  } else {
    context.beginPath();
    context.rect(...whole);
    context.clip();
    context.imageSmoothingEnabled = false;
    const [rows, columns] = image.drawn.map((length) => length * image.step - 0.5);
    context.drawImage(paintedMap(image), ...placed([-0.5, -0.5, rows, columns]));
  }
  context.restore();
  context.strokeStyle = style.getPropertyValue("--faint");
  context.strokeRect(...whole);
}

function drawRoi(context, roi, k, isChosen) {
  const [top, left, high, wide] = boxOf(roi);
  const at = placed([top, left, top + high, left + wide]);
  if (!at.every(Number.isFinite)) return;
  context.setLineDash(roi.fact ? [5, 4] : []);
  for (const [color, line] of [["#1b1f24", isChosen ? 6 : 3.5], [RINGS[k % 8], isChosen ? 3.5 : 2]]) {
    context.strokeStyle = color;
    context.lineWidth = line;
    context.strokeRect(...at);
  }
  context.setLineDash([]);
  if (state.bins || isChosen) drawBins(context, at, RINGS[k % 8], isChosen && !state.bins);
  drawLabel(context, at, String(roi.row), RINGS[k % 8]);
}

function drawBins(context, [x, y, wide, high], color, isFaint) {
  const [binsY, binsX] = data.operator.outputSize;
  context.save();
  context.globalAlpha = isFaint ? 0.45 : 0.9;
  context.strokeStyle = color;
  context.lineWidth = 0.8;
  context.beginPath();
  for (let k = 1; k < binsX; k++) {
    context.moveTo(x + (k * wide) / binsX, y);
    context.lineTo(x + (k * wide) / binsX, y + high);
  }
  for (let k = 1; k < binsY; k++) {
    context.moveTo(x, y + (k * high) / binsY);
    context.lineTo(x + wide, y + (k * high) / binsY);
  }
  context.stroke();
  context.restore();
}

function drawLabel(context, [x, y], text, color) {
  context.font = "bold 12px system-ui, sans-serif";
  const width = context.measureText(text).width + 8;
  const above = y > 18 ? y - 17 : y;
  context.fillStyle = color;
  context.fillRect(x, above, width, 17);
  context.fillStyle = ["#d55e00", "#009e73", "#0072b2"].includes(color) ? "#ffffff" : "#1b1f24";
  context.fillText(text, x + 4, above + 13);
}
