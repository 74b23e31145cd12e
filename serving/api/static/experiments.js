const EVERY_MS = 5000;
const SVG = "http://www.w3.org/2000/svg";
const WIDE = 260, HIGH = 34, EDGE = 10;
const at = (id) => document.getElementById(id);
let shown = "";

function make(tag, properties = {}, ...children) {
  const { class: name, text, ...rest } = properties;
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  for (const [key, value] of Object.entries(rest)) element.setAttribute(key, value);
  element.append(...children.filter(Boolean));
  return element;
}

function draw(tag, properties = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(properties)) element.setAttribute(key, value);
  element.append(...children.filter(Boolean));
  return element;
}

const percent = (share) => `${+(100 * share).toPrecision(3)} %`;
const counted = (number) => number.toLocaleString("en");
const short = (number) => (number === null ? "-" : `${+number.toPrecision(3)}`);
const signed = (number) => (number > 0 ? `+${short(number)}` : short(number));
const named = (name) => name.charAt(0).toUpperCase() + name.slice(1).replaceAll("_", " ");
const strength = (e) => (e >= 1000 ? e.toExponential(0).replace("e+", "e") : short(e));

function table(caption, names, rows) {
  const head = make("tr", {}, ...names.map((text) => make("th", { text, scope: "col" })));
  return make("div", { class: "table" }, make("table", {}, make("caption", { text: caption }), make("thead", {}, head), make("tbody", {}, ...rows)));
}

const cell = (text) => make("td", { class: "number", text });

function arms(one) {
  const found = one.result?.arms ?? [];
  return table("Arms", ["Arm", "Shows", "Chance", "Shoppers", "Windows over", "Lists", named(one.metric)], one.arms.map((arm, place) => {
    const told = found[place];
    const row = make("tr", { class: arm.stopped ? "stopped" : "" }, make("td", { text: arm.name }), make("td", { text: arm.stopped ? `${arm.shows}; stopped, ${arm.stopped}` : arm.shows }), cell(percent(arm.chance)));
    row.append(...(told ? [cell(counted(told.shoppers)), cell(counted(told.windows_over)), cell(counted(told.lists)), cell(short(told.mean))] : ["-", "-", "-", "-"].map(cell)));
    return row;
  }));
}

function effect({ difference, low, high }, widest) {
  const x = (value) => WIDE / 2 + (value / widest) * (WIDE / 2 - EDGE);
  const mood = low > 0 ? "better" : high < 0 ? "worse" : "open";
  return draw("svg", { class: `effect ${mood}`, viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": `${short(low)} to ${short(high)}` },
    draw("line", { class: "zero", x1: WIDE / 2, x2: WIDE / 2, y1: 2, y2: HIGH - 2 }),
    draw("line", { class: "range", x1: x(low), x2: x(high), y1: HIGH / 2, y2: HIGH / 2 }),
    draw("circle", { class: "point", cx: x(difference), cy: HIGH / 2, r: 5 }));
}

function comparisons(result) {
  const known = result.comparisons.filter((one) => one.low !== null);
  const widest = Math.max(1e-9, ...known.flatMap((one) => [Math.abs(one.low), Math.abs(one.high)]));
  const [only] = result.comparisons;
  const credit = result.interleaved && only.share !== null ? `, which has ${percent(only.share)} of the credit` : "";
  return table(result.interleaved ? `Against the first arm, in the same lists${credit}` : "Against the first arm", ["Arm", "Difference", "Interval that holds at every look", "", "E-value"], result.comparisons.map((one) => {
    if (one.low === null) return make("tr", {}, make("td", { text: one.arm }), make("td", { text: "too few shoppers whose window is over", colspan: 4 }));
    const beside = (one.relative ?? null) === null ? "" : ` (${signed(100 * one.relative)} %)`;
    return make("tr", {}, make("td", { text: one.arm }), cell(signed(one.difference) + beside), make("td", {}, effect(one, widest)), cell(`${signed(one.low)} to ${signed(one.high)}`), cell(`${strength(one.e_value)} of ${short(one.decided_at)}`));
  }));
}

function guardrails(result) {
  return table("Guardrails", ["Guardrail", "Arm", "Ratio to the first arm's", "Harmless up to", "E-value"], result.guardrails.map((one) =>
    make("tr", { class: one.breached ? "breached" : "" }, make("td", { text: named(one.guardrail) }), make("td", { text: one.arm }), cell(`${short(one.ratio)} (${short(one.low)} to ${short(one.high)})`), cell(short(one.limit)), cell(`${strength(one.e_value)} of ${short(one.breaches_at)}`))));
}

function segments(result) {
  const real = result.segments.filter((one) => one.real);
  return real.length && table("Segments in which the difference is real, one in twenty of them by chance at most", ["Shoppers", "Arm", "Difference", "Interval"], real.map((one) =>
    make("tr", {}, make("td", { text: one.segment }), make("td", { text: one.arm }), cell(signed(one.difference)), cell(`${signed(one.low)} to ${signed(one.high)}`))));
}

function experiment(one) {
  const runs = one.stopped_ms === 0, { result } = one;
  const since = new Date(one.started_ms).toLocaleString();
  const both = one.interleave ? "both arms in each list, " : "";
  const drawn = one.unit === "community" ? "communities" : "shoppers";
  const about = `${both}${percent(one.share)} of the ${drawn} of layer ${one.layer}, since ${since}: ${one.reason}`;
  const bad = result && (result.mismatch.mismatch || result.guardrails.some((each) => each.breached));
  const parts = [
    make("header", {}, make("h2", { text: one.name }), make("span", { class: "hint", text: runs ? "Runs" : `Ended: ${one.stopped_why}` })),
    make("p", { class: `said${bad ? " bad" : ""}`, text: result ? `Found: ${result.verdict}` : "Nothing is known yet: the event consumer judges once a minute" }),
    arms(one),
  ];
  if (result) parts.push(result.earned && earned(result.earned), comparisons(result), result.guardrails.length && guardrails(result), segments(result));
  parts.push(make("p", { class: "hint", text: about }));
  return make("article", { class: `card experiment${runs ? "" : " ended"}` }, ...parts.filter(Boolean));
}

const LED = {
  from_lists: "Purchases that followed from a list",
  by_friends: "Of these, brought by friends",
  discovered: "Of these, new to the shopper",
};
const WORDS = {
  purchase_rate: "Conversion, share of shoppers who buy",
  purchases: "Purchases a shopper",
  revenue: "Revenue a shopper",
  revenue_a_session: "Revenue a session",
  discoveries: "Items new to them that a shopper buys",
};

function earned({ metrics, shares = {} }) {
  const rows = Object.entries(metrics).map(([name, one]) => {
    const row = make("tr", {}, make("td", { text: WORDS[name] ?? named(name) }), cell(short(one.base)));
    if (one.low === null) row.append(make("td", { text: "too few shoppers whose window is over", colspan: 4 }));
    else row.append(cell(signed(one.difference)), make("td", {}, effect(one, Math.max(1e-9, Math.abs(one.low), Math.abs(one.high)))), cell(`${signed(one.low)} to ${signed(one.high)}`), cell(`${signed(one.whole_low)} to ${signed(one.whole_high)}`));
    return row;
  });
  const led = Object.entries(shares).filter(([, one]) => one.value !== null).map(([name, one]) =>
    make("tr", {}, make("td", { text: LED[name] ?? named(name) }), cell(percent(one.value)), cell(one.low === null ? "not known yet" : `${percent(one.low)} to ${percent(one.high)}`), cell(counted(one.of))));
  return make("section", { class: "earned" }, make("h3", { text: "What recommendations earned" }),
    table("Against the holdout, who get popular items", ["", "Holdout", "More with recommendations", "Interval that holds at every look", "", "Over all who have them"], rows),
    led.length && table("Where purchases of shoppers with recommendations came from", ["", "Share", "Interval that holds at every look", "Of purchases"], led));
}

async function look() {
  const live = at("live");
  try {
    const answer = await fetch("/v1/experiments");
    if (!answer.ok) throw new Error((await answer.json()).detail ?? answer.status);
    const { experiments } = await answer.json();
    live.textContent = "Live";
    live.classList.remove("lost");
    const now = JSON.stringify(experiments);
    if (now === shown) return;
    shown = now;
    const running = experiments.filter((one) => one.stopped_ms === 0).length;
    at("lead").textContent = experiments.length ? `${running} of ${experiments.length} run` : "There is none: begin one with coterie experiment start";
    at("all").replaceChildren(...experiments.map(experiment));
  } catch (error) {
    live.textContent = "No answer";
    live.title = String(error.message ?? error);
    live.classList.add("lost");
    if (!shown) at("lead").textContent = live.title;
  }
}

async function turn() {
  // A page that nobody sees asks nothing.
  if (!document.hidden) await look();
  setTimeout(turn, EVERY_MS);
}

document.addEventListener("visibilitychange", () => document.hidden || look());
turn();
