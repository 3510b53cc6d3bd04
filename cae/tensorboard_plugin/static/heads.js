// Heads of the grid's columns: what they are grouped by, what each is called, and its small print.

import { breakable, h } from "./dom.js";
import { figureText } from "./figures.js";
import { explained, isSimple, nearestStep, plain, shortName, valueIn } from "./runs.js";

const SEED = /, (seed [^,()]+)$/; // of a label: stands in a line of its own

/** Heads over neighbours that have the same value; none where columns are ordered by a metric. */
export function groupRow(found, columns) {
  const { order } = found;
  if (order.startsWith("last/")) return null;
  const spans = [];
  for (const column of columns) {
    const value = column.kind === "reconstruction" ? groupTitle(order, column.run) : "";
    if (spans.length && spans.at(-1).value === value) spans.at(-1).number += 1;
    else spans.push({ value, number: 1 });
  }
  return h(
    "tr",
    { class: "groups" },
    h("td", { class: "corner" }),
    spans.map(({ value, number }) =>
      value
        ? h("th", { scope: "colgroup", colspan: number, title: value }, h("span", {}, breakable(value)))
        : h("td", { colspan: number }),
    ),
  );
}

/** What runs of a group have in common: a name for itself, a number or a switch with what it is of. */
function groupTitle(order, run) {
  if (isSimple(run)) return "nothing trained";
  const value = valueIn(run, order);
  const name = shortName(order.slice(order.indexOf("/") + 1));
  if (value === undefined) return `${name} not known`;
  return typeof value === "string" ? value : `${name} ${plain(value)}`;
}

export function headRow(found, columns) {
  return h(
    "tr",
    { class: "heads" },
    h("th", { scope: "col", class: "corner" }, "Image", h("span", { class: "detail" }, "PSNR, SSIM")),
    columns.map(({ kind, run }, number) =>
      kind === "reconstruction"
        ? h(
            "th",
            {
              scope: "col",
              "data-column": number,
              class: isSimple(run) ? "simple" : null,
              title: isSimple(run) ? null : run.name,
            },
            h(
              "span",
              {
                class: "label",
                title: explained(run, found.comparable, found.listing.kinds ?? {}),
                "aria-label": found.labels.get(run.name),
              },
              breakable(shortLabel(found, run)),
            ),
            h("span", { class: "detail" }),
          )
        : h(
            "th",
            { scope: "col", class: `fixed ${kind}` },
            kind === "input" ? "Input" : `Corrupted (${found.probes.corruption})`,
          ),
    ),
  );
}

/** A label without what the head over its group says. */
function shortLabel(found, run) {
  const label = found.labels.get(run.name).replace(SEED, "");
  const { order } = found;
  const group = order === "hyperparameters/upsampling" ? `${valueIn(run, order)}` : "";
  return group && (label === group || label.startsWith(`${group} `) || label.startsWith(`${group},`))
    ? label.slice(group.length).replace(/^,? /, "")
    : label;
}

/** The small print: the seed, the value that columns are ordered by, and the step where it is another one. */
export function updateHeads(root, found, columns) {
  const { order } = found;
  const seedOf = (run) => found.labels.get(run.name).match(SEED)?.[1] ?? "";
  for (const head of root.querySelectorAll("thead [data-column]")) {
    const { run } = columns[Number(head.dataset.column)];
    const step = nearestStep(run, found.step);
    const reached = order.startsWith("last/") ? figureText(order, valueIn(run, order)) : "";
    const value = isSimple(run) && valueIn(run, order) === undefined ? `${run.values} values` : reached;
    const at = step === found.step || isSimple(run) ? "" : `at step ${step?.toLocaleString("en") ?? "–"}`;
    const detail = head.querySelector(".detail");
    const text = [seedOf(run), value, at].filter(Boolean).join(" · ");
    if (detail.textContent !== text) detail.textContent = text;
    detail.classList.toggle("other-step", at !== "");
  }
}
