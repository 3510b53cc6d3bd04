// What the server told, and what follows from it and from the user's choice.

import * as api from "./api.js";
import { largerIsBetter, useCatalogue } from "./figures.js";
import * as host from "./host.js";
import * as runs from "./runs.js";
import { retrySheets } from "./sheets.js";
import * as state from "./state.js";

let listing = null;
let listingText = "";
let scales = null;
let failure = null; // of asking for the runs: gone with the next answer
let trouble = null; // of asking for anything else: stays until the user tries again
const figures = new Map(); // name of a run to {version, found}
let asked = Promise.resolve(); // what was asked for them

/** Ask for the runs, and tell listeners if anything is new, TensorBoard's filter of them included. */
export async function refresh() {
  try {
    scales ??= await api.getScales();
    const found = await api.getRuns();
    const text = JSON.stringify([found, host.runFilter()?.text]);
    if (text === listingText && failure === null) return;
    [listing, listingText, failure] = [found, text, null];
    useCatalogue(listing.metrics);
  } catch (error) {
    failure = error.message;
  }
  state.tell();
}

export const failureText = () => failure ?? trouble;

export function fail(error) {
  trouble = error.message;
  state.tell();
}

/** Forget what went wrong, and ask again. */
export function retry() {
  trouble = null;
  figures.clear();
  retrySheets();
  state.tell();
  return refresh();
}

/** Everything a view needs; null until the server has answered. */
export function session() {
  if (!listing) return null;
  const chosen = state.get();
  const { comparable, ...known } = knownOf(host.runFilter(), chosen);
  const names = new Set(chosen.runs ?? known.first);
  const shown = [...comparable, ...known.simple].filter((run) => names.has(run.name));
  const order = chosen.order ?? runs.orderByPsnr(shown);
  const columns = runs.ordered(shown, order, largerIsBetter());
  const steps = runs.allSteps(columns);
  const step = chosen.step === null ? steps.at(-1) : nearest(steps, chosen.step);
  return {
    ...{ ...known, listing, scales, comparable, order, columns, steps, step },
    probes: listing.probes[known.digest] ?? null,
    hidden: listing.runs.length - known.passing.length,
  };
}

/** What follows from the listing, TensorBoard's filter and the kind of images; the slider does not change it. */
let kept = { key: null, found: null };
function knownOf(filter, { probes, experiment, runs: names }) {
  const key = JSON.stringify([filter?.text, probes, experiment, names?.[0]]);
  if (kept.key === key && kept.listing === listing) return kept.found;
  const passing = filter ? listing.runs.filter((run) => filter.expression.test(run.name)) : listing.runs;
  const sets = probeSets(passing);
  // What was asked for, or else the newest experiment: never runs that were not meant to be compared.
  const wanted = passing.filter((run) => run.experiment === experiment);
  const first = passing.find((run) => run.name === names?.[0]?.split("//")[0]); // a simple code stands beside a run
  const shown = first ?? runs.newest(wanted.length ? wanted : passing);
  const digest = sets.some((one) => one.digest === probes) ? probes : (shown?.probes ?? null);
  const comparable = passing.filter((run) => run.probes === digest);
  const others = comparable.filter((run) => run.experiment === experiment);
  const current = (others[0] ?? comparable.find((run) => run === first) ?? runs.newest(comparable))?.experiment;
  const simple = listing.simple.filter((one) => one.probes === digest && one.experiment === current);
  const labels = runs.labels(comparable);
  for (const one of simple) labels.set(one.name, one.title);
  const found = {
    filter,
    passing,
    sets,
    digest,
    comparable,
    experiments: [...new Set(passing.map((run) => run.experiment))].sort(),
    experiment: current,
    simple,
    labels,
    first: [...runs.firstChoice(comparable.filter((run) => run.experiment === current)), ...runs.baselines(simple)],
  };
  kept = { key, listing, found };
  return found;
}

/** Kinds of probe images, those of most runs first. */
function probeSets(found) {
  const counts = new Map();
  for (const run of found) counts.set(run.probes, (counts.get(run.probes) ?? 0) + 1);
  return [...counts].map(([digest, number]) => ({ digest, number })).sort((a, b) => b.number - a.number);
}

const nearest = (steps, wanted) =>
  steps.reduce(
    (best, step) => (best === undefined || Math.abs(step - wanted) < Math.abs(best - wanted) ? step : best),
    undefined,
  );

/** A run's figures at a step, {psnr, ssim, mse} to one number an image; null until they are there. */
export function figuresAt(run, step) {
  const version = JSON.stringify(run.steps.at(-1));
  const known = figures.get(run.name);
  if (known?.version !== version) {
    // What was known of earlier steps stays until the answer is there.
    figures.set(run.name, { version, found: known?.found ?? {} });
    // One after the other: connections are for pictures, which are looked at first.
    asked = asked
      .then(() => api.getFigures(run.name))
      .then((found) => figures.set(run.name, { version, found }))
      .then(state.tellSoon, fail);
  }
  return figures.get(run.name).found[step] ?? null;
}

/** Images in the order of the rows, each with how far apart the columns' PSNRs are, in dB. */
export function rowsOf(found) {
  const trained = found.columns.filter((run) => !runs.isSimple(run));
  const columns = trained.map((run) => figuresAt(run, runs.nearestStep(run, found.step))?.psnr ?? []);
  const rows = found.probes.names.map((_, image) => ({ image, spread: deviation(columns.map((psnr) => psnr[image])) }));
  return state.get().rows === "disagreement" ? rows.sort((a, b) => b.spread - a.spread) : rows;
}

/** The standard deviation of numbers, those left out that are none. */
function deviation(numbers) {
  const values = numbers.filter(Number.isFinite);
  if (values.length < 2) return 0;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}
