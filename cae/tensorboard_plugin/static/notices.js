// What stands where pictures would: nothing yet, nothing chosen, nothing there.

import { h } from "./dom.js";
import * as state from "./state.js";

export function loadingNotice() {
  return h(
    "div",
    { class: "notice", role: "status" },
    h("h2", {}, "Reading runs…"),
    h("p", {}, "TensorBoard is asked for the runs in its log directory."),
  );
}

export function failureNotice(text, retry) {
  return h(
    "div",
    { class: "failure", role: "alert" },
    h("span", {}, text),
    h("button", { type: "button", onclick: retry }, "Try again"),
  );
}

// Of a folder of damaged runs, the pictures of the others must stay in sight.
const MOST_REFUSED = 3;

/** Runs of which something cannot be read, with the reasons, a line each. */
export function refusedNotice(refused) {
  const lines = refused.slice(0, MOST_REFUSED).map((run) => `${run.name} cannot be read in full: ${run.reason}.`);
  const more = refused.length - lines.length;
  if (more > 0) lines.push(`Nor can ${more} more ${more === 1 ? "run" : "runs"}.`);
  return h(
    "div",
    { class: "failure", role: "status" },
    h("span", {}, ...lines.map((line) => h("div", {}, line))),
  );
}

/** Why the grid is empty, and what to do. */
export function emptyNotice(found) {
  if (!found.listing.runs.length) return noRuns(found.listing.logdir);
  if (!found.passing.length) {
    return notice(
      "Every run is hidden by TensorBoard's run filter",
      h(
        "p",
        {},
        "The filter is ",
        h("code", {}, found.filter.text),
        ". Clear it in TensorBoard's list of runs, under Time Series, to see them.",
      ),
    );
  }
  return notice(
    "No run is chosen",
    h("p", {}, state.isListOpen() ? "Choose runs in the list on the left." : "Choose runs in the list."),
    h(
      "p",
      { class: "bar" },
      h(
        "button",
        { type: "button", class: "main", onclick: () => state.set({ runs: null }) },
        "Show one run of each decoder",
      ),
      state.isListOpen()
        ? null
        : h("button", { type: "button", onclick: () => state.set({ picker: true }) }, "Open the list"),
    ),
  );
}

function noRuns(logdir) {
  return notice(
    "There are no pictures to compare yet",
    h(
      "p",
      {},
      "No run in ",
      h("code", {}, logdir),
      " has written any. Train all decoders on the same images, here or elsewhere:",
    ),
    h("pre", {}, "python train.py configs/compare_decoders.yaml"),
    h(
      "p",
      {},
      "Runs appear here by themselves after their first epoch. Those of a program without this tab have no pictures for",
      " it; train them again with ",
      h("code", {}, "--overwrite"),
      ".",
    ),
  );
}

export const notice = (title, ...more) => h("div", { class: "notice", role: "status" }, h("h2", {}, title), more);
