// The server's clock. A credential ends by it, and this machine's clock may be set while the page is open.

let ahead = 0;

export const now = () => Date.now() + ahead;

export function sync(serverSeconds) {
  ahead = serverSeconds * 1000 - Date.now();
}

export const time = (milliseconds) => new Date(milliseconds).toLocaleTimeString([], { hour12: false });
