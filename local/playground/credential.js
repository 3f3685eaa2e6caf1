// The answer to a mint: the credential taken apart, or the problem.
import { countdown } from "./countdown.js";
import { agora, jwt } from "./decode.js";
import { find, h, pairs } from "./dom.js";
import { explained } from "./errors.js";

export async function showCredential(body, ms) {
  const { mint, ...fields } = body;
  const parts = await Promise.all(Object.entries(fields).map(([name, value]) => part(name, value)));
  const { id, vendor, issued_at, expires_at, expires_in, ...traits } = mint;
  find("outcome").replaceChildren(
    h("p", { class: "good" }, `✓ Minted for ${vendor} in ${ms} ms`),
    expires_at ? countdown(expires_at) : h("p", {}, "The vendor does not say when it ends."));
  find("inside").replaceChildren(
    ...parts,
    h("details", {}, h("summary", {}, "mint"), pairs({ id, issued_at, expires_at, expires_in, ...traits })));
}

async function part(name, value) {
  const inside = jwt(value) ?? (await agora(value));
  const whole = h("code", { class: "value" }, typeof value === "string" ? value : JSON.stringify(value));
  if (inside) return h("div", { class: "part" }, h("h3", {}, name), whole, pairs(inside));
  return h("div", { class: "part" }, h("h3", {}, name), whole);
}

export function showProblem({ status, body, ms }, unplaced) {
  const { code, title, detail, retryable, fault, retry_after, vendor_status, vendor_code, limit, instance } = body ?? {};
  const known = { fault, retry_after, vendor_status, vendor_code, limit, instance, "retry is safe": retryable };
  const told = Object.fromEntries(Object.entries(known).filter(([, value]) => value != null));
  find("inside").replaceChildren();
  const untold = status ? "API Gateway refused this. The log says why." : "The server does not answer. Start make run again.";
  const parts = [
    h("p", { class: "bad" }, `✗ ${status || "No answer"} ${code ?? body?.message ?? ""} after ${ms} ms`),
    h("p", {}, title && `${title}. `, detail ?? untold),
    unplaced.length > 0 && h("ul", {}, unplaced.map(({ field, message }) => h("li", {}, field ? `${field}: ${message}` : message))),
    explained(code),
    pairs(told),
  ];
  find("outcome").replaceChildren(...parts.filter(Boolean));
}
