// TensorBoard around the tab: its address, its run filter, its dark mode and its reload button.
// The tab is a frame of the same origin, so it can look; opened by itself it works without.

const KEY = "p.cae.view"; // as TensorBoard names a plugin's part of its address
const TAB = "cae";
const WRITE_MS = 250;

const outside = window.parent === window ? null : window.parent;

function hashParts() {
  return (outside ?? window).location.hash.slice(1).split("&").filter(Boolean);
}

function valueOf(key) {
  const found = hashParts().find((part) => part.startsWith(`${encodeURIComponent(key)}=`));
  return found === undefined ? null : decodeURIComponent(found.slice(found.indexOf("=") + 1));
}

/** The view that the address asks for; null where it asks for none. */
export const readView = () => valueOf(KEY);

/** The address that restores a view. */
export function linkTo(view) {
  const url = new URL((outside ?? window).location.href);
  const others = hashParts().filter((part) => part.includes("=") && !part.startsWith(`${KEY}=`));
  url.hash = [outside ? TAB : "", ...others, ...(view ? [`${KEY}=${encodeURIComponent(view)}`] : [])]
    .filter(Boolean)
    .join("&");
  return url.href;
}

let written = null;
let timer = null;

/** Keep the address bar true, without a new entry in the history, and not more often than browsers stand. */
export function writeView(view) {
  written = view;
  timer ??= setTimeout(() => {
    timer = null;
    const place = outside ?? window;
    // While another tab is shown, the address is not ours.
    if (outside && hashParts()[0] !== TAB) return;
    const link = linkTo(written);
    if (link !== place.location.href) place.history.replaceState(place.history.state, "", link);
  }, WRITE_MS);
}

/** Watch for an address with another view, of a link that was opened in this very page. */
export function onNavigation(tell) {
  (outside ?? window).addEventListener("hashchange", () => {
    if (outside && hashParts()[0] !== TAB) return;
    // Who comes back to the tab finds it as it was left.
    if (readView() === null) writeView(written);
    else tell(readView());
  });
}

/** The run filter of TensorBoard's sidebars as a regular expression; null where there is no valid one. */
export function runFilter() {
  if (!outside) return null;
  // Time Series keeps it in the query, the older dashboards beside the tab's name.
  const text = new URLSearchParams(outside.location.search).get("runFilter") || valueOf("regexInput");
  if (!text) return null;
  try {
    return { text, expression: new RegExp(text, "i") };
  } catch {
    return null;
  }
}

/** Follow TensorBoard's dark mode; by itself, that of the system. */
export function followDarkMode(apply) {
  const preferred = window.matchMedia("(prefers-color-scheme: dark)");
  const tell = () => apply(outside ? outside.document.body.classList.contains("dark-mode") : preferred.matches);
  if (outside)
    new MutationObserver(tell).observe(outside.document.body, { attributes: true, attributeFilter: ["class"] });
  else preferred.addEventListener("change", tell);
  tell();
}

/** Be told when TensorBoard reloads, by its button or by itself. */
export function onReload(tell) {
  if (!outside) return;
  const channel = new MessageChannel();
  channel.port1.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if (message.isReply) return;
    if (message.type === "experimental.DataReloaded") tell();
    channel.port1.postMessage(
      JSON.stringify({ type: message.type, id: message.id, payload: null, error: null, isReply: true }),
    );
  };
  outside.postMessage("experimental.bootstrap", outside.location.origin, [channel.port2]);
}
