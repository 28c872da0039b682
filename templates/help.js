// The overlay that lists the keys, and the keys that work everywhere.
const GO_KEYS = { o: "overview", d: "changes", c: "crash", e: "errors", l: "leaks", f: "flame", s: "sites", t: "time", b: "blocks", n: "snapshots", h: "threads", p: "processes", a: "about" };

function startHelp(page) {
  const dialog = element("dialog", "help"), heading = element("h2", "", "Keys");
  heading.id = "help-title";
  dialog.setAttribute("aria-labelledby", "help-title");
  document.body.append(dialog);
  const table = (title, rows) => {
    const list = element("dl");
    for (const [key, words] of rows) {
      const row = element("div"), label = element("dt");
      label.append(...key.split(" ").flatMap((part, i) => [i ? " " : "", element("kbd", "", part)]));
      row.append(label, element("dd", "", words));
      list.append(row);
    }
    return [element("h3", "", title), list];
  };
  const open = () => {
    const views = Object.entries(GO_KEYS).filter(([, name]) => page.labels[name]).map(([key, name]) => ["g " + key, page.labels[name]]);
    const own = page.current()?.help || [];
    dialog.replaceChildren(heading, button("close", "Close", () => dialog.close()), ...(own.length ? table(page.labels[page.view()], own) : []),
      ...table("Everywhere", [["?", "This list"], ["g", "then a letter: another view"], ["m", "Units of 1,024 or of 1,000"]]), ...table("Views", views));
    dialog.showModal();
  };
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

  let going = false;
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
    const typing = event.target.closest?.("input, textarea, select");
    if (typing) {
      if (event.key === "Escape") typing.blur();
      return;
    }
    const wanted = going && GO_KEYS[event.key];
    if (wanted && page.labels[wanted]) page.go(wanted, {});
    else if (event.key === "?") open();
    else if (event.key === "m") page.switchUnits();
    else if (event.key !== "g" && !going) {
      const act = page.current()?.keys?.[event.key];
      if (!act) return;
      act();
    }
    going = event.key === "g" && !going;
    event.preventDefault();
  });
  return open;
}
