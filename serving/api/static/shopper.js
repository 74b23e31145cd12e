// Who shops: their friends, and what they did lately.

import { count, marked, say } from "/static/languages.js";
import { ago, make, tongue } from "/static/parts.js";
import { face, picture } from "/static/pictures.js";

const VERBS = {
  view: marked("Viewed"), click: marked("Looked at"), share: marked("Shared"), cart: marked("In the cart"), review: marked("Reviewed"),
  rating: marked("Rated"), purchase: marked("Bought"), return: marked("Sent back"), dislike: marked("Not for you"),
};
// Of friends, whose history has nothing that they turned down.
const DID = {
  view: marked("Viewed {title}"), click: marked("Looked at {title}"), share: marked("Shared {title}"), cart: marked("Put {title} in the cart"),
  review: marked("Reviewed {title}"), rating: marked("Rated {title}"), purchase: marked("Bought {title}"),
};

const at = (id) => document.getElementById(id);

export function showShopper(shopper, { choose, act }) {
  at("privacy").href = `/privacy?shopper=${encodeURIComponent(shopper.user_id)}`;
  at("who").replaceChildren(
    face(shopper.user_id),
    make("div", {}, make("strong", { text: shopper.user_id }), make("span", { class: "hint", text: summary(shopper) })),
  );
  at("friends-count").textContent = shopper.num_friends || "";
  const hidden = shopper.num_friends - shopper.friends.length;
  at("friends-hint").textContent = shopper.num_friends === 0 ? say("Nobody yet.") : hidden ? count("{num} friend is not named.", "{num} friends are not named.", hidden) : "";
  at("friends").replaceChildren(...shopper.friends.slice(0, 14).map((friend) => friendChip(friend, choose)));
  at("history").replaceChildren(...shopper.history.slice(0, 12).map((entry) => historyEntry(entry, act)));
  if (!shopper.history.length) at("history").append(make("li", { class: "hint", text: say("Nothing yet. Click or buy something.") }));
}

function summary(shopper) {
  const bought = shopper.history.filter((entry) => entry.event === "purchase" && !entry.turned_down).length;
  if (!shopper.history.length) return shopper.num_friends ? say("New here, but knows people") : say("New to the shop");
  return bought ? count("{num} recent purchase", "{num} recent purchases", bought) : say("Looking around");
}

function friendChip(friend, choose) {
  const latest = friend.history[0];
  const about = latest ? say(DID[latest.event], { title: latest.item.title }) : say("nothing lately");
  return make("li", {}, make("button", {
    class: "person", type: "button", title: `${friend.user_id}: ${about}`,
    on: { click: () => choose(friend.user_id) },
  }, face(friend.user_id), make("span", {}, make("b", { text: friend.user_id }), make("small", { text: about }))));
}

// The strongest that was done is what an entry keeps: of what was bought and turned down, not how it was.
const verb = ({ event, turned_down }) => (turned_down && !["return", "dislike"].includes(event) ? say("Turned down") : say(VERBS[event]));

function historyEntry(entry, act) {
  return make("li", {},
    make("span", { class: "thumb" }, picture(entry.item)),
    make("span", { class: "what" }, make("b", { text: entry.item.title, ...tongue(entry.item.title) }),
      make("small", {}, make("span", { class: `verb ${entry.turned_down ? "against" : entry.event}`, text: verb(entry) }), ` · ${ago(entry.ts)}`)),
    entry.event === "purchase" && !entry.turned_down && make("button", {
      type: "button", class: "back", text: say("Return"), "aria-label": say("Return {title}", entry.item),
      on: { click: (event) => act(event, entry.item, "return") },
    }));
}
