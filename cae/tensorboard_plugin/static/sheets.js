// Sheets of pictures: fetched once, decoded once, forgotten when memory runs short, and fetched ahead.

import { getInputs, getPictures, MOST_AT_ONCE } from "./api.js";

const MOST_BYTES = 256e6;
const ANSWER_BYTES = 4e6; // of pixels in one answer: large pictures are shown as they come
const AHEAD_AT_ONCE = 2; // leaves connections for what is looked at

const kept = new Map(); // key to ImageData; the least recently used first
const loading = new Set();
const wanted = new Set(); // by somebody who looks, and who is told
const failed = new Set(); // not asked for again before the user says so
let bytes = 0;
let asked = []; // pictures that were wanted in this turn
let lookedAt = Promise.resolve(); // what was asked for them
let queue = [];
let running = 0;
let atOnce = MOST_AT_ONCE; // sheets in one answer
let tellArrived = () => {};
let tellFailed = () => {};

/** Who is told when a sheet has arrived, or could not be had. */
export function watchSheets(arrived, failed) {
  [tellArrived, tellFailed] = [arrived, failed];
}

// A run that is trained afresh has other times for the same steps.
const keyOf = (run, kind, step) =>
  JSON.stringify([run.name, kind, step, step === null ? run.probes : timeOf(run, step)]);

/** When a run wrote a step's pictures. */
export const timeOf = (run, step) => run.steps.find(([one]) => one === step)?.[1];

/** A sheet that is there, or null: then it is fetched. */
export function sheet(run, kind, step) {
  const key = keyOf(run, kind, step);
  const found = kept.get(key);
  if (found) {
    kept.delete(key);
    kept.set(key, found);
    return found;
  }
  if (failed.has(key) || wanted.has(key)) return null;
  wanted.add(key);
  if (loading.has(key)) return null;
  const one = { key, run, step };
  if (kind === "reconstruction") askFor(one);
  else void load([one], async () => [await getInputs(run.name, kind)]);
  return null;
}

/** Ask together for all pictures that are wanted in one turn. */
function askFor(one) {
  loading.add(one.key);
  asked.push(one);
  if (asked.length > 1) return;
  queueMicrotask(() => {
    const parts = [];
    while (asked.length) parts.push(load(asked.splice(0, atOnce), getPictures));
    lookedAt = Promise.all(parts);
  });
}

/** Fetch sheets that may be wanted soon, the first ones first; what was asked for before is dropped. */
export function fetchAhead(soon) {
  let room = 0.8 * MOST_BYTES;
  queue = [];
  if (soon.length) atOnce = Math.min(MOST_AT_ONCE, Math.max(1, Math.floor(ANSWER_BYTES / soon[0].size)));
  for (const { run, step, size } of soon) {
    room -= size;
    if (room < 0) break;
    const key = keyOf(run, "reconstruction", step);
    if (!kept.has(key) && !failed.has(key)) queue.push({ key, run, step });
  }
  while (running < AHEAD_AT_ONCE && queue.length) void goOn();
}

async function goOn() {
  running += 1;
  while (queue.length) {
    // What is looked at comes first.
    await lookedAt;
    const next = queue.splice(0, atOnce).filter(({ key }) => !kept.has(key) && !loading.has(key));
    if (next.length) await load(next, getPictures);
  }
  running -= 1;
}

async function load(ones, getPixels) {
  for (const { key } of ones) loading.add(key);
  try {
    const found = await getPixels(ones);
    ones.forEach((one, i) => (found[i] ? keep(one.key, found[i]) : miss(one.key, goneError(one))));
  } catch (error) {
    for (const { key } of ones) miss(key, error);
  }
}

const goneError = ({ run, step }) => new Error(`${run.name}: its pictures of step ${step} cannot be had.`);

function keep(key, pixels) {
  loading.delete(key);
  kept.set(key, pixels);
  bytes += pixels.data.length;
  for (const [old, found] of kept) {
    if (bytes <= MOST_BYTES || old === key) break;
    kept.delete(old);
    bytes -= found.data.length;
  }
  if (wanted.delete(key)) tellArrived();
}

/** One that cannot be had is told when it is looked at. */
function miss(key, error) {
  loading.delete(key);
  if (!wanted.delete(key)) return;
  failed.add(key);
  tellFailed(error);
}

/** Ask again for what could not be had. */
export const retrySheets = () => failed.clear();
