// Keys. Those that a control needs for itself stay with it.

import { bringIntoSight, cellAt } from "./compare_view.js";
import { h } from "./dom.js";
import { loupeToRow, moveLoupe, toggleLoupe } from "./loupe.js";
import * as stage from "./stage.js";
import * as state from "./state.js";
import { play, stepBy, stepToEnd } from "./toolbar.js";

const HELP = [
  ["← →", "step back and on"],
  ["Home, End", "first and last step"],
  ["↑ ↓", "image above and below"],
  ["Shift ← →", "column, or the border of the wipe, or the loupe"],
  ["1 2 3 4", "picture, signed error, absolute error, spectrum"],
  ["space", "play through the steps; while blinking, the other picture"],
  ["Enter", "the image large: wipe between two pictures"],
  ["W, B", "wipe, blink"],
  ["L", "loupe; a click on a picture holds it, and another one lets it go"],
  ["Escape", "close"],
  ["?", "this list"],
];

export function mountKeyboard(help) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || needsKey(event)) return;
    if (handle(event, help)) event.preventDefault();
  });
  help.replaceChildren(
    h("h2", {}, "Keys"),
    h(
      "dl",
      {},
      HELP.map(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)]),
    ),
    h("button", { type: "button", class: "main", onclick: () => help.close() }, "Close"),
  );
}

/** Whether the control in focus does something of its own with a key. */
function needsKey({ target, key }) {
  if (key === "Escape") return false;
  if (target.matches("input[type=search], input[type=text], textarea")) return true;
  if (target.matches("select")) return key.length > 1 || key === " ";
  if (target.matches("input[type=range]")) return key !== " " && !/^[1-4lwb?]$/i.test(key);
  return target.matches("button, input, a") && (key === " " || key === "Enter");
}

function handle(event, help) {
  const { key, shiftKey } = event;
  if (key === "?") return (help.open ? help.close() : help.showModal(), true);
  if (key === "Escape" && state.get().stage) return (stage.closeStage(), true);
  if (state.get().view !== "compare" || help.open) return false;
  if (/^[1-4]$/.test(key)) return (state.set({ show: state.SHOWS[Number(key) - 1] }), true);
  const action = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  if (action) return (move(...action, shiftKey), true);
  const others = {
    Home: () => stepToEnd(false),
    End: () => stepToEnd(true),
    " ": () => (state.get().stage?.mode === "blink" ? stage.flip() : play()),
    Enter: () => open("wipe"),
    w: () => open("wipe"),
    b: () => open("blink"),
    l: toggleLoupe,
  };
  const act = others[key.length === 1 ? key.toLowerCase() : key];
  act?.();
  return act !== undefined;
}

function move(right, down, isShifted) {
  const { loupe, row, column } = state.get();
  if (isShifted && state.get().stage?.mode === "wipe") return right && stage.moveWipe(0.05 * right);
  if (isShifted && loupe) return moveLoupe(right, down);
  if (isShifted && right) return focusCell(row, Math.max(0, column + right));
  if (right) return stepBy(right);
  return focusCell(Math.max(0, row + down), column);
}

function focusCell(row, column) {
  const cell = cellAt(row, column);
  if (!cell) return;
  state.set({ row: cell.place, column: cell.number });
  cell.canvas.tabIndex = 0;
  // The stage keeps the focus while it shows the image.
  if (!state.get().stage) cell.canvas.focus({ preventScroll: true });
  bringIntoSight(cell);
  loupeToRow(cell.place);
}

function open(mode) {
  if (state.get().stage) return stage.changeStage({ mode });
  const { row, column } = state.get();
  const cell = cellAt(row, column) ?? cellAt(row, 0);
  if (cell) stage.openStage(cell, mode);
}
