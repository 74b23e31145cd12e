const EVERY_MS = 1000;
const SVG = "http://www.w3.org/2000/svg";
const WIDE = 300, HIGH = 92;
const MARKS = { done: "✓", stopped: "×" };
const PHASES = { idle: "Idle", preflight: "Preflight", shadow: "Shadow", step: "Step", bake: "Bake", promoted: "Promoted", paused: "Paused", inconclusive: "Inconclusive",
  data_unavailable: "Without data", rolling_back: "Rolling back", rolled_back: "Rolled back" };
const HELD = ["paused", "inconclusive", "data_unavailable"];
const BACK = ["rolling_back", "rolled_back"];
const at = (id) => document.getElementById(id);
const shown = {};
let heard = 0;

/* ------------------------------------------------------------- building */

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
const release = (one) => one.version ?? one.digest.slice(0, 12);
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const named = (name) => capital(name.replaceAll("_", " "));

function bar(share, label) {
  const inner = make("i");
  inner.style.width = `${Math.min(100, Math.max(share > 0 ? 1.5 : 0, 100 * share))}%`;
  return make("div", { class: "gauge", role: "meter", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 1, "aria-valuenow": +share.toFixed(4) }, inner);
}

/* ------------------------------------------------------------- the way */

function showNow(told) {
  at("title").textContent = told.phase === "idle" ? "No rollout" : capital(told.where);
  const next = told.next_step;
  // What the title says already is not said again.
  at("next").textContent = next.startsWith(told.where) ? next.slice(told.where.length).replace(/^\s*[:;,]?\s*/, "") : capital(next);
  at("now").className = BACK.includes(told.phase) ? "back" : "";
  at("frozen").hidden = !told.frozen;
  at("frozen").textContent = `Frozen: ${told.frozen}`;
  const mood = told.held ? "held" : told.phase === "promoted" ? "over" : "";
  ifNew("track", [told.track, mood], () => at("track").replaceChildren(...told.track.map((stage) => {
    const mark = mood === "over" && stage.status === "present" ? "✓" : MARKS[stage.status] ?? "";
    const item = make("li", { class: `stop ${stage.status} ${mood}` }, make("span", { class: "mark", "aria-hidden": "true", text: mark }), make("span", { text: stage.name }));
    if (stage.status === "present" || stage.status === "stopped") item.setAttribute("aria-current", "step");
    return item;
  })));
}

function showArms(told) {
  const { samples } = told;
  const busy = ["shadow", "step"].includes(told.held ?? told.phase);
  const had = (arm) => (busy ? `${counted(samples[arm])} samples in this step, ${counted(samples.needed)} needed` : "");
  const mirrored = told.mirrored ? "Mirrored: shoppers see stable's lists. " : "";
  at("arms").replaceChildren(
    arm("stable", told.stable, 1 - told.weight, "Nothing is known to be live", had("stable")),
    arm("canary", told.canary, told.weight, "None is loaded", mirrored + had("canary")),
  );
}

function arm(role, one, share, none, hint) {
  const head = make("span", { class: "role" }, make("i"), named(role));
  if (!one) return make("article", { class: `card arm none ${role}` }, head, make("strong", { text: none }));
  return make("article", { class: `card arm ${role}` }, head, make("strong", { text: release(one) }), make("code", { text: one.digest.slice(0, 12), title: one.digest }),
    make("span", { class: "share", text: percent(share) }), bar(share, `Share of shoppers on ${role}`), hint && make("span", { class: "hint", text: hint }));
}

/* ------------------------------------------------------------- preflight */

const VERDICTS = { good: "within", bad: "over its limit", overridden: "overridden", unknown: "cannot be told" };

function showCompared(compared) {
  at("compared-part").hidden = !compared;
  if (!compared) return;
  const over = compared.figures.filter((one) => ["bad", "overridden"].includes(one.verdict));
  const rest = compared.figures.filter((one) => !over.includes(one));
  at("compared-said").textContent = `${release(compared.canary)} held against ${release(compared.live)} before it ran`;
  at("exceeded").hidden = !over.length;
  at("exceeded").replaceChildren(...(over.length ? figures(over) : []));
  const [title, table] = at("within").children;
  title.textContent = `${counted(rest.length)} figures within their limits`;
  table.replaceChildren(...figures(rest));
}

function figures(some) {
  const head = ["Figure", "Stable", "Canary", "Value", "Limit", ""].map((text) => make("th", { scope: "col", text }));
  return [make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...some.map(figure))];
}

function figure(one) {
  const said = one.examples.length ? `${VERDICTS[one.verdict]}: ${one.examples.join(", ")}` : VERDICTS[one.verdict];
  const cells = [amount(one.live, one.of_numbers), amount(one.canary, one.of_numbers), amount(one.value, one.is_factor), `${one.at_most ? "≤" : "≥"} ${amount(one.limit, one.is_factor)}`];
  return make("tr", { class: one.verdict }, make("th", { scope: "row" }, named(one.name), make("small", { text: one.about })),
    ...cells.map((text) => make("td", { text })), make("td", { class: "said", text: one.verdict === "good" ? "" : said }));
}

const amount = (value, isNumber) => (value === null ? "" : isNumber ? value.toLocaleString("en", { maximumSignificantDigits: 4 }) : percent(value));

/* ------------------------------------------------------------- signals */

function showSignals(told, series) {
  at("signals-part").hidden = !told.signals.length;
  at("signals").replaceChildren(...told.signals.map((signal) => card(signal, series)));
}

function card(signal, series) {
  const [canary, stable] = [signal.canary, signal.stable].map(([samples, events]) => (samples ? `${percent(events / samples)} of ${counted(samples)}` : "none yet"));
  const ratio = signal.ratio === null ? "not known" : `${signal.ratio.toFixed(2)}, within ${signal.interval.map((x) => x.toFixed(2)).join(" to ")}`;
  const evidence = make("div", { class: "evidence" }, bar(signal.progress, `e-value of ${signal.name}`),
    make("span", { text: `e-value ${short(signal.e_value)} of ${signal.rolls_back_at.toFixed(0)}`, title: "A rollback at the second number" }));
  return make("li", { class: `card signal ${signal.level}` },
    make("header", {}, make("h3", { text: named(signal.name) }), make("span", { class: `verdict ${signal.level}`, text: signal.verdict })),
    make("p", { class: "about", text: capital(signal.about) }),
    ...chart(signal, series),
    make("dl", { class: "rates" }, ...[["Canary", canary], ["Stable", stable], ["Ratio", ratio], ["Limit", `${signal.worse === "more" ? "at most" : "at least"} ${signal.limit} times stable`]]
      .flatMap(([name, value]) => [make("dt", { text: name }), make("dd", { text: value })])),
    evidence);
}

const short = (value) => (value >= 1e6 ? `10^${Math.log10(value).toFixed(0)}` : value >= 10 ? counted(Math.round(value)) : value.toFixed(1));

function chart(signal, series) {
  const line = series.lines[signal.name];
  const drawn = line ? line.stable.filter((rate, n) => rate !== null && line.canary[n] !== null).length : 0;
  if (drawn < 2) return [make("div", { class: "no-chart", text: signal.verdict === "means nothing in shadow" ? "Judged once shoppers see its lists" : "Two looks are needed for a line" })];
  const limits = line.stable.map((rate) => (rate === null ? null : rate * signal.limit));
  const top = Math.max(...line.canary, ...line.stable, ...limits) * 1.08 || 1e-3;
  const [first, last] = [series.at[0], series.at.at(-1)];
  const path = (rates) => {
    let pen = "M";
    return rates.map((rate, n) => {
      if (rate === null) { pen = "M"; return ""; }
      const step = `${pen}${((series.at[n] - first) / (last - first || 1) * WIDE).toFixed(1)} ${(HIGH - rate / top * HIGH).toFixed(1)}`;
      pen = "L";
      return step;
    }).join("");
  };
  const picture = draw("svg", { class: "chart", viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", role: "img", "aria-label": `${named(signal.name)}: canary and stable over ${span(last - first)}` },
    draw("path", { class: "base", d: `M0 ${HIGH}H${WIDE}` }), draw("path", { class: "limit", d: path(limits) }), draw("path", { class: "stable", d: path(line.stable) }), draw("path", { class: "canary", d: path(line.canary) }));
  return [picture, make("div", { class: "scale", "aria-hidden": "true" }, make("span", { text: clock(first) }), make("span", { text: `up to ${percent(top)}` }), make("span", { text: clock(last) }))];
}

/* ------------------------------------------------------------- history */

const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const span = (seconds) => (seconds < 90 ? `${Math.round(seconds)} s` : seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`);

function day(seconds) {
  const date = new Date(seconds * 1000);
  return date.toDateString() === new Date().toDateString() ? "" : date.toLocaleDateString([], { day: "numeric", month: "short" }) + " ";
}

function showStory(history, versions) {
  const rows = history.map((one) => {
    const digest = one.canary, kind = one.before === one.after && one.before !== "step" ? "noted" : BACK.includes(one.after) ? "back" : HELD.includes(one.after) ? "hold" : one.after === "promoted" ? "up" : "on";
    const weight = one.weight ? ` at ${percent(one.weight)}` : "";
    return make("li", { class: kind }, make("time", { datetime: new Date(one.at * 1000).toISOString(), text: day(one.at) + clock(one.at) }),
      make("span", {}, make("b", { text: PHASES[one.after] + weight }), digest && ` ${versions[digest] ?? digest.slice(0, 12)}`, one.signal && make("code", { text: ` ${one.signal}` })),
      make("p", { text: `${capital(one.why)}${one.cause === "command" ? ` (${one.who})` : ""}` }));
  });
  at("story").replaceChildren(...(rows.length ? rows : [make("li", { class: "empty", text: "Nothing yet. Begin with: coterie rollout start VERSION --reason WHY" })]));
}

function showQuarantine(told) {
  const kept = Object.entries(told.quarantine);
  at("quarantine-part").hidden = !kept.length;
  at("quarantine").replaceChildren(...kept.map(([digest, why]) =>
    make("li", {}, make("b", { text: `${told.versions[digest] ?? ""} ` }), make("code", { text: digest.slice(0, 12), title: digest }), make("p", { text: why }))));
}

/* ------------------------------------------------------------- turning */

async function look() {
  try {
    const answer = await fetch("/v1/rollouts", { cache: "no-store" });
    if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).detail ?? `status ${answer.status}`);
    show(await answer.json());
    heard = Date.now();
    says("Live");
  } catch (error) {
    says(heard ? `No answer for ${span((Date.now() - heard) / 1000)}` : "No answer", error.message);
  }
}

function says(text, why = "") {
  const live = at("live");
  if (live.textContent !== text) live.textContent = text;
  live.title = why;
  live.classList.toggle("lost", text !== "Live");
}

function show({ status, history, series }) {
  const { versions, quarantine } = status;
  showNow(status);
  ifNew("arms", [status.stable, status.canary, status.weight, status.samples, status.phase], () => showArms(status));
  ifNew("compared", [status.comparison], () => showCompared(status.comparison));
  ifNew("signals", [status.signals, series], () => showSignals(status, series));
  ifNew("story", [history, versions], () => showStory(history, versions));
  ifNew("quarantine", [quarantine, versions], () => showQuarantine(status));
}

/* What stays as it is keeps a reader's selection and focus. */
function ifNew(part, content, act) {
  const now = JSON.stringify(content);
  if (shown[part] === now) return;
  shown[part] = now;
  act();
}

async function turn() {
  // A page that nobody sees asks nothing.
  if (!document.hidden) await look();
  setTimeout(turn, EVERY_MS);
}

document.addEventListener("visibilitychange", () => document.hidden || look());
turn();
