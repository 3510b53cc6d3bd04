// The loupe: the same pixels of every column, enlarged with nearest neighbour, following the pointer until it is held.

import { cellAt, cellOf, cellsOf, paintAll } from "./compare_view.js";
import { h } from "./dom.js";
import { valueText } from "./pictures.js";
import * as state from "./state.js";

const SIDE = 13; // pixels of the picture, odd so that one is in the middle

let pointed = null; // {image, x, y} under the pointer
let probes = null;

/** Where it is: where it is held, or under the pointer. */
const place = () => state.get().point ?? pointed;

export function mountLoupe(root) {
  const follow = (event) => {
    const cell = cellOf(event.target);
    if (!cell || event.target !== cell.canvas) return;
    const box = cell.canvas.getBoundingClientRect();
    const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    pointed = within(cell.image, Math.floor(x * cell.canvas.width), Math.floor(y * cell.canvas.height));
    if (state.get().loupe && !state.get().point) drawAll();
  };
  root.addEventListener("pointermove", follow);
  root.addEventListener("pointerdown", follow);
}

export const toggleLoupe = () => state.set({ loupe: !state.get().loupe, point: null });

/** Hold it where it is, so that the pointer may leave, or let it go. */
export const holdLoupe = () => state.set({ point: state.get().point ? null : pointed });

/** Draw it again, where it is; in the middle of the image that the keyboard is at, where it is nowhere. */
export function updateLoupe(found) {
  probes = found.probes;
  if (!state.get().loupe || !probes || !cellAt(0, 0)) return;
  const { point, row } = state.get();
  if (!pointed || pointed.image >= probes.names.length)
    pointed = within(cellAt(row, 0).image, Math.floor(probes.width / 2), Math.floor(probes.height / 2));
  // Of a link to other images.
  if (point && (point.image >= probes.names.length || point.x >= probes.width || point.y >= probes.height))
    return state.set({ point: null });
  drawAll();
}

/** Move it by pixels, and hold it there. */
export function moveLoupe(right, down) {
  if (!cellAt(0, 0) || !place()) return;
  const { image, x, y } = place();
  state.set({ point: within(image, x + right, y + down) });
}

/** Move it to another row's image. */
export function loupeToRow(row) {
  const cell = cellAt(row, 0);
  if (!cell || !state.get().loupe || !place()) return;
  const moved = { ...place(), image: cell.image };
  if (state.get().point) return state.set({ point: moved });
  pointed = moved;
  drawAll();
}

function within(image, x, y) {
  const keep = (value, size) => Math.min(size - 1, Math.max(0, value));
  return { image, x: keep(x, probes.width), y: keep(y, probes.height) };
}

function drawAll() {
  const strip = document.getElementById("loupe");
  if (!strip) return;
  const point = place();
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
    state.get().point ? h("span", { class: "held", title: "Click on a picture to let it go" }, "held") : "",
  );
  cells.forEach((cell, number) => drawOne(strip.children[number + 1], cell, point));
}

function drawOne(box, cell, point) {
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
