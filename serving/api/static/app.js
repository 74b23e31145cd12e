import { askShop, readAs } from "/static/ask.js";
import { beginLanguage, count, language, marked, say } from "/static/languages.js";
import { closeFinder, isLooking, onChoice } from "/static/finder.js";
import { chosen, isFiltered, offer, onFilter, readAddress } from "/static/filters.js";
import { showPeople } from "/static/invite.js";
import { itemPage, loadItem } from "/static/item.js";
import { ask, leaf, make, money, path, percent, signIn, tongue, within } from "/static/parts.js";
import { picture } from "/static/pictures.js";
import { bar, headline, lifted, liftedBy, matched, why } from "/static/reasons.js";
import { showShopper } from "/static/shopper.js";

const SHOWN = 20;
const LONGEST = 100;
// What is said when an event is kept.
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

const at = (id) => document.getElementById(id);
const state = { user: null, query: "", asked: "", item: "", list: null, next: null, ranks: new Map(), rules: new Map(), turn: 0 };

/* -------------------------------------------------------------- the API */

function send(itemId, event) {
  const body = { event_id: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`, user_id: state.user, item_id: itemId, event };
  // Of the list that it follows from, where it follows from one.
  if (state.ranks.has(itemId) && event !== "return") body.list_id = state.list;
  return ask("/v1/events", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ events: [body] }) });
}

/* -------------------------------------------------------------- the list */

function showList(list) {
  const before = new Map([...at("items").children].map((card) => [card.dataset.id, card.getBoundingClientRect()]));
  const fresh = state.ranks.size === 0;
  showHead(say("Picked for you"), say(LEADS[list.source]));
  at("items").replaceChildren(...list.items.map((entry) => productCard(entry, fresh ? null : state.ranks.get(entry.item.item_id) ?? "new")));
  if (!list.items.length) at("items").append(make("li", { class: "note", text: isFiltered() ? say("Nothing fits the filters.") : say("Nothing left to recommend: everything was bought.") }));
  state.rules = new Map(list.items.map((entry) => [entry.item.item_id, liftedBy(entry.reasons)]));
  at("legend").querySelectorAll("[data-kind]").forEach((one) => { one.hidden = !list.items.some(({ reasons }) => reasons?.some(({ kind }) => kind === one.dataset.kind)); });
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
  at("legend").hidden = Boolean(state.query || state.asked);
}

function showFound(found) {
  const num = found.items.length;
  if (state.asked) showHead(say("For “{question}”", found), readAs(found));
  else showHead(say("Results for “{query}”", found), num ? say("By words, by meaning, and by your taste.") : "");
  at("items").replaceChildren(...found.items.map((entry) => productCard(entry, null)));
  if (!num) at("items").append(make("li", { class: "note", text: say("Nothing fits. Try other words, in English or Chinese.") }));
  at("items").setAttribute("aria-busy", "false");
  at("foot").textContent = say("Release {release}.", found);
  state.ranks = new Map();
  return 0;
}

function productCard(entry, was) {
  const { item, reasons } = entry;
  const moved = was === "new" ? make("span", { class: "move new", text: say("New") })
    : was > entry.rank ? make("span", { class: "move up", text: `▲ ${was - entry.rank}`, "aria-label": say("up {num}", { num: was - entry.rank }) })
    : was && was < entry.rank ? make("span", { class: "move down", text: `▼ ${entry.rank - was}`, "aria-label": say("down {num}", { num: entry.rank - was }) })
    : null;
  const title = make("h2", { class: "title" }, itemLink(item));
  return make("li", { class: `product${was === "new" ? " is-new" : ""}`, "data-id": item.item_id },
    make("div", { class: "shot" }, picture(item), make("span", { class: "rank", text: entry.rank, "aria-label": say("Place {rank}", entry) }), moved, lifted(liftedBy(reasons))),
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
  const enter = error.status === 401 && make("a", { href: signIn(), text: say("Sign in") });
  const back = state.item && { text: say("Back to the list"), on: { click: () => openItem("") } };
  showItem(null);
  at("items").setAttribute("aria-busy", "false");
  at("items").replaceChildren(make("li", { class: "note error", role: "alert" },
    make("b", { text: say("That did not work.") }), make("p", { text: error.message }),
    enter || make("button", { type: "button", ...(back || { text: say("Try again"), on: { click: () => choose(state.user) } }) })));
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
    toast(said(say(DONE[kind], item), receipt.applied, moved));
    focusAfter(kind, item, place);
  } catch (error) {
    toast(error.message, true);
    button.disabled = false;
  }
}

// What was done, and what became of the list.
function said(first, applied, moved) {
  const then = !applied ? say("The list will follow shortly.") : moved ? say("{moved} of {all} places changed.", { moved, all: state.ranks.size }) : say("The list stays as it is.");
  return say("{first} {then}", { first, then });
}

// Whoever uses a keyboard goes on where they were: at the same item, or at what took its place.
function focusAfter(kind, item, place) {
  const cards = at("items").children;
  const same = [...cards].find((card) => card.dataset.id === item.item_id) ?? (kind === "dislike" ? cards[Math.min(place, cards.length - 1)] : null);
  if (state.item) return at("item").focus({ preventScroll: true });
  const next = kind === "return" ? at("history") : same?.querySelector(kind === "dislike" ? ".no" : "button") ?? at("list");
  next.focus({ preventScroll: true });
}

function askList(k, after) {
  if (state.asked) return askShop(state.user, state.asked);
  const wanted = new URLSearchParams({ ...(state.query && { q: state.query }), ...chosen(), k, ...(after && { after }) });
  return ask(`${path("users", state.user, state.query ? "search" : "recommendations")}?${wanted}`);
}

// As long as the list was, so that whoever read on goes on where they were.
async function refresh() {
  // The page still begins: it asks as soon as it is known who shops.
  if (!state.user) return 0;
  const turn = ++state.turn;
  const { query, asked, item } = state;
  const long = Math.min(Math.max(SHOWN, state.ranks.size), LONGEST);
  const [shopper, list, page] = await Promise.all([ask(path("users", state.user)), askList(long), item && loadItem(state.user, item).catch((error) => error)]);
  // A later choice has overtaken this one.
  if (turn !== state.turn) return 0;
  showShopper(shopper, { choose, act });
  if (page instanceof Error) throw page;
  state.list = list.list_id || null;
  const moved = query || asked ? showFound(list) : showList(list);
  showNext(list);
  showItem(page);
  // A list that somebody asked for is told to who does not see it; what an act changed, the toast says.
  at("heard").textContent = count("The list has {num} item.", "The list has {num} items.", list.items.length);
  return moved;
}

function showNext(list) {
  state.next = list.next ?? null;
  at("more").hidden = !state.next || Boolean(state.item);
}

async function showMore() {
  const turn = state.turn;
  at("more").disabled = true;
  try {
    const page = await askList(SHOWN, state.next);
    if (turn !== state.turn) return;
    const cards = page.items.map((entry) => productCard(entry, null));
    at("items").append(...cards);
    if (!state.query) for (const { item, rank, reasons } of page.items) {
      state.ranks.set(item.item_id, rank);
      state.rules.set(item.item_id, liftedBy(reasons));
    }
    showNext(page);
    cards[0]?.querySelector("a").focus();
  } catch (error) {
    toast(error.message, true);
  } finally {
    at("more").disabled = false;
  }
}

/* ------------------------------------------------------- the item's page */

function itemLink(item) {
  const url = new URL(location);
  url.searchParams.set("item", item.item_id);
  return make("a", { href: url.pathname + url.search, text: item.title, ...tongue(item.title), on: { click: (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    at("similar").close();
    openItem(item.item_id);
  } } });
}

async function openItem(id) {
  const from = state.item;
  state.item = id;
  const url = new URL(location);
  if (id) url.searchParams.set("item", id); else url.searchParams.delete("item");
  if (url.href !== location.href) history.pushState(null, "", url);
  await refresh().catch(failed);
  // Whoever comes back goes on where they were.
  const card = from && !id && at("items").querySelector(`[data-id="${CSS.escape(from)}"]`);
  (id ? at("item") : card?.querySelector("a") ?? at("list")).focus({ preventScroll: true });
  (card || at("list")).scrollIntoView({ block: card ? "center" : "start" });
}

function showItem(page) {
  const there = Boolean(page);
  at("item").hidden = !there;
  for (const id of ["items", "foot", "ask"]) at(id).classList.toggle("off", there);
  at("filters").classList.toggle("off", there || Boolean(state.asked));
  at("new").classList.toggle("off", there || Boolean(state.query || state.asked));
  at("list-title").parentElement.classList.toggle("off", there);
  document.title = `${there ? page.about.item.title : state.user} · Coterie`;
  at("back").hidden = !there && !state.query && !state.asked;
  at("back").textContent = there ? say("Back to the list") : say("Back to what is picked for you");
  if (!there) return at("item").replaceChildren();
  const { item } = page.about;
  const acts = [
    item.available && { text: say("Buy"), label: say("Buy {title}", item), name: "buy", act: (event) => act(event, item, "purchase") },
    { text: say("Look"), label: say("Look at {title}", item), act: (event) => act(event, item, "click") },
    { text: say("Not for me"), label: say("Not for me: {title}", item), act: (event) => act(event, item, "dislike") },
  ].filter(Boolean);
  at("item").replaceChildren(...itemPage(page, acts, miniCard, state.rules.get(item.item_id)));
}

// Words that are looked for, or none: what is picked for the shopper. Both stand in the address.
async function lookFor(words, asked = "") {
  state.query = words;
  state.asked = at("asked").value = asked;
  state.ranks = new Map();
  at("words").value = words;
  state.item = "";
  const url = new URL(location);
  url.searchParams.delete("item");
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

function miniCard(item, about, { close = () => {}, reasons = null } = {}) {
  return make("li", { class: "mini" },
    make("div", { class: "shot" }, picture(item), lifted(liftedBy(reasons))),
    make("b", {}, itemLink(item)),
    make("small", { text: about }),
    make("div", { class: "actions" },
      make("button", { type: "button", class: "buy", text: say("Buy"), "aria-label": say("Buy {title}", item), on: { click: (event) => { close(); act(event, item, "purchase"); } } }),
      make("button", { type: "button", text: say("Similar"), "aria-label": say("Items similar to {title}", item), on: { click: () => showSimilar(item) } })));
}

function choose(user) {
  closeFinder();
  at("find").value = user ?? "";
  return shopAs(user);
}

async function shopAs(user) {
  state.user = user;
  state.ranks = new Map();
  skeleton();
  const url = new URL(location);
  url.searchParams.set("shopper", user);
  history.replaceState(null, "", url);
  document.title = `${user} · Coterie`;
  at("together").href = within("/together", { user });
  at("circle").href = within("/circle", { shopper: user });
  showPeople(user, befriend);
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
      miniCard(entry.item, say("{category} · {share} alike", { category: leaf(entry.item.category), share: percent(Math.max(entry.similarity, 0)) }), { close: () => at("similar").close() })));
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

/* -------------------------------------------------------------- controls */

at("similar").addEventListener("click", (event) => { if (event.target === at("similar")) at("similar").close(); });

at("search").addEventListener("submit", (event) => {
  event.preventDefault();
  lookFor(at("words").value.trim());
  at("list").focus({ preventScroll: true });
  // On a narrow screen the shopper stands above: what was found would be out of sight.
  if (at("list").getBoundingClientRect().top > innerHeight / 2) at("list").scrollIntoView({ block: "start" });
});
at("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  lookFor("", at("asked").value.trim());
  at("list").focus({ preventScroll: true });
});
// The cross of a search field empties it: then what is picked comes back.
at("words").addEventListener("search", () => { if (!at("words").value && state.query) lookFor(""); });
at("asked").addEventListener("search", () => { if (!at("asked").value && state.asked) lookFor(""); });
at("back").addEventListener("click", () => { if (state.item) return openItem(""); lookFor(""); at("list").focus({ preventScroll: true }); });
onChoice({ current: () => state.user, choose, say: toast });
at("item").addEventListener("keydown", (event) => { if (event.key === "Escape") openItem(""); });
at("more").addEventListener("click", showMore);
onFilter(() => { state.ranks = new Map(); skeleton(); refresh().catch(failed); });
addEventListener("popstate", () => {
  state.item = new URL(location).searchParams.get("item") ?? "";
  readAddress();
  refresh().catch(failed);
});

at("befriend").addEventListener("submit", (event) => {
  event.preventDefault();
  return befriend(at("friend").value.trim());
});

async function befriend(other) {
  if (!other) return toast(say("Say whom you know, by their id."), true);
  try {
    const receipt = await ask(path("users", state.user, "ties", other), { method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ kind: "friend" }) });
    const moved = await refresh();
    at("friend").value = "";
    showPeople(state.user, befriend);
    toast(said(say("You and {friend} know each other now.", { friend: other }), receipt.applied, moved));
  } catch (error) {
    toast(error.message, true);
  }
}

/* ------------------------------------------------------------- beginning */

// Whoever types, searches or chooses while the page still begins is neither overwritten nor overtaken.
async function begin() {
  const address = new URL(location).searchParams;
  state.item = address.get("item") ?? "";
  state.query = address.get("q")?.trim() ?? "";
  at("words").value = state.query;
  readAddress();
  await beginLanguage();
  skeleton();
  showNew();
  offer();
  at("new").classList.toggle("off", Boolean(state.query));
  try {
    const first = address.get("shopper") || (await ask("/v1/shoppers?limit=1")).shoppers[0] || "guest";
    if (state.user) return;
    if (!isLooking()) at("find").value = first;
    await shopAs(first);
  } catch (error) {
    failed(error);
  }
}

begin();
