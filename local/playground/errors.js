// What docs/errors.md says of a code. This server has that file, so the page needs no network for it.
import { h } from "./dom.js";

let sections = {};

export async function loadErrors() {
  const text = await (await fetch("/_local/page/errors.md")).text();
  sections = Object.fromEntries(text.split(/^### /m).slice(1).map((part) => {
    const [title, ...lines] = part.split(/^## /m)[0].split("\n");
    return [title.replaceAll("`", ""), lines.join("\n")];
  }));
}

// null for a code that the file does not have, such as `minted`.
export function explained(code) {
  if (!Object.hasOwn(sections, code)) return null;
  const text = sections[code].replace(/\n +/g, " ").replace(/\[([^\]]+)\]\([^)]+\)/g, "$1").trim();
  return h("details", { "data-test": "explained" }, h("summary", {}, `${code} in docs/errors.md`), h("p", { class: "text" }, text));
}
