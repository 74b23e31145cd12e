// What of the shop is shown: a category, a brand, a range of prices. It stands in the address.

import { say } from "/static/languages.js";
import { ask, make } from "/static/parts.js";

const FIELDS = ["category", "brand", "price_min", "price_max"];
const OFFERED = 64;
const form = document.getElementById("filters");
const clear = form.querySelector("button");

// What is chosen, as the API takes it.
export const chosen = () => Object.fromEntries(FIELDS.map((name) => [name, form.elements[name].value.trim()]).filter(([, value]) => value));
export const isFiltered = () => Object.keys(chosen()).length > 0;

// Categories with those above them, and brands: of some items, since the demonstration's shops are small.
export async function offer() {
  const { items } = await ask(`/v1/items?limit=${OFFERED}`).catch(() => ({ items: [] }));
  const paths = items.flatMap(({ category }) => (category ?? "").split("/").map((_, depth, parts) => parts.slice(0, depth + 1).join("/")));
  options("category", paths, (path) => "\u00a0\u00a0".repeat(path.split("/").length - 1) + path.split("/").at(-1));
  options("brand", items.map(({ brand }) => brand ?? ""), (brand) => brand);
}

function options(name, values, shown) {
  const select = form.elements[name];
  const known = new Set([...select.options].map((one) => one.value));
  const wanted = [...new Set(values)].filter((value) => value && !known.has(value)).sort((a, b) => a.localeCompare(b));
  select.append(...wanted.map((value) => make("option", { value, text: shown(value) })));
  select.closest("label").hidden = select.options.length < 2;
}

export function readAddress() {
  const given = new URL(location).searchParams;
  for (const name of FIELDS) {
    const value = given.get(name) ?? "";
    if (name in { category: 1, brand: 1 }) options(name, [value], (text) => text);
    form.elements[name].value = value;
  }
  clear.hidden = !isFiltered();
}

function writeAddress() {
  const url = new URL(location);
  for (const name of FIELDS) url.searchParams.delete(name);
  for (const [name, value] of Object.entries(chosen())) url.searchParams.set(name, value);
  history.replaceState(null, "", url);
  clear.hidden = !isFiltered();
}

// What is wrong is said in the page's language, which need not be the browser's.
function fits() {
  const [from, to] = [form.elements.price_min, form.elements.price_max];
  for (const field of [from, to]) field.setCustomValidity(field.validity.badInput || field.validity.rangeUnderflow ? say("A price is a number, 0 or more.") : "");
  if (from.validity.valid && to.validity.valid && from.value && to.value && Number(from.value) > Number(to.value)) to.setCustomValidity(say("No price is that low: the range begins above it."));
  return form.reportValidity();
}

// Asks anew when something else is chosen; the keyboard stays where it is.
export function onFilter(refresh) {
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", () => { if (fits()) { writeAddress(); refresh(); } });
  form.addEventListener("reset", () => setTimeout(() => { fits(); writeAddress(); form.elements.category.focus(); refresh(); }));
}
