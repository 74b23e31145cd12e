// Whom to shop as: a field that offers shoppers while one types, for the keyboard too.

import { say } from "/static/languages.js";
import { ask, make } from "/static/parts.js";
import { face } from "/static/pictures.js";

const finder = document.getElementById("find");
const found = document.getElementById("found");
// Told by the page: who it is now, what to do with whom was chosen, where faults are said.
let current = () => null;
let choose = () => {};
let report = () => {};

export function onChoice(told) {
  ({ current, choose, say: report } = told);
}

let asked = 0;

async function find() {
  const turn = ++asked;
  const words = finder.value === current() ? "" : finder.value.trim();
  try {
    const sample = await ask(`/v1/shoppers?limit=10&q=${encodeURIComponent(words)}`);
    if (turn !== asked) return;
    const options = sample.shoppers.map((id, place) => option(id, place));
    if (words && !sample.shoppers.includes(words)) options.push(option(words, options.length, say("as a new shopper")));
    found.replaceChildren(...options);
    if (!options.length) found.append(make("li", { class: "hint", text: say("Nobody found: type an id.") }));
    found.hidden = false;
    finder.setAttribute("aria-expanded", "true");
  } catch (error) {
    report(error.message, true);
  }
}

function option(id, place, note) {
  return make("li", { id: `option-${place}`, role: "option", "aria-selected": "false", "data-id": id, on: { mousedown: (event) => { event.preventDefault(); choose(id); } } },
    face(id), make("span", { text: id }), note && make("small", { text: note }));
}

export function closeFinder() {
  asked++;
  found.hidden = true;
  finder.setAttribute("aria-expanded", "false");
  finder.removeAttribute("aria-activedescendant");
}

// Whether somebody is about to choose, whose words and offers are theirs.
export function isLooking() {
  return document.activeElement === finder;
}

// Nobody was chosen: the field says again who shops.
function leave() {
  closeFinder();
  finder.value = current() ?? "";
}

function step(by) {
  const options = [...found.querySelectorAll("[role=option]")];
  if (!options.length) return;
  const now = options.findIndex((one) => one.getAttribute("aria-selected") === "true");
  const next = (now + by + options.length + (now < 0 && by < 0 ? 1 : 0)) % options.length;
  options.forEach((one, place) => one.setAttribute("aria-selected", String(place === next)));
  finder.setAttribute("aria-activedescendant", options[next].id);
  options[next].scrollIntoView({ block: "nearest" });
}

finder.addEventListener("focus", () => { finder.select(); find(); });
finder.addEventListener("input", find);
finder.addEventListener("blur", leave);
finder.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    if (found.hidden) find(); else step(event.key === "ArrowDown" ? 1 : -1);
  } else if (event.key === "Enter") {
    const chosen = found.querySelector("[aria-selected=true]")?.dataset.id ?? finder.value.trim();
    if (chosen) { choose(chosen); document.getElementById("list").focus({ preventScroll: true }); }
  } else if (event.key === "Escape") {
    event.preventDefault(); // it would empty the field
    leave();
  }
});
