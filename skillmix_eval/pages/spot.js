"use strict";
// One text at a time. Each key becomes a label that is sent at once; what cannot be sent waits in the browser's
// storage, so that neither a closed window nor a stopped server loses anything.
const token = document.querySelector("meta[name=token]").content, run = at("spot").dataset.run;
const WAITING = "skillmix-waiting", CHOICES = [["y", true, "Met"], ["n", false, "Not met"], ["u", null, "Unsure"]];
const rater = at("rater");
let state = null, item = 0, sending = null, behind = false, busy = false;

rater.value ||= localStorage.getItem("skillmix-rater") || "";
const waiting = () => JSON.parse(localStorage.getItem(WAITING) || "[]");
const keep = labels => localStorage.setItem(WAITING, JSON.stringify(labels));

function trouble(words) {
  at("trouble").hidden = !words;
  at("trouble").textContent = words;
}

async function ask(path, body) {
  const headers = { "x-token": token, "content-type": "application/json" };
  return fetch(path, body ? { method: "POST", headers, body: JSON.stringify(body) } : {});
}

async function send() { // in order, one after the other; a failed one is tried again
  for (let labels = waiting(); labels.length; labels = waiting()) {
    const answer = await ask("api/label", labels[0]).catch(() => null);
    if (!answer || answer.status === 403 || answer.status >= 500) {
      trouble(answer && answer.status === 403
        ? `The server was started anew: open the address that it printed. ${labels.length} labels wait in this browser and are sent then.`
        : `Not saved yet: the server does not answer. ${labels.length} labels wait in this browser; start it again with the same --port.`);
      setTimeout(() => flush(), 2000);
      return false;
    }
    if (!answer.ok) trouble(`A label was refused: ${await answer.text()}`);
    keep(waiting().slice(1));
    if (answer.ok) trouble("");
  }
  if (behind) {
    behind = false;
    setTimeout(load);
  }
  return true;
}
const flush = () => sending ||= send().finally(() => { sending = null; });

async function load(wanted) {
  localStorage.setItem("skillmix-rater", rater.value);
  if (!rater.value.trim()) {
    trouble("Write your name into the field Rater first.");
    rater.focus();
    return;
  }
  const query = new URLSearchParams({ rater: rater.value, ...(run && { run }), ...(wanted !== undefined && { at: wanted }) });
  const answer = await ask(`api/spot?${query}`).catch(() => null);
  if (!answer || !answer.ok) {
    trouble(answer ? await answer.text() : "The server does not answer.");
    return;
  }
  if (!waiting().length) trouble("");
  state = await answer.json();
  busy = false;
  for (const label of waiting()) if (label.text === state.task.key) state.labels[label.item] = label;
  const open = state.task.items.findIndex(i => !(i.item in state.labels));
  item = Math.max(0, open);
  draw();
}

function draw() {
  const { task, labels } = state;
  at("topic").textContent = `Topic: ${task.topic}`;
  at("text").textContent = task.text;
  at("bar").max = state.total;
  at("bar").value = state.done;
  at("count").value = `text ${state.at + 1} of ${state.total}, ${state.done} decided`;
  at("gain").textContent = state.gain;
  at("items").replaceChildren(...task.items.map((about, n) => row(about, n, labels[about.item])));
}

function row(about, n, label) {
  const box = el("fieldset", { className: n === item ? "item here" : "item" }, el("legend", {}, el("bdi", {}, about.label)),
    about.definition ? el("p", { className: "note" }, about.definition) : "",
    about.example ? el("p", { className: "note" }, "For example: ", el("q", {}, about.example)) : "");
  const buttons = CHOICES.map(([key, met, words]) => {
    const button = el("button", { type: "button", className: `choice ${key}` }, words, " ", el("kbd", {}, key.toUpperCase()));
    button.setAttribute("aria-pressed", label ? `${label.met === met}` : "false");
    button.addEventListener("click", () => { item = n; decide(met); });
    return button;
  });
  const note = el("input", { className: "remark", value: label?.note || "", placeholder: "note", maxLength: 2000 });
  note.setAttribute("aria-label", `Note on ${about.label}`);
  note.addEventListener("change", () => { if (label) put(n, label.met, note.value); });
  box.append(el("div", { className: "choices" }, ...buttons, note));
  if (n === item) box.setAttribute("aria-current", "true");
  return box;
}

function put(n, met, note) {
  const label = { rater: rater.value, text: state.task.key, item: state.task.items[n].item, met, note };
  state.labels[label.item] = { met, note };
  keep([...waiting(), label]);
  return flush();
}

function decide(met) {
  const box = at("items").children[item], decided = Object.keys(state.labels).length;
  const sent = put(item, met, box.querySelector(".remark").value);
  const complete = state.task.items.every(i => i.item in state.labels);
  if (item + 1 < state.task.items.length) item += 1;
  draw();
  if (complete && decided < state.task.items.length) {
    busy = true; // until the next text is there, so that no quick key falls on this one
    sent.then(kept => { if (kept) load(); else behind = true; });
  }
}

async function undo() {
  if (!(await flush())) return;
  const answer = await ask("api/undo", { rater: rater.value, run: run ? Number(run) : null });
  const found = await answer.json();
  if (found.at === null) return;
  await load(found.at);
  item = Math.max(0, state.task.items.findIndex(i => i.item === found.item));
  draw();
}

function move(step) {
  item = Math.max(0, Math.min(state.task.items.length - 1, item + step));
  draw();
  at("items").children[item].scrollIntoView({ block: "nearest" });
}

addEventListener("keydown", event => {
  if (event.target.matches("input, textarea")) {
    if (event.key === "Escape" || event.key === "Enter") event.target.blur();
    return;
  }
  if (!state || busy || event.ctrlKey || event.metaKey || event.altKey) return;
  const choice = CHOICES.find(([key]) => key === event.key.toLowerCase());
  const does = choice ? () => decide(choice[1]) : {
    z: undo, o: () => at("items").children[item].querySelector(".remark").focus(),
    ArrowDown: () => move(1), ArrowUp: () => move(-1),
    ArrowRight: () => load(state.at + 1), ArrowLeft: () => load(Math.max(0, state.at - 1)),
  }[event.key];
  if (!does) return;
  event.preventDefault();
  does();
});
at("undo").addEventListener("click", undo);
at("after").addEventListener("click", () => load(state.at + 1));
at("before").addEventListener("click", () => load(Math.max(0, state.at - 1)));
rater.addEventListener("change", () => load());
flush().then(() => load());
