// Elements, made without HTML text: the page's policy forbids it, because a vendor's answer must never become markup.

export const find = (id) => document.getElementById(id);

// h("p", {class: "quiet", onclick: f}, "text", element, …). null, undefined and false are left out.
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

// A description list of an object. Objects inside it become lists of their own.
export function pairs(object) {
  return h("dl", {}, Object.entries(object).map(([name, value]) => [h("dt", {}, name), h("dd", {}, shown(value))]));
}

function shown(value) {
  if (Array.isArray(value) && value.some((item) => typeof item === "object")) return value.map(shown);
  const isObject = value && typeof value === "object" && !Array.isArray(value) && !(value instanceof Node);
  if (isObject) return pairs(value);
  return value instanceof Node || typeof value === "string" ? value : JSON.stringify(value);
}

export function announce(text) {
  find("status").textContent = text;
}
