// What the charts of the summary show, out of runs, curves and the record of a comparison.

const FLOAT_BITS = 32;

/** Contenders as the comparison sorts and calls them, so that numbers, colours and names are those of its table. */
export function inOrderOf(told, groups) {
  if (!told) return groups;
  const placeOf = (group) => told.points.findIndex((point) => group.runs.some((run) => point.runs.includes(run.name)));
  const placed = groups.map((group) => ({ group, place: placeOf(group) }));
  placed.sort((a, b) => (a.place < 0) - (b.place < 0) || a.place - b.place);
  return placed.map(({ group, place }) => (place < 0 ? group : { ...group, label: told.points[place].label }));
}

/** Steps that all runs of a contender have reached, with the lowest, mean and highest value of its runs. */
export function bandOf(runs, curves) {
  const tables = runs.map((run) => new Map(curves[run.name] ?? [])).filter((table) => table.size);
  if (!tables.length) return [];
  return [...tables[0].keys()]
    .filter((step) => tables.every((table) => table.has(step)))
    .map((step) => {
      const values = tables.map((table) => Number(table.get(step)));
      return {
        x: step,
        low: Math.min(...values),
        mean: values.reduce((a, b) => a + b) / values.length,
        high: Math.max(...values),
      };
    })
    .filter((point) => Number.isFinite(point.low) && Number.isFinite(point.high));
}

export const pointsOfRecord = (told, metric) =>
  told.points.map((one, place) => {
    const { mean, low, high } = one.metrics[metric] ?? {};
    return { label: one.label, place, x: one.bits, mean, low: low ?? null, high: high ?? null, runs: one.runs };
  });

export function pointsOfRuns(groups, metric) {
  return groups.map(({ label, runs }, place) => {
    const values = runs.map((run) => Number(run.last[metric]));
    const { code_values: values_, switch_bits: bits } = runs[0].hyperparameters;
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    return {
      label,
      place,
      x: FLOAT_BITS * values_ + bits,
      mean,
      low: null,
      high: null,
      runs: runs.map((run) => run.name),
    };
  });
}
