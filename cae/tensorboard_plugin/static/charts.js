// Charts as SVG: curves with bands, and points with bars.

import { h, svg } from "./dom.js";
import { figureText } from "./figures.js";

const [WIDTH, HEIGHT] = [640, 340];
const MARGIN = { left: 62, right: 14, top: 12, bottom: 44 };
// Okabe and Ito, "Color Universal Design" (2008), as in the report; the fifth is the text's colour.
const NUM_COLORS = 7;
const DASHES = ["", "7 4", "2 3", "8 3 2 3"];

/** How the contender at a place is drawn: colours first, then kinds of line. */
export const look = (place) => ({
  color: `var(--series-${place % NUM_COLORS})`,
  dash: DASHES[Math.floor(place / NUM_COLORS) % DASHES.length],
});

/** A scale from values to places. */
function scaleOf(values, from, to) {
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (low === high) [low, high] = [low - (Math.abs(low) || 1) * 0.1, high + (Math.abs(high) || 1) * 0.1];
  const scale = (value) => from + ((value - low) / (high - low)) * (to - from);
  return Object.assign(scale, { low, high });
}

function padded(values, share) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = (high - low || Math.abs(low) || 1) * share;
  return [low - room, high + room];
}

/** Round numbers between two ends. */
export function ticks(low, high, number = 5) {
  const rough = (high - low) / number;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough);
  const found = [];
  for (let place = Math.ceil(low / step); place * step <= high + step * 1e-9; place += 1)
    found.push(Number((place * step).toPrecision(12)));
  return found;
}

function frame(title, x, y, titles) {
  const [bottom, right] = [HEIGHT - MARGIN.bottom, WIDTH - MARGIN.right];
  const number = (value) =>
    Math.abs(value) >= 1e4 ? value.toLocaleString("en", { notation: "compact" }) : String(value);
  return svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", role: "img", "aria-label": title },
    ticks(y.low, y.high)
      .map((value) => [
        svg("line", { class: "rule", x1: MARGIN.left, x2: right, y1: y(value), y2: y(value) }),
        svg("text", { class: "tick", x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end" }, number(value)),
      ])
      .flat(),
    ticks(x.low, x.high).map((value) =>
      svg("text", { class: "tick", x: x(value), y: bottom + 18, "text-anchor": "middle" }, number(value)),
    ),
    svg("text", { class: "axis", x: (MARGIN.left + right) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, titles[0]),
    svg(
      "text",
      { class: "axis", transform: `translate(14 ${(MARGIN.top + bottom) / 2}) rotate(-90)`, "text-anchor": "middle" },
      titles[1],
    ),
  );
}

/** Curves, each with the band of its lowest and highest values.
 *
 * `series` are [{label, place, points: [{x, low, mean, high}]}]; `place` decides the look.
 */
export function curveChart(title, series, titles) {
  const points = series.flatMap((one) => one.points);
  const x = scaleOf(
    points.map((one) => one.x),
    MARGIN.left,
    WIDTH - MARGIN.right,
  );
  const y = scaleOf(
    padded(
      points.flatMap((one) => [one.low, one.high]),
      0.04,
    ),
    HEIGHT - MARGIN.bottom,
    MARGIN.top,
  );
  const chart = frame(title, x, y, titles);
  for (const { label, place, points: line } of series) {
    const { color, dash } = look(place);
    const group = svg("g", { class: "series", "data-label": label }, svg("title", {}, label));
    if (line.some((one) => one.high > one.low)) {
      const edge = [...line.map((one) => [one.x, one.high]), ...[...line].reverse().map((one) => [one.x, one.low])];
      group.append(
        svg("polygon", { class: "band", fill: color, points: edge.map(([a, b]) => `${x(a)},${y(b)}`).join(" ") }),
      );
    }
    group.append(
      svg("polyline", {
        class: "line",
        stroke: color,
        "stroke-dasharray": dash,
        points: line.map((one) => `${x(one.x)},${y(one.mean)}`).join(" "),
      }),
    );
    if (line.length === 1) group.append(svg("circle", { cx: x(line[0].x), cy: y(line[0].mean), r: 3.5, fill: color }));
    chart.append(group);
  }
  return chart;
}

/** Points with bars, each a button.
 *
 * `points` are [{label, place, x, mean, low, high}] with null ends where there is no interval.
 */
export function pointChart(title, points, titles, metric, onOpen) {
  const apart = spread(points);
  const x = scaleOf(
    padded(
      points.map((one) => one.x),
      0.2,
    ),
    MARGIN.left,
    WIDTH - MARGIN.right,
  );
  const y = scaleOf(
    padded(
      points.flatMap((one) => [one.low ?? one.mean, one.high ?? one.mean]),
      0.08,
    ),
    HEIGHT - MARGIN.bottom,
    MARGIN.top,
  );
  const chart = frame(title, x, y, titles);
  chart.setAttribute("role", "group");
  points.forEach((point, i) => {
    const { color } = look(point.place);
    const at = x(point.x) + apart[i];
    const told = `${point.label}: ${point.x.toLocaleString("en")} bits, ${figureText(metric, point.mean)}`;
    const open = () => onOpen(point);
    const mark = svg(
      "g",
      {
        class: "point",
        role: "button",
        tabindex: 0,
        "aria-label": `${told}. Show its pictures`,
        "data-label": point.label,
        onclick: open,
        onkeydown: (event) => (event.key === "Enter" || event.key === " ") && (event.preventDefault(), open()),
      },
      svg("title", {}, `${told}\nClick to show its pictures`),
      point.low !== null
        ? svg("line", { x1: at, x2: at, y1: y(point.low), y2: y(point.high), stroke: color, class: "bar" })
        : null,
      svg("circle", { cx: at, cy: y(point.mean), r: 7, fill: color }),
      svg(
        "text",
        {
          x: at,
          y: Math.min(y(point.high ?? point.mean) - 5, y(point.mean) - 11),
          "text-anchor": "middle",
          class: "number",
        },
        String(point.place + 1),
      ),
    );
    chart.append(mark);
  });
  return chart;
}

/** Points of one rate stand beside each other: how far each is moved. */
function spread(points) {
  const seen = new Map();
  const counts = new Map();
  for (const { x } of points) counts.set(x, (counts.get(x) ?? 0) + 1);
  return points.map(({ x }) => {
    const place = seen.get(x) ?? 0;
    seen.set(x, place + 1);
    return 17 * (place - (counts.get(x) - 1) / 2);
  });
}

/** Names beside their looks, numbered as the points are. */
export function keyOf(series) {
  return h(
    "ol",
    { class: "key" },
    series.map(({ label, place }) => {
      const { color, dash } = look(place);
      const line = svg(
        "svg",
        { width: 28, height: 10, "aria-hidden": "true" },
        svg("line", { x1: 0, x2: 28, y1: 5, y2: 5, class: "line", stroke: color, "stroke-dasharray": dash }),
      );
      return h("li", { value: place + 1 }, line, h("span", {}, label));
    }),
  );
}
