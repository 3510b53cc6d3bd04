// Sheets of pictures: fetched once, decoded once, forgotten when memory runs short, and fetched ahead.

import { getSheet } from "./api.js";

const MOST_BYTES = 256e6;
const AHEAD_AT_ONCE = 2; // leaves connections for what is looked at

const kept = new Map(); // key to ImageData; the least recently used first
const loading = new Map();
const wanted = new Set(); // by somebody who looks, and who is told
const failed = new Set(); // not asked for again before the user says so
let bytes = 0;
let queue = [];
let running = 0;
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
  if (!failed.has(key)) {
    wanted.add(key);
    load(key, run, kind, step).catch((error) => {
      failed.add(key);
      wanted.delete(key);
      tellFailed(error);
    });
  }
  return null;
}

/** Fetch sheets that may be wanted soon, the first ones first; what was asked for before is dropped. */
export function fetchAhead(soon) {
  let room = 0.8 * MOST_BYTES;
  queue = [];
  for (const { run, step, size } of soon) {
    room -= size;
    if (room < 0) break;
    if (!kept.has(keyOf(run, "reconstruction", step))) queue.push([run, step]);
  }
  while (running < AHEAD_AT_ONCE && queue.length) void goOn();
}

async function goOn() {
  running += 1;
  while (queue.length) {
    const [run, step] = queue.shift();
    const key = keyOf(run, "reconstruction", step);
    // What is looked at comes first.
    while (wanted.size && loading.size) await Promise.allSettled(loading.values());
    // One that cannot be had is told when it is looked at.
    if (!kept.has(key)) await load(key, run, "reconstruction", step).catch(() => {});
  }
  running -= 1;
}

function load(key, run, kind, step) {
  if (!loading.has(key)) {
    const fetched = getSheet(run.name, kind, step)
      .then((pixels) => keep(key, pixels))
      .finally(() => loading.delete(key));
    loading.set(key, fetched);
  }
  return loading.get(key);
}

function keep(key, pixels) {
  kept.set(key, pixels);
  bytes += pixels.data.length;
  for (const [old, found] of kept) {
    if (bytes <= MOST_BYTES || old === key) break;
    kept.delete(old);
    bytes -= found.data.length;
  }
  if (wanted.delete(key)) tellArrived();
}

/** Ask again for what could not be had. */
export const retrySheets = () => failed.clear();
