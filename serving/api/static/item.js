// The page of one item: what it is, who of one's friends has it, what is like it, what goes with it.

import { say } from "/static/languages.js";
import { loadInvitees, shareWith } from "/static/invite.js";
import { ask, leaf, make, money, path, percent, tongue } from "/static/parts.js";
import { face, picture } from "/static/pictures.js";
import { bar, lifted, why } from "/static/reasons.js";

const BESIDE = 5;

// What the page needs; each list may fail by itself.
export async function loadItem(user, id) {
  const nothing = () => ({ items: [] });
  const [about, alike, beside, invitees] = await Promise.all([
    ask(path("users", user, "items", id)),
    ask(`${path("items", id, "similar")}?k=${BESIDE}`).catch(nothing),
    ask(`${path("users", user, "recommendations")}?k=${BESIDE}&surface=product&item_id=${encodeURIComponent(id)}`).catch(nothing),
    loadInvitees(user, id),
  ]);
  return { about, alike: alike.items, beside: beside.items, invitees };
}

// Only what reasons may tell: named friends, or a number where it betrays nobody.
function whoHasIt({ item, reasons }) {
  const having = reasons.filter((reason) => reason.kind === "friend" && reason.item_id === item.item_id);
  if (!having.length) return make("p", { class: "hint", text: say("None of the people you know has this, as far as we may tell.") });
  return make("ul", { class: "having" }, ...having.map((reason) => make("li", {},
    reason.friend ? face(reason.friend) : make("i", { class: "dot friend" }), make("span", { text: reason.text }))));
}

function shelf(title, entries, card, about) {
  if (!entries.length) return null;
  return make("section", { class: "shelf" }, make("h2", { text: title }),
    make("ul", { class: "row" }, ...entries.map((entry) => card(entry.item, about(entry), { reasons: entry.reasons }))));
}

// `acts` are buttons: what they say, what they are called for a reader, what they do. `rule` is what lifted it in the list.
export function itemPage({ about, alike, beside, invitees }, acts, card, rule) {
  const { item, reasons } = about;
  const title = make("h1", { id: "item-title", class: "item-name", text: item.title, ...tongue(item.title) });
  return [
    make("div", { class: "item-head" },
      make("div", { class: "shot" }, picture(item), lifted(rule)),
      make("div", { class: "item-body" },
        make("p", { class: "kind", text: (item.category ?? "").replaceAll("/", " \u203a ") }, make("span", { class: "price", text: money(item.price) })),
        title,
        make("p", { class: "lead", text: [item.brand, item.description].filter(Boolean).join(". "), ...tongue(item.description) }),
        !item.available && make("p", { class: "gone", text: say("Not for sale at the moment") }),
        make("div", { class: "actions" }, ...acts.map(({ text, label, name = "", act }) => make("button", { type: "button", class: name, text, "aria-label": label, on: { click: act } }))),
        make("h2", { text: say("Who of the people you know has it") }), whoHasIt(about),
        make("h2", { text: say("Share with") }), shareWith(about.user_id, item, invitees),
        make("h2", { text: say("Why it suits you, or not") }), bar(reasons), why(reasons))),
    shelf(say("Goes with it, for you"), beside, card, (entry) => leaf(entry.item.category)),
    shelf(say("Similar items"), alike, card, (entry) => say("{category} · {share} alike", { category: leaf(entry.item.category), share: percent(Math.max(entry.similarity, 0)) })),
  ].filter(Boolean);
}
