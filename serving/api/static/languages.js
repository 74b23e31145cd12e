// The page in the reader's language: sentences out of the same catalogues as reasons come from.

const KEPT = "coterie.language";
const known = [...document.querySelectorAll("#language option")].map((option) => option.value);
const asked = new URL(location).searchParams.get("lang");
// What was chosen, else what the server made of the browser's languages.
export const language = [asked, remembered(), document.documentElement.lang, "en"].find((one) => known.includes(one));
let catalogue = { entries: {}, forms: [] };

function remembered() {
  try { return localStorage.getItem(KEPT); } catch { return null; } // a browser may keep nothing
}

export const marked = (sentence) => sentence;
const filled = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place);

export const say = (sentence, values = {}) => filled(catalogue.entries[sentence] || sentence, values);

export function count(one, many, num, values = {}) {
  const forms = catalogue.entries[one] ?? [one, many];
  const form = catalogue.forms[num < 200 ? num : 100 + (num % 100)] ?? Number(num !== 1);
  return filled(forms[form], { num, ...values });
}

// Says what stands in the page itself: text of elements with data-say, or the attribute that it names.
function sayPage() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-say]")) {
    const name = element.dataset.say;
    if (name) element.setAttribute(name, say(element.getAttribute(name)));
    else element.textContent = say(element.textContent.trim());
  }
}

export async function beginLanguage() {
  const choice = document.getElementById("language");
  choice.value = language;
  choice.addEventListener("change", () => {
    try { localStorage.setItem(KEPT, choice.value); } catch { /* then it holds for this page alone */ }
    const url = new URL(location);
    url.searchParams.set("lang", choice.value);
    location.replace(url);
  });
  const answer = await fetch(`/languages/${language}`).catch(() => null);
  if (answer?.ok) catalogue = await answer.json();
  sayPage();
}
