// The log power spectrum of a picture, as `cae.artefacts.spectrum.power_spectrum` defines it: a Hann window whose sum
// of squares is one, the discrete Fourier transform, the mean over channels; frequency zero in the middle.

const ROUNDING_POWER = (1 / 255) ** 2 / 12; // of 8 bits: keeps the logarithm finite

/** Power in dB of a picture, row by row. `values[channel]` are its pixels in [0, 1], row by row. */
export function powerSpectrum(values, width, height) {
  const [across, down] = [hann(width), hann(height)];
  const power = new Float64Array(width * height);
  for (const plane of values) {
    const real = Float64Array.from(
      plane,
      (value, place) => value * across[place % width] * down[Math.floor(place / width)],
    );
    const imaginary = new Float64Array(width * height);
    for (let y = 0; y < height; y += 1) transformLine(real, imaginary, y * width, 1, width);
    for (let x = 0; x < width; x += 1) transformLine(real, imaginary, x, width, height);
    for (let i = 0; i < power.length; i += 1) power[i] += (real[i] ** 2 + imaginary[i] ** 2) / values.length;
  }
  const shifted = new Float64Array(power.length);
  for (let y = 0; y < height; y += 1) {
    const row = (y + Math.floor(height / 2)) % height;
    for (let x = 0; x < width; x += 1) {
      const column = (x + Math.floor(width / 2)) % width;
      shifted[row * width + column] = 10 * Math.log10(power[y * width + x] + ROUNDING_POWER);
    }
  }
  return shifted;
}

function hann(size) {
  const window = Float64Array.from({ length: size }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * (i + 0.5)) / size));
  const norm = Math.sqrt(window.reduce((sum, value) => sum + value * value, 0));
  return window.map((value) => value / norm);
}

function transformLine(real, imaginary, first, stride, size) {
  const [re, im] = [new Float64Array(size), new Float64Array(size)];
  for (let i = 0; i < size; i += 1) {
    re[i] = real[first + i * stride];
    im[i] = imaginary[first + i * stride];
  }
  const [outRe, outIm] = transform(re, im);
  for (let i = 0; i < size; i += 1) {
    real[first + i * stride] = outRe[i];
    imaginary[first + i * stride] = outIm[i];
  }
}

/** Cooley and Tukey 1965, for any size: divide by the smallest prime factor, transform the parts, put them together. */
function transform(re, im) {
  const size = re.length;
  const factor = smallestFactor(size);
  if (factor === size) return directly(re, im);
  const part = size / factor;
  const parts = Array.from({ length: factor }, (_, r) => {
    const pick = (values) => Float64Array.from({ length: part }, (_, i) => values[i * factor + r]);
    return transform(pick(re), pick(im));
  });
  const [outRe, outIm] = [new Float64Array(size), new Float64Array(size)];
  for (let k = 0; k < size; k += 1) {
    for (let r = 0; r < factor; r += 1) {
      const angle = (-2 * Math.PI * ((r * k) % size)) / size;
      const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
      const [x, y] = [parts[r][0][k % part], parts[r][1][k % part]];
      outRe[k] += x * cos - y * sin;
      outIm[k] += x * sin + y * cos;
    }
  }
  return [outRe, outIm];
}

function directly(re, im) {
  const size = re.length;
  const [outRe, outIm] = [new Float64Array(size), new Float64Array(size)];
  for (let k = 0; k < size; k += 1) {
    for (let i = 0; i < size; i += 1) {
      const angle = (-2 * Math.PI * ((i * k) % size)) / size;
      outRe[k] += re[i] * Math.cos(angle) - im[i] * Math.sin(angle);
      outIm[k] += re[i] * Math.sin(angle) + im[i] * Math.cos(angle);
    }
  }
  return [outRe, outIm];
}

function smallestFactor(size) {
  for (let factor = 2; factor * factor <= size; factor += 1) {
    if (size % factor === 0) return factor;
  }
  return size;
}
