// Whom to share an item with, and whom somebody may know.

import { say } from "/static/languages.js";
import { ask, make, path } from "/static/parts.js";
import { face } from "/static/pictures.js";

const SHOWN = 4;
const at = (id) => document.getElementById(id);

// Both stand beside what the page is for, and may fail by themselves.
export const loadInvitees = (user, id) => ask(`${path("users", user, "items", id, "invitees")}?k=${SHOWN}`).then((found) => found.invitees, () => []);

const told = (reasons) => make("small", { text: reasons.map((reason) => reason.text).join(" · ") });

export function shareWith(user, item, invitees) {
  const status = make("p", { class: "hint shared", "aria-live": "polite", text: invitees.length ? "" : say("Nobody to share this with right now.") });
  return make("div", {}, make("ul", { class: "people" }, ...invitees.map((friend) => make("li", {},
    face(friend.user_id),
    make("span", { class: "what" }, make("b", { text: friend.user_id }), told(friend.reasons)),
    make("button", {
      type: "button", class: "invite", text: say("Share"), "aria-label": say("Share {title} with {friend}", { title: item.title, friend: friend.user_id }),
      on: { click: (event) => share(event.currentTarget, user, item, friend.user_id, status) },
    })))), status);
}

async function share(button, user, item, friend, status) {
  button.disabled = true;
  const body = { event_id: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`, user_id: user, item_id: item.item_id, event: "share", invited_user_id: friend };
  try {
    await ask("/v1/events", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ events: [body] }) });
    button.textContent = say("Shared");
    status.textContent = say("Shared with {friend}.", { friend });
  } catch (error) {
    button.disabled = false;
    status.textContent = error.message;
  }
}

let asked = 0;

// `befriend` is told of whom to add.
export async function showPeople(user, befriend) {
  const turn = ++asked;
  const found = await ask(`${path("users", user, "people")}?k=${SHOWN}`).catch(() => ({ people: [] }));
  if (turn !== asked) return;
  at("people").hidden = !found.people.length;
  at("people-list").replaceChildren(...found.people.map((person) => make("li", {}, face(person.user_id),
    make("span", { class: "what" }, make("b", { text: person.user_id }), told(person.reasons)),
    make("button", { type: "button", class: "invite", text: say("Add"), "aria-label": say("Add {user}", { user: person.user_id }), on: { click: () => befriend(person.user_id) } }))));
}
