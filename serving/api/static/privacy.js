// What the shop knows of one shopper: to see, to have, to decide on, to end.

import { beginLanguage, language, marked, say } from "/static/languages.js";
import { ask, make, signIn, within } from "/static/parts.js";

const at = (id) => document.getElementById(id);
const CONSENTS = ["may_be_named", "may_be_used"];
const DID = {
  view: marked("Viewed {title}"), click: marked("Looked at {title}"), share: marked("Shared {title}"), cart: marked("Put {title} in the cart"),
  review: marked("Reviewed {title}"), rating: marked("Rated {title}"), purchase: marked("Bought {title}"), return: marked("Sent back {title}"),
  dislike: marked("Did not want {title}"),
};
let who = "";

const path = (rest = "") => `/v1/users/${encodeURIComponent(who)}${rest}`;

function tell(text, bad = false) {
  at("said").textContent = text;
  at("said").classList.toggle("bad", bad);
  at("enter").hidden = true;
}

// Each does one thing, and says it where that did not work.
const trying = (act) => async (event) => {
  event?.preventDefault();
  try {
    await act(event);
  } catch (error) {
    tell(error.message, true);
    at("enter").hidden = error.status !== 401;
    at("enter").firstElementChild.href = signIn();
  }
};

function tally(list, pairs) {
  list.replaceChildren(...pairs.flatMap(([name, number]) => [make("dt", { text: name }), make("dd", { text: number.toLocaleString(language) })]));
}

function fill(name, lines) {
  at(`${name}-part`).hidden = !lines.length;
  at(name).replaceChildren(...lines.map((text) => make("li", { text })));
}

async function everything() {
  const whole = await ask(path("/data"));
  let after = whole.next;
  while (after) {
    const page = await ask(path(`/data?after=${encodeURIComponent(after)}`));
    whole.ties.push(...page.ties);
    whole.log.push(...page.log);
    whole.shown.push(...page.shown);
    after = page.next;
  }
  delete whole.next;
  return whole;
}

async function show() {
  const known = await ask(path("/data"));
  at("receipt").hidden = true;
  at("parts").hidden = known.erased;
  if (known.erased) return tell(say("The shop has forgotten this shopper, and keeps nothing of them."));
  for (const name of CONSENTS) at(name).checked = known.consents[name];
  tally(at("counts"), [
    [say("Items in your history"), known.recent.length + known.had.length],
    [say("People whose taste your list draws on"), known.friends.length],
    [say("Ties that changed lately"), known.ties.length],
    [known.next?.startsWith("log:") || known.next?.startsWith("ties:") ? say("Entries of the shop's log that name you, at least") : say("Entries of the shop's log that name you"), known.log.length],
  ]);
  fill("recent", known.recent.map((one) => say("{did}, {day}", { did: say(DID[one.event], { title: one.item_id }), day: new Date(one.ts).toLocaleDateString(language) })));
  fill("friends", known.friends.map((one) => one.user_id));
}

async function choose(shopper) {
  who = shopper;
  at("shopper").value = shopper;
  at("back").href = within("/", { shopper });
  history.replaceState(null, "", within("/privacy", { shopper }));
  tell("");
  at("parts").hidden = true;
  await show();
}

async function agree(event) {
  const { id, checked } = event.target;
  try {
    await ask(path(), { method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ [id]: checked }) });
  } catch (error) {
    event.target.checked = !checked;
    throw error;
  }
  tell(say("Kept: the next lists go by it."));
}

async function download() {
  const whole = await everything();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(whole, null, 2)], { type: "application/json" }));
  link.download = "my-data.json";
  link.click();
  URL.revokeObjectURL(link.href);
  tell(say("Downloaded as my-data.json."));
}

async function forget() {
  const receipt = await ask(path(), { method: "DELETE" });
  at("parts").hidden = true;
  at("receipt").hidden = false;
  tally(at("removed"), [
    [say("Your events in the log"), receipt.log_events],
    [say("Events of others that named you"), receipt.log_referrals],
    [say("Changes of your ties and choices"), receipt.log_changes + receipt.states],
    [say("Your history and friends"), receipt.features],
    [say("Lists of friends that you were taken out of"), receipt.friends],
  ]);
  at("remains").replaceChildren(...receipt.remains.map(({ where, until }) => make("li", { text: say("{where}: {until}", { where: say(where), until: say(until) }) })));
  tell("");
  at("receipt").focus();
}

at("whose").addEventListener("submit", trying(() => at("shopper").value.trim() && choose(at("shopper").value.trim())));
for (const name of CONSENTS) at(name).addEventListener("change", trying(agree));
at("download").addEventListener("click", trying(download));
at("forget").addEventListener("click", () => {
  at("sure-who").textContent = say("The shop keeps nothing of {who} then, and takes nothing new.", { who });
  at("sure").returnValue = "";
  at("sure").showModal();
});
at("sure").addEventListener("close", trying(async () => at("sure").returnValue === "yes" && forget()));

await beginLanguage();
const asked = new URLSearchParams(location.search).get("shopper");
if (asked) trying(() => choose(asked))();
