"use strict";
// A run as it goes on: asked for every second, until it is finished and its page is there.
async function look() {
  const answer = await fetch(`../api/runs/${at("live").dataset.number}`).catch(() => null);
  if (!answer || !answer.ok) {
    at("count").value = "The server does not answer.";
    return setTimeout(look, 1000);
  }
  const found = await answer.json();
  if (found.finished) return location.reload();
  at("bar").max = found.total || 1;
  at("bar").value = found.done;
  at("count").value = `${found.done} of ${found.total} texts`;
  at("rows").replaceChildren(...found.by_k.map(row => el("tr", {}, el("th", { scope: "row" }, `${row.k}`),
    el("td", {}, `${row.texts}`), el("td", {}, `${row.scored}`), el("td", {}, row.full))));
  at("last").replaceChildren(...found.last.map(text => el("div", {},
    el("p", { className: "note" }, `k = ${text.k}, ${text.status}, full marks: ${text.full === null ? "unscored" : text.full ? "yes" : "no"}`),
    el("p", { className: "text", dir: "auto" }, text.text))));
  return setTimeout(look, 1000);
}
look();
