// The address of the page holds the vendor, the person and the body, and never a token.

export function remember(vendor, person, body) {
  history.replaceState(null, "", `#${new URLSearchParams({ vendor, person, body: JSON.stringify(body) })}`);
}

// {vendor?, person?, body?} of the address. A body that is no JSON object is as none.
export function linked() {
  const { vendor, person, body } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  return { vendor, person: person?.slice(0, 64), body: object(body) };
}

function object(text) {
  try {
    const found = JSON.parse(text);
    return found?.constructor === Object ? found : undefined;
  } catch {
    return undefined;
  }
}
