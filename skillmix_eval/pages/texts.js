"use strict";
// Texts in the page: an index for filters, and parts that are read when they are looked at. All words from
// models and files become text nodes, never markup.
const PAGE = 25;
const json = id => JSON.parse(document.getElementById(id).textContent);

function el(tag, properties, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children.filter(child => child !== null && child !== ""));
  return node;
}

class Texts {
  constructor(id) {
    this.id = id;
    this.parts = [];
    this.about = json(id);
    this.n = this.about.k.length;
  }
  async part(number) { return this.parts[number] ??= this.read(document.getElementById(`${this.id}-${number}`)); }
  async read(block) {
    if (!("packed" in block.dataset)) return JSON.parse(block.textContent);
    const bytes = Uint8Array.from(atob(block.textContent), c => c.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
  }
  async row(n) { return (await this.part(Math.floor(n / this.about.size)))[n % this.about.size]; }
  skills(n) { return this.about.skill[n].map(s => this.about.skills[s]); }
  topic(n) { return this.about.topics[this.about.topic[n]]; }
  status(n) { return this.about.statuses[this.about.status[n]]; }
  full(n) { return ["no", "yes", "unscored"][this.about.full[n]]; }
  points(n) {
    const points = this.about.points[n];
    return points ? `${[...points].filter(p => p === "1").length}/${points.length}` : "unscored";
  }
  key(n) { return `${this.about.question[n]}.${this.about.text[n]}`; }
  items(n) { return [...this.skills(n), ...this.about.items]; }
}

// Where in the text a skill shows: code's own spans, else the judge's quote. Python counts code points.
function spans(chars, text, verdicts, skills) {
  const found = [];
  verdicts.slice(0, skills).forEach(([met, , quote, span], item) => {
    if (!met) return;
    let [from, to] = span || [-1, -1];
    const at = !span && quote ? text.indexOf(quote) : -1;
    if (at >= 0) {
      from = [...text.slice(0, at)].length;
      to = from + [...quote].length;
    }
    if (from >= 0 && to > from && to <= chars.length) found.push({ item, from, to });
  });
  return found;
}

function marked(text, verdicts, skills) {
  const chars = [...text], found = spans(chars, text, verdicts, skills);
  const cuts = [...new Set([0, chars.length, ...found.flatMap(s => [s.from, s.to])])].sort((a, b) => a - b);
  const shown = el("p", { className: "text", dir: "auto" });
  for (let i = 0; i + 1 < cuts.length; i++) {
    const words = chars.slice(cuts[i], cuts[i + 1]).join("");
    const here = found.filter(s => s.from <= cuts[i] && cuts[i + 1] <= s.to);
    if (!here.length) { shown.append(words); continue; }
    const mark = el("mark", {}, words);
    mark.dataset.items = ` ${here.map(s => s.item).join(" ")} `;
    mark.style.boxShadow = here.slice(0, 3).map((s, level) => `inset 0 ${-3 * (level + 1)}px var(--u${s.item % 7})`).join(",");
    shown.append(mark);
    for (const s of here.filter(s => s.to === cuts[i + 1])) shown.append(el("sup", {}, `${s.item + 1}`));
  }
  return shown;
}

function listed(labels, verdicts, shown) {
  const list = el("ol", { className: "items" });
  verdicts.forEach(([met, reason, quote, , votes], item) => {
    const line = el("li", { className: met ? "yes" : "no" },
      el("span", { className: "mark", ariaHidden: "true" }, met ? "✓" : "✗"),
      el("strong", {}, labels[item]), el("span", { className: "hidden" }, met ? " met" : " not met"),
      votes ? ` (${votes} gradings)` : "", reason ? `: ${reason}` : "",
      quote ? el("q", { dir: "auto" }, quote) : "");
    const point = on => shown.querySelectorAll(`mark[data-items~="${item}"]`).forEach(m => m.classList.toggle("lit", on));
    line.addEventListener("pointerenter", () => point(true));
    line.addEventListener("pointerleave", () => point(false));
    list.append(line);
  });
  return list;
}

async function body(texts, n) {
  const row = await texts.row(n), verdicts = row.v || [], shown = marked(row.t, verdicts, texts.about.k[n]);
  return el("div", {}, shown, row.w ? el("p", { className: "note" }, row.w) : "",
    verdicts.length ? listed(texts.items(n), verdicts, shown) : "",
    row.d ? el("details", { className: "draft" }, el("summary", {}, "First draft"), el("p", { className: "text", dir: "auto" }, row.d)) : "");
}

function summary(texts, n) {
  const status = texts.status(n), full = texts.full(n);
  return [el("span", { className: `points ${full}` }, texts.points(n)), el("span", { className: "k" }, `k = ${texts.about.k[n]}`),
    el("bdi", {}, texts.topic(n)), el("bdi", { className: "skills" }, texts.skills(n).join(", ")),
    status === "ok" ? "" : el("span", { className: "status" }, status)];
}

const preview = async (texts, n) => {
  const words = (await texts.row(n)).t.slice(0, 200).replace(/\s+/g, " ");
  return el("bdi", { className: "preview" }, words);
};

const distinct = values => [...new Set(values)];
const filtersOf = texts => [
  { name: "k", label: "k", options: distinct(texts.about.k), test: (n, v) => `${texts.about.k[n]}` === v },
  { name: "skill", label: "Skill", options: [...texts.about.skills].sort(), test: (n, v) => texts.skills(n).includes(v) },
];

function oneRun(texts) {
  return {
    n: texts.n,
    filters: [...filtersOf(texts),
      { name: "full", label: "Full marks", options: ["yes", "no", "unscored"], test: (n, v) => texts.full(n) === v },
      { name: "status", label: "Status", options: distinct(texts.about.status).map(s => texts.about.statuses[s]), test: (n, v) => texts.status(n) === v },
      { name: "gradings", label: "Gradings", options: ["disagree", "agree"], test: (n, v) => (texts.about.split[n] === 1) === (v === "disagree"), hide: !texts.about.split.includes(1) },
    ],
    words: async n => [(await texts.row(n)).t, texts.topic(n), ...texts.skills(n)].join("\n"),
    summary: n => summary(texts, n),
    preview: n => preview(texts, n),
    body: async n => {
      const shown = await body(texts, n);
      shown.append(el("p", { className: "note" }, el("a", { href: `#text=${texts.key(n)}` }, "Link to this text")));
      return shown;
    },
    key: n => texts.key(n),
  };
}

// A form of filters, a search and a list that is filled page by page.
class Browser {
  constructor(root, source) {
    Object.assign(this, { root, source, at: 0, turn: 0, rows: [] });
    this.form = el("form", { className: "filters" });
    this.form.setAttribute("role", "search");
    for (const { name, label, options, hide } of source.filters) {
      if (hide || options.length < 2) continue;
      const select = el("select", { name }, el("option", { value: "" }, "all"), ...options.map(o => el("option", { value: `${o}` }, `${o}`)));
      this.form.append(el("label", {}, label, select));
    }
    this.form.append(el("label", { className: "wide" }, "Search", el("input", { type: "search", name: "words", placeholder: "words in texts, skills, topics" })));
    this.count = el("output", { className: "note" });
    this.list = el("div", { className: "rows" });
    this.before = el("button", { type: "button" }, "← Previous");
    this.after = el("button", { type: "button" }, "Next →");
    this.before.addEventListener("click", () => this.turnTo(this.at - PAGE));
    this.after.addEventListener("click", () => this.turnTo(this.at + PAGE));
    root.replaceChildren(this.form, this.count, this.list, el("p", { className: "pager" }, this.before, this.after));
    let wait = 0;
    this.form.addEventListener("input", event => {
      clearTimeout(wait);
      wait = setTimeout(() => this.search(), event.target.name === "words" ? 150 : 0);
    });
    this.form.addEventListener("submit", event => event.preventDefault());
    this.search();
  }
  async search() {
    const turn = ++this.turn, given = new FormData(this.form), words = (given.get("words") || "").toLowerCase().trim();
    const active = this.source.filters.filter(f => given.get(f.name));
    const rows = [];
    for (let n = 0; n < this.source.n; n++) if (active.every(f => f.test(n, given.get(f.name)))) rows.push(n);
    if (!words) return this.found(rows, false);
    this.count.value = "searching …";
    const hits = [];
    let shown = performance.now();
    for (const n of rows) {
      if ((await this.source.words(n)).toLowerCase().includes(words)) hits.push(n);
      if (performance.now() - shown > 300) { // a long search shows what it has, and lets go of the page
        this.found([...hits], true);
        await new Promise(resolve => setTimeout(resolve));
        shown = performance.now();
      }
      if (turn !== this.turn) return undefined;
    }
    return this.found(hits, false);
  }
  found(rows, more) {
    this.rows = rows;
    this.more = more;
    this.turnTo(0);
  }
  turnTo(at) {
    this.at = Math.max(0, Math.min(at, this.rows.length - 1));
    this.at -= this.at % PAGE;
    const here = this.rows.slice(this.at, this.at + PAGE);
    this.list.replaceChildren(...here.map(n => this.row(n)));
    this.before.disabled = this.at <= 0;
    this.after.disabled = this.at + PAGE >= this.rows.length;
    const many = this.rows.length.toLocaleString("en"), range = here.length ? `${this.at + 1}–${this.at + here.length} of ` : "";
    this.count.value = `${range}${many}${this.rows.length < this.source.n ? ` found among ${this.source.n.toLocaleString("en")}` : ""}${this.more ? ", searching …" : ""}`;
  }
  row(n, open = false) {
    const row = el("details", { className: "row" }, el("summary", {}, ...this.source.summary(n)));
    const fill = async () => {
      if (row.open && row.children.length === 1) row.append(await this.source.body(n));
    };
    row.addEventListener("toggle", fill);
    this.source.preview(n).then(words => row.firstChild.append(words));
    row.dataset.key = this.source.key(n);
    row.open = open;
    return row;
  }
  show(key) { // a link to one text: page.html#text=QUESTION.INDEX
    for (let n = 0; n < this.source.n; n++) {
      if (this.source.key(n) !== key) continue;
      this.rows = [n];
      this.turnTo(0);
      this.list.replaceChildren(this.row(n, true));
      this.list.scrollIntoView();
    }
  }
}

const single = document.getElementById("browse");
if (single) {
  const browser = new Browser(single, oneRun(new Texts("texts")));
  const follow = () => location.hash.startsWith("#text=") && browser.show(decodeURIComponent(location.hash.slice(6)));
  addEventListener("hashchange", follow);
  follow();
}
