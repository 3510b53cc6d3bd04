// The tab: puts its parts on the page, and brings them up to date with the data and the user's choice.

import { mountCompare, updateCompare } from "./compare_view.js";
import { choice, h } from "./dom.js";
import * as host from "./host.js";
import { mountKeyboard } from "./keyboard.js";
import { holdLoupe, mountLoupe, updateLoupe } from "./loupe.js";
import { failureNotice, loadingNotice, refusedNotice } from "./notices.js";
import { updatePicker } from "./picker.js";
import { fail, failureText, refresh, retry, session } from "./session.js";
import { watchSheets } from "./sheets.js";
import { mountStage, openStage, updateStage } from "./stage.js";
import * as state from "./state.js";
import { mountSummary, updateSummary } from "./summary_view.js";
import { copyLink, updateToolbar } from "./toolbar.js";

const REFRESH_MS = 5000;

const parts = {};

/** Called by TensorBoard. */
export async function render() {
  document.documentElement.lang = "en";
  document.head.append(h("title", {}, "Decoders"));
  await loadStyle();
  host.followDarkMode((isDark) => (document.documentElement.dataset.theme = isDark ? "dark" : "light"));
  layOut();
  state.restore(host.readView());
  state.onChange(update);
  watchSheets(state.tellSoon, fail);
  host.onNavigation(state.restore);
  host.onReload(refresh);
  setInterval(() => document.hidden || refresh(), REFRESH_MS);
  await refresh();
}

/** Before anything is laid out: pictures of another size would be seen first, and pointed at. */
function loadStyle() {
  const load = (file) =>
    new Promise((resolve) => {
      const href = new URL(file, import.meta.url).href;
      document.head.append(h("link", { rel: "stylesheet", href, onload: resolve, onerror: resolve }));
    });
  return Promise.all(["style.css", "report.css"].map(load));
}

function layOut() {
  parts.views = h("nav", { "aria-label": "Views" });
  parts.step = h("div", { id: "step-bar", class: "bar" });
  parts.toolbar = h("div", { class: "bar", role: "group", "aria-label": "Columns and rows" });
  parts.failure = h("div", { id: "failure" });
  parts.picker = h("aside", { id: "picker", "aria-label": "Runs", hidden: true });
  parts.grid = h("div", { id: "grid" }, loadingNotice());
  parts.stage = h("dialog", { id: "stage", "aria-labelledby": "stage-title" });
  parts.compare = h("main", { id: "compare" }, parts.picker, parts.grid, parts.stage);
  parts.summary = h("main", { id: "summary", hidden: true });
  parts.help = h("dialog", { id: "help", "aria-label": "Keys" });
  const link = h(
    "button",
    { type: "button", id: "link", title: "Copy the address of this view", onclick: copyLink },
    "Copy link",
  );
  const keys = h("button", { type: "button", title: "Keys (?)", onclick: () => parts.help.showModal() }, "Keys");
  parts.top = h(
    "header",
    { id: "top" },
    h(
      "div",
      { class: "bar" },
      parts.views,
      parts.step,
      h("span", { class: "gap" }),
      h("div", { class: "bar" }, link, keys),
    ),
    parts.toolbar,
  );
  document.body.append(
    parts.top,
    parts.failure,
    parts.compare,
    parts.summary,
    parts.help,
    h("div", { id: "announcements", class: "unseen", "aria-live": "polite" }),
  );
  mountCompare(parts.grid);
  mountLoupe(parts.grid);
  mountStage(parts.stage);
  mountSummary(parts.summary);
  mountKeyboard(parts.help);
  parts.grid.addEventListener("click", (event) => {
    const cell = event.target.closest("td")?.cell;
    if (!cell || event.target !== cell.canvas) return;
    if (state.get().loupe) holdLoupe();
    else openStage(cell, state.get().stage?.mode);
  });
}

function update() {
  const { view } = state.get();
  const found = session();
  const refused = session()?.listing.refused ?? [];
  parts.failure.replaceChildren(
    ...(failureText() ? [failureNotice(failureText(), retry)] : []),
    ...(refused.length ? [refusedNotice(refused)] : []),
  );
  if (!found) return;
  host.writeView(state.encode());
  updateViews(view);
  parts.compare.hidden = view !== "compare";
  parts.summary.hidden = view !== "summary";
  parts.toolbar.hidden = parts.step.hidden = view !== "compare" || !found.columns.length;
  if (view === "summary") {
    updateSummary(found);
  } else {
    updatePicker(parts.picker, found);
    updateToolbar(parts.step, parts.toolbar, found);
    updateCompare(found);
    updateLoupe(found);
    updateStage(found);
  }
}

let shownView = null;
function updateViews(view) {
  if (view === shownView) return;
  shownView = view;
  parts.views.replaceChildren(
    choice(
      "View",
      [
        ["compare", "Compare"],
        ["summary", "Summary"],
      ],
      view,
      (one) => state.set({ view: one }),
    ),
  );
}
