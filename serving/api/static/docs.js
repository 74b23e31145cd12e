// Reads /openapi.json and shows it: every call, its parameters, bodies and answers, ready to try.

const METHODS = ["get", "post", "put", "patch", "delete"];
let spec;

function make(tag, properties = {}, ...children) {
  const { class: name, text, on = {}, ...rest } = properties;
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  for (const [event, act] of Object.entries(on)) element.addEventListener(event, act);
  for (const [key, value] of Object.entries(rest)) element.setAttribute(key, value);
  element.append(...children.filter(Boolean));
  return element;
}

const follow = (schema) => (schema?.$ref ? schema.$ref.slice(2).split("/").reduce((at, step) => at[step], spec) : schema ?? {});

function typeOf(given) {
  const schema = follow(given);
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" or ");
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === "array") return `list of ${typeOf(schema.items)}`;
  return schema.format ?? schema.title?.replaceAll(" ", "") ?? schema.type ?? "any";
}

function bounds(given) {
  const schema = follow(given);
  const said = [];
  for (const [key, words] of [["minimum", "from"], ["maximum", "to"], ["minLength", "at least"], ["maxLength", "at most"], ["minItems", "at least"], ["maxItems", "at most"]])
    if (schema[key] !== undefined) said.push(`${words} ${schema[key]}${/Length/.test(key) ? " characters" : ""}`);
  if (schema.default !== undefined && schema.default !== null && schema.default !== "") said.push(`default ${schema.default}`);
  return said.join(", ");
}

function tree(given, depth = 0) {
  const schema = follow(given);
  const inner = schema.anyOf?.map(follow).find((one) => one.properties || one.items) ?? schema;
  if (inner.items) return tree(inner.items, depth);
  if (!inner.properties || depth > 4) return null;
  const rows = Object.entries(inner.properties).map(([name, property]) => make("li", {},
    make("code", { text: name }), make("small", { text: ` ${typeOf(property)}${inner.required?.includes(name) ? "" : ", optional"}${bounds(property) ? `; ${bounds(property)}` : ""}` }),
    property.description && make("small", { text: ` - ${property.description}` }), tree(property, depth + 1)));
  return make("ul", {}, ...rows);
}

function example(given, depth = 0) {
  const schema = follow(given);
  if (schema.examples) return schema.examples[0];
  if (schema.anyOf) return example(schema.anyOf[0], depth);
  if (schema.enum) return schema.enum[0];
  if (schema.properties) return Object.fromEntries(Object.entries(schema.properties).filter(([name]) => schema.required?.includes(name)).map(([name, one]) => [name, example(one, depth + 1)]));
  if (schema.type === "array") return [example(schema.items, depth + 1)];
  return { integer: 1, number: 1, boolean: true }[schema.type] ?? "string";
}

function call(path, method, operation) {
  const parameters = operation.parameters ?? [];
  const inputs = new Map();
  const rows = parameters.map((one) => {
    const input = make("input", { "aria-label": one.name, placeholder: one.schema.default ?? "" });
    inputs.set(one, input);
    return make("tr", {}, make("td", {}, make("code", { text: one.name }), make("small", { text: ` ${one.in}${one.required ? "" : ", optional"}` })),
      make("td", { text: [typeOf(one.schema), bounds(one.schema), one.description].filter(Boolean).join("; ") }), make("td", {}, input));
  });
  const bodySchema = operation.requestBody?.content["application/json"]?.schema;
  const body = bodySchema && make("textarea", { "aria-label": "Body", spellcheck: "false" });
  if (body) body.value = JSON.stringify(example(bodySchema), null, 2);
  const result = make("pre", { "aria-live": "polite", hidden: "" });
  const inner = make("div", { class: "inner" },
    make("p", { text: operation.description ?? "" }),
    rows.length ? make("table", {}, make("thead", {}, make("tr", {}, ...["Parameter", "What", "Value"].map((text) => make("th", { text, scope: "col" })))), make("tbody", {}, ...rows)) : null,
    body && make("h3", { text: "Body" }), body && make("div", { class: "schema" }, tree(bodySchema)), body,
    make("button", { type: "button", text: "Try it", on: { click: () => attempt(path, method, inputs, body, result) } }), result,
    make("h3", { text: "Answers" }), ...Object.entries(operation.responses).map(([status, answer]) => {
      const content = Object.entries(answer.content ?? {});
      const [type, { schema } = {}] = content.at(-1) ?? ["", {}];
      return make("details", {}, make("summary", {}, make("code", { text: status }), ` ${answer.description} `, make("small", { text: type })), make("div", { class: "schema" }, schema && tree(schema)));
    }));
  return make("details", { class: "call" }, make("summary", {}, make("span", { class: `method ${method}`, text: method.toUpperCase() }), make("code", { class: "path", text: path }), make("span", { class: "hint", text: operation.summary ?? "" })), inner);
}

async function attempt(path, method, inputs, body, result) {
  let url = path;
  const query = new URLSearchParams();
  for (const [one, input] of inputs) {
    if (one.in === "path") url = url.replace(`{${one.name}}`, encodeURIComponent(input.value));
    else if (input.value) for (const value of typeOf(one.schema).startsWith("list") ? input.value.split(",") : [input.value]) query.append(one.name, value);
  }
  result.hidden = false;
  try {
    const answer = await fetch(query.size ? `${url}?${query}` : url, { method: method.toUpperCase(), headers: body ? { "Content-Type": "application/json" } : {}, body: body?.value });
    const text = await answer.text();
    let shown = text;
    try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: shown as it came */ }
    result.textContent = `${answer.status} ${answer.statusText}\n\n${shown}`;
  } catch (error) {
    result.textContent = `No answer: ${error.message}`;
  }
}

async function begin() {
  const page = document.getElementById("api");
  try {
    spec = await (await fetch("/openapi.json")).json();
  } catch (error) {
    page.replaceChildren(make("p", { class: "note error", role: "alert", text: `openapi.json cannot be read: ${error.message}` }));
    return;
  }
  const groups = new Map();
  for (const [path, methods] of Object.entries(spec.paths))
    for (const method of METHODS.filter((one) => methods[one])) {
      const tag = methods[method].tags?.[0] ?? "other";
      groups.set(tag, [...(groups.get(tag) ?? []), call(path, method, methods[method])]);
    }
  page.replaceChildren(make("h1", { text: `${spec.info.title} ${spec.info.version}` }), make("p", { class: "lead", text: spec.info.description }),
    ...[...groups].flatMap(([tag, calls]) => [make("h2", { text: tag }), ...calls]));
}

begin();
