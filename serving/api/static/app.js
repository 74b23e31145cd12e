import { beginLanguage, count, language, marked, say } from "/static/languages.js";
import { ago, ask, leaf, make, money, path, percent, tongue } from "/static/parts.js";
import { face, picture } from "/static/pictures.js";
import { bar, headline, why } from "/static/reasons.js";

const SHOWN = 20;
const VERBS = {
  view: marked("Viewed"), click: marked("Looked at"), share: marked("Shared"), cart: marked("In the cart"), review: marked("Reviewed"),
  rating: marked("Rated"), purchase: marked("Bought"), return: marked("Sent back"), dislike: marked("Not for you"),
};
const DID = {
  view: marked("Viewed {title}"), click: marked("Looked at {title}"), share: marked("Shared {title}"), cart: marked("Put {title} in the cart"),
  review: marked("Reviewed {title}"), rating: marked("Rated {title}"), purchase: marked("Bought {title}"),
};
// What is said when an event is kept. DID is of friends, whose history has nothing that they turned down.
const DONE = {
  purchase: marked("Bought {title}."), click: marked("Looked at {title}."), return: marked("Sent back {title}."),
  dislike: marked("Not for you: {title}. It will not be shown to you again."),
};
const LEADS = {
  own: marked("From your own history, and from people you know."),
  friends: marked("You are new here: this is what your friends like."),
  popular: marked("We do not know you or your friends yet: this is what most people had."),
};
const ALIKE = { taste: marked("Liked by the same"), words: marked("Reads like it"), looks: marked("Looks like it") };
const MATCHES = { words: marked("Found in its words"), meaning: marked("Found in what it means"), both: marked("Found in its words and in what it means") };

const at = (id) => document.getElementById(id);
const state = { user: null, query: "", list: null, ranks: new Map(), turn: 0 };

/* -------------------------------------------------------------- the API */

function send(itemId, event) {
  const body = { event_id: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`, user_id: state.user, item_id: itemId, event };
  // Of the list that it follows from, where it follows from one.
  if (state.ranks.has(itemId) && event !== "return") body.list_id = state.list;
  return ask("/v1/events", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ events: [body] }) });
}

/* ---------------------------------------------------------- the shopper */

function showShopper(shopper) {
  at("who").replaceChildren(
    face(shopper.user_id),
    make("div", {}, make("strong", { text: shopper.user_id }), make("span", { class: "hint", text: summary(shopper) })),
  );
  at("friends-count").textContent = shopper.num_friends || "";
  const hidden = shopper.num_friends - shopper.friends.length;
  at("friends-hint").textContent = shopper.num_friends === 0 ? say("Nobody yet.") : hidden ? count("{num} friend is not named.", "{num} friends are not named.", hidden) : "";
  at("friends").replaceChildren(...shopper.friends.slice(0, 14).map(friendChip));
  at("history").replaceChildren(...shopper.history.slice(0, 12).map(historyEntry));
  if (!shopper.history.length) at("history").append(make("li", { class: "hint", text: say("Nothing yet. Click or buy something.") }));
}

function summary(shopper) {
  const bought = shopper.history.filter((entry) => entry.event === "purchase" && !entry.turned_down).length;
  if (!shopper.history.length) return shopper.num_friends ? say("New here, but knows people") : say("New to the shop");
  return bought ? count("{num} recent purchase", "{num} recent purchases", bought) : say("Looking around");
}

function friendChip(friend) {
  const latest = friend.history[0];
  const about = latest ? say(DID[latest.event], { title: latest.item.title }) : say("nothing lately");
  return make("li", {}, make("button", {
    class: "person", type: "button", title: `${friend.user_id}: ${about}`,
    on: { click: () => choose(friend.user_id) },
  }, face(friend.user_id), make("span", {}, make("b", { text: friend.user_id }), make("small", { text: about }))));
}

// The strongest that was done is what an entry keeps: of what was bought and turned down, not how it was.
const verb = ({ event, turned_down }) => (turned_down && !["return", "dislike"].includes(event) ? say("Turned down") : say(VERBS[event]));

function historyEntry(entry) {
  return make("li", {},
    make("span", { class: "thumb" }, picture(entry.item)),
    make("span", { class: "what" }, make("b", { text: entry.item.title, ...tongue(entry.item.title) }),
      make("small", {}, make("span", { class: `verb ${entry.turned_down ? "against" : entry.event}`, text: verb(entry) }), ` · ${ago(entry.ts)}`)),
    entry.event === "purchase" && !entry.turned_down && make("button", {
      type: "button", class: "back", text: say("Return"), "aria-label": say("Return {title}", entry.item),
      on: { click: (event) => act(event, entry.item, "return") },
    }));
}

/* -------------------------------------------------------------- the list */

function showList(list) {
  const before = new Map([...at("items").children].map((card) => [card.dataset.id, card.getBoundingClientRect()]));
  const fresh = state.ranks.size === 0;
  showHead(say("Picked for you"), say(LEADS[list.source]));
  at("items").replaceChildren(...list.items.map((entry) => productCard(entry, fresh ? null : state.ranks.get(entry.item.item_id) ?? "new")));
  if (!list.items.length) at("items").append(make("li", { class: "note", text: say("Nothing left to recommend: everything was bought.") }));
  at("items").setAttribute("aria-busy", "false");
  at("foot").textContent = say("Release {release}. Every bar is the share of the score.", list);
  if (!fresh) slide(before);
  const moved = fresh ? 0 : list.items.filter((entry) => state.ranks.get(entry.item.item_id) !== entry.rank).length;
  state.ranks = new Map(list.items.map((entry) => [entry.item.item_id, entry.rank]));
  return moved;
}

function showHead(title, lead) {
  at("list-title").textContent = title;
  at("list-title").lang = tongue(title).lang ?? language;
  at("lead").textContent = lead;
  at("back").hidden = !state.query;
  at("legend").hidden = Boolean(state.query);
}

function showFound(found) {
  const num = found.items.length;
  showHead(say("Results for “{query}”", found), num ? say("By words, by meaning, and by your taste.") : "");
  at("items").replaceChildren(...found.items.map((entry) => productCard(entry, null)));
  if (!num) at("items").append(make("li", { class: "note", text: say("Nothing fits. Try other words, in English or Chinese.") }));
  at("items").setAttribute("aria-busy", "false");
  at("foot").textContent = say("Release {release}.", found);
  state.ranks = new Map();
  return 0;
}

function matched(found) {
  if (!found) return null;
  const where = found.length > 1 ? MATCHES.both : MATCHES[found[0]];
  return make("p", { class: "headline" }, make("i", { class: "dot own" }), make("span", { text: say(where ?? "Found by your taste") }));
}

function productCard(entry, was) {
  const { item, reasons } = entry;
  const moved = was === "new" ? make("span", { class: "move new", text: say("New") })
    : was > entry.rank ? make("span", { class: "move up", text: `▲ ${was - entry.rank}`, "aria-label": say("up {num}", { num: was - entry.rank }) })
    : was && was < entry.rank ? make("span", { class: "move down", text: `▼ ${entry.rank - was}`, "aria-label": say("down {num}", { num: entry.rank - was }) })
    : null;
  const title = make("h3", { text: item.title, ...tongue(item.title) });
  return make("li", { class: `product${was === "new" ? " is-new" : ""}`, "data-id": item.item_id },
    make("div", { class: "shot" }, picture(item), make("span", { class: "rank", text: entry.rank, "aria-label": say("Place {rank}", entry) }), moved),
    make("div", { class: "body" },
      make("p", { class: "kind", text: leaf(item.category) }, make("span", { class: "price", text: money(item.price) })),
      title,
      reasons ? headline(reasons, item) : matched(entry.matched),
      reasons && bar(reasons),
      make("div", { class: "more" }, reasons && why(reasons),
        make("button", { type: "button", class: "no", text: say("Not for me"), "aria-label": say("Not for me: {title}", item), on: { click: (event) => act(event, item, "dislike") } })),
      make("div", { class: "actions" },
        make("button", { type: "button", class: "buy", text: say("Buy"), "aria-label": say("Buy {title}", item), on: { click: (event) => act(event, item, "purchase") } }),
        make("button", { type: "button", text: say("Look"), "aria-label": say("Look at {title}", item), on: { click: (event) => act(event, item, "click") } }),
        make("button", { type: "button", text: say("Similar"), "aria-label": say("Items similar to {title}", item), on: { click: () => showSimilar(item) } }))));
}

// Cards glide from where they were to where they are (nothing moves for those who ask for that).
function slide(before) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  for (const card of at("items").children) {
    const from = before.get(card.dataset.id);
    if (!from) continue;
    const to = card.getBoundingClientRect();
    const [x, y] = [from.left - to.left, from.top - to.top];
    if (x || y) card.animate([{ transform: `translate(${x}px, ${y}px)` }, { transform: "none" }], { duration: 450, easing: "cubic-bezier(.2,.8,.2,1)" });
  }
}

function skeleton() {
  at("items").setAttribute("aria-busy", "true");
  at("items").replaceChildren(...Array.from({ length: 8 }, () => make("li", { class: "product ghost", "aria-hidden": "true" }, make("div", { class: "shot" }), make("div", { class: "body" }, make("p"), make("p"), make("p")))));
}

function failed(error) {
  at("items").setAttribute("aria-busy", "false");
  at("items").replaceChildren(make("li", { class: "note error", role: "alert" },
    make("b", { text: say("That did not work.") }), make("p", { text: error.message }),
    make("button", { type: "button", text: say("Try again"), on: { click: () => choose(state.user) } })));
}

/* --------------------------------------------------------------- acting */

async function act(event, item, kind) {
  const button = event.currentTarget;
  button.disabled = true;
  const place = [...at("items").children].findIndex((card) => card.dataset.id === item.item_id);
  try {
    const receipt = await send(item.item_id, kind);
    const moved = await refresh();
    // Where the event is kept but not applied yet, the list still has it.
    if (kind === "dislike") at("items").querySelector(`[data-id="${CSS.escape(item.item_id)}"]`)?.remove();
    toast(said(kind, item, receipt.applied, moved));
    focusAfter(kind, item, place);
  } catch (error) {
    toast(error.message, true);
    button.disabled = false;
  }
}

function said(kind, item, applied, moved) {
  const then = !applied ? say("The list will follow shortly.") : moved ? say("{moved} of {all} places changed.", { moved, all: state.ranks.size }) : say("The list stays as it is.");
  return `${say(DONE[kind], item)} ${then}`;
}

// Whoever uses a keyboard goes on where they were: at the same item, or at what took its place.
function focusAfter(kind, item, place) {
  const cards = at("items").children;
  const same = [...cards].find((card) => card.dataset.id === item.item_id) ?? (kind === "dislike" ? cards[Math.min(place, cards.length - 1)] : null);
  const next = kind === "return" ? at("history") : same?.querySelector(kind === "dislike" ? ".no" : "button") ?? at("list");
  next.focus({ preventScroll: true });
}

async function refresh() {
  const turn = ++state.turn;
  const { query } = state;
  const wanted = query ? `search?q=${encodeURIComponent(query)}&` : "recommendations?";
  const [shopper, list] = await Promise.all([ask(path("users", state.user)), ask(`${path("users", state.user)}/${wanted}k=${SHOWN}`)]);
  // A later choice has overtaken this one.
  if (turn !== state.turn) return 0;
  showShopper(shopper);
  state.list = list.list_id || null;
  return query ? showFound(list) : showList(list);
}

// Words that are looked for, or none: what is picked for the shopper. Both stand in the address.
async function lookFor(words) {
  state.query = words;
  state.ranks = new Map();
  at("words").value = words;
  at("new").classList.toggle("off", Boolean(words));
  const url = new URL(location);
  if (words) url.searchParams.set("q", words); else url.searchParams.delete("q");
  history.replaceState(null, "", url);
  skeleton();
  try {
    await refresh();
  } catch (error) {
    failed(error);
  }
}

async function showNew() {
  const found = await ask("/v1/new-items?limit=10").catch(() => ({ items: [] }));
  at("new").hidden = !found.items.length;
  at("new-items").replaceChildren(...found.items.map((item) => miniCard(item, leaf(item.category))));
}

function miniCard(item, about, close = () => {}) {
  return make("li", { class: "mini" },
    make("div", { class: "shot" }, picture(item)),
    make("b", { text: item.title, ...tongue(item.title) }),
    make("small", { text: about }),
    make("div", { class: "actions" },
      make("button", { type: "button", class: "buy", text: say("Buy"), "aria-label": say("Buy {title}", item), on: { click: (event) => { close(); act(event, item, "purchase"); } } }),
      make("button", { type: "button", text: say("Similar"), "aria-label": say("Items similar to {title}", item), on: { click: () => showSimilar(item) } })));
}

async function choose(user) {
  state.user = user;
  state.ranks = new Map();
  closeFinder();
  at("find").value = user ?? "";
  skeleton();
  const url = new URL(location);
  url.searchParams.set("shopper", user);
  history.replaceState(null, "", url);
  document.title = `${user} · Coterie`;
  try {
    await refresh();
  } catch (error) {
    failed(error);
  }
}

async function showSimilar(item, by = "taste") {
  at("similar-title").textContent = say("Similar to {title}", item);
  at("similar-about").textContent = item.description ?? "";
  // What an item looks like is known where it has a picture.
  const kinds = Object.keys(ALIKE).filter((kind) => kind !== "looks" || item.image);
  at("similar-by").replaceChildren(...kinds.map((kind) => make("button", {
    type: "button", text: say(ALIKE[kind]), "aria-pressed": String(kind === by), "data-by": kind, on: { click: () => listSimilar(item, kind) },
  })));
  if (!at("similar").open) at("similar").showModal();
  await listSimilar(item, by);
}

let compared = 0;
async function listSimilar(item, by) {
  const turn = ++compared;
  for (const button of at("similar-by").children) button.setAttribute("aria-pressed", String(button.dataset.by === by));
  at("similar-items").replaceChildren(make("li", { class: "hint", text: say("Looking…") }));
  try {
    const found = await ask(`${path("items", item.item_id, "similar")}?k=8&by=${by}`);
    if (turn !== compared) return;
    at("similar-items").replaceChildren(...found.items.map((entry) =>
      miniCard(entry.item, say("{category} · {share} alike", { category: leaf(entry.item.category), share: percent(Math.max(entry.similarity, 0)) }), () => at("similar").close())));
    if (!found.items.length) at("similar-items").append(make("li", { class: "note", text: say("Nothing is like it.") }));
  } catch (error) {
    if (turn === compared) at("similar-items").replaceChildren(make("li", { class: "note error", text: error.message }));
  }
}

let fading;
function toast(text, bad = false) {
  at("toast").textContent = text;
  at("toast").className = `toast shown${bad ? " bad" : ""}`;
  clearTimeout(fading);
  fading = setTimeout(() => { at("toast").className = "toast"; }, 5000);
}

/* ------------------------------------------------------------ the finder */

const finder = at("find");
let asked = 0;

async function find() {
  const turn = ++asked;
  const words = finder.value === state.user ? "" : finder.value.trim();
  try {
    const sample = await ask(`/v1/shoppers?limit=10&q=${encodeURIComponent(words)}`);
    if (turn !== asked) return;
    const options = sample.shoppers.map((id, place) => option(id, place));
    if (words && !sample.shoppers.includes(words)) options.push(option(words, options.length, say("as a new shopper")));
    at("found").replaceChildren(...options);
    if (!options.length) at("found").append(make("li", { class: "hint", text: say("Nobody found: type an id.") }));
    at("found").hidden = false;
    finder.setAttribute("aria-expanded", "true");
  } catch (error) {
    toast(error.message, true);
  }
}

function option(id, place, note) {
  return make("li", { id: `option-${place}`, role: "option", "aria-selected": "false", "data-id": id, on: { mousedown: (event) => { event.preventDefault(); choose(id); } } },
    face(id), make("span", { text: id }), note && make("small", { text: note }));
}

function closeFinder() {
  asked++;
  at("found").hidden = true;
  finder.setAttribute("aria-expanded", "false");
  finder.removeAttribute("aria-activedescendant");
}

function step(by) {
  const options = [...at("found").querySelectorAll("[role=option]")];
  if (!options.length) return;
  const now = options.findIndex((one) => one.getAttribute("aria-selected") === "true");
  const next = (now + by + options.length + (now < 0 && by < 0 ? 1 : 0)) % options.length;
  options.forEach((one, place) => one.setAttribute("aria-selected", String(place === next)));
  finder.setAttribute("aria-activedescendant", options[next].id);
  options[next].scrollIntoView({ block: "nearest" });
}

finder.addEventListener("focus", () => { finder.select(); find(); });
finder.addEventListener("input", find);
finder.addEventListener("blur", closeFinder);
finder.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    if (at("found").hidden) find(); else step(event.key === "ArrowDown" ? 1 : -1);
  } else if (event.key === "Enter") {
    const chosen = at("found").querySelector("[aria-selected=true]")?.dataset.id ?? finder.value.trim();
    if (chosen) { choose(chosen); at("list").focus({ preventScroll: true }); }
  } else if (event.key === "Escape") {
    closeFinder();
  }
});
at("similar").addEventListener("click", (event) => { if (event.target === at("similar")) at("similar").close(); });

at("search").addEventListener("submit", (event) => {
  event.preventDefault();
  lookFor(at("words").value.trim());
  at("list").focus({ preventScroll: true });
  // On a narrow screen the shopper stands above: what was found would be out of sight.
  if (at("list").getBoundingClientRect().top > innerHeight / 2) at("list").scrollIntoView({ block: "start" });
});
// The cross of a search field empties it: then what is picked comes back.
at("words").addEventListener("search", () => { if (!at("words").value && state.query) lookFor(""); });
at("back").addEventListener("click", () => { lookFor(""); at("list").focus({ preventScroll: true }); });

/* ------------------------------------------------------------- beginning */

async function begin() {
  await beginLanguage();
  skeleton();
  showNew();
  const given = new URL(location).searchParams.get("shopper");
  state.query = new URL(location).searchParams.get("q")?.trim() ?? "";
  at("words").value = state.query;
  at("new").classList.toggle("off", Boolean(state.query));
  if (given) return choose(given);
  try {
    const sample = await ask("/v1/shoppers?limit=1");
    await choose(sample.shoppers[0] ?? "guest");
  } catch (error) {
    failed(error);
  }
}

begin();
