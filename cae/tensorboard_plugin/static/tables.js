// The comparison's words and tables, as its report has them.

import { h } from "./dom.js";

const FOLDED = ["all_metrics", "settings", "matrix", "runs", "made"];

/** Sections of the page: what was found first, controls after it, the rest folded. */
export function reportSections(told) {
  const { tables } = told;
  const open = ["ranking", "ablations", "pairs", "artefacts", "baselines"].filter((name) => tables[name]);
  const folded = FOLDED.filter((name) => tables[name]);
  return [
    h(
      "section",
      { id: "report" },
      h("h2", {}, told.title),
      h("p", { class: "quiet" }, told.setting),
      h("p", { class: "answer" }, ...spans(told.answer)),
      told.warnings.length
        ? h("div", { class: "warnings", role: "note" }, h("h3", {}, "Not on equal terms"), list(told.warnings))
        : null,
      told.switches.length
        ? [
            h("h3", {}, "What came through switches"),
            h(
              "ul",
              {},
              told.switches.map(([label, text]) => h("li", {}, h("b", {}, label), ": ", ...spans(text))),
            ),
          ]
        : null,
      open.map((name) => table(tables[name])),
    ),
    h(
      "section",
      { class: "folded" },
      folded.map((name) => h("details", {}, h("summary", {}, tables[name].caption), table(tables[name], false))),
      h(
        "details",
        {},
        h("summary", {}, "What was equal, and what was not"),
        h("h3", {}, "Equal"),
        list(told.equal),
        h("h3", {}, "Not equal"),
        told.unequal.length ? list(told.unequal) : h("p", {}, "Nothing that was checked."),
      ),
      h("details", {}, h("summary", {}, "How intervals were made"), list(told.statistics)),
    ),
  ];
}

function table({ caption, columns, rows, row_header: header, note }, withCaption = true) {
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    h(
      "table",
      { class: "figures-table" },
      withCaption ? h("caption", {}, caption) : null,
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          columns.map((name, i) => h("th", { scope: "col", class: i === header ? "names" : null }, name)),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map((row) =>
          h(
            "tr",
            {},
            row.map((cell, i) => (i === header ? h("th", { scope: "row", class: "names" }, cell) : h("td", {}, cell))),
          ),
        ),
      ),
    ),
    note ? h("p", { class: "quiet" }, note) : null,
  );
}

const list = (sentences) =>
  h(
    "ul",
    {},
    sentences.map((one) => h("li", {}, ...spans(one))),
  );

/** A sentence in which names of settings stand between backticks. */
function spans(text) {
  return text.split(/(?<!`)`([^`]+)`(?!`)/).map((piece, i) => (i % 2 ? h("code", {}, piece) : piece));
}
