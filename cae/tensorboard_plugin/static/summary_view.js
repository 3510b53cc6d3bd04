// The summary: curves of any metric with seeds as a band, quality against bits, and the comparison's words and tables.

import { getComparison, getCurves } from "./api.js";
import { curveChart, keyOf, pointChart } from "./charts.js";
import { h, select } from "./dom.js";
import { figureTitle } from "./figures.js";
import { failureNotice, notice } from "./notices.js";
import { contenders, firstChoice, metrics } from "./runs.js";
import { bandOf, inOrderOf, pointsOfRecord, pointsOfRuns } from "./series.js";
import * as state from "./state.js";
import { reportSections } from "./tables.js";

const USUAL_CURVE = "validation/psnr";

const answers = new Map(); // what was asked to {version, value, error}
let root = null;
let built = "";

export function mountSummary(element) {
  root = element;
}

export function updateSummary(found) {
  if (!found.listing.runs.length && !found.listing.comparisons.length) {
    built = "";
    root.replaceChildren(
      notice(
        "There is nothing to sum up yet",
        h("p", {}, "Train decoders, and measure them:"),
        h("pre", {}, "python train.py configs/compare_decoders.yaml\npython evaluate.py runs/compare_decoders"),
      ),
    );
    return;
  }
  const chosen = chosenOnes(found);
  const runs = found.passing.filter((run) => run.experiment === chosen.experiment);
  const version = JSON.stringify(found.listing.runs.map((run) => [run.name, run.steps.at(-1)]));
  const curves = ask(`curve ${chosen.curve}`, version, () => getCurves(chosen.curve));
  const record = found.listing.comparisons.includes(chosen.experiment)
    ? ask(`comparison ${chosen.experiment}`, version, () => getComparison(chosen.experiment))
    : null;
  const groups = inOrderOf(record?.value, contenders(runs));
  const key = JSON.stringify([chosen, curves, record, groups.map((one) => one.key), found.listing.comparisons]);
  if (key === built) return;
  built = key;
  const focused = document.activeElement?.id;
  root.replaceChildren(
    ...[
      header(found, chosen),
      h(
        "div",
        { class: "charts" },
        curveSection(runs, groups, chosen, curves),
        pointSection(runs, groups, chosen, record),
      ),
      ...report(found, chosen, record),
    ],
  );
  if (focused) document.getElementById(focused)?.focus();
}

/** An answer of the server; asked for again when there are new steps, with the old one until then. */
function ask(what, version, question) {
  const known = answers.get(what);
  if (known?.version === version) return known;
  const waiting = { version, value: known?.value ?? null, error: null };
  answers.set(what, waiting);
  question()
    .then(
      (value) => answers.set(what, { version, value, error: null }),
      (error) => answers.set(what, { version, value: null, error: error.message }),
    )
    .then(() => state.tell());
  return waiting;
}

function experiments(found) {
  const names = new Set([...found.passing.map((run) => run.experiment), ...found.listing.comparisons]);
  return [...names].sort();
}

function chosenOnes(found) {
  const { experiment, curve, metric } = state.get();
  const all = experiments(found);
  const usual = found.listing.comparisons[0] ?? all[0];
  return { experiment: all.includes(experiment) ? experiment : usual, curve: curve ?? USUAL_CURVE, metric };
}

function header(found, chosen) {
  const all = experiments(found);
  const title = (name) => name || found.listing.logdir.split(/[\\/]/).pop();
  return h(
    "div",
    { class: "summary-head" },
    all.length > 1
      ? select(
          "Experiment",
          all.map((name) => [name, title(name)]),
          chosen.experiment,
          (experiment) => state.set({ experiment }),
          { id: "experiment" },
        )
      : h("h2", {}, title(chosen.experiment)),
  );
}

function curveSection(runs, groups, chosen, { value, error }) {
  const names = metrics(runs).filter((name) => !name.startsWith("evaluation/"));
  if (!names.includes(chosen.curve)) names.unshift(chosen.curve);
  const series = groups
    .map((group, place) => ({ label: group.label, place, points: bandOf(group.runs, value ?? {}) }))
    .filter((one) => one.points.length);
  const seeds = Math.max(...groups.map((group) => group.runs.length), 0);
  const body = error
    ? failureNotice(error, retry)
    : series.length
      ? [
          curveChart(`${figureTitle(chosen.curve)} over steps`, series, ["step", figureTitle(chosen.curve)]),
          keyOf(series),
        ]
      : h("p", { class: "quiet" }, value ? "No run has written this curve." : "Reading curves…");
  return h(
    "section",
    { id: "curves" },
    h(
      "div",
      { class: "section-head" },
      h("h2", {}, "Curves"),
      select(
        "Metric",
        names.map((name) => [name, figureTitle(name)]),
        chosen.curve,
        (curve) => state.set({ curve }),
        { id: "curve" },
      ),
    ),
    body,
    seeds > 1
      ? h("p", { class: "quiet" }, "Lines: means over seeds. Bands: from the lowest to the highest seed.")
      : null,
  );
}

function pointSection(runs, groups, chosen, record) {
  const told = record?.value;
  const names = told
    ? Object.entries(told.metrics)
    : metrics(runs)
        .filter((name) => name.startsWith("validation/"))
        .map((name) => [name, figureTitle(name)]);
  const known = names.some(([name]) => name === chosen.metric);
  const metric = known ? chosen.metric : (told?.metric ?? names[0]?.[0]);
  const points = (told ? pointsOfRecord(told, metric) : pointsOfRuns(groups, metric)).filter(
    (one) => Number.isFinite(one.mean) && Number.isFinite(one.x),
  );
  const title = names.find(([name]) => name === metric)?.[1] ?? "";
  return h(
    "section",
    { id: "rates" },
    h(
      "div",
      { class: "section-head" },
      h("h2", {}, "Quality against bits"),
      names.length ? select("Metric", names, metric, (one) => state.set({ metric: one }), { id: "metric" }) : null,
    ),
    points.length
      ? [
          pointChart(
            `${title} against bits of code and switches`,
            points,
            ["bits of an image's code and switches", title],
            metric,
            openPictures,
          ),
          keyOf(points),
          h(
            "p",
            { class: "quiet" },
            told
              ? "Means over the measured images; bars are 95% intervals over seeds."
              : "Last values on validation images, means over seeds. Run evaluate.py for intervals and controls.",
            " Points of the same number of bits stand beside each other. Click on one to see its pictures.",
          ),
        ]
      : h("p", { class: "quiet" }, "No run has written what its code takes, and how good it is."),
  );
}

/** Show a contender's pictures beside the others', with the keyboard at its column. */
function openPictures(point) {
  const found = currentRuns();
  const own = found.filter((run) => point.runs.includes(run.name));
  const probes = own[0]?.probes ?? null;
  const others = firstChoice(found.filter((run) => run.probes === probes && !point.runs.includes(run.name)));
  state.set({ view: "compare", probes, runs: [...new Set([...own.map((run) => run.name), ...others])], row: 0 });
  openedAt(own[0]?.name);
}

function report(found, chosen, record) {
  if (!record) {
    return [
      notice(
        "These runs have not been compared",
        h(
          "p",
          {},
          "For the table with intervals, paired differences and the controls for what leaks through switches:",
        ),
        h("pre", {}, `python evaluate.py ${[found.listing.logdir, chosen.experiment].filter(Boolean).join("/")}`),
      ),
    ];
  }
  if (record.error) return [failureNotice(record.error, retry)];
  return record.value ? reportSections(record.value) : [h("p", { class: "quiet" }, "Reading the comparison…")];
}

function retry() {
  answers.clear();
  built = "";
  state.tell();
}

// Given by the page, which knows the runs and the grid.
let currentRuns = () => [];
let openedAt = () => {};
export function connectSummary(runs, opened) {
  [currentRuns, openedAt] = [runs, opened];
}
