// Why an item is listed: in a line, as a bar of shares, and one by one.

import { listed, marked, say } from "/static/languages.js";
import { make, percent } from "/static/parts.js";
import { face } from "/static/pictures.js";

const SHARES = {
  sponsored: marked("{share} sponsored"), shop: marked("{share} the shop"), own: marked("{share} own history"),
  friend: marked("{share} friends"), popular: marked("{share} popularity"), others: marked("{share} all else"),
};
const KINDS = Object.keys(SHARES);

// What lifted an item that its own score had not put there: said at the item, whatever else is.
export const liftedBy = (reasons) => reasons?.find((reason) => reason.kind === "sponsored") ?? reasons?.find((reason) => reason.kind === "shop" && reason.contribution > 0);
export const lifted = (rule) => (rule ? make("span", { class: `tag ${rule.kind}`, text: rule.text }) : null);

const ofRules = ({ kind }) => kind === "sponsored" || kind === "shop";

export function headline(given, item) {
  // Why it suits the shopper; what rules did is on the card's tag.
  const reasons = given.some((reason) => !ofRules(reason)) ? given.filter((reason) => !ofRules(reason)) : given;
  const friends = reasons.find((reason) => reason.kind === "friend" && reason.friend && reason.item_id === item.item_id);
  const best = friends ?? reasons.find((reason) => reason.item_id || reason.category) ?? reasons[0];
  if (!best) return null;
  return make("p", { class: `headline ${best.kind}` },
    best.friend ? face(best.friend) : make("i", { class: `dot ${best.kind}` }),
    make("span", { text: best.text }));
}

function shares(reasons) {
  const sums = Object.fromEntries(KINDS.map((kind) => [kind, 0]));
  for (const reason of reasons) sums[reason.kind] += reason.share;
  return sums;
}

export function bar(reasons) {
  const sums = shares(reasons);
  const said = listed(KINDS.filter((kind) => sums[kind] > 0).map((kind) => say(SHARES[kind], { share: percent(sums[kind]) })));
  const parts = [...reasons].sort((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind)).map((reason) => {
    const part = make("span", { class: `part ${reason.kind}${reason.contribution < 0 ? " against" : ""}`, title: say("{reason}: {share}", { reason: reason.text, share: percent(reason.share) }) });
    part.style.flexGrow = Math.max(reason.share, 0.001);
    return part;
  });
  return make("div", { class: "bar", role: "img", "aria-label": say("Share of the score: {shares}", { shares: said }) }, ...parts);
}

export function why(reasons) {
  const rows = reasons.map((reason) => make("li", {},
    make("i", { class: `dot ${reason.kind}` }),
    make("span", { text: reason.contribution < 0 ? say("{reason} (speaks against it)", { reason: reason.text }) : reason.text },
      reason.likeness_text && make("small", { text: reason.likeness_text })),
    make("b", { text: percent(reason.share) })));
  return make("details", { class: "why" }, make("summary", { text: say("Why this?") }), make("ul", {}, ...rows));
}

const MATCHES = { words: marked("Found in its words"), meaning: marked("Found in what it means"), both: marked("Found in its words and in what it means") };

// What of a query an item fits.
export function matched(found) {
  if (!found) return null;
  const where = found.length > 1 ? MATCHES.both : MATCHES[found[0]];
  return make("p", { class: "headline" }, make("i", { class: "dot own" }), make("span", { text: say(where ?? "Found by your taste") }));
}
