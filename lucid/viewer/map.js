"use strict";

// The map: a view of it [top, left, cells per pixel] that is panned and zoomed.

// The least upright box around a RoI, in cells: top, left, bottom, right.
function edgesOf(image, roi) {
  const corners = cornersOf(gridOf(roi.inputBox, how(image)), data.operator.outputSize);
  const [rows, columns] = [0, 1].map((k) => corners.map((corner) => corner[k]));
  return [Math.min(...rows), Math.min(...columns), Math.max(...rows), Math.max(...columns)];
}

function wholeView(image) {
  const canvas = byId("map");
  const [height, width] = image.size;
  const edges = [[-0.5, -0.5, height - 0.5, width - 0.5]];
  if (image.photo && state.photo) edges.push(image.photo.edges);
  for (const roi of image.rois) {
    const found = edgesOf(image, roi);
    if (found.every(Number.isFinite)) edges.push(found);
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
  for (const k of image.rois.length ? order : []) drawRoi(context, image, k);
}

function pointOf([row, column]) {
  const { top, left, cells } = state.view;
  return [(column - left) / cells, (row - top) / cells];
}

function placed([top, left, bottom, right]) {
  const { cells } = state.view;
  return [...pointOf([top, left]), (right - left) / cells, (bottom - top) / cells];
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

function drawRoi(context, image, k) {
  const [roi, color, isChosen] = [image.rois[k], RINGS[k % 8], k === state.roi];
  const grid = gridOf(roi.inputBox, how(image));
  const corners = cornersOf(grid, data.operator.outputSize).map(pointOf);
  if (!corners.flat().every(Number.isFinite)) return;
  context.setLineDash(roi.fact ? [5, 4] : []);
  for (const [ink, line] of [["#1b1f24", isChosen ? 6 : 3.5], [color, isChosen ? 3.5 : 2]]) {
    context.strokeStyle = ink;
    context.lineWidth = line;
    context.beginPath();
    for (const corner of corners) context.lineTo(...corner);
    context.closePath();
    context.stroke();
  }
  context.setLineDash([]);
  if (state.bins || isChosen) drawBins(context, grid, color, isChosen && !state.bins);
  const [xs, ys] = [0, 1].map((axis) => corners.map((corner) => corner[axis]));
  drawLabel(context, [Math.min(...xs), Math.min(...ys)], String(roi.row), color);
}

function drawBins(context, grid, color, isFaint) {
  const [binsY, binsX] = data.operator.outputSize;
  const { down, across } = grid;
  const ends = [down.start, down.start + binsY * down.length, across.start, across.start + binsX * across.length];
  const [top, bottom, left, right] = ends;
  context.save();
  context.globalAlpha = isFaint ? 0.45 : 0.9;
  context.strokeStyle = color;
  context.lineWidth = 0.8;
  context.beginPath();
  const line = (...points) => {
    const [from, to] = points.map(([v, u]) => pointOf(fromGrid(grid, v, u)));
    context.moveTo(...from);
    context.lineTo(...to);
  };
  for (let k = 1; k < binsX; k++) line([top, left + k * across.length], [bottom, left + k * across.length]);
  for (let k = 1; k < binsY; k++) line([top + k * down.length, left], [top + k * down.length, right]);
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
