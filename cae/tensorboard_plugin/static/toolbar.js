// Above the grid: the step, what is shown, how columns and rows are ordered; the legend.

import { announce, choice, h, select } from "./dom.js";
import { decimal, figureTitle } from "./figures.js";
import { linkTo } from "./host.js";
import { toggleLoupe } from "./loupe.js";
import { drawScale } from "./pictures.js";
import * as runs from "./runs.js";
import * as state from "./state.js";

const SHOWN = {
  reconstruction: ["Picture", "Reconstructions (1)"],
  signed: ["Signed error", "Reconstruction minus input (2)"],
  absolute: ["Absolute error", "Size of the error (3)"],
  spectrum: ["Spectrum", "Log power spectrum, frequency zero in the middle (4)"],
};
const LEGENDS = {
  signed: "reconstruction − input, of the pixel range",
  absolute: "|reconstruction − input|, of the pixel range",
  spectrum: "power, frequency zero in the middle",
};
const PLAY_MS = 350;

let timer = null;
let built = "";
let found = null;

export function updateToolbar(above, below, session) {
  found = session;
  const { show, rows, size, loupe } = state.get();
  const key = JSON.stringify([
    show,
    session.order,
    rows,
    size,
    loupe,
    state.isListOpen(),
    session.sets,
    session.digest,
    session.experiments,
    session.experiment,
    session.comparable.map((run) => run.name),
    session.steps.length > 1,
  ]);
  if (key !== built) {
    const focused = document.activeElement?.dataset.value ?? document.activeElement?.id;
    above.replaceChildren(...stepControls());
    below.replaceChildren(...gridControls(session));
    // A button that was pressed is another one now.
    if (focused)
      (
        document.getElementById(focused) ?? document.querySelector(`#top [data-value="${CSS.escape(focused)}"]`)
      )?.focus();
  }
  built = key;
  updateSlider();
}

function stepControls() {
  const { show } = state.get();
  return [
    stepField(),
    choice(
      "What is shown",
      state.SHOWS.map((one) => [one, ...SHOWN[one]]),
      show,
      (one) => state.set({ show: one }),
    ),
  ];
}

function gridControls(session) {
  const { rows, show, size, loupe } = state.get();
  return [
    h(
      "button",
      {
        type: "button",
        id: "runs-toggle",
        "aria-pressed": String(state.isListOpen()),
        "aria-controls": "picker",
        title: "Choose runs",
        onclick: () => state.set({ picker: !state.isListOpen() }),
      },
      "Runs",
    ),
    session.experiments.length > 1
      ? select(
          "Experiment",
          session.experiments.map((name) => [name, name || session.listing.logdir.split(/[\\/]/).pop()]),
          session.experiment,
          (experiment) => state.set({ experiment, probes: null, runs: null, step: null }),
          { id: "experiment-shown" },
        )
      : null,
    session.sets.length > 1
      ? select(
          "Images",
          session.sets.map((one) => setOption(session, one)),
          session.digest,
          (digest) => state.set({ probes: digest, runs: null, step: null }),
        )
      : null,
    select("Columns by", orderOptions(session), session.order, (order) => state.set({ order }), {
      id: "order",
    }),
    select(
      "Rows",
      [
        ["dataset", "as in the data set"],
        ["disagreement", "by disagreement"],
      ],
      rows,
      (one) => state.set({ rows: one, row: 0 }),
      { id: "rows" },
    ),
    choice(
      "Size",
      [
        ["fit", "Fit", "As large as all columns have room for"],
        ["s", "S", "Small pictures"],
        ["m", "M", "Medium pictures"],
        ["l", "L", "Large pictures"],
      ],
      size,
      (one) => state.set({ size: one }),
    ),
    h(
      "button",
      {
        type: "button",
        id: "loupe-toggle",
        "aria-pressed": String(loupe),
        title: "The same pixels of every column, enlarged (L)",
        onclick: toggleLoupe,
      },
      "Loupe",
    ),
    show === "reconstruction" ? null : legend(session, show),
  ].filter(Boolean);
}

function stepField() {
  const slider = h("input", {
    type: "range",
    id: "step",
    min: 0,
    step: 1,
    "aria-label": "Step",
    oninput: (event) => goTo(Number(event.target.value)),
  });
  return h(
    "div",
    { class: "step" },
    h(
      "button",
      { type: "button", id: "play", "aria-label": "Play through the steps", title: "Play (space)", onclick: play },
      "▶",
    ),
    slider,
    h("output", { id: "step-text", for: "step" }),
  );
}

function updateSlider() {
  const slider = document.getElementById("step");
  const { steps, step } = found;
  slider.max = Math.max(0, steps.length - 1);
  slider.value = steps.indexOf(step);
  slider.disabled = steps.length < 2;
  const text = step === undefined ? "no steps" : `step ${step.toLocaleString("en")}`;
  slider.setAttribute("aria-valuetext", text);
  document.getElementById("step-text").textContent =
    state.get().step === null && step !== undefined ? `${text} (last)` : text;
  const button = document.getElementById("play");
  button.textContent = timer ? "❚❚" : "▶";
  button.disabled = steps.length < 2;
}

/** Go to the step of a place; at the last one, new steps are followed. */
function goTo(place) {
  if (!found) return;
  const { steps } = found;
  const last = steps.length - 1;
  state.set({ step: place >= last ? null : steps[Math.max(0, place)] });
}

/** Go on by so many steps. */
export function stepBy(number) {
  if (!found?.steps.length) return;
  goTo(found.steps.indexOf(found.step) + number);
  queueMicrotask(() => announce(`step ${found.step}`)); // when the new one is known
}

export const stepToEnd = (isLast) => goTo(isLast ? Infinity : 0);

/** Run through the steps, from the first one where it stands at the last. */
export function play() {
  if (timer) {
    clearInterval(timer);
    timer = null;
    updateSlider();
    return;
  }
  if (!found || found.steps.length < 2) return;
  if (found.step === found.steps.at(-1)) goTo(0);
  timer = setInterval(() => {
    const place = found.steps.indexOf(found.step) + 1;
    if (place >= found.steps.length - 1) play();
    goTo(place);
  }, PLAY_MS);
  updateSlider();
}

function legend(session, show) {
  const scale = session.scales[show];
  const bar = h("canvas", { role: "img", "aria-label": `Colours from ${scale.low} to ${scale.high} ${scale.unit}` });
  drawScale(bar, scale);
  const text = (value, sign) => `${sign}${decimal(value, scale.unit ? 0 : 2)}${scale.unit ? ` ${scale.unit}` : ""}`;
  const more = show === "spectrum" ? "" : "≥ ";
  return h(
    "figure",
    { class: "legend", title: LEGENDS[show] },
    h("span", {}, text(scale.low, scale.low < 0 && more ? "≤ " : "")),
    bar,
    h("span", {}, text(scale.high, more + (show === "signed" ? "+" : ""))),
    h("figcaption", {}, LEGENDS[show]),
  );
}

function setOption(session, { digest, number }) {
  const { names, width, height, corruption } = session.listing.probes[digest];
  const noise = corruption ? `, ${corruption}` : "";
  return [digest, `${names.length} of ${width}×${height}${noise} (${number} ${number === 1 ? "run" : "runs"})`];
}

function orderOptions({ comparable, order: chosen }) {
  const settings = runs.differing(comparable).map((name) => [`hyperparameters/${name}`, name]);
  if (!settings.some(([order]) => order === "hyperparameters/upsampling"))
    settings.unshift(["hyperparameters/upsampling", "upsampling"]);
  const metrics = runs.metrics(comparable).map((name) => [`last/${name}`, figureTitle(name)]);
  const known = [...settings, ...metrics].some(([order]) => order === chosen);
  return [...(known ? [] : [[chosen, chosen]]), ["Settings", settings], ["Last values", metrics]];
}

/** Put the address of the view on the clipboard. */
export async function copyLink() {
  const link = linkTo(state.encode());
  const button = document.getElementById("link");
  try {
    await navigator.clipboard.writeText(link);
    button.textContent = "Copied";
    announce("Link copied");
  } catch {
    // Without permission, and from other machines without HTTPS: to be copied by hand.
    window.prompt("Copy this link:", link);
  }
  setTimeout(() => (button.textContent = "Copy link"), 1500);
}
