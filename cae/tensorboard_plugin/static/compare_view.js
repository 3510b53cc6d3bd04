// The grid: a row for each probe image; columns are the input and the chosen runs, grouped by what they are ordered by.

import { breakable, h } from "./dom.js";
import { figureText } from "./figures.js";
import { groupRow, headRow, updateHeads } from "./heads.js";
import { emptyNotice } from "./notices.js";
import * as pictures from "./pictures.js";
import { nearestStep } from "./runs.js";
import { figuresAt, rowsOf } from "./session.js";
import { fetchAhead, sheet, timeOf } from "./sheets.js";
import * as state from "./state.js";

const SIZES = { s: 64, m: 112, l: 192 };
const LARGEST = 384; // with room for it: two runs use the width of the window
const AROUND = 12; // pixels of a cell beside its picture
const LEAST = 64; // figures under a picture then take two lines
const ROW_HEADS = 96;
const COLUMN_HEADS = 80; // pixels of their height
const UNDER = 36; // pixels of a cell above and under its picture
const FIXED = ["input", "corrupted"];

let root = null;
let built = ""; // what the grid was built for
let cells = [];
let visible = new Set();
let observer = null;
let current = null;

export function mountCompare(element) {
  root = element;
  new ResizeObserver(state.tell).observe(root);
}

/** Columns as they stand: the input, what the models were given where that is another picture, and the runs. */
function columnsOf(found) {
  const fixed = FIXED.slice(0, found.probes.corruption ? 2 : 1);
  // Inputs are the same in all of them.
  return [
    ...fixed.map((kind) => ({ kind, run: found.comparable[0] })),
    ...found.columns.map((run) => ({ kind: "reconstruction", run })),
  ];
}

/** Width of a picture on the screen, as far as there is room: a whole multiple of its own where it is small. */
export const shownWidth = (probes, room) =>
  probes.width <= room ? Math.floor(room / probes.width) * probes.width : room;

function roomFor(columns, { width, height }) {
  const { size, loupe } = state.get();
  if (size !== "fit") return SIZES[size];
  // Not the width within the scroll bar, which comes and goes with the pictures' size.
  const across = (root.offsetWidth - ROW_HEADS - 2 * AROUND) / columns.length - AROUND;
  // A picture is seen whole, above the square of the loupe.
  const down = (root.offsetHeight - COLUMN_HEADS - UNDER * (loupe ? 2 : 1)) / (height / width + (loupe ? 1 : 0));
  return Math.min(LARGEST, Math.max(LEAST, Math.floor(Math.min(across, down))));
}

export function updateCompare(found) {
  current = found;
  if (!found.probes || !found.columns.length) {
    built = "";
    cells = []; // keys must not go to what is no longer there
    root.replaceChildren(emptyNotice(found));
    return;
  }
  const columns = columnsOf(found);
  const rows = rowsOf(found);
  const { loupe } = state.get();
  const key = JSON.stringify([
    columns.map((one) => [one.kind, one.run.name]),
    rows.map((row) => row.image),
    found.digest,
    found.order,
    loupe,
  ]);
  if (key !== built) build(found, columns, rows);
  root.firstChild.style.setProperty("--picture", `${shownWidth(found.probes, roomFor(columns, found.probes))}px`);
  // Of a link; when the loupe has its place.
  if (!built) queueMicrotask(() => bringIntoSight(cellOfState()));
  built = key;
  updateHeads(root, found, columns);
  updateRows(rows);
  for (const cell of visible) paint(cell);
  for (const line of cells) markBest(line);
  ahead(found);
}

function build(found, columns, rows) {
  const [left, top] = [root.scrollLeft, root.scrollTop];
  observer?.disconnect();
  observer = new IntersectionObserver(onSeen, { root, rootMargin: "200px" });
  visible = new Set();
  cells = rows.map((row, place) => columns.map((column, number) => makeCell(found, row.image, column, place, number)));
  const { loupe } = state.get();
  const table = h(
    "table",
    {
      class: loupe ? "grid loupe" : "grid",
      role: "grid",
      "aria-label": "Probe images by run",
    },
    h("thead", {}, groupRow(found, columns), headRow(found, columns)),
    h(
      "tbody",
      {},
      rows.map((row, place) =>
        h(
          "tr",
          { "data-place": place },
          rowHead(found, row),
          cells[place].map((cell) => cell.element),
        ),
      ),
    ),
    loupe ? h("tfoot", {}, h("tr", { id: "loupe" })) : null,
  );
  root.replaceChildren(table);
  root.scrollTo(left, top);
  for (const row of cells) for (const cell of row) observer.observe(cell.element);
}

/** Scroll to a cell, as far as needed, and not under what stays in its place. */
export function bringIntoSight({ element }, inline = "nearest") {
  const { tHead, tFoot } = root.firstChild;
  root.style.scrollPadding = `${tHead.offsetHeight}px 0 ${tFoot?.offsetHeight ?? 0}px ${ROW_HEADS}px`;
  element.scrollIntoView({ block: "nearest", inline });
}

function onSeen(entries) {
  for (const entry of entries) {
    const cell = entry.target.cell;
    if (entry.isIntersecting) {
      visible.add(cell);
      paint(cell);
    } else {
      visible.delete(cell);
    }
  }
}

function rowHead(found, row) {
  const name = found.probes.names[row.image];
  return h(
    "th",
    { scope: "row", title: name },
    h("span", { class: "name" }, breakable(name)),
    h("span", { class: "spread", title: "Standard deviation of the PSNR over the columns" }),
  );
}

function updateRows(rows) {
  const heads = root.querySelectorAll("tbody th");
  rows.forEach(({ spread }, place) => {
    heads[place].querySelector(".spread").textContent = spread ? `±${spread.toFixed(2)} dB` : "";
  });
  const current = cellOfState();
  for (const cell of cells.flat()) cell.canvas.tabIndex = cell === current ? 0 : -1;
}

/** The cell that the keyboard is at. */
function cellOfState() {
  const { row, column } = state.get();
  const line = cells[Math.min(row, cells.length - 1)];
  return line[Math.min(column, line.length - 1)];
}

function makeCell(found, image, column, place, number) {
  const { kind, run } = column;
  const name = found.probes.names[image];
  const what = kind === "reconstruction" ? found.labels.get(run.name) : kind;
  const canvas = h("canvas", {
    role: "button",
    tabindex: -1,
    "aria-label": `${name}, ${what}`,
    width: found.probes.width,
    height: found.probes.height,
  });
  const figure = kind === "reconstruction" ? h("div", { class: "figures" }) : null;
  const element = h(
    "td",
    { class: kind, "data-kind": kind, "data-run": run.name, "data-image": image },
    canvas,
    figure,
  );
  const cell = { element, canvas, figure, image, kind, run, place, number };
  element.cell = cell;
  return cell;
}

/** Show a cell's picture if it is there, and its figures; else keep the old one until it is. */
function paint(cell) {
  const { probes, scales } = current;
  const run = current.columns.find((one) => one.name === cell.run.name) ?? cell.run;
  const isRun = cell.kind === "reconstruction";
  const step = isRun ? nearestStep(run, current.step) : null;
  const { show: chosen } = state.get();
  // Errors are those of reconstructions; a spectrum, pictures of all kinds have.
  const show = isRun || chosen === "spectrum" ? chosen : "reconstruction";
  if (cell.figure) paintFigures(cell, figuresAt(run, step));
  if (isRun && step === null) return;
  const key = `${show} ${step} ${isRun ? timeOf(run, step) : ""}`;
  if (cell.painted === key) return;
  const needsInput = show === "signed" || show === "absolute";
  const found = sheet(run, cell.kind, step);
  const input = needsInput ? sheet(current.comparable[0], "input", null) : null; // the same for all
  const isReady = found && (input || !needsInput);
  cell.element.classList.toggle("waiting", !isReady);
  if (!isReady) return;
  const values = pictures.draw(cell.canvas, probes, cell.image, show, found, input, scales);
  // The sheet is not held on to: it may have to make room for others.
  Object.assign(cell, { painted: key, values, show });
  cell.element.dataset.step = step ?? "";
  cell.element.dataset.show = show;
}

function paintFigures({ figure, image }, figures) {
  const [psnr, ssim] = ["psnr", "ssim"].map((name) => (figures ? figureText(name, figures[name][image]) : ""));
  const text = figures ? `${psnr} dB ${ssim}` : "–";
  if (figure.textContent === text) return;
  if (figures) {
    const of = (title, value) => h("span", { class: title.toLowerCase(), title }, value);
    figure.replaceChildren(of("PSNR", `${psnr} dB`), " ", of("SSIM", ssim));
  } else figure.replaceChildren(text);
}

/** Mark the highest PSNR of a row, where there is more than one. */
function markBest(line) {
  const psnr = line.map((cell) => {
    const run = cell.figure && current.columns.find((one) => one.name === cell.run.name);
    return run ? (figuresAt(run, nearestStep(run, current.step))?.psnr[cell.image] ?? NaN) : NaN;
  });
  const known = psnr.filter(Number.isFinite);
  const best = known.length > 1 ? Math.max(...known) : null;
  line.forEach((cell, number) => {
    cell.element.classList.toggle("best", psnr[number] === best);
    if (cell.figure) cell.figure.title = psnr[number] === best ? "the highest PSNR of this row" : "";
  });
}

/** Fetch what the slider may come to, the steps around this one first. */
function ahead(found) {
  const size = 4 * found.probes.width * found.probes.height * found.probes.names.length;
  const wanted = found.columns.flatMap((run) => run.steps.map(([step]) => ({ run, step, size })));
  fetchAhead(wanted.sort((a, b) => Math.abs(a.step - found.step) - Math.abs(b.step - found.step)));
}

/** The cell of a place in the grid, as far as there is one. */
export const cellAt = (row, column) => cells[Math.min(row, cells.length - 1)]?.[column];

/** The cell of an element in the grid. */
export const cellOf = (target) => target.closest?.("td")?.cell ?? null;

/** All cells of an image. */
export const cellsOf = (image) => cells.find((line) => line[0].image === image) ?? [];

/** Make every cell's picture afresh, also those that nobody sees, before they are enlarged. */
export function paintAll(line) {
  for (const cell of line) paint(cell);
}
