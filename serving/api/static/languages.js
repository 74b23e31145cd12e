// The page in the reader's language: sentences out of the same catalogues as reasons come from.

const KEPT = "coterie_language"; // serving/api/storefront.py reads it
// What the server made of the address, of what was chosen before, and of the browser's languages: the page came in it.
export const language = document.documentElement.lang;
let catalogue = { entries: {}, forms: [] };

export const marked = (sentence) => sentence;
// Several short ones after each other, as the language does it.
export const listed = (parts) => new Intl.ListFormat(language, { style: "narrow", type: "unit" }).format(parts);
const filled = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place);

export const say = (sentence, values = {}) => filled(catalogue.entries[sentence] || sentence, values);

export function count(one, many, num, values = {}) {
  // What nobody translated yet is said in English, which counts as English does.
  const forms = catalogue.entries[one];
  const said = forms ? forms[catalogue.forms[num < 200 ? num : 100 + (num % 100)]] : num === 1 ? one : many;
  return filled(said, { num, ...values });
}

function keep(chosen) {
  document.cookie = `${KEPT}=${chosen}; path=/; max-age=31536000; samesite=lax`;
  const url = new URL(location);
  url.hash = ""; // with one the page would not be loaded again
  // A browser may keep nothing: then the address does.
  if (document.cookie.includes(`${KEPT}=${chosen}`)) url.searchParams.delete("lang"); else url.searchParams.set("lang", chosen);
  location.replace(url);
}

export async function beginLanguage() {
  const choice = document.getElementById("language");
  choice.value = language;
  choice.addEventListener("change", () => keep(choice.value));
  const answer = await fetch(`/languages/${language}`).catch(() => null);
  if (answer?.ok) catalogue = await answer.json();
}
