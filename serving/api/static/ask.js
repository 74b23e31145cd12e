// Ask the shop in a sentence: how it was read, and what the shop has for it.

import { marked, say } from "/static/languages.js";
import { ask, leaf, money, path } from "/static/parts.js";

const READ = {
  query: marked("looked for: {query}"), category: marked("in {category}"), price_min: marked("from {price}"),
  price_max: marked("up to {price}"), recipient: marked("for {recipient}, so your own taste is left out"),
  attributes: marked("whose own texts say {words}"),
};
// The last answer: whoever buys something of it goes on in it.
let last = { of: "", answer: null };

export async function askShop(user, question) {
  const of = JSON.stringify([user, question]);
  if (last.of !== of) {
    const sent = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ question }) };
    last = { of, answer: await ask(path("users", user, "ask"), sent) };
  }
  return last.answer;
}

// Who read the question, and what of it counts. Search alone reads no more than a price.
export function readAs({ read, read_by: by, note }) {
  if (by !== "model" && read.price_max == null) return note;
  const told = Object.keys(READ).filter((name) => read[name] != null).map((name) => say(READ[name], {
    query: read.query, category: leaf(read.category), recipient: read.recipient, price: money(read[name]),
    words: (read.attributes ?? []).join(", "),
  }));
  return say("{note} ({read})", { note, read: told.join(" · ") });
}
