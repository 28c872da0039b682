// A table of which only the rows in sight exist, so that a million rows scroll as well as ten. Rows are numbers of items; columns say how
// an item's cell is filled: { key, label, width, number, narrow, fill(cell, item) }; narrow: shown also where there is little room.
const PRINTED_ROWS = 200;
const MOST_PIXELS = 15e6; // browsers draw no taller elements; longer tables scroll by share

/** options: label, columns, rowPixels, sorted(key), opened(item), moved(item). */
function makeGrid(options) {
  const { columns, rowPixels } = options;
  const box = element("div", "grid-box"), grid = element("div", "grid"), head = element("div", "grid-head"), body = element("div", "grid-body"),
    shown = element("div", "grid-rows");
  let rows = [], active = -1, waiting = 0;

  grid.setAttribute("role", "grid");
  grid.setAttribute("aria-label", options.label);
  grid.tabIndex = 0;
  grid.style.setProperty("--columns", columns.map((column) => column.width).join(" "));
  grid.style.setProperty("--narrow", columns.filter((column) => column.narrow).map((column) => column.narrow).join(" "));
  grid.style.setProperty("--row", rowPixels + "px");
  head.setAttribute("role", "row");
  head.setAttribute("aria-rowindex", "1");
  body.setAttribute("role", "rowgroup");
  shown.setAttribute("role", "presentation");
  const headRows = element("div", "grid-top");
  headRows.setAttribute("role", "rowgroup");
  const headings = columns.map((column) => {
    const cell = element("span", classOf(column));
    cell.setAttribute("role", "columnheader");
    if (options.sorted && column.sort !== false) {
      const sort = button("", column.label, () => options.sorted(column.key));
      sort.tabIndex = -1;
      cell.append(sort);
    } else cell.textContent = column.label;
    head.append(cell);
    return cell;
  });
  headRows.append(head);
  body.append(shown);
  grid.append(headRows, body);
  box.append(grid);

  function classOf(column) {
    return (column.number ? "number" : "") + (column.narrow ? "" : " roomy");
  }

  const id = (item) => grid.id + "-" + item;
  const makeRow = (place) => {
    const item = rows[place], row = element("div", "grid-row");
    row.setAttribute("role", "row");
    row.setAttribute("aria-rowindex", String(place + 2));
    row.setAttribute("aria-selected", String(place === active));
    row.id = id(item);
    row.place = place;
    for (const column of columns) {
      const cell = element("span", classOf(column));
      cell.setAttribute("role", "gridcell");
      column.fill(cell, item);
      row.append(cell);
    }
    return row;
  };

  const room = () => Math.max(rowPixels, grid.clientHeight - head.offsetHeight);
  const draw = () => {
    waiting = 0;
    const full = rows.length * rowPixels, height = Math.min(full, MOST_PIXELS), most = Math.max(1, height - room());
    const top = full === height ? grid.scrollTop : (full - room()) * Math.min(1, grid.scrollTop / most);
    const first = Math.max(0, Math.min(rows.length - 1, Math.floor(top / rowPixels))), last = Math.min(rows.length, first + Math.ceil(room() / rowPixels) + 1);
    body.style.height = height + "px";
    shown.style.transform = `translateY(${full === height ? first * rowPixels : grid.scrollTop - (top - first * rowPixels)}px)`;
    const made = [];
    for (let place = first; place < last; place++) made.push(makeRow(place));
    shown.replaceChildren(...made);
    if (active >= first && active < last) grid.setAttribute("aria-activedescendant", id(rows[active]));
    else grid.removeAttribute("aria-activedescendant");
  };
  const later = () => { waiting ||= requestAnimationFrame(draw); };

  /** Scrolls so that a row is in sight. */
  const reveal = (place) => {
    const full = rows.length * rowPixels, height = Math.min(full, MOST_PIXELS), scale = full === height ? 1 : (height - room()) / (full - room());
    const top = grid.scrollTop / scale, wanted = Math.max(Math.min(top, place * rowPixels), (place + 1) * rowPixels - room());
    if (wanted !== top) grid.scrollTop = wanted * scale;
  };
  const moveTo = (place, tell) => {
    if (!rows.length) return;
    active = Math.max(0, Math.min(rows.length - 1, place));
    reveal(active);
    draw();
    if (tell && options.moved) options.moved(rows[active]);
  };

  const page = () => Math.max(1, Math.floor(room() / rowPixels) - 1);
  const keys = {
    ArrowDown: () => moveTo(active + 1, true), ArrowUp: () => moveTo(active - 1, true), PageDown: () => moveTo(active + page(), true),
    PageUp: () => moveTo(active - page(), true), Home: () => moveTo(0, true), End: () => moveTo(rows.length - 1, true),
    Enter: () => { if (active >= 0) options.opened(rows[active]); }, " ": () => { if (active >= 0) options.opened(rows[active]); },
  };
  grid.addEventListener("keydown", (event) => {
    if (event.target !== grid || !keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  shown.addEventListener("click", (event) => {
    const row = event.target.closest(".grid-row");
    if (!row || event.target.closest("a") || String(getSelection())) return;
    moveTo(row.place);
    options.opened(rows[row.place]);
  });
  const printed = element("p", "print-only quiet");
  box.append(printed);
  addEventListener("beforeprint", () => {
    if (!grid.offsetParent) return;
    printed.textContent = rows.length > PRINTED_ROWS ? `The first ${number(PRINTED_ROWS)} of ${plural(rows.length, "row")}.` : "";
    shown.replaceChildren(...Array.from(rows.slice(0, PRINTED_ROWS), (_, place) => makeRow(place)));
  });
  addEventListener("afterprint", draw);
  grid.addEventListener("scroll", later, { passive: true });
  new ResizeObserver(later).observe(grid);
  grid.id = "grid-" + options.id;

  return {
    box, grid, draw,
    /** Shows these items; sort: { key, down }. */
    show(items, sort) {
      const was = active >= 0 ? rows[active] : -1;
      rows = items;
      active = was < 0 ? -1 : rows.indexOf(was);
      grid.setAttribute("aria-rowcount", String(rows.length + 1));
      headings.forEach((heading, place) => {
        if (sort && columns[place].key === sort.key) heading.setAttribute("aria-sort", sort.down ? "descending" : "ascending");
        else heading.removeAttribute("aria-sort");
      });
      grid.scrollTop = 0;
      draw();
    },
    /** Makes an item the active one and brings it into sight; says whether it is among the rows. */
    activate(item) {
      const place = rows.indexOf(item);
      if (place < 0) return false;
      moveTo(place);
      return true;
    },
  };
}
