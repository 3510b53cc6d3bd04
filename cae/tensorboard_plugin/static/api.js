// The server's routes. Failures become errors with words for people.

const ROOT = new URL("..", import.meta.url);

function address(route, query = {}) {
  const url = new URL(route, ROOT);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url;
}

async function ask(route, query) {
  let response;
  try {
    response = await fetch(address(route, query));
  } catch {
    throw new Error("TensorBoard does not answer. Is it still running?");
  }
  if (response.ok) return response;
  let told = `TensorBoard answered ${response.status} ${response.statusText}.`;
  try {
    told = (await response.json()).error ?? told;
  } catch {
    // Not one of our answers: its status says what there is to say.
  }
  throw new Error(told);
}

const json = async (route, query) => (await ask(route, query)).json();

export const getRuns = () => json("runs");
export const getScales = () => json("scales");
export const getCurves = (tag) => json("curves", { tag });
export const getComparison = (experiment) => json("comparison", { experiment });

/** A run's figures: step to name to one number an image. What is not finite comes as text. */
export async function getFigures(run) {
  const found = await json("figures", { run });
  for (const figures of Object.values(found)) {
    for (const name of Object.keys(figures)) figures[name] = figures[name].map(Number);
  }
  return found;
}

/** The pixels of a sheet as ImageData. */
export async function getSheet(run, kind, step) {
  const response = await ask("sheet", step === null ? { run, kind } : { run, kind, step });
  // No colour management: a pixel must be what was written.
  const bitmap = await createImageBitmap(await response.blob(), {
    colorSpaceConversion: "none",
    premultiplyAlpha: "none",
  });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, canvas.width, canvas.height);
}
