// What the user chose: one object, small enough for an address. What is null follows the data.

export const SHOWS = ["reconstruction", "signed", "absolute", "spectrum"];

const DEFAULTS = Object.freeze({
  view: "compare", // or "summary"
  probes: null, // digest of the probe images
  runs: null, // names of the chosen runs
  step: null, // null is the last one, also when there are more
  show: "reconstruction",
  order: null, // what columns are ordered by; null is the PSNR that is known of all of them
  rows: "dataset", // or "disagreement"
  row: 0, // the image that the keyboard is at
  column: 0,
  size: "fit", // or "s", "m", "l"
  loupe: false,
  point: null, // {image, x, y} where the loupe is held; else it follows the pointer
  picker: null, // whether the list of runs is open; null where there is room for it
  filter: "",
  stage: null, // {mode: "wipe" or "blink", a, b, position}
  experiment: null, // null is the newest one
});

let state = { ...DEFAULTS };
const listeners = new Set();

export const get = () => state;

/** Change some of it; listeners are told once, before the next frame. */
let isPending = false;
export function set(changes) {
  if (Object.entries(changes).every(([name, value]) => same(state[name], value))) return;
  state = { ...state, ...changes };
  tell();
}

export function tell() {
  if (isPending) return;
  isPending = true;
  // Not by animation frames: those stop in a hidden frame.
  queueMicrotask(() => {
    isPending = false;
    for (const listener of listeners) listener(state);
  });
}

const FRAME_MS = 16;
let timer = null;

/** Tell once of all data that arrive within a frame's time. */
export function tellSoon() {
  timer ??= setTimeout(() => {
    timer = null;
    tell();
  }, FRAME_MS);
}

export const onChange = (listener) => listeners.add(listener);

/** What differs from the defaults, as text. */
export function encode() {
  const chosen = Object.fromEntries(Object.entries(state).filter(([name, value]) => !same(value, DEFAULTS[name])));
  return Object.keys(chosen).length ? JSON.stringify(chosen) : "";
}

/** Take a view from an address; whatever does not fit is left at its default. */
export function restore(text) {
  let found = {};
  try {
    found = JSON.parse(text || "{}") ?? {};
  } catch {
    // A link that was cut off: the defaults are a view too.
  }
  state = { ...DEFAULTS };
  for (const name of Object.keys(DEFAULTS)) {
    if (name in found && fits(name, found[name])) state[name] = found[name];
  }
  tell();
}

function fits(name, value) {
  const isText = typeof value === "string";
  if (name === "show") return SHOWS.includes(value);
  if (name === "view") return value === "compare" || value === "summary";
  if (name === "size") return ["fit", "s", "m", "l"].includes(value);
  if (name === "rows") return value === "dataset" || value === "disagreement";
  if (name === "runs") return value === null || (Array.isArray(value) && value.every((one) => typeof one === "string"));
  if (name === "stage") return value === null || isStage(value);
  if (name === "step") return value === null || isCount(value);
  if (name === "row" || name === "column") return isCount(value);
  if (name === "point") return value === null || ["image", "x", "y"].every((one) => isCount(value[one]));
  if (name === "picker") return value === null || typeof value === "boolean";
  if (name === "loupe") return typeof value === "boolean";
  return isText || (value === null && DEFAULTS[name] === null);
}

const isCount = (value) => Number.isInteger(value) && value >= 0;

function isStage(value) {
  const { mode, a, b, position } = value;
  return (
    ["wipe", "blink"].includes(mode) && typeof a === "string" && typeof b === "string" && position >= 0 && position <= 1
  );
}

const ROOM_FOR_LIST = 900; // pixels of the window's width

export const isListOpen = () => state.picker ?? window.innerWidth >= ROOM_FOR_LIST;

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
