// Metrics as text, with as many digits as mean something.

const DECIMALS = { psnr: 2, ssim: 4, ms_ssim: 4 };
const TITLES = { psnr: "PSNR (dB)", ssim: "SSIM", mse: "MSE", mae: "MAE", ms_ssim: "MS-SSIM" };

/** A metric's value, by the last part of its name. */
export function figureText(name, value) {
  if (value === undefined || value === null) return "–";
  if (!Number.isFinite(Number(value))) return Number(value) === Infinity ? "∞" : "not finite";
  const decimals = DECIMALS[name.split("/").pop()];
  return decimals === undefined ? Number(value).toPrecision(4) : Number(value).toFixed(decimals);
}

/** A number with a sign that is as wide as a plus, and none before zero. */
export function decimal(value, decimals) {
  const text = Math.abs(value).toFixed(decimals);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}

/** `validation/psnr` for people. */
export function figureTitle(name) {
  const parts = name.split("/");
  const last = parts.pop();
  const title = TITLES[last] ?? last.replaceAll("_", " ");
  return parts.length ? `${parts.join(" ")} ${title}` : title;
}
