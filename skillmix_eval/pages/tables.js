"use strict";
// Tables that are sorted by a press on a heading; a leaderboard's are also filtered by model, with its curves.
const sortKey = cell => {
  const number = parseFloat(cell.textContent.replace(",", ""));
  return Number.isNaN(number) ? cell.textContent : number;
};

function sortable(table) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  heads.forEach((head, column) => {
    const button = el("button", { type: "button", className: "sort" }, head.textContent);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      heads.forEach(h => h.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].map(row => [sortKey(row.cells[column]), row]);
      rows.sort(([a], [b]) => (typeof a === typeof b ? (a < b ? -1 : a > b) : typeof a === "number" ? 1 : -1) * (down ? -1 : 1));
      body.append(...rows.map(([, row]) => row));
    });
  });
}

function narrowed(board) {
  const table = board.querySelector("table");
  if (table.tBodies[0].rows.length < 3) return;
  const input = el("input", { type: "search", placeholder: "part of a name" });
  const show = words => words.toLowerCase().includes(input.value.toLowerCase());
  input.addEventListener("input", () => {
    for (const row of table.tBodies[0].rows) row.hidden = !show(row.cells[3].textContent);
    for (const panel of board.querySelectorAll("figure[data-chart=curves] svg")) panel.toggleAttribute("data-off", !show(panel.querySelector(".title").textContent));
  });
  table.closest(".table").before(el("p", { className: "filters" }, el("label", {}, "Models", input)));
}

document.querySelectorAll(".table table").forEach(sortable);
document.querySelectorAll(".board").forEach(narrowed);
