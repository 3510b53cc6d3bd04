// One picture out of a sheet, as it is or as an error map or spectrum on the shared scales.

import { decimal } from "./figures.js";
import { powerSpectrum } from "./spectrum.js";

/** The part of a sheet where a probe image lies. */
export function place(probes, image) {
  const { width, height, columns } = probes;
  return { x: (image % columns) * width, y: Math.floor(image / columns) * height, width, height };
}

/** Draw what is to be shown of an image on a canvas of its size; gives the values behind the colours, if there are any.
 *
 * `found` is the sheet with the picture, `input` the sheet of inputs, which error maps need.
 */
export function draw(canvas, probes, image, show, found, input, scales) {
  const { width, height } = probes;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const values = valuesOf(probes, image, show, found, input);
  const pixels = values ? coloured(values, probes, scales[show]) : cut(found, place(probes, image));
  canvas.getContext("2d", { willReadFrequently: true }).putImageData(pixels, 0, 0);
  return values;
}

function valuesOf(probes, image, show, found, input) {
  if (show === "reconstruction") return null;
  if (show === "spectrum") return powerSpectrum(planes(probes, image, found), probes.width, probes.height);
  return errorsOf(probes, image, show, found, input);
}

/** A pixel's value as text, of what is shown on a canvas; `values` are those that `draw` gave. */
export function valueText(probes, canvas, show, values, x, y) {
  if (show === "reconstruction") {
    const { data } = canvas.getContext("2d").getImageData(x, y, 1, 1);
    return Array.from(data.subarray(0, probes.channels), (value) => (value / 255).toFixed(2)).join(" ");
  }
  const value = values[y * probes.width + x];
  if (show === "spectrum") return `${decimal(value, 0)} dB`;
  const text = decimal(value, 2);
  return show === "signed" && value > 0 && Number(text) ? `+${text}` : text;
}

function cut(pixels, { x, y, width, height }) {
  const part = new ImageData(width, height);
  for (let row = 0; row < height; row += 1) {
    const first = 4 * ((y + row) * pixels.width + x);
    part.data.set(pixels.data.subarray(first, first + 4 * width), 4 * row * width);
  }
  return part;
}

/** Pixels in [0, 1], one array for each channel. */
function planes(probes, image, found) {
  const { data } = cut(found, place(probes, image));
  return Array.from({ length: probes.channels }, (_, channel) =>
    Float64Array.from({ length: data.length / 4 }, (_, i) => data[4 * i + channel] / 255),
  );
}

/** Reconstruction minus input, or the size of that, mean over channels. */
function errorsOf(probes, image, show, found, input) {
  const [made, given] = [planes(probes, image, found), planes(probes, image, input)];
  const part = show === "absolute" ? Math.abs : (value) => value;
  return made[0].map(
    (_, i) => made.reduce((sum, plane, channel) => sum + part(plane[i] - given[channel][i]), 0) / made.length,
  );
}

function coloured(values, { width, height }, { low, high, colors }) {
  const map = new ImageData(width, height);
  values.forEach((value, i) => {
    const share = Math.min(1, Math.max(0, (value - low) / (high - low)));
    const [red, green, blue] = colors[Math.round(share * (colors.length - 1))];
    map.data.set([red, green, blue, 255], 4 * i);
  });
  return map;
}

/** A legend's bar on a canvas. */
export function drawScale(canvas, { colors }) {
  Object.assign(canvas, { width: colors.length, height: 1 });
  const bar = new ImageData(colors.length, 1);
  colors.forEach((color, i) => bar.data.set([...color, 255], 4 * i));
  canvas.getContext("2d").putImageData(bar, 0, 0);
}
