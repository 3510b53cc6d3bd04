// The stage: one image large, two of its pictures in one place. Wipe moves a border between them, blink swaps them.

import { cellsOf, cellAt, paintAll, shownWidth } from "./compare_view.js";
import { choice, h, select } from "./dom.js";
import { figureText } from "./figures.js";
import { nearestStep } from "./runs.js";
import { figuresAt } from "./session.js";
import * as state from "./state.js";

const BLINK_MS = 600;
const SIDE = 480;

let root = null;
let found = null;
let built = "";
let showsB = false;
let timer = null;
let returnTo = null;

export function mountStage(element) {
  root = element;
  root.addEventListener("close", () => state.set({ stage: null }));
}

/** Open it on a cell: its picture against the input's. */
export function openStage(cell, mode = "wipe") {
  const b = cell.kind === "reconstruction" ? cell.run.name : (found.columns[0]?.name ?? "input");
  // An error map says more beside another one than beside the input.
  const isError = ["signed", "absolute"].includes(state.get().show);
  const other = found.columns.find((run) => run.name !== b)?.name ?? "input";
  returnTo = cell.canvas;
  state.set({ row: cell.place, column: cell.number, stage: { mode, a: isError ? other : "input", b, position: 0.5 } });
}

export const closeStage = () => state.set({ stage: null });

export function changeStage(changes) {
  const { stage } = state.get();
  if (stage) state.set({ stage: { ...stage, ...changes } });
}

export const moveWipe = (by) => changeStage({ position: Math.min(1, Math.max(0, state.get().stage.position + by)) });

/** Show the other of the two; the clock of blinking stops, since who does it by hand wants to look. */
export function flip() {
  stopBlinking();
  showsB = !showsB;
  draw();
}

export function updateStage(session) {
  found = session;
  const { stage } = state.get();
  if (!stage || !session.probes || !session.columns.length) {
    stopBlinking();
    built = "";
    if (root.open) {
      root.close();
      returnTo?.focus();
    }
    return;
  }
  const key = JSON.stringify([stage.mode, stage.a, stage.b, session.columns.map((run) => run.name), session.digest]);
  if (key !== built) build(stage);
  built = key;
  if (!root.open) root.show();
  draw();
}

function pictureOptions() {
  const fixed = [["input", "Input"], ...(found.probes.corruption ? [["corrupted", "Corrupted input"]] : [])];
  return [...fixed, ...found.columns.map((run) => [run.name, found.labels.get(run.name)])];
}

function build(stage) {
  const width = shownWidth(found.probes, SIDE);
  const canvas = h("canvas", {
    id: "stage-picture",
    role: "img",
    style: `width: ${width}px`,
    class: width >= found.probes.width ? "pixels" : "",
    onpointermove: (event) => {
      if (state.get().stage?.mode !== "wipe") return;
      const box = canvas.getBoundingClientRect();
      changeStage({ position: Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) });
    },
  });
  const slider = h("input", {
    type: "range",
    min: 0,
    max: 1,
    step: 0.01,
    "aria-label": "Border between A and B",
    oninput: (event) => changeStage({ position: Number(event.target.value) }),
  });
  const blinking = h(
    "button",
    { type: "button", id: "blinking", onclick: () => (timer ? stopBlinking() : startBlinking()) },
    "Pause",
  );
  root.replaceChildren(
    h(
      "header",
      {},
      h("h2", { id: "stage-title" }),
      choice(
        "How to compare",
        [
          ["wipe", "Wipe"],
          ["blink", "Blink"],
        ],
        stage.mode,
        (mode) => changeStage({ mode }),
      ),
      h(
        "button",
        { type: "button", class: "close", "aria-label": "Close", title: "Close (Escape)", onclick: closeStage },
        "✕",
      ),
    ),
    h(
      "div",
      { class: "pair" },
      select("A", pictureOptions(), stage.a, (a) => changeStage({ a })),
      h(
        "button",
        { type: "button", title: "Swap A and B", onclick: () => changeStage({ a: stage.b, b: stage.a }) },
        "⇄",
      ),
      select("B", pictureOptions(), stage.b, (b) => changeStage({ b })),
    ),
    h("div", { class: "stage-picture" }, canvas, stage.mode === "wipe" ? h("div", { class: "border" }) : null),
    stage.mode === "wipe"
      ? slider
      : h("div", { class: "blink" }, blinking, h("button", { type: "button", onclick: flip }, "Other one (space)")),
    h("p", { class: "shown", "aria-live": "polite" }),
  );
  stopBlinking();
  showsB = stage.mode === "blink";
  if (stage.mode === "blink" && !window.matchMedia("(prefers-reduced-motion: reduce)").matches) startBlinking();
}

function startBlinking() {
  clearInterval(timer);
  timer = setInterval(() => {
    showsB = !showsB;
    draw();
  }, BLINK_MS);
  draw();
}

function stopBlinking() {
  clearInterval(timer);
  timer = null;
  const button = document.getElementById("blinking");
  if (button) button.textContent = "Go on";
}

const cellNamed = (cells, name) =>
  cells.find((cell) => (cell.kind === "reconstruction" ? cell.run.name : cell.kind) === name);

function draw() {
  const { stage, row } = state.get();
  const canvas = document.getElementById("stage-picture");
  if (!stage || !canvas) return;
  const { width, height, names } = found.probes;
  const image = cellAt(row, 0)?.image ?? 0;
  const cells = cellsOf(image);
  const [a, b] = [cellNamed(cells, stage.a), cellNamed(cells, stage.b)];
  paintAll([a, b].filter(Boolean));
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.clearRect(0, 0, width, height);
  const border = Math.round(stage.position * width);
  if (stage.mode === "blink") {
    const shown = showsB ? b : a;
    if (shown?.painted) context.drawImage(shown.canvas, 0, 0);
  } else {
    if (b?.painted) context.drawImage(b.canvas, 0, 0);
    if (a?.painted && border > 0) context.drawImage(a.canvas, 0, 0, border, height, 0, 0, border, height);
  }
  document.getElementById("stage-title").textContent = names[image];
  const line = root.querySelector(".border");
  if (line) line.style.left = `${(100 * border) / width}%`;
  const slider = root.querySelector("input[type=range]");
  if (slider) slider.value = stage.position;
  const button = document.getElementById("blinking");
  if (button) button.textContent = timer ? "Pause" : "Go on";
  canvas.dataset.shown = stage.mode === "blink" ? (showsB ? "b" : "a") : "both";
  tellShown(stage, image);
}

function tellShown(stage, image) {
  const about = (name) => {
    const run = found.columns.find((one) => one.name === name);
    if (!run) return name === "input" ? "Input" : name === "corrupted" ? "Corrupted input" : "not among the columns";
    const figures = figuresAt(run, nearestStep(run, found.step));
    const told = figures
      ? `: ${figureText("psnr", figures.psnr[image])} dB, SSIM ${figureText("ssim", figures.ssim[image])}`
      : "";
    return `${found.labels.get(name)}${told}`;
  };
  const parts =
    stage.mode === "wipe"
      ? [`Left, A: ${about(stage.a)}`, `Right, B: ${about(stage.b)}`]
      : [showsB ? `B: ${about(stage.b)}` : `A: ${about(stage.a)}`];
  const text = parts.join(" · ");
  const shown = root.querySelector(".shown");
  // While it blinks by itself, nobody wants to be told twice a second.
  shown.setAttribute("aria-live", timer ? "off" : "polite");
  if (shown.textContent !== text) shown.textContent = text;
}
