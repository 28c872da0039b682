// Where the page stands, as the address says it: #view?name=value&… ; pure functions.

function parseHash(hash) {
  const [view, rest] = hash.replace(/^#/, "").split(/\?(.*)/s);
  return { view, params: Object.fromEntries(new URLSearchParams(rest || "")) };
}

/** Values that are empty are left out. */
function formatHash(view, params) {
  const kept = Object.entries(params).filter(([, value]) => value !== undefined && value !== null && value !== "" && value !== false);
  return "#" + view + (kept.length ? "?" + new URLSearchParams(kept) : "");
}
