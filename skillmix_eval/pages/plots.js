"use strict";
// The two charts of all pages, on D3: curves over k with bands, and values with intervals. Each <figure
// data-chart> holds its data as JSON; its table stands beside it. Colours are CSS variables.
const draw = {
  curves(box, data, width) {
    const wide = Math.max(230, Math.min(380, width / Math.min(data.panels.length, Math.max(1, Math.floor(width / 260))) - 16));
    for (const panel of data.panels) curve(box, panel, data, wide, 210);
  },
  values(box, data, width) { intervals(box, data, Math.min(width, 720)); },
};

function svg(box, width, height, label) {
  return d3.select(box).append("svg").attr("viewBox", `0 0 ${width} ${height}`).attr("width", width)
    .attr("height", height).attr("role", "img").attr("aria-label", label);
}

function axis(parent, made, shift, grid) {
  const g = parent.append("g").attr("class", "axis").attr("transform", shift).call(made);
  g.attr("font-family", null).attr("font-size", null).select(".domain").remove();
  g.selectAll(".tick line").attr("class", grid ? "grid" : "tickmark");
}

const said = p => `${p.value.toFixed(2)} [${p.low.toFixed(2)}, ${p.high.toFixed(2)}], n = ${p.n}`;

function curve(box, panel, data, width, height) {
  const [left, right, top, bottom] = [34, 10, 26, 34];
  const x = d3.scalePoint(data.ks, [left, width - right]).padding(0.35);
  const y = d3.scaleLinear([0, 1], [height - bottom, top]);
  const own = panel.series[panel.series.length - 1];
  const root = svg(box, width, height, `${panel.title}: ` +
    own.points.map(p => `k = ${p.x}: ${said(p)}`).join("; "));
  root.append("text").attr("class", "title").attr("x", left).attr("y", 15).text(panel.title);
  axis(root, d3.axisLeft(y).tickValues([0, .25, .5, .75, 1]).tickFormat(v => `${v}`)
    .tickSize(left + right - width), `translate(${left},0)`, true);
  axis(root, d3.axisBottom(x).tickSize(4), `translate(0,${height - bottom})`, false);
  root.append("text").attr("class", "name").attr("x", (left + width - right) / 2).attr("y", height - 3)
    .attr("text-anchor", "middle").text("number of skills k");
  for (const series of panel.series) {
    const faint = series !== own, colour = faint ? "var(--faint)" : `var(--c${series.colour % 4})`;
    if (!faint) {
      root.append("path").attr("class", "band").attr("fill", colour)
        .attr("d", d3.area(p => x(p.x), p => y(p.low), p => y(p.high))(own.points));
    }
    root.append("path").attr("class", faint ? "line faint" : "line").attr("stroke", colour)
      .attr("d", d3.line(p => x(p.x), p => y(p.value))(series.points));
    for (const p of faint ? [] : own.points) {
      root.append("line").attr("class", "whisker").attr("stroke", colour).attr("x1", x(p.x)).attr("x2", x(p.x))
        .attr("y1", y(p.low)).attr("y2", y(p.high));
      root.append("circle").attr("r", 3.5).attr("fill", colour).attr("cx", x(p.x)).attr("cy", y(p.value))
        .append("title").text(`k = ${p.x}: ${said(p)}`);
    }
  }
}

function intervals(box, data, width) {
  const row = 24, top = 22, ends = data.ends, narrow = width < 480;
  const longest = Math.max(...data.rows.map(r => r.label.length)) * 6.9 + 16;
  const left = narrow ? 8 : Math.min(280, width * 0.4, longest), right = narrow ? 16 : 150;
  const step = narrow ? 40 : row, height = top + step * data.rows.length + 26;
  const x = d3.scaleLinear(ends, [left, width - right]);
  const root = svg(box, width, height, `${data.title}: ` + data.rows.map(r => `${r.label} ${said(r)}`).join("; "));
  root.append("text").attr("class", "title").attr("x", narrow ? 8 : 0).attr("y", 15).text(data.title);
  const ticks = d3.axisBottom(x).ticks(narrow ? 4 : 6).tickSize(-step * data.rows.length - 4);
  axis(root, ticks, `translate(0,${height - 22})`, true);
  if (ends[0] < 0) {
    root.append("line").attr("class", "zero").attr("x1", x(0)).attr("x2", x(0)).attr("y1", top).attr("y2", height - 22);
  }
  data.rows.forEach((r, i) => {
    const middle = top + step * (i + 1) - (narrow ? 9 : row / 2) + 2;
    const label = root.append("text").attr("class", "name").attr("x", narrow ? 8 : left - 10)
      .attr("y", narrow ? middle - 12 : middle + 4).attr("text-anchor", narrow ? "start" : "end")
      .text(cut(r.label, narrow ? 28 : Math.floor(left / 6.6)));
    label.append("title").text(r.label);
    root.append("line").attr("class", "whisker").attr("stroke", "var(--c0)").attr("x1", x(r.low)).attr("x2", x(r.high))
      .attr("y1", middle).attr("y2", middle);
    root.append("circle").attr("r", 4).attr("class", r.hollow ? "hollow" : "").attr("stroke", "var(--c0)")
      .attr("fill", r.hollow ? "var(--page)" : "var(--c0)").attr("cx", x(r.value)).attr("cy", middle)
      .append("title").text(`${r.label}: ${said(r)}`);
    root.append("text").attr("class", "value").attr("x", width - (narrow ? 8 : 0)).attr("text-anchor", "end")
      .attr("y", narrow ? middle - 12 : middle + 4).text(`${r.value.toFixed(2)} [${r.low.toFixed(2)}, ${r.high.toFixed(2)}]`);
  });
}

const cut = (words, most) => words.length > most ? words.slice(0, most - 1) + "…" : words;

// A drawing on its own: what CSS gives it is written into it.
const KEPT = ["fill", "stroke", "stroke-width", "stroke-dasharray", "fill-opacity", "font-size", "font-weight", "font-family"];
function standalone(drawn) {
  const copy = drawn.cloneNode(true), from = [drawn, ...drawn.querySelectorAll("*")];
  [copy, ...copy.querySelectorAll("*")].forEach((node, i) => {
    const style = getComputedStyle(from[i]);
    for (const name of KEPT) node.setAttribute(name, style.getPropertyValue(name));
    node.removeAttribute("class");
  });
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return copy;
}

function whole(figure) { // all panels of a figure as one drawing, in light colours
  const panels = [...figure.querySelectorAll("svg")], sizes = panels.map(p => [+p.getAttribute("width"), +p.getAttribute("height")]);
  const columns = Math.min(3, panels.length), wide = Math.max(...sizes.map(s => s[0])), high = Math.max(...sizes.map(s => s[1]));
  const root = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const [width, height] = [wide * columns, high * Math.ceil(panels.length / columns)];
  root.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  root.setAttribute("viewBox", `0 0 ${width} ${height}`);
  root.setAttribute("width", width);
  root.setAttribute("height", height);
  panels.forEach((panel, i) => {
    const copy = standalone(panel);
    copy.setAttribute("x", wide * (i % columns));
    copy.setAttribute("y", high * Math.floor(i / columns));
    root.append(copy);
  });
  return new XMLSerializer().serializeToString(root);
}

function inLight(make) {
  document.documentElement.dataset.theme = "light";
  try { return make(); } finally { delete document.documentElement.dataset.theme; }
}

async function asPng(words) {
  const image = new Image();
  image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(words);
  await image.decode();
  const canvas = document.createElement("canvas"), scale = 3;
  canvas.width = image.width * scale;
  canvas.height = image.height * scale;
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/png");
}

async function save(figure, kind) {
  const words = inLight(() => whole(figure)), link = document.createElement("a");
  link.href = kind === "svg" ? "data:image/svg+xml;charset=utf-8," + encodeURIComponent(words) : await asPng(words);
  link.download = `${figure.dataset.name}.${kind}`;
  link.click();
}

function redraw(figure) {
  const box = figure.querySelector(".drawn");
  box.replaceChildren();
  draw[figure.dataset.chart](box, JSON.parse(figure.querySelector("script").textContent), box.clientWidth || 640);
}

const figures = [...document.querySelectorAll("figure[data-chart]")];
const widths = new Map();
const watch = new ResizeObserver(seen => {
  for (const { target, contentRect } of seen) {
    const width = Math.round(contentRect.width);
    if (width && widths.get(target) !== width) {
      widths.set(target, width);
      redraw(target.closest("figure"));
    }
  }
});
for (const figure of figures) {
  redraw(figure);
  widths.set(figure.querySelector(".drawn"), figure.querySelector(".drawn").clientWidth);
  watch.observe(figure.querySelector(".drawn"));
  for (const button of figure.querySelectorAll("button[data-save]")) {
    button.addEventListener("click", () => save(figure, button.dataset.save));
  }
}
if (location.hash === "#export") { // skillmix ... --svg, --png: a headless browser reads what this leaves
  (async () => {
    const found = {};
    for (const figure of figures) {
      const words = inLight(() => whole(figure));
      found[figure.dataset.name] = { svg: words, png: await asPng(words) };
    }
    const left = document.createElement("pre");
    left.id = "exported";
    left.textContent = JSON.stringify(found);
    document.body.replaceChildren(left);
  })();
}
