// A session of this browser, begun with a key, or ended.

import { beginLanguage, marked, say } from "/static/languages.js";
import { ask } from "/static/parts.js";

const at = (id) => document.getElementById(id);
const FAULTS = {
  401: marked("This key opens nothing: it is mistyped, was revoked, or has ended."),
  429: marked("There were too many attempts. Wait a moment."),
};

// Back to where somebody was: to a page of this shop, and to no other.
function next() {
  const asked = new URL(new URLSearchParams(location.search).get("next") || "/", location.origin);
  return asked.origin === location.origin ? asked.pathname + asked.search : "/";
}

function tell(text, bad = false) {
  at("said").textContent = text;
  at("said").classList.toggle("bad", bad);
}

const trying = (act) => async (event) => {
  event.preventDefault();
  try {
    await act();
  } catch (error) {
    tell(FAULTS[error.status] ? say(FAULTS[error.status]) : error.message, true);
  }
};

async function enter() {
  const key = at("key").value.trim();
  at("key").value = "";
  at("key").focus();
  await ask("/session", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ key }) });
  location.replace(next());
}

async function leave() {
  await ask("/session", { method: "DELETE" });
  tell(say("You are signed out."));
}

await beginLanguage();
at("enter").addEventListener("submit", trying(enter));
at("leave").addEventListener("click", trying(leave));
