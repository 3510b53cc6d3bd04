// The server's routes. Failures become errors with words for people.

const ROOT = new URL("..", import.meta.url);

function address(route, query = {}) {
  const url = new URL(route, ROOT);
  for (const [name, value] of Array.isArray(query) ? query : Object.entries(query)) url.searchParams.append(name, value);
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

/** The sections of an experiment's comparison, as HTML. */
export const getReport = async (experiment) => (await ask("comparison", { experiment })).text();

/** A run's figures: step to name to one number an image. What is not finite comes as text. */
export async function getFigures(run) {
  const found = await json("figures", { run });
  for (const figures of Object.values(found)) {
    for (const name of Object.keys(figures)) figures[name] = figures[name].map(Number);
  }
  return found;
}

/** The pixels of a run's inputs as ImageData, or of what its model was given in their place. */
export const getInputs = async (run, kind) => pixelsOf(await (await ask("sheet", { run, kind })).blob());

export const MOST_AT_ONCE = 16;

/** The pixels of pictures of `asked`, [{run, step}], as ImageData; null for those that cannot be had. */
export async function getPictures(asked) {
  const query = asked.flatMap(({ run, step }) => [
    ["run", run.name],
    ["step", step],
  ]);
  const content = await (await ask("sheets", query)).arrayBuffer();
  const lengths = new DataView(content);
  let place = 0;
  const sheets = asked.map(() => {
    const [first, length] = [place + 4, lengths.getUint32(place)];
    place = first + length;
    return length ? new Blob([content.slice(first, place)], { type: "image/png" }) : null;
  });
  return Promise.all(sheets.map((sheet) => sheet && pixelsOf(sheet).catch(() => null)));
}

async function pixelsOf(sheet) {
  // No colour management: a pixel must be what was written.
  const bitmap = await createImageBitmap(sheet, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, canvas.width, canvas.height);
}
