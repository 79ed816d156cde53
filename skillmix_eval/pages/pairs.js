"use strict";
// Two models on the same questions, text next to text.
function twoRuns(a, b) {
  const there = new Map();
  for (let n = 0; n < b.n; n++) there.set(b.key(n), n);
  const rows = [];
  for (let n = 0; n < a.n; n++) if (there.has(a.key(n))) rows.push([n, there.get(a.key(n))]);
  const outcome = ([x, y]) => ["neither", "only the second", "only the first", "both"][2 * (a.full(x) === "yes") + (b.full(y) === "yes")];
  const aside = (texts, n, label) => body(texts, n).then(shown =>
    el("section", {}, el("h3", {}, el("bdi", {}, label), " ", el("span", { className: `points ${texts.full(n)}` }, texts.points(n))), shown));
  return {
    n: rows.length,
    filters: [...filtersOf(a).map(f => ({ ...f, test: (n, v) => f.test(rows[n][0], v) })),
      { name: "full", label: "Full marks", options: ["only the first", "only the second", "both", "neither"],
        test: (n, v) => a.full(rows[n][0]) !== "unscored" && b.full(rows[n][1]) !== "unscored" && outcome(rows[n]) === v },
    ],
    words: async n => [(await a.row(rows[n][0])).t, (await b.row(rows[n][1])).t, a.topic(rows[n][0]), ...a.skills(rows[n][0])].join("\n"),
    summary: n => {
      const [x, y] = rows[n], [first, ...rest] = summary(a, x);
      return [first, el("span", { className: `points ${b.full(y)}` }, b.points(y)), ...rest];
    },
    preview: n => preview(a, rows[n][0]),
    body: async n => el("div", { className: "pair" }, await aside(a, rows[n][0], a.about.label), await aside(b, rows[n][1], b.about.label)),
    key: n => a.key(rows[n][0]),
  };
}

for (const root of document.querySelectorAll("[data-pairs]")) {
  const all = root.dataset.pairs.split(" "), kept = new Map(), place = root.querySelector(".browse");
  const get = id => kept.get(id) || kept.set(id, new Texts(id)).get(id);
  const [first, second] = root.querySelectorAll("select");
  const show = () => {
    const browser = new Browser(place, twoRuns(get(first.value), get(second.value)));
    const wanted = root.dataset.full;
    if (wanted) {
      browser.form.elements.full.value = wanted;
      browser.search();
    }
  };
  first.value = all[0];
  second.value = all[1];
  first.addEventListener("change", show);
  second.addEventListener("change", show);
  show();
}
