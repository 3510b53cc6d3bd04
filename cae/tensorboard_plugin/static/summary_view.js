// The summary: the sections of a comparison's report, as the server renders them.

import { getReport } from "./api.js";
import { h, select } from "./dom.js";
import { failureNotice, notice } from "./notices.js";
import * as state from "./state.js";

const answers = new Map(); // experiment to {version, html, error}
let root = null;
let built = "";

export function mountSummary(element) {
  root = element;
  // Addresses within the page are the view's own: contents scroll instead.
  root.addEventListener("click", (event) => {
    const name = event.target.closest("nav a")?.hash.slice(1);
    if (!name) return;
    event.preventDefault();
    const section = document.getElementById(name);
    const details = section.closest("details");
    if (details) details.open = true;
    (details ?? section).scrollIntoView();
  });
}

export function updateSummary(found) {
  const { comparisons } = found.listing;
  const compared = Object.keys(comparisons);
  const experiments = [...new Set([...found.passing.map((run) => run.experiment), ...compared])].sort();
  const { experiment: wanted } = state.get();
  const chosen = experiments.includes(wanted) ? wanted : (compared[0] ?? experiments[0]);
  const report = compared.includes(chosen) ? ask(chosen, comparisons[chosen]) : null;
  const key = JSON.stringify([found.listing.logdir, experiments, chosen, report?.html, report?.error]);
  if (key === built) return;
  built = key;
  root.replaceChildren(...header(found, experiments, chosen), ...body(found, chosen, report));
}

/** The report; asked for again when it was written anew, with the old one until then. */
function ask(experiment, version) {
  const known = answers.get(experiment);
  if (known?.version === version) return known;
  const waiting = { version, html: known?.html ?? null, error: null };
  answers.set(experiment, waiting);
  getReport(experiment)
    .then(
      (html) => answers.set(experiment, { version, html, error: null }),
      (error) => answers.set(experiment, { version, html: null, error: error.message }),
    )
    .then(() => state.tell());
  return waiting;
}

function header({ listing }, experiments, chosen) {
  if (experiments.length < 2) return [];
  const title = (name) => name || listing.logdir.split(/[\\/]/).pop();
  const options = experiments.map((name) => [name, title(name)]);
  return [select("Experiment", options, chosen, (experiment) => state.set({ experiment }), { id: "experiment" })];
}

function body({ listing }, chosen, report) {
  if (chosen === undefined) {
    return [
      notice(
        "There is nothing to sum up yet",
        h("p", {}, "Train decoders, and measure them:"),
        h("pre", {}, "python train.py configs/compare_decoders.yaml\npython evaluate.py runs/compare_decoders"),
      ),
    ];
  }
  if (!report) {
    return [
      notice(
        "These runs have not been compared",
        h("p", {}, "For the answer, with intervals, paired differences and what the switches carry:"),
        h("pre", {}, `python evaluate.py ${[listing.logdir, chosen].filter(Boolean).join("/")}`),
      ),
    ];
  }
  if (report.error) return [failureNotice(report.error, retry)];
  if (!report.html) return [h("p", { class: "quiet" }, "Reading the comparison…")];
  const content = document.createElement("template");
  // The server escapes all names.
  content.innerHTML = report.html;
  return [content.content];
}

function retry() {
  answers.clear();
  built = "";
  state.tell();
}
