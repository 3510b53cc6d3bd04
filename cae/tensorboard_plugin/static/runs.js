// The runs as the tab thinks of them: what they are called, how they are grouped and ordered, which step each shows.

import { importance } from "./figures.js";

const FOLLOWS = new Set(["seed", "parameters", "code_values", "switch_bits"]);
const KIND = "upsampling";
const MOST_AT_FIRST = 12;

/** Hyperparameters in which runs differ, the kind of upsampling first. */
export function differing(runs) {
  const names = new Set(runs.flatMap((run) => Object.keys(run.hyperparameters)));
  const differ = [...names].filter(
    (name) => new Set(runs.map((run) => JSON.stringify(run.hyperparameters[name]))).size > 1,
  );
  return differ.sort((a, b) => (b === KIND) - (a === KIND) || a.localeCompare(b));
}

/** Last values that any of the runs has, what people look at first in front. */
export function metrics(runs) {
  const names = new Set(runs.flatMap((run) => Object.keys(run.last)));
  const place = (name) => importance(name.split("/").pop()) + (name.startsWith("validation/") ? 0 : 100);
  return [...names].sort((a, b) => place(a) - place(b) || a.localeCompare(b));
}

/** The run that wrote pictures last; undefined where there is none. */
export function newest(runs) {
  const time = (run) => Math.max(0, ...run.steps.map(([, written]) => written));
  return [...runs].sort((a, b) => time(b) - time(a))[0];
}

/**
 * Name to a short label that tells the runs of an experiment apart by their decoders; their own names where decoders
 * do not. An experiment's name stands behind a label that another one has, too.
 */
export function labels(runs) {
  const found = new Map();
  const experiments = [...new Set(runs.map((run) => run.experiment))];
  for (const experiment of experiments)
    for (const [name, label] of labelsWithin(runs.filter((run) => run.experiment === experiment)))
      found.set(name, label);
  if (experiments.length < 2) return found;
  const places = new Map();
  for (const run of runs)
    places.set(found.get(run.name), (places.get(found.get(run.name)) ?? new Set()).add(run.experiment));
  for (const run of runs) {
    const label = found.get(run.name);
    if (places.get(label).size > 1 && run.experiment) found.set(run.name, `${label} (${run.experiment})`);
  }
  return found;
}

function labelsWithin(runs) {
  const keys = differing(runs).filter((key) => isOfDecoder(key) && !isRepeated(key, runs));
  // What is the same for all runs of a kind is left to the hint over the label.
  const tells = (key, { [KIND]: kind, [key]: value }) => {
    const alike = runs.filter((run) => run.hyperparameters[KIND] === kind);
    const values = new Set(alike.map((run) => JSON.stringify(run.hyperparameters[key])));
    return key === KIND || key.endsWith(".interpolation") || value === true || values.size > 1;
  };
  const text = (run) =>
    keys
      .filter((key) => tells(key, run.hyperparameters))
      .map((key) => setting(key, run.hyperparameters[key]))
      .filter(Boolean)
      .join(" ");
  const seeds = new Set(runs.map((run) => run.hyperparameters.seed)).size > 1;
  const found = new Map(
    runs.map((run) => [run.name, text(run) + (seeds && text(run) ? `, seed ${run.hyperparameters.seed}` : "")]),
  );
  const counts = new Map();
  for (const label of found.values()) counts.set(label, (counts.get(label) ?? 0) + 1);
  for (const run of runs) {
    const label = found.get(run.name);
    if (!label || counts.get(label) > 1) found.set(run.name, run.title);
  }
  return found;
}

/** Everything in which a run differs from others, a line each, and what its kind of upsampling does. */
export function explained(run, runs, kinds) {
  if (isSimple(run)) return `${run.title}: ${run.about}. ${run.values} values, nothing trained.`;
  const kind = run.hyperparameters[KIND];
  const near = runs.filter((one) => one.experiment === run.experiment);
  const lines = differing(near)
    .filter((key) => !FOLLOWS.has(key) && key !== KIND && !isRepeated(key, near) && key in run.hyperparameters)
    .map((key) => `${key}: ${plain(run.hyperparameters[key])}`);
  return [run.name, kinds[kind] ? `${kind}: ${kinds[kind]}` : null, ...lines].filter(Boolean).join("\n");
}

/** Runs that differ in nothing but their seeds: [{key, label, runs}]. */
export function contenders(runs) {
  const names = labels(runs);
  const groups = new Map();
  for (const run of runs) {
    const settings = Object.entries(run.hyperparameters).filter(([name]) => name !== "seed");
    const key = JSON.stringify([run.experiment, settings.length ? settings : run.name]);
    if (!groups.has(key)) groups.set(key, { key, label: names.get(run.name).replace(/, seed [^,]*$/, ""), runs: [] });
    groups.get(key).runs.push(run);
  }
  return [...groups.values()];
}

/** Runs to show when none were chosen: of each contender the one with the lowest seed. */
export function firstChoice(runs) {
  return contenders(runs)
    .slice(0, MOST_AT_FIRST)
    .map((one) => [...one.runs].sort((a, b) => (a.hyperparameters.seed ?? 0) - (b.hyperparameters.seed ?? 0))[0].name);
}

const BASELINES = ["mean_image", "resize", "pca"];

/** Whether it is a code without training, measured beside the runs, rather than a run. */
export const isSimple = (run) => run.kind !== undefined;

/** Simple codes to show when none were chosen, one of each kind. */
export const baselines = (simple) =>
  BASELINES.map((kind) => simple.find((one) => one.kind === kind)?.name).filter(Boolean);

/** By the PSNR of the images that simple codes and runs were measured on; else by that of validation images. */
export function orderByPsnr(columns) {
  const [simple, trained] = [columns.filter(isSimple), columns.filter((run) => !isSimple(run))];
  const known = simple.flatMap((one) => Object.keys(one.last)).filter((name) => name.endsWith("/psnr"));
  const name = trained.length ? known.find((name) => trained.every((run) => name in run.last)) : known[0];
  return `last/${name ?? "validation/psnr"}`;
}

/** What a run is ordered by; `order` is `hyperparameters/NAME` or `last/NAME`. */
export function valueIn(run, order) {
  const cut = order.indexOf("/");
  return run[order.slice(0, cut)]?.[order.slice(cut + 1)];
}

/** Runs in their order: by groups of equal values for hyperparameters, the best first for metrics. */
export function ordered(runs, order, largerIsBetter) {
  const metric = order.startsWith("last/") ? order.split("/").pop() : null;
  const sign = metric && largerIsBetter.includes(metric) ? -1 : 1;
  const compare = (a, b) => {
    const [x, y] = [valueIn(a, order), valueIn(b, order)];
    if (x === y) return 0;
    if (x === undefined || x === "NaN") return 1;
    if (y === undefined || y === "NaN") return -1;
    return typeof x === "number" && typeof y === "number" ? sign * (x - y) : String(x).localeCompare(String(y));
  };
  return [...runs].sort((a, b) => compare(a, b) || a.name.localeCompare(b.name, undefined, { numeric: true }));
}

/** All steps that any of the runs has. */
export const allSteps = (runs) =>
  [...new Set(runs.flatMap((run) => (isSimple(run) ? [] : run.steps.map(([step]) => step))))].sort((a, b) => a - b);

/** A run's step nearest to one that is wanted, the earlier of two; null where it has none. */
export function nearestStep(run, wanted) {
  let best = null;
  for (const [step] of run.steps) {
    if (best === null || Math.abs(step - wanted) < Math.abs(best - wanted)) best = step;
  }
  return best;
}

/** A hyperparameter's value as text: a number without noise, a switch by its name. */
export function setting(key, value) {
  if (value === undefined) return "";
  if (typeof value === "boolean") return value ? shortName(key) : "";
  if (typeof value === "number" && key !== KIND && !key.endsWith(".kernel_size")) return `${shortName(key)} ${plain(value)}`;
  return String(value);
}

export const plain = (value) => (typeof value === "number" ? String(Number(value.toPrecision(6))) : String(value));

export const shortName = (key) => key.split(".").pop().replaceAll("_", " ");

const DECODER = "model.decoder.";
// Widths that `match` chooses follow from the upsampling.
const isOfDecoder = (key) => key === KIND || (key.startsWith(DECODER) && key !== `${DECODER}filters`);

// The kind stands in the configuration once more.
const isRepeated = (key, runs) =>
  key !== KIND && runs.every((run) => run.hyperparameters[key] === run.hyperparameters[KIND]);
