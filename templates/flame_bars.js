// The bars of the flame graph: how spots become elements, and how one walks among them by keyboard.
const ROW_PIXELS = 20, LEAST_PIXELS = 2, LEAST_NAMED_PIXELS = 24;

/** tell(spot), press(spot), ask(spot, x, y): what a pointed-at, a pressed and a right-clicked bar are for. */
function makeBars(graphBox, { describe, tell, press, ask }) {
  let places = [], zoomed = null, graph = null;

  const className = (spot) => {
    if (!spot.outside) return "root";
    const flags = flagsOf(graph.stacks, spot.nodes[0]);
    return flags & OWN ? "own" : flags & UNNAMED ? "unnamed" : "library";
  };
  /** In a differential graph: how much a spot grew (to 1) or shrank (to -1), in five steps. */
  const change = (spot) => {
    const most = Math.max(spot.value, spot.before);
    return most ? Math.round((2 * (spot.value - spot.before)) / most) : 0;
  };
  const bar = (place, marked, pixels) => {
    const { spot, row, left, width } = place, named = width * pixels > LEAST_NAMED_PIXELS, name = spot.outside ? graph.labels[spot.key] : "all";
    const found = marked && spot.nodes.some((node) => node > 0 && marked[graph.stacks.frame[node]]);
    const made = element("div", (named ? "bar named " : "bar ") + (graph.before ? "change" + change(spot) : className(spot)) + (row < places.zoomRow ? " outer" : "") + (found ? " match" : ""));
    made.style.cssText = `left:${100 * left}%;width:${100 * width}%;top:${row * ROW_PIXELS}px`;
    made.setAttribute("role", "treeitem");
    made.setAttribute("aria-level", String(row + 1));
    made.setAttribute("aria-label", named ? describe(spot) : shortName(name, SHORT_NAME)); // of narrow ones the amounts are told when one comes to them
    made.tabIndex = -1;
    if (named) made.textContent = shortName(name, 120);
    place.bar = made;
    made.place = place;
    return made;
  };

  const focusOn = (place) => {
    if (!place) return;
    graphBox.querySelector(".bar[tabindex='0']")?.setAttribute("tabindex", "-1");
    place.bar.tabIndex = 0;
    place.bar.focus();
  };
  const beside = (place, step) => {
    const row = places.filter((other) => other.row === place.row).sort((a, b) => a.left - b.left);
    return row[row.indexOf(place) + step];
  };
  const moves = {
    ArrowUp: (place) => places.find((other) => other.spot === place.spot.outside),
    ArrowDown: (place) => places.find((other) => other.spot.outside === place.spot && other.row > place.row),
    ArrowLeft: (place) => beside(place, -1),
    ArrowRight: (place) => beside(place, 1),
  };
  graphBox.addEventListener("click", (event) => { const hit = event.target.closest(".bar"); if (hit) press(hit.place.spot); });
  graphBox.addEventListener("contextmenu", (event) => {
    const hit = event.target.closest(".bar");
    if (!hit || !hit.place.spot.outside) return;
    event.preventDefault();
    focusOn(hit.place);
    ask(hit.place.spot, event.clientX, event.clientY);
  });
  graphBox.addEventListener("keydown", (event) => {
    const hit = event.target.closest(".bar");
    if (!hit || event.ctrlKey || event.metaKey || event.altKey) return;
    if (moves[event.key]) focusOn(moves[event.key](hit.place));
    else if (event.key === "Enter" || event.key === " ") press(hit.place.spot);
    else return;
    event.preventDefault();
  });
  for (const kind of ["mouseover", "focusin"]) {
    graphBox.addEventListener(kind, (event) => { const hit = event.target.closest(".bar"); if (hit) tell(hit.place.spot); });
  }
  graphBox.addEventListener("mouseleave", () => tell(zoomed));

  return {
    /** Draws the graph around a spot; marked: frames to stand out (a byte each), or null. */
    draw(shown, around, marked) {
      graph = shown;
      zoomed = around;
      const pixels = Math.max(graphBox.clientWidth, 300), hadFocus = graphBox.contains(document.activeElement);
      places = widthOf(graph.root) ? layOut(graph, zoomed, LEAST_PIXELS / pixels) : [];
      places.zoomRow = places.findIndex((place) => place.spot === zoomed);
      const canvas = element("div", "rows");
      canvas.setAttribute("role", "presentation");
      canvas.style.height = (places.reduce((most, place) => Math.max(most, place.row), 0) + 1) * ROW_PIXELS + "px";
      canvas.append(...places.map((place) => bar(place, marked, pixels)));
      graphBox.replaceChildren(places.length ? canvas : element("p", "quiet", "Nothing to show: this is 0 everywhere."));
      if (!places.length) return;
      places[places.zoomRow].bar.tabIndex = 0;
      if (hadFocus) focusOn(places[places.zoomRow]);
    },
    /** The spot the keyboard is at. */
    current: () => document.activeElement?.place?.spot || null,
  };
}
