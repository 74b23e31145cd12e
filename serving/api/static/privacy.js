// What the shop knows of one shopper: to see, to have, to decide on, to end.

const at = (id) => document.getElementById(id);
const CONSENTS = ["may_be_named", "may_be_used"];
const VERBS = { view: "Viewed", click: "Looked at", share: "Shared", cart: "In the cart", review: "Reviewed", rating: "Rated", purchase: "Bought",
  return: "Sent back", dislike: "Not for you" };
const REFUSED = "The shop does not let this page do that.";
let who = "";

function make(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}

const path = (rest = "") => `/v1/users/${encodeURIComponent(who)}${rest}`;

function tell(text, bad = false) {
  at("said").textContent = text;
  at("said").classList.toggle("bad", bad);
}

async function ask(where, options) {
  let answer;
  try {
    answer = await fetch(where, options);
  } catch {
    throw new Error("The shop does not answer. Is it still running?");
  }
  if (answer.ok) return answer.json();
  const problem = await answer.json().catch(() => ({}));
  throw new Error([401, 403].includes(answer.status) ? REFUSED : problem.detail ?? "Something went wrong in the shop.");
}

// Each does one thing, and says it where that did not work.
const trying = (act) => async (event) => {
  event?.preventDefault();
  try {
    await act(event);
  } catch (error) {
    tell(error.message, true);
  }
};

function count(list, pairs) {
  list.replaceChildren(...pairs.flatMap(([name, number]) => [make("dt", name), make("dd", number.toLocaleString("en"))]));
}

function fill(name, lines) {
  at(`${name}-part`).hidden = !lines.length;
  at(name).replaceChildren(...lines.map((line) => make("li", line)));
}

async function everything() {
  const whole = await ask(path("/data"));
  let after = whole.next;
  while (after) {
    const page = await ask(path(`/data?after=${encodeURIComponent(after)}`));
    whole.ties.push(...page.ties);
    whole.log.push(...page.log);
    after = page.next;
  }
  delete whole.next;
  return whole;
}

async function show() {
  const known = await ask(path("/data"));
  at("receipt").hidden = true;
  at("parts").hidden = known.erased;
  if (known.erased) return tell("The shop has forgotten this shopper, and keeps nothing of them.");
  for (const name of CONSENTS) at(name).checked = known.consents[name];
  const more = known.next ? "at least " : "";
  count(at("counts"), [
    ["Items in your history", known.recent.length + known.had.length],
    ["People whose taste your list draws on", known.friends.length],
    ["Ties that changed lately", known.ties.length],
    [`Entries of the shop's log that name you${more && ", " + more}`, known.log.length],
  ]);
  fill("recent", known.recent.map((one) => `${VERBS[one.event]} ${one.item_id}, ${new Date(one.ts).toLocaleDateString("en")}`));
  fill("friends", known.friends.map((one) => one.user_id));
}

async function choose(shopper) {
  who = shopper;
  at("shopper").value = shopper;
  at("back").href = `/?shopper=${encodeURIComponent(shopper)}`;
  history.replaceState(null, "", `/privacy?shopper=${encodeURIComponent(shopper)}`);
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
  tell("Kept: the next lists go by it.");
}

async function download() {
  const whole = await everything();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(whole, null, 2)], { type: "application/json" }));
  link.download = "my-data.json";
  link.click();
  URL.revokeObjectURL(link.href);
  tell("Downloaded as my-data.json.");
}

async function forget() {
  const receipt = await ask(path(), { method: "DELETE" });
  at("parts").hidden = true;
  at("receipt").hidden = false;
  count(at("removed"), [
    ["Your events in the log", receipt.log_events],
    ["Events of others that named you", receipt.log_referrals],
    ["Changes of your ties and choices", receipt.log_changes + receipt.states],
    ["Your history and friends", receipt.features],
    ["Lists of friends that you were taken out of", receipt.friends],
  ]);
  at("remains").replaceChildren(...receipt.remains.map(({ where, until }) => make("li", `${where}: ${until}`)));
  tell("");
  at("receipt").focus();
}

at("whose").addEventListener("submit", trying(() => choose(at("shopper").value.trim())));
for (const name of CONSENTS) at(name).addEventListener("change", trying(agree));
at("download").addEventListener("click", trying(download));
at("forget").addEventListener("click", () => {
  at("sure-who").textContent = `The shop keeps nothing of ${who} then, and takes nothing new.`;
  at("sure").returnValue = "";
  at("sure").showModal();
});
at("sure").addEventListener("close", trying(async () => at("sure").returnValue === "yes" && forget()));

const asked = new URLSearchParams(location.search).get("shopper");
if (asked) trying(() => choose(asked))();
