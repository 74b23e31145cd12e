// One list for several people, who stand in the address.

import { beginLanguage, language, marked, say } from "/static/languages.js";
import { ask, leaf, make, money, signIn, tongue, within } from "/static/parts.js";
import { face, picture } from "/static/pictures.js";

const FEWEST = 2;
const MOST = 50;
const RULES = {
  fair: marked("Fair: everybody's turn"), average: marked("Most for all together"), least_misery: marked("Nobody is displeased"),
};
const at = (id) => document.getElementById(id);
let members = [];
let rule = "fair";
let asked = 0;

function tell(text, bad = false) {
  at("said").textContent = text;
  at("said").classList.toggle("bad", bad);
  at("enter").hidden = true;
}

function read() {
  const address = new URL(location).searchParams;
  members = [...new Set(address.getAll("user").map((one) => one.trim()).filter(Boolean))].slice(0, MOST);
  rule = Object.hasOwn(RULES, address.get("rule")) ? address.get("rule") : "fair";
}

function write() {
  const url = new URL(location);
  url.searchParams.delete("user");
  for (const one of members) url.searchParams.append("user", one);
  url.searchParams.set("rule", rule);
  history.replaceState(null, "", url);
}

function showMembers() {
  at("members").replaceChildren(...members.map((one) => make("li", {}, face(one), make("b", { text: one }),
    make("button", { type: "button", class: "close", text: "×", "aria-label": say("Remove {user}", { user: one }), on: { click: () => change(members.filter((other) => other !== one)) } }))));
  at("rule").replaceChildren(...Object.entries(RULES).map(([name, text]) => make("option", { value: name, text: say(text), ...(name === rule && { selected: "" }) })));
}

function change(others) {
  members = others;
  write();
  showMembers();
  return showList();
}

async function showList() {
  const turn = ++asked;
  if (members.length < FEWEST) {
    at("items").replaceChildren();
    return tell(say("Name two people at least."));
  }
  const wanted = new URLSearchParams([...members.map((one) => ["user", one]), ["rule", rule], ["k", 12]]);
  try {
    const list = await ask(`/v1/groups/recommendations?${wanted}`);
    if (turn !== asked) return;
    tell(say("For {users}", { users: new Intl.ListFormat(language).format(members) }));
    at("items").replaceChildren(...list.items.map(card));
  } catch (error) {
    if (turn !== asked) return;
    tell(error.message, true);
    at("enter").hidden = error.status !== 401;
    at("enter").firstElementChild.href = signIn();
  }
}

function card({ item, rank, reasons, sponsored }) {
  const url = within("/", { shopper: members[0], item: item.item_id });
  return make("li", { class: "product", "data-id": item.item_id },
    make("div", { class: "shot" }, picture(item), make("span", { class: "rank", text: rank, "aria-label": say("Place {rank}", { rank }) })),
    make("div", { class: "body" },
      make("p", { class: "kind", text: leaf(item.category) }, make("span", { class: "price", text: money(item.price) })),
      make("h2", { class: "title" }, make("a", { href: url, text: item.title, ...tongue(item.title) })),
      ...reasons.map((reason) => make("p", { class: "hint", text: reason.text })),
      sponsored && make("p", { class: "hint", text: say("Sponsored") })));
}

at("group").addEventListener("submit", (event) => {
  event.preventDefault();
  const one = at("member").value.trim();
  if (!one || members.includes(one)) return;
  if (members.length >= MOST) return tell(say("At most 50 people shop together."), true);
  at("member").value = "";
  change([...members, one]);
});
at("rule").addEventListener("change", () => { rule = at("rule").value; write(); showList(); });
addEventListener("popstate", () => { read(); showMembers(); showList(); });

async function begin() {
  read();
  await beginLanguage();
  at("back").href = within("/", members.length ? { shopper: members[0] } : {});
  showMembers();
  await showList();
}

begin();
