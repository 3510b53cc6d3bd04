// The loupe: the same pixels of every column, enlarged with nearest neighbour, following the pointer.

import { cellAt, cellOf, cellsOf, paintAll } from "./compare_view.js";
import { h } from "./dom.js";
import { valueText } from "./pictures.js";
import * as state from "./state.js";

const SIDE = 13; // pixels of the picture, odd so that one is in the middle

let point = null; // {image, x, y}
let probes = null;

export function mountLoupe(root) {
  root.addEventListener("pointermove", (event) => {
    const cell = cellOf(event.target);
    if (!state.get().loupe || !cell || event.target !== cell.canvas) return;
    const box = cell.canvas.getBoundingClientRect();
    const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    moveTo(cell.image, Math.floor(x * cell.canvas.width), Math.floor(y * cell.canvas.height));
  });
}

/** Draw it again, where it is; in the middle of the image that the keyboard is at, where it is nowhere. */
export function updateLoupe(found) {
  probes = found.probes;
  if (!state.get().loupe || !probes) return;
  if (!point || point.image >= probes.names.length) {
    const cell = cellAt(state.get().row, 0);
    if (!cell) return;
    point = { image: cell.image, x: Math.floor(probes.width / 2), y: Math.floor(probes.height / 2) };
  }
  drawAll();
}

/** Move it by pixels, or to another row's image. */
export function moveLoupe(right, down) {
  if (point) moveTo(point.image, point.x + right, point.y + down);
}

export function loupeToRow(row) {
  const cell = cellAt(row, 0);
  if (cell && point) moveTo(cell.image, point.x, point.y);
}

function moveTo(image, x, y) {
  const keep = (value, size) => Math.min(size - 1, Math.max(0, value));
  point = { image, x: keep(x, probes.width), y: keep(y, probes.height) };
  drawAll();
}

function drawAll() {
  const strip = document.getElementById("loupe");
  if (!strip) return;
  const cells = cellsOf(point.image);
  paintAll(cells);
  if (strip.children.length !== cells.length + 1) {
    strip.replaceChildren(
      h("th", { scope: "row" }),
      ...cells.map(() =>
        h("td", {}, h("canvas", { width: SIDE, height: SIDE, role: "img" }), h("div", { class: "figures" })),
      ),
    );
  }
  strip.firstChild.replaceChildren(
    h("span", { class: "name" }, "Loupe"),
    h("span", { class: "spread" }, `${probes.names[point.image]}`),
    h("span", { class: "spread" }, `x ${point.x}, y ${point.y}`),
  );
  cells.forEach((cell, number) => drawOne(strip.children[number + 1], cell));
}

function drawOne(box, cell) {
  const [canvas, text] = box.children;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingEnabled = false;
  context.clearRect(0, 0, SIDE, SIDE);
  box.dataset.run = cell.run.name;
  box.dataset.kind = cell.kind;
  if (!cell.painted) return;
  const half = (SIDE - 1) / 2;
  context.drawImage(cell.canvas, half - point.x, half - point.y);
  const value = valueText(probes, cell.canvas, cell.show, cell.values, point.x, point.y);
  if (text.textContent !== value) text.textContent = value;
  canvas.setAttribute(
    "aria-label",
    `${cell.canvas.getAttribute("aria-label")}, around pixel ${point.x}, ${point.y}: ${value}`,
  );
}
