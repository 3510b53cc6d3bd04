// Metrics as text, with as many digits as mean something.

// Name to what the program's catalogue says of a metric, in order of importance.
let catalogue = new Map();

/** Take the catalogue of metrics from the listing. */
export function useCatalogue(metrics) {
  catalogue = new Map(metrics.map((metric) => [metric.name, metric]));
}

/** A metric's place in order of importance, from 0; unknown ones come last. */
export function importance(name) {
  const place = [...catalogue.keys()].indexOf(name);
  return place < 0 ? catalogue.size : place;
}

/** Names of the metrics of which more is better. */
export function largerIsBetter() {
  return [...catalogue.values()].filter((metric) => metric.better === "more").map((metric) => metric.name);
}

/** A metric's value, by the last part of its name. */
export function figureText(name, value) {
  if (value === undefined || value === null) return "–";
  if (!Number.isFinite(Number(value))) return Number(value) === Infinity ? "∞" : "not finite";
  const decimals = catalogue.get(name.split("/").pop())?.decimals ?? null;
  return decimals === null ? Number(value).toPrecision(4) : Number(value).toFixed(decimals);
}

/** A number with a sign that is as wide as a plus, and none before zero. */
export function decimal(value, decimals) {
  const text = Math.abs(value).toFixed(decimals);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}

/** `validation/psnr` and `evaluation/test/psnr` for people. */
export function figureTitle(name) {
  const parts = name.replace(/^evaluation\/(?=.*\/)/, "").split("/");
  const last = parts.pop();
  const title = catalogue.get(last)?.title ?? last.replaceAll("_", " ");
  return parts.length ? `${parts.join(" ")} ${title}` : title;
}
