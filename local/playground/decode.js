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
  const reader = new Reader(await new Response(inflated).arrayBuffer());
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

class Reader {
  constructor(buffer) {
    this.view = new DataView(buffer);
    this.at = 0;
  }
  uint16() {
    return this.view.getUint16((this.at += 2) - 2, true);
  }
  uint32() {
    return this.view.getUint32((this.at += 4) - 4, true);
  }
  text() {
    const length = this.uint16();
    return new TextDecoder().decode(new Uint8Array(this.view.buffer, (this.at += length) - length, length));
  }
}
