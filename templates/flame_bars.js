// The bars of the flame graph: how spots become elements, and how one walks among them by keyboard. Of the bars too narrow for a name the
// widest are elements, the others are painted on a canvas behind them, since a page answers slowly that has to lay out thousands.
const ROW_PIXELS = 20, LEAST_PIXELS = 2, LEAST_NAMED_PIXELS = 24, MOST_NAMELESS = 250;

/** tell(spot), press(spot), ask(spot, x, y): what a pointed-at, a pressed and a right-clicked bar are for. */
function makeBars(graphBox, { describe, tell, press, ask }) {
  let places = [], zoomed = null, graph = null, canvas = null, painted = [], marks = null, wide = 300, high = 0, colours = {};

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
  const classOf = (spot) => (graph.before ? "change" + change(spot) : className(spot));
  const isFound = (spot) => marks !== null && spot.nodes.some((node) => node > 0 && marks[graph.stacks.frame[node]]);
  const bar = (place) => {
    const { spot, row, left, width } = place, named = isNamed(place), name = spot.outside ? graph.labels[spot.key] : "all";
    const made = element("div", `bar ${named ? "named " : ""}${classOf(spot)}${row < places.zoomRow ? " outer" : ""}${isFound(spot) ? " match" : ""}`);
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

  const isNamed = (place) => place.width * wide > LEAST_NAMED_PIXELS;

  /** Paints narrow bars. Their colours are those that elements of their classes have. */
  const paint = () => {
    const scale = devicePixelRatio || 1, sample = element("div", "bar"), brush = canvas.getContext("2d");
    canvas.width = wide * scale;
    canvas.height = high * scale;
    brush.scale(scale, scale);
    graphBox.append(sample);
    for (const { spot, row, left, width } of painted) {
      const name = classOf(spot) + (isFound(spot) ? " match" : "");
      if (!colours[name]) { sample.className = "bar " + name; colours[name] = getComputedStyle(sample).backgroundColor; }
      brush.fillStyle = colours[name];
      brush.fillRect(left * wide, row * ROW_PIXELS, Math.max(1, width * wide - 1), ROW_PIXELS - 1);
    }
    sample.remove();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    colours = {};
    if (painted.length && canvas.isConnected) paint();
  });

  /** The painted bar under the pointer. */
  const paintedAt = (event) => {
    const box = canvas.getBoundingClientRect(), x = (event.clientX - box.left) / box.width, row = Math.floor((event.clientY - box.top) / ROW_PIXELS);
    return painted.find((place) => place.row === row && place.left <= x && x < place.left + place.width);
  };
  const placeOf = (event) => (event.target === canvas ? paintedAt(event) : event.target.closest(".bar")?.place);

  const focusOn = (place) => {
    if (!place) return;
    if (!place.bar) canvas.parentNode.append(bar(place));
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
  graphBox.addEventListener("click", (event) => { const place = placeOf(event); if (place) press(place.spot); });
  graphBox.addEventListener("contextmenu", (event) => {
    const place = placeOf(event);
    if (!place || !place.spot.outside) return;
    event.preventDefault();
    focusOn(place);
    ask(place.spot, event.clientX, event.clientY);
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
  graphBox.addEventListener("mousemove", (event) => { const place = event.target === canvas && paintedAt(event); if (place) tell(place.spot); });
  graphBox.addEventListener("mouseleave", () => tell(zoomed));

  return {
    /** Draws the graph around a spot; marked: frames to stand out (a byte each), or null. */
    draw(shown, around, marked) {
      graph = shown;
      zoomed = around;
      marks = marked;
      const hadFocus = graphBox.contains(document.activeElement), rows = element("div", "rows");
      wide = Math.max(graphBox.clientWidth, 300);
      places = widthOf(graph.root) ? layOut(graph, zoomed, LEAST_PIXELS / wide) : [];
      places.zoomRow = places.findIndex((place) => place.spot === zoomed);
      const nameless = places.filter((place) => !isNamed(place)).sort((a, b) => b.width - a.width);
      painted = nameless.slice(MOST_NAMELESS);
      canvas = element("canvas");
      canvas.setAttribute("aria-hidden", "true");
      rows.setAttribute("role", "presentation");
      high = (places.reduce((most, place) => Math.max(most, place.row), 0) + 1) * ROW_PIXELS;
      rows.style.height = high + "px";
      rows.append(...(painted.length ? [canvas] : []), ...places.filter((place) => isNamed(place)).map(bar), ...nameless.slice(0, MOST_NAMELESS).map(bar));
      if (painted.length) paint(); // before the bars are in the document, since who asks for a colour waits until all of it is looked at
      graphBox.replaceChildren(places.length ? rows : element("p", "quiet", "Nothing to show: this is 0 everywhere."));
      if (!places.length) return;
      places[places.zoomRow].bar.tabIndex = 0;
      if (hadFocus) focusOn(places[places.zoomRow]);
    },
    /** The spot the keyboard is at. */
    current: () => document.activeElement?.place?.spot || null,
  };
}
