/* What a reader can do on the page: colour, zoom, hover, select, search, download. The page reads without it. */
"use strict";
(() => {
  const data = document.getElementById("map-data");
  const cells = data ? JSON.parse(data.textContent) : null;
  const svg = d3.select("#map-plot");
  const area = document.getElementById("map-area");
  const make = (tag, text, attributes = {}) => {
    const element = document.createElement(tag);
    if (text) element.textContent = text;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  const status = make("p", "", { id: "chosen", class: "small", role: "status", "aria-live": "polite" });
  const clear = make("button", "Clear selection", { type: "button", hidden: "" });
  let chosen = null; // {kind: "state" | "clone" | "cell" | a grouping's name, value: its name}

  /* ---- the map ---- */
  const group = svg.select("g");
  const over = svg.append("g").attr("class", "over");
  const home = cells ? svg.attr("viewBox") : "";
  let scale = d3.zoomIdentity, hovered = null, tree = null, colouring = 0, zoom = null;
  let places = cells ? cells.layouts[0] : null;
  const isPlaced = (i) => places.x[i] !== null;
  const spots = (indices) => indices.filter(isPlaced).map((i) => `M${places.x[i]} ${places.y[i]}h0`).join("");
  const indicesWhere = (test) => cells.barcodes.map((_, i) => i).filter(test);
  const states = cells ? cells.groupings[0] : null;
  const shadeSteps = 10;

  const colours = (number) => {
    if (number < cells.groupings.length) {
      const grouping = cells.groupings[number];
      return grouping.names.map((name, k) => ({
        name, kind: number ? grouping.name : "state",
        colour: number ? `s${k % 9}` : cells.colours[k], indices: indicesWhere((i) => grouping.values[i] === k),
      }));
    }
    const shade = cells.shades[number - cells.groupings.length];
    const at = (share) => shade.name === "Clone size" ? Math.round(shade.high ** share) : (shade.low + share * (shade.high - shade.low)).toFixed(1);
    const bins = [{ name: "not known", kind: "", colour: "s8", indices: indicesWhere((i) => shade.values[i] < 0) }];
    for (let step = 0; step < shadeSteps; step += 1) {
      bins.push({
        name: `${at(step / shadeSteps)} to ${at((step + 1) / shadeSteps)}`, kind: "", colour: `v${step}`,
        indices: indicesWhere((i) => shade.values[i] >= 0 && Math.min(Math.floor(shade.values[i] / 10), 9) === step),
      });
    }
    return bins;
  };

  const legend = document.getElementById("map-legend");
  const paint = () => {
    const classes = colours(colouring).filter((entry) => entry.indices.length);
    const order = [...classes].sort((a, b) => b.indices.length - a.indices.length);
    group.selectAll("path").data(order).join("path").attr("class", (d) => `dots ${d.colour}`).attr("d", (d) => spots(d.indices));
    legend.replaceChildren(...classes.map((entry) => {
      const item = make("li");
      const text = `${entry.name} (${entry.indices.length.toLocaleString("en")})`;
      const inner = entry.kind ? make("button", text, { type: "button", "aria-pressed": "false", "data-kind": entry.kind, "data-value": entry.name }) : make("span", text);
      inner.prepend(make("span", "", { class: `swatch ${entry.colour}`, "aria-hidden": "true" }));
      if (entry.kind) inner.addEventListener("click", () => choose(entry.kind, entry.name));
      item.append(inner);
      return item;
    }));
    show();
  };

  const tell = (i) => {
    const clone = cells.cloneOf[i];
    const parts = [cells.barcodes[i], states.names[states.values[i]]];
    const confidence = cells.shades[0].values[i];
    if (confidence >= 0) parts.push(`confidence ${(confidence / 100).toFixed(2)}`);
    if (clone >= 0) parts.push(`clone ${cells.clones[clone]}`);
    return parts.join(" · ");
  };

  const chosenCells = () => {
    if (!chosen || !cells) return [];
    if (chosen.kind === "cell") return indicesWhere((i) => cells.barcodes[i] === chosen.value);
    if (chosen.kind === "clone") {
      const clone = cells.clones.indexOf(chosen.value);
      return clone < 0 ? [] : indicesWhere((i) => cells.cloneOf[i] === clone);
    }
    const grouping = chosen.kind === "state" ? states : cells.groupings.find((g) => g.name === chosen.kind);
    const value = grouping.names.indexOf(chosen.value);
    return indicesWhere((i) => grouping.values[i] === value);
  };

  /* ---- one selection, seen everywhere ---- */
  const matches = (element) => Boolean(chosen) && chosen.kind in element.dataset && element.dataset[chosen.kind] === chosen.value;
  const show = () => {
    const indices = chosenCells();
    if (cells) {
      group.classed("dimmed", Boolean(chosen));
      const path = over.selectAll("path.picked").data(chosen ? [0] : []);
      path.join("path").attr("class", `picked ${indices.length < 50 ? "few" : ""}`).attr("d", spots(indices));
    }
    for (const element of document.querySelectorAll("[data-state], [data-clone], [data-cell]")) element.classList.toggle("chosen", matches(element));
    for (const button of document.querySelectorAll("button[aria-pressed]")) {
      button.setAttribute("aria-pressed", String(Boolean(chosen) && button.dataset.kind === chosen.kind && button.dataset.value === chosen.value));
    }
    clear.hidden = !chosen;
    if (!chosen) status.textContent = "";
    else if (chosen.kind === "cell" && indices.length) status.textContent = `Cell ${tell(indices[0])}`;
    else {
      const rows = [...document.querySelectorAll("tr.chosen")].length;
      status.textContent = `${chosen.kind[0].toUpperCase()}${chosen.kind.slice(1)} ${chosen.value}: ` +
        (cells ? `${indices.length.toLocaleString("en")} cells on the map, ` : "") + `${rows} table ${rows === 1 ? "row" : "rows"}`;
    }
  };
  const choose = (kind, value) => {
    chosen = chosen && chosen.kind === kind && chosen.value === value ? null : { kind, value };
    show();
  };
  clear.addEventListener("click", () => { chosen = null; show(); });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && chosen) { chosen = null; show(); } });

  for (const kind of ["state", "clone", "cell"]) {
    for (const row of document.querySelectorAll(`tr[data-${kind}]`)) {
      const place = row.querySelector(`[data-name]`);
      if (!place) continue;
      const button = make("button", "", { type: "button", class: "name", "aria-pressed": "false", "data-kind": kind, "data-value": row.dataset[kind], title: `Show this ${kind} everywhere` });
      button.append(...place.childNodes);
      place.append(button);
      button.addEventListener("click", () => choose(kind, row.dataset[kind]));
    }
  }

  /* ---- search ---- */
  const tools = document.getElementById("tools");
  const search = make("input", "", { type: "search", id: "find", autocomplete: "off", spellcheck: "false", placeholder: "barcode or clone" });
  const find = (text) => {
    const wanted = text.trim().toLowerCase();
    if (!wanted) { chosen = null; show(); return; }
    const barcodes = new Set([...(cells ? cells.barcodes : []), ...[...document.querySelectorAll("[data-cell]")].map((e) => e.dataset.cell)]);
    const clones = new Set([...(cells ? cells.clones : []), ...[...document.querySelectorAll("[data-clone]")].map((e) => e.dataset.clone)]);
    for (const test of [(name) => name.toLowerCase() === wanted, (name) => name.toLowerCase().includes(wanted)]) {
      for (const [kind, names] of [["clone", clones], ["cell", barcodes]]) {
        const found = [...names].find(test);
        if (found !== undefined) { chosen = { kind, value: found }; show(); return; }
      }
    }
    chosen = null;
    show();
    status.textContent = `Nothing on this page is called "${text.trim()}".`;
  };
  search.addEventListener("change", () => find(search.value));
  const label = make("label", "Find a barcode or clone ", { for: "find" });
  tools.append(label, search, clear, status);
  tools.hidden = !document.querySelector("[data-state], [data-clone], [data-cell]"); // a cohort has nothing to find

  /* ---- hover, zoom, colour ---- */
  if (cells) {
    const tip = make("p", "", { class: "tip small", id: "map-tip", "aria-hidden": "true" });
    tip.textContent = "Point at a cell to see what it is; click it to select its clone. Scroll to zoom, drag to move, double-click to return.";
    const grow = () => { tree = d3.quadtree().x((i) => places.x[i]).y((i) => places.y[i]).addAll(indicesWhere(isPlaced)); };
    grow();
    const at = (event) => {
      const matrix = group.node().getScreenCTM().inverse();
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix);
      return tree.find(point.x, point.y, 14 / scale.k + 4);
    };
    const ring = over.append("circle").attr("class", "ring").attr("r", 9).attr("visibility", "hidden");
    svg.on("pointermove", (event) => {
      hovered = at(event);
      ring.attr("visibility", hovered === undefined ? "hidden" : "visible");
      if (hovered !== undefined) {
        ring.attr("cx", places.x[hovered]).attr("cy", places.y[hovered]).attr("r", 9 / scale.k);
        tip.textContent = tell(hovered);
      }
    }).on("pointerleave", () => ring.attr("visibility", "hidden"));
    svg.on("click", (event) => {
      const i = at(event);
      if (i === undefined) return;
      if (cells.cloneOf[i] >= 0) choose("clone", cells.clones[cells.cloneOf[i]]);
      else choose("cell", cells.barcodes[i]);
    });
    const [left, top, width, height] = home.split(" ").map(Number);
    zoom = d3.zoom().scaleExtent([1, 30]).extent([[left, top], [left + width, top + height]])
      .translateExtent([[left, top], [left + width, top + height]]).on("zoom", (event) => {
        scale = event.transform;
        group.attr("transform", scale);
        over.attr("transform", scale);
      });
    svg.call(zoom).on("dblclick.zoom", () => svg.call(zoom.transform, d3.zoomIdentity));
    const by = make("select", "", { id: "map-by" });
    [...cells.groupings, ...cells.shades].forEach((entry, number) => by.append(make("option", entry.name, { value: String(number) })));
    by.addEventListener("change", () => { colouring = Number(by.value); paint(); });
    const closer = make("button", "+", { type: "button", "aria-label": "Zoom in" });
    const farther = make("button", "−", { type: "button", "aria-label": "Zoom out" });
    const back = make("button", "Whole map", { type: "button" });
    closer.addEventListener("click", () => svg.call(zoom.scaleBy, 1.6));
    farther.addEventListener("click", () => svg.call(zoom.scaleBy, 1 / 1.6));
    back.addEventListener("click", () => svg.call(zoom.transform, d3.zoomIdentity));
    const bar = make("div", "", { class: "controls" });
    bar.append(make("label", "Colour by ", { for: "map-by" }), by);
    if (cells.layouts.length > 1) {
      const laid = make("select", "", { id: "map-layout" });
      cells.layouts.forEach((entry, number) => laid.append(make("option", entry.name, { value: String(number) })));
      laid.addEventListener("change", () => {
        places = cells.layouts[Number(laid.value)];
        document.getElementById("map-meaning").textContent = places.meaning;
        ring.attr("visibility", "hidden");
        grow();
        paint();
      });
      bar.append(make("label", "Laid out by ", { for: "map-layout" }), laid);
    }
    bar.append(closer, farther, back);
    area.parentElement.before(bar);
    area.parentElement.after(tip);
    paint();
  }

  /* ---- downloads ---- */
  const save = (content, type, name) => {
    const link = make("a", "", { href: URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type })), download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  const fileName = (element, ending) => {
    const sample = document.body.dataset.sample.replace(/[^\w.-]+/g, "_");
    const title = (element || "plot").toLowerCase().replace(/[^a-z0-9]+/g, "_").replace(/^_|_$/g, "");
    return `${sample}.${title}.${ending}`;
  };
  const field = (cell) => {
    let text = (cell.dataset.csv ?? cell.textContent).replace(/\s+/g, " ").trim();
    if (/^-?[\d,]+(\.\d+)?$/.test(text)) text = text.replace(/,/g, "");
    else if (/^[=+\-@]/.test(text)) text = `'${text}`; // a spreadsheet would run it as a formula
    return /[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  };
  for (const region of document.querySelectorAll(".scroll")) {
    const table = region.querySelector("table");
    if (!table) continue;
    const title = region.getAttribute("aria-label");
    const button = make("button", "CSV", { type: "button", class: "get", "aria-label": `Download the table "${title}" as CSV` });
    button.addEventListener("click", () => {
      const rows = [...table.rows].map((row) => [...row.cells].filter((cell) => !cell.classList.contains("draw")).map(field).join(","));
      save(rows.join("\r\n") + "\r\n", "text/csv;charset=utf-8", fileName(title, "csv"));
    });
    region.after(button);
  }
  const properties = ["fill", "stroke", "stroke-width", "stroke-linecap", "stroke-dasharray", "font-size", "font-family", "font-weight", "opacity", "vector-effect"];
  const standAlone = (plot) => {
    const copy = plot.cloneNode(true);
    const [, , width, height] = plot.getAttribute("viewBox").split(" ").map(Number);
    const originals = [plot, ...plot.querySelectorAll("*")];
    [copy, ...copy.querySelectorAll("*")].forEach((element, i) => {
      const style = getComputedStyle(originals[i]);
      for (const name of properties) if (style.getPropertyValue(name)) element.setAttribute(name, style.getPropertyValue(name));
      element.removeAttribute("class");
    });
    copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    copy.setAttribute("width", width);
    copy.setAttribute("height", height);
    const [left, top] = plot.getAttribute("viewBox").split(" ");
    const ground = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    for (const [name, value] of Object.entries({ x: left, y: top, width, height, fill: getComputedStyle(document.body).backgroundColor })) ground.setAttribute(name, value);
    copy.insertBefore(ground, copy.querySelector("desc").nextSibling);
    return { text: new XMLSerializer().serializeToString(copy), width, height };
  };
  for (const plot of document.querySelectorAll("svg[role=img]")) {
    const title = plot.querySelector("title").textContent;
    const line = make("p", "", { class: "gets" });
    for (const kind of ["SVG", "PNG"]) {
      const button = make("button", kind, { type: "button", class: "get", "aria-label": `Download the plot "${title}" as ${kind}` });
      button.addEventListener("click", () => {
        const drawn = standAlone(plot);
        if (kind === "SVG") { save(drawn.text, "image/svg+xml", fileName(title, "svg")); return; }
        const image = new Image();
        image.addEventListener("load", () => {
          const canvas = make("canvas");
          const factor = Math.max(2, 1200 / drawn.width);
          canvas.width = drawn.width * factor;
          canvas.height = drawn.height * factor;
          canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
          canvas.toBlob((blob) => save(blob, "image/png", fileName(title, "png")), "image/png");
        });
        image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(drawn.text)}`;
      });
      line.append(button);
    }
    plot.after(line);
  }
  document.documentElement.classList.add("ready");
})();
