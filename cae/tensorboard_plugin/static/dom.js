// Elements without HTML text: whatever a run is called, it is shown and never parsed.

/** Make an element: `h("button", {class: "flat", onclick: act}, "Play")`. Null children and attributes are left out. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A name that may be broken into lines behind its signs, rather than within its words. */
export const breakable = (text) =>
  text.split(/(?<=[_=+/,.-])/).flatMap((piece, i) => (i ? [document.createElement("wbr"), piece] : [piece]));

/** A labelled choice; `options` are [value, text] pairs, or [group, pairs] with pairs an array. */
export function select(label, options, value, onChange, attributes = {}) {
  const option = ([one, text]) => h("option", { value: one, selected: one === value }, text);
  const box = h(
    "select",
    { ...attributes, onchange: (event) => onChange(event.target.value) },
    options.map(([one, more]) =>
      Array.isArray(more) ? h("optgroup", { label: one }, more.map(option)) : option([one, more]),
    ),
  );
  return h("label", { class: "field" }, h("span", {}, label), box);
}

/** A row of buttons of which one is pressed; `choices` are [value, text, title]. */
export function choice(label, choices, value, onChange) {
  return h(
    "div",
    { class: "choice", role: "group", "aria-label": label },
    choices.map(([one, text, title]) =>
      h(
        "button",
        {
          type: "button",
          title,
          "data-value": one,
          "aria-pressed": String(one === value),
          onclick: () => onChange(one),
        },
        text,
      ),
    ),
  );
}

/** Say something to screen readers. */
export function announce(text) {
  const region = document.getElementById("announcements");
  if (region && region.textContent !== text) region.textContent = text;
}
