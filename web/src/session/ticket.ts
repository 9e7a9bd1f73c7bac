/** The one-time ticket of `http://host:port/#ticket=…`: taken once, and out of the address bar and history at once. */

function readTicket(): string | null {
  const found = new URLSearchParams(window.location.hash.slice(1)).get("ticket");
  if (found === null || found === "") return null;
  window.history.replaceState(window.history.state, "", window.location.pathname + window.location.search);
  return found;
}

// Read when the page loads, before the router looks at the address.
let ticket = readTicket();

/** Return the ticket the page was opened with, the first time it is asked; then null. */
export function takeTicket(): string | null {
  const taken = ticket;
  ticket = null;
  return taken;
}
