// One shopper's circle: a picture to go through by hand or by keys, and the same as a list.

import { place } from "/static/circle-layout.js";
import { beginLanguage, count, language, say } from "/static/languages.js";
import { ask, make, path, signIn, within } from "/static/parts.js";
import { face } from "/static/pictures.js";

const NS = "http://www.w3.org/2000/svg";
const COLOURS = 5;
const FEW = 8;
const AHEAD = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
const at = (id) => document.getElementById(id);
const state = { user: "", circle: null, knows: new Map(), chosen: null, buttons: [], lines: [], spots: [], turn: 0 };

const colour = (group) => (group ? `g${((group - 1) % COLOURS) + 1}` : "g0");
const names = (ids) => new Intl.ListFormat(language).format(ids);
const among = (friend) => count("{friend} knows {num} friend of yours", "{friend} knows {num} friends of yours", state.knows.get(friend).length, { friend });

function tell(text, bad = false) {
  at("said").textContent = text;
  at("said").classList.toggle("bad", bad);
  at("enter").hidden = true;
}

async function load() {
  const turn = ++state.turn;
  try {
    const circle = await ask(`${path("users", state.user, "circle")}?k=${at("most").value}`);
    if (turn !== state.turn) return;
    at("parts").hidden = !circle.friends.length;
    tell(circle.friends.length ? "" : say("Nobody yet."));
    show(circle);
  } catch (error) {
    if (turn !== state.turn) return;
    at("parts").hidden = true;
    tell(error.message, true);
    at("enter").hidden = error.status !== 401;
    at("enter").firstElementChild.href = signIn();
  }
}

function show(circle) {
  Object.assign(state, { circle, chosen: null, knows: new Map(circle.friends.map((one) => [one.user_id, []])) });
  for (const { one, other } of circle.ties) {
    state.knows.get(one).push(other);
    state.knows.get(other).push(one);
  }
  const lines = document.createElementNS(NS, "svg");
  for (const [name, value] of Object.entries({ viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" })) lines.setAttribute(name, value);
  const pairs = [...circle.friends.map((one) => [null, one.user_id]), ...circle.ties.map(({ one, other }) => [one, other])];
  state.lines = pairs.map(([one, other]) => {
    const line = document.createElementNS(NS, "line");
    line.setAttribute("class", one === null ? "mine" : "theirs");
    lines.append(line);
    return { one, other, line };
  });
  const me = make("div", { class: "node me" }, face(state.user), make("span", { class: "name", text: say("You") }));
  state.buttons = circle.friends.map((friend, rank) => make("button", {
    type: "button", class: `node ${colour(friend.group)}`, tabindex: rank ? -1 : 0, "aria-pressed": "false", "aria-label": among(friend.user_id),
    on: { click: () => choose(rank), focus: () => choose(rank) },
  }, face(friend.user_id), make("span", { class: "name", text: friend.user_id })));
  at("picture").classList.toggle("few", circle.friends.length <= FEW);
  at("picture").replaceChildren(lines, me, ...state.buttons);
  stand();
  showAbout();
  showGroups();
}

// Everybody stands in the middle first, and goes from there to their place.
function stand() {
  const { circle, buttons } = state;
  if (!circle?.friends.length) return;
  const box = at("picture").getBoundingClientRect();
  state.spots = place(circle, box.width, box.height);
  const spot = new Map(circle.friends.map((one, rank) => [one.user_id, state.spots[rank]]));
  buttons.forEach((button, rank) => {
    if (!button.style.left) Object.assign(button.style, { left: "50%", top: "50%" });
    void button.offsetWidth;
    const [x, y] = state.spots[rank];
    Object.assign(button.style, { left: `${100 * x}%`, top: `${100 * y}%` });
  });
  for (const { one, other, line } of state.lines) {
    const [[x1, y1], [x2, y2]] = [one === null ? [0.5, 0.5] : spot.get(one), spot.get(other)];
    for (const [name, value] of Object.entries({ x1, y1, x2, y2 })) line.setAttribute(name, value);
  }
}

function choose(rank) {
  state.chosen = rank;
  const friend = rank === null ? null : state.circle.friends[rank].user_id;
  const near = friend && new Set([friend, ...state.knows.get(friend)]);
  at("picture").classList.toggle("chosen", Boolean(friend));
  state.buttons.forEach((button, place) => {
    button.setAttribute("aria-pressed", String(place === rank));
    button.tabIndex = place === (rank ?? 0) ? 0 : -1;
    button.classList.toggle("near", Boolean(near?.has(state.circle.friends[place].user_id)));
  });
  for (const { one, other, line } of state.lines) line.classList.toggle("near", Boolean(friend) && (one === friend || other === friend));
  showAbout();
}

function showAbout() {
  const friend = state.circle.friends[state.chosen ?? -1];
  if (!friend) return at("about").replaceChildren(make("p", { class: "hint", text: say("Choose a friend to see whom of your friends they know.") }));
  const others = state.knows.get(friend.user_id);
  at("about").replaceChildren(
    make("h2", {}, face(friend.user_id), make("span", { text: friend.user_id })),
    ...friend.reasons.map((reason) => make("p", { text: reason.text })),
    make("p", { class: "hint", text: others.length ? say("Knows {friends}.", { friends: names(others) }) : say("Knows none of your other friends, as far as both agree to tell.") }),
    make("p", {}, make("a", { href: `/together?${new URLSearchParams([["user", state.user], ["user", friend.user_id]])}`, text: say("Shop together with {friend}", { friend: friend.user_id }) })));
}

function showGroups() {
  const groups = [...new Set(state.circle.friends.map((one) => one.group))].sort((a, b) => (a || Infinity) - (b || Infinity));
  at("groups").replaceChildren(...groups.flatMap((group) => [
    make("h2", {}, make("i", { class: `ring ${colour(group)}` }), make("span", { text: group ? say("Group {num}: they know each other", { num: group }) : say("They know none of the others") })),
    make("ul", {}, ...state.circle.friends.filter((one) => one.group === group).map((one) => make("li", {}, make("b", { text: one.user_id }),
      make("small", { text: [...one.reasons.map((reason) => reason.text), among(one.user_id)].join(" · ") })))),
  ]));
}

// An arrow goes to whom it points at: the nearest one, where straight ahead counts as near.
function next(rank, [right, down]) {
  const { width, height } = at("picture").getBoundingClientRect();
  const [x, y] = state.spots[rank];
  const far = state.spots.map(([ox, oy], other) => {
    const [dx, dy] = [(ox - x) * width, (oy - y) * height];
    const ahead = dx * right + dy * down;
    return other === rank || ahead <= 1 ? Infinity : ahead + 2 * Math.abs(dx * down - dy * right);
  });
  const nearest = Math.min(...far);
  return nearest === Infinity ? rank : far.indexOf(nearest);
}

at("picture").addEventListener("keydown", (event) => {
  const rank = state.buttons.indexOf(document.activeElement);
  if (rank < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") return choose(null);
  const last = state.buttons.length - 1;
  const to = event.key === "Home" ? 0 : event.key === "End" ? last : AHEAD[event.key] ? next(rank, AHEAD[event.key]) : null;
  if (to === null) return;
  event.preventDefault();
  state.buttons[to].focus();
});
at("most").addEventListener("change", load);
new ResizeObserver(stand).observe(at("picture"));

async function begin() {
  state.user = new URL(location).searchParams.get("shopper")?.trim() ?? "";
  await beginLanguage();
  at("back").href = within("/", state.user ? { shopper: state.user } : {});
  if (!state.user) return tell(say("Choose a shopper on the storefront first."));
  at("here").href = within("/circle", { shopper: state.user });
  await load();
}

begin();
