// What is inside a token. Nothing is verified here: only the vendor can do that.

const TIMES = new Set(["exp", "iat", "nbf", "auth_time", "issued", "expires"]);
const bytes = (base64) => Uint8Array.from(atob(base64.replace(/-/g, "+").replace(/_/g, "/")), (sign) => sign.charCodeAt(0));

function readable(claims) {
  return Object.fromEntries(Object.entries(claims).map(([name, value]) =>
    [name, TIMES.has(name) && Number.isFinite(value) ? `${value} (${new Date(value * 1000).toISOString()})` : value]));
}

// {header, claims}, or null for a text that is no JWT.
export function jwt(text) {
  const parts = String(text).split(".");
  if (parts.length !== 3) return null;
  try {
    const [header, claims] = parts.slice(0, 2).map((part) => JSON.parse(new TextDecoder().decode(bytes(part))));
    return { header, claims: readable(claims) };
  } catch {
    return null;
  }
}

// The contents of Agora's AccessToken2, or null. Source: docs/vendors/agora.md.
export async function agora(text) {
  if (!String(text).startsWith("007")) return null;
  const inflated = new Blob([bytes(text.slice(3))]).stream().pipeThrough(new DecompressionStream("deflate"));
  const reader = readerOf(await new Response(inflated).arrayBuffer());
  reader.text(); // the signature
  const appId = reader.text();
  const [issued, lifetime] = [reader.uint32(), reader.uint32()];
  reader.uint32(); // the salt
  const services = Array.from({ length: reader.uint16() }, () => service(reader));
  return { app_id: appId, ...readable({ issued, expires: issued + lifetime }), services };
}

const KINDS = {
  1: { name: "RTC", privileges: { 1: "join", 2: "publish audio", 3: "publish video", 4: "publish data" }, names: ["channel", "uid"] },
  2: { name: "RTM", privileges: { 1: "log in" }, names: ["user"] },
};

function service(reader) {
  const kind = KINDS[reader.uint16()];
  const privileges = Array.from({ length: reader.uint16() }, () => [kind.privileges[reader.uint16()], `${reader.uint32()} s`]);
  const names = kind.names.map((name) => [name, reader.text()]);
  return { service: kind.name, ...Object.fromEntries(names), ...Object.fromEntries(privileges) };
}

function readerOf(buffer) {
  const view = new DataView(buffer);
  let at = 0;
  const uint16 = () => view.getUint16((at += 2) - 2, true);
  const uint32 = () => view.getUint32((at += 4) - 4, true);
  const text = (length = uint16()) => new TextDecoder().decode(new Uint8Array(buffer, (at += length) - length, length));
  return { uint16, uint32, text };
}
