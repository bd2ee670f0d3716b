// The page of a base: the picture of its layers, and its packages as they are filtered and sorted.
"use strict";

(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const GAP = 2;
  const LETTER = 12;
  const LETTER_WIDTH = 0.62 * LETTER; // about

  function draw(name, attributes, ...children) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  const rowsOf = (platform) =>
    [...platform.querySelectorAll("tbody tr")].map((row) => ({
      words: row.cells[0].textContent,
      size: Number(row.dataset.size),
      said: row.cells[1].textContent,
      also: row.cells[3].textContent,
      part: row.dataset.part,
    }));

  const clip = (text, width) => {
    const letters = Math.floor((width - 10) / LETTER_WIDTH);
    if (letters < 3) return "";
    return text.length <= letters ? text : `${text.slice(0, letters - 1)}…`;
  };

  function leaf(node, number) {
    const [width, height] = [node.x1 - node.x0, node.y1 - node.y0];
    const { words, said, also, part } = node.data;
    const group = draw("g", { class: "leaf", transform: `translate(${node.x0} ${node.y0})`, "data-number": number });
    group.append(draw("title", {}, `${words}: ${said}, also in ${also}`));
    group.append(draw("rect", { class: `part-${part}`, width, height, rx: 3 }));
    const first = words.split(/[ ,]/)[0];
    const title = height > 18 ? clip(words, width) : "";
    const shown = title && (title === words || title.length > first.length) ? title : height > 18 ? clip(first, width) : "";
    if (shown) group.append(draw("text", { x: 6, y: 15 }, shown));
    if (shown && height > 36 && width > 60) group.append(draw("text", { x: 6, y: 30, class: "bytes" }, said));
    return group;
  }

  function picture(box, rows, detail) {
    const [width, height] = [box.clientWidth, box.clientWidth < 500 ? 320 : 380];
    if (!width) return;
    const parts = ["system", "unknown", "shared", "packages", "warmbase"].map((part) => ({
      children: rows.filter((row) => row.part === part && row.size > 0),
    }));
    const root = d3.hierarchy({ children: parts.filter((part) => part.children.length) });
    root.sum((row) => row.size || 0).sort((one, other) => other.value - one.value);
    d3.treemap().size([width, height]).paddingInner(GAP).round(true)(root);
    const leaves = root.leaves().filter((node) => node.x1 > node.x0 && node.y1 > node.y0);
    const said = `${box.dataset.words}. The table below has the same.`;
    const svg = draw(
      "svg",
      { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": said },
      ...leaves.map(leaf),
    );
    svg.addEventListener("pointerover", (event) => {
      const group = event.target.closest(".leaf");
      if (!group) return;
      const { words, said, also } = leaves[Number(group.dataset.number)].data;
      detail.textContent = `${words}: ${said}, also in ${also}`;
    });
    box.replaceChildren(svg);
  }

  for (const platform of document.querySelectorAll(".platform")) {
    const [box, rows] = [platform.querySelector(".treemap"), rowsOf(platform)];
    const detail = page.element("p", "detail", "Point at a layer: what it is, and which bases have it too.");
    detail.setAttribute("aria-hidden", "true");
    box.after(detail);
    platform.querySelector(".legend").hidden = false;
    platform.querySelector("details").open = false;
    let drawn = 0;
    new ResizeObserver(() => {
      if (box.clientWidth === drawn) return;
      drawn = box.clientWidth;
      picture(box, rows, detail);
    }).observe(box);
  }

  const choice = document.querySelector("#anatomy .choice");
  if (choice) {
    const show = () => {
      const chosen = choice.querySelector("input:checked").value;
      for (const platform of document.querySelectorAll(".platform")) platform.hidden = platform.dataset.platform !== chosen;
    };
    choice.hidden = false;
    choice.addEventListener("change", show);
    show();
  }

  const table = document.getElementById("packages");
  const rows = table ? [...table.tBodies[0].rows] : [];
  const filter = document.getElementById("filter");
  if (filter) {
    const told = document.getElementById("filtered");
    filter.closest(".filter").hidden = false;
    filter.addEventListener("input", () => {
      const wanted = filter.value.trim().toLowerCase();
      for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
      told.textContent = wanted ? `${rows.filter((row) => !row.hidden).length} of ${rows.length}` : "";
    });
  }

  const byName = (one, other) => (one.dataset.name < other.dataset.name ? -1 : 1);
  const byText = (column) => (one, other) =>
    one.cells[column].textContent.localeCompare(other.cells[column].textContent, "en") || byName(one, other);
  // What a click on a heading sorts by, and which way first; another click turns it round.
  const ORDERS = [
    [0, byName, "ascending"],
    [2, (one, other) => one.dataset.size - other.dataset.size || byName(other, one), "descending"],
    [3, byText(3), "ascending"],
  ];
  const TURNED = { ascending: "descending", descending: "ascending" };
  const headings = table ? [...table.tHead.rows[0].cells] : [];
  for (const [column, order, first] of table ? ORDERS : []) {
    const heading = headings[column];
    const button = page.element("button", "sort", heading.textContent);
    button.type = "button";
    heading.replaceChildren(button);
    if (column === 0) heading.setAttribute("aria-sort", first);
    button.addEventListener("click", () => {
      const direction = TURNED[heading.getAttribute("aria-sort")] || first;
      for (const each of headings) each.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", direction);
      rows.sort(direction === "ascending" ? order : (one, other) => order(other, one));
      table.tBodies[0].append(...rows);
    });
  }
})();
