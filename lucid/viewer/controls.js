"use strict";

// What a person can change, and what follows from it.

const five = (value) => (Number.isFinite(value) ? value.toPrecision(5) : String(value));

function show() {
  const image = data.images[state.image];
  const roi = image?.rois[state.roi];
  byId("image").value = state.image;
  byId("row").value = state.roi;
  byId("photo").checked = state.photo;
  byId("bins").checked = state.bins;
  byId("photo-choice").hidden = !image?.photo;
  setControl("scale", (image ? how(image) : state).spatialScale[0]);
  setControl("offset-x", state.offset[1]);
  setControl("offset-y", state.offset[0]);
  byId("aligned").checked = state.aligned;
  if (document.activeElement !== byId("sampling-ratio")) byId("sampling-ratio").value = ratioText();
  byId("command").value = command();
  showTiles(image);
  showCrop(image, roi);
  draw();
}

function setControl(id, value) {
  for (const each of [byId(id), byId(`${id}-number`)]) {
    if (each.value === "" ? each !== document.activeElement : Number(each.value) !== value) {
      each.value = Number(value.toPrecision(9));
    }
  }
}

function showCrop(image, roi) {
  const table = byId("numbers");
  const canvas = byId("crop");
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  table.tBodies[0].replaceChildren();
  table.caption.textContent = "";
  byId("row-name").textContent = roi ? roi.text : "no RoIs on this image";
  byId("map").setAttribute("aria-label", described(image, roi));
  if (!roi || roi.fact) return;
  const crop = cropOf(image, roi);
  const painted = paintedCrop(crop);
  canvas.height = (canvas.width * crop.length) / crop[0].length;
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(painted, 0, 0, canvas.width, canvas.height);
  canvas.setAttribute("aria-label", `crop of row ${roi.row}; its numbers are in the table`);
  table.caption.textContent = `crop of row ${roi.row}: ${data.shown}`;
  for (const line of crop) {
    const cells = table.tBodies[0].insertRow();
    for (const value of line) cells.insertCell().textContent = [value].flat().map(five).join(" ");
  }
}

function described(image, roi) {
  if (!image) return "no image";
  const [height, width] = image.size;
  const edges = roi && !roi.fact ? edgesOf(image, roi).map((one) => one.toFixed(2)) : null;
  const where = edges
    ? `; row ${roi.row} spans rows ${edges[0]} to ${edges[2]}, columns ${edges[1]} to ${edges[3]}`
    : "";
  return `map of ${image.title}, ${height} by ${width} cells, ${countOf(image)}${where}`;
}

function countOf(image) {
  return `${image.rois.length} RoI${image.rois.length === 1 ? "" : "s"}`;
}

function showTiles(image) {
  const tiles = byId("tiles");
  if (tiles.image !== image) {
    tiles.image = image;
    tiles.replaceChildren(...(image?.rois ?? []).map(tileOf));
  }
  image?.rois.forEach((roi, k) => {
    const button = tiles.children[k].firstChild;
    button.setAttribute("aria-current", String(k === state.roi));
    if (roi.fact) return;
    const crop = paintedCrop(cropOf(image, roi));
    const canvas = button.firstChild;
    [canvas.width, canvas.height] = [crop.width, crop.height];
    canvas.getContext("2d").drawImage(crop, 0, 0);
  });
}

function tileOf(roi, k) {
  const [item, button, canvas] = ["li", "button", "canvas"].map((one) => document.createElement(one));
  canvas.width = canvas.height = 7;
  canvas.setAttribute("aria-hidden", "true");
  button.type = "button";
  button.style.borderColor = RINGS[k % 8];
  button.append(canvas, `row ${roi.row}`);
  button.onclick = () => chooseRoi(k);
  item.append(button);
  return item;
}

// The options of the command that do what is seen.
function command() {
  const words = [...data.command];
  const { aligned, maxSamples } = data.operator;
  const scale = state.spatialScale.map((one) => Number(one.toPrecision(9)));
  if (!data.scaleIsFixed) {
    words.push("--spatial-scale", scale[0] === scale[1] ? scale[0] : scale.join(","));
  }
  if (aligned !== null) words.push(state.aligned ? "--aligned" : "--no-aligned");
  if (state.samplingRatio > 0) words.push("--sampling-ratio", ratioText());
  else if (maxSamples) words.push("--max-samples", maxSamples);
  const text = words.join(" ");
  if (!state.offset.some(Boolean)) return text;
  if (data.hasFrame) return `${text}\n# with boxes moved by ${state.offset[1]}, ${state.offset[0]} input pixels`;
  const row = `[[1, 1, ${state.offset.map((one) => Number(one.toPrecision(7))).join(", ")}]]`;
  return `python -c 'import numpy; numpy.save("frame.npy", ${row})'\n${text} --frame frame.npy`;
}

function chooseImage(number) {
  const count = data.images.length;
  if (!count) return;
  state.image = (number + count) % count;
  state.roi = 0;
  state.view = null;
  const image = data.images[state.image];
  byId("image-name").textContent = image.text;
  byId("row").replaceChildren(...image.rois.map((roi, k) => new Option(`row ${roi.row}`, k)));
  show();
  byId("under").textContent = `${image.title}: ${countOf(image)}`;
}

function chooseRoi(k) {
  const count = data.images[state.image]?.rois.length;
  if (!count) return;
  state.roi = (k + count) % count;
  show();
}

function change(part) {
  Object.assign(state, part);
  show();
}

function ratioText() {
  return state.samplingRatio === Infinity ? "inf" : String(state.samplingRatio);
}

// A number of samples, or inf where the operator has a limit; anything else changes nothing.
function chooseRatio(text) {
  const ratio = text === "inf" ? Infinity : Number(text);
  const { mode, kind } = data.operator;
  const hasLimit = mode === "avg" && kind === "sampled";
  if (text.trim() === "" || !(Number.isInteger(ratio) ? ratio <= 1024 : ratio === Infinity && hasLimit)) return;
  change({ samplingRatio: ratio > 0 ? ratio : -1 });
}

function scaled(value) {
  if (!(value > 0)) return;
  const [y, x] = data.operator.spatialScale;
  change({ spatialScale: [value, (value * x) / y] });
}

function listen(id, act) {
  for (const each of [id, `${id}-number`]) byId(each).oninput = (event) => act(Number(event.target.value));
}

function setUp() {
  const [scale] = data.images[0] ? data.images[0].spatialScale : data.operator.spatialScale;
  Object.assign(byId("scale"), { min: scale / 16, max: scale * 2 });
  for (const id of ["scale", "scale-number"]) byId(id).disabled = data.scaleIsFixed;
  const reach = 4 / scale; // input pixels of four cells
  for (const id of ["offset-x", "offset-y"]) Object.assign(byId(id), { min: -reach, max: reach });
  listen("scale", scaled);
  listen("offset-x", (value) => change({ offset: [state.offset[0], value] }));
  listen("offset-y", (value) => change({ offset: [value, state.offset[1]] }));
  byId("aligned").onchange = (event) => change({ aligned: event.target.checked });
  byId("photo").onchange = (event) => change({ photo: event.target.checked });
  byId("bins").onchange = (event) => change({ bins: event.target.checked });
  byId("sampling-ratio").oninput = (event) => chooseRatio(event.target.value);
  byId("sampling-ratio").onblur = () => show();
  byId("aligned").parentElement.hidden = data.operator.aligned === null;
  for (const one of [byId("sampling-ratio"), byId("sampling-ratio").labels[0]]) {
    one.hidden = data.operator.samplingRatio === null;
  }
  byId("image").replaceChildren(...data.images.map((image, k) => new Option(image.title, k)));
  byId("image").onchange = (event) => chooseImage(Number(event.target.value));
  byId("row").onchange = (event) => chooseRoi(Number(event.target.value));
  for (const [id, act] of Object.entries(BUTTONS)) byId(id).onclick = act;
  byId("controls").onsubmit = () => false;
  byId("about").textContent = data.about;
}

function zoomInTheMiddle(factor) {
  const { clientWidth, clientHeight } = byId("map");
  zoom(factor, clientWidth / 2, clientHeight / 2);
}

function seeWhole() {
  state.view = null;
  draw();
}

async function copy() {
  const box = byId("command");
  box.select();
  try {
    await navigator.clipboard.writeText(box.value);
  } catch {
    document.execCommand("copy"); // pages of files have no clipboard of their own everywhere
  }
  byId("under").textContent = "copied";
}

const BUTTONS = {
  "previous-image": () => chooseImage(state.image - 1),
  "next-image": () => chooseImage(state.image + 1),
  "previous-row": () => chooseRoi(state.roi - 1),
  "next-row": () => chooseRoi(state.roi + 1),
  "zoom-in": () => zoomInTheMiddle(1.25),
  "zoom-out": () => zoomInTheMiddle(0.8),
  whole: seeWhole,
  reset: () => change(original()),
  copy,
};

const KEYS = {
  "[": BUTTONS["previous-image"],
  "]": BUTTONS["next-image"],
  k: BUTTONS["previous-row"],
  j: BUTTONS["next-row"],
  "+": BUTTONS["zoom-in"],
  "=": BUTTONS["zoom-in"],
  "-": BUTTONS["zoom-out"],
  0: seeWhole,
  r: BUTTONS.reset,
  a: () => data.operator.aligned !== null && change({ aligned: !state.aligned }),
  p: () => change({ photo: !state.photo }),
  b: () => change({ bins: !state.bins }),
};
const PANS = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };

document.addEventListener("keydown", (event) => {
  const isText = event.target.matches("textarea, select, input:not([type=checkbox])");
  if (event.ctrlKey || event.metaKey || event.altKey || isText) return;
  if (event.target === byId("map") && PANS[event.key]) {
    pan(...PANS[event.key]);
    event.preventDefault();
  } else if (KEYS[event.key]) {
    KEYS[event.key]();
    event.preventDefault();
  }
});

const map = byId("map");
map.addEventListener("pointermove", (event) => {
  if (event.buttons & 1) pan(event.movementX, event.movementY);
});
map.addEventListener("pointerdown", (event) => map.setPointerCapture(event.pointerId));
map.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15, event.offsetX, event.offsetY);
}, { passive: false });
map.addEventListener("dblclick", (event) => {
  const { top, left, cells } = state.view;
  const [y, x] = [top + event.offsetY * cells, left + event.offsetX * cells];
  const image = data.images[state.image];
  const area = ([t, l, b, r]) => (b - t) * (r - l);
  const within = image.rois.map((roi, k) => [edgesOf(image, roi), k]).filter(
    ([[t, l, b, r]]) => y >= t && y <= b && x >= l && x <= r,
  );
  within.sort(([one], [other]) => area(one) - area(other));
  if (within.length) chooseRoi(within[0][1]);
});
new ResizeObserver(() => draw()).observe(map);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw());

setUp();
chooseImage(0);
