// The errors, of which one may be brought into sight. Its state: #errors?error=3
function startErrors(page) {
  const all = [...document.querySelectorAll("#errors .errors > li")], headings = all.map((item) => item.querySelector("h3 a"));
  let chosen = -1;
  const step = (by) => page.go("errors", { error: Math.max(1, Math.min(all.length, chosen + 1 + by)) }, chosen >= 0);
  return {
    show({ error }) {
      chosen = Number(error) >= 1 && Number(error) <= all.length ? Math.floor(Number(error)) - 1 : -1;
      all.forEach((item, i) => item.classList.toggle("chosen", i === chosen));
      if (chosen < 0) return false;
      all[chosen].scrollIntoView({ block: "start" });
      headings[chosen].focus({ preventScroll: true });
      return true;
    },
    keys: { j: () => step(1), k: () => step(-1) },
    help: [["j k", "Next and previous error"]],
  };
}
