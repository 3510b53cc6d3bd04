// The list of runs, by experiment: which ones are columns.

import { breakable, h } from "./dom.js";
import { figureText, figureTitle } from "./figures.js";
import { baselines, explained, firstChoice, isSimple, orderByPsnr } from "./runs.js";
import * as state from "./state.js";

const SIMPLE = "Baselines (nothing trained)";

let built = "";

export function updatePicker(root, found) {
  const { filter, runs } = state.get();
  root.hidden = !state.isListOpen() || !found.listing.runs.length;
  const chosen = new Set(found.columns.map((run) => run.name));
  const key = JSON.stringify([
    found.comparable.map((run) => [run.name, run.last["validation/psnr"]]),
    found.simple,
    [...chosen],
    filter,
    runs === null,
    found.hidden,
  ]);
  if (root.hidden || key === built) return;
  built = key;
  const hadFocus = root.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
  const shown = matching(found, filter);
  root.replaceChildren(head(found, shown, chosen), ...lists(found, shown, chosen));
  if (hadFocus) root.querySelector(`[data-focus="${CSS.escape(hadFocus)}"]`)?.focus();
}

function matching(found, filter) {
  let fits = () => true;
  try {
    const expression = new RegExp(filter, "i");
    fits = (run) => expression.test(run.name) || expression.test(found.labels.get(run.name));
  } catch {
    // Half a regular expression, while it is typed, filters nothing.
  }
  return [...found.comparable, ...found.simple].filter(fits);
}

function head(found, shown, chosen) {
  const names = shown.map((run) => run.name);
  const others = [...chosen].filter((name) => !names.includes(name));
  const action = (text, title, runs) =>
    h(
      "button",
      { type: "button", title, "data-focus": text, onclick: () => choose(found, runs, { row: 0, column: 0 }) },
      text,
    );
  return h(
    "div",
    { class: "picker-head" },
    h("input", {
      type: "search",
      placeholder: "Filter runs (regex)",
      "aria-label": "Filter runs by a regular expression",
      "data-focus": "filter",
      value: state.get().filter,
      oninput: (event) => state.set({ filter: event.target.value }),
    }),
    h(
      "div",
      { class: "actions" },
      action("All", "Every run of this list", [...others, ...names]),
      action("None", "No run of this list", others),
      action("One seed each", "The lowest seed of each decoder", seedsOf(found, shown)),
    ),
    h(
      "p",
      { class: "quiet" },
      `${found.columns.filter((run) => !isSimple(run)).length} of ${found.comparable.length} ${found.comparable.length === 1 ? "run" : "runs"} shown`,
    ),
    found.hidden
      ? h(
          "p",
          { class: "quiet" },
          `TensorBoard's run filter `,
          h("code", {}, found.filter.text),
          ` hides ${found.hidden}.`,
        )
      : null,
  );
}

/** Of the experiment that is shown, a run of each decoder, and the baselines. */
function seedsOf(found, shown) {
  const near = shown.filter((run) => run.experiment === found.experiment);
  return [...firstChoice(near.filter((run) => !isSimple(run))), ...baselines(near.filter(isSimple))];
}

function lists(found, shown, chosen) {
  const groups = new Map();
  // The experiment that is shown comes first.
  const ordered = [...shown].sort((a, b) => (b.experiment === found.experiment) - (a.experiment === found.experiment));
  for (const run of ordered) {
    const group = isSimple(run) ? SIMPLE : run.experiment;
    groups.set(group, [...(groups.get(group) ?? []), run]);
  }
  return [...groups].map(([group, runs]) =>
    h(
      "fieldset",
      {},
      h("legend", {}, group || found.listing.logdir.split(/[\\/]/).pop() || found.listing.logdir),
      runs.map((run) =>
        h(
          "label",
          { class: "run", title: isSimple(run) ? explained(run) : run.name },
          h("input", {
            type: "checkbox",
            checked: chosen.has(run.name),
            "data-focus": `run ${run.name}`,
            "data-name": run.name,
            onchange: (event) => tick(found, run.name, event.target.checked),
          }),
          h("span", { class: "run-name" }, breakable(found.labels.get(run.name))),
          h(
            "span",
            { class: "quiet", title: figureTitle(figureOf(run)) },
            figureText("psnr", run.last[figureOf(run)]),
          ),
        ),
      ),
    ),
  );
}

/** The PSNR beside a name: a run's of the last epoch. */
const figureOf = (run) => (isSimple(run) ? orderByPsnr([run]).slice("last/".length) : "validation/psnr");

function tick(found, name, isChosen) {
  const others = found.columns.map((run) => run.name).filter((one) => one !== name);
  choose(found, isChosen ? [...others, name] : others);
}

/** Show these runs; where they are none, the list still holds those on the same images. */
const choose = (found, runs, place = {}) => state.set({ runs, probes: found.digest, ...place });
