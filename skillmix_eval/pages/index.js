"use strict";
// Two of the runs, compared: asked for by a press.
if (at("compare")) {
  at("b").selectedIndex = 1;
  at("compare").addEventListener("click", () => { location.href = `compare?old=${at("a").value}&new=${at("b").value}`; });
}
