// The form of a request, made from the contract: its fields, its example, the allow-lists, and the errors at the fields.
import { find, h } from "./dom.js";

let contract;
let fields = {};

export async function loadContract() {
  contract = await (await fetch("/_local/page/openapi.json")).json();
}

function schema(node) {
  if (node.$ref) return schema(node.$ref.slice(2).split("/").reduce((at, name) => at[name], contract));
  return node.anyOf ? { ...node, ...schema(node.anyOf[0]) } : node;
}

// `given`: the values of the fields, in place of the contract's example.
export function showRequest(offer, given) {
  const [method, path] = offer.mint[0].split(" ");
  const json = contract.paths[path][method.toLowerCase()].requestBody.content["application/json"];
  const body = schema(json.schema);
  const values = given ?? json.example ?? {};
  find("route").textContent = offer.mint[0];
  fields = {};
  const made = Object.entries(body.properties ?? {}).map(([name, of]) =>
    field(name, schema(of), values[name], body.required?.includes(name), offer.choices[name]));
  find("fields").replaceChildren(...(made.length ? made : [h("p", { class: "quiet" }, "This request has no fields.")]));
}

function field(name, of, value, required, choices) {
  const id = `field-${name}`;
  const options = choices ?? of.enum ?? (of.type === "boolean" ? ["true", "false"] : []);
  const input = h(of.type === "object" ? "textarea" : "input", {
    id, list: `${id}-options`, autocomplete: "off", spellcheck: "false", "aria-describedby": `${id}-help ${id}-error`,
    "aria-required": required ? "true" : null, inputmode: of.type === "integer" ? "numeric" : null,
  });
  input.value = value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);
  const error = h("p", { id: `${id}-error`, class: "error" });
  fields[name] = { input, error, type: of.type };
  return h("div", { class: "field" },
    h("label", { for: id }, name, required && h("small", {}, " required")),
    input,
    options.length > 0 && h("datalist", { id: `${id}-options` }, options.map((option) => h("option", {}, option))),
    h("p", { id: `${id}-help`, class: "quiet" }, help(of, choices)),
    error);
}

function help(of, choices) {
  if (choices) return `Allowed: ${choices.join(", ") || "none"}`;
  if (of.enum) return `One of ${of.enum.join(", ")}`;
  const parts = [of.type === "object" ? "JSON object" : of.type];
  if (of.minimum !== undefined) parts.push(`${of.minimum} to ${of.maximum}`);
  if (of.maxLength) parts.push(`at most ${of.maxLength} characters`);
  if (of.pattern) parts.push(of.pattern);
  if (of.default != null) parts.push(`default ${of.default}`);
  return parts.join(" · ");
}

// The body to send. An empty field is left out. A wrong value is sent as it is: the answer then shows what the API says.
export function body() {
  const filled = Object.entries(fields).filter(([, { input }]) => input.value !== "");
  return Object.fromEntries(filled.map(([name, { input, type }]) => [name, read(input.value, type)]));
}

function read(text, type) {
  if (type === "string" || type === undefined) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

// Shows each error at its field. Returns those whose field has no place in the form.
export function showErrors(errors) {
  for (const { input, error } of Object.values(fields)) {
    input.removeAttribute("aria-invalid");
    error.textContent = "";
  }
  return errors.filter((found) => {
    const at = fields[found.field.split(/[.[]/)[0]];
    if (!at) return true;
    at.input.setAttribute("aria-invalid", "true");
    at.error.textContent = found.message;
    return false;
  });
}
