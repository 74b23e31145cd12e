// What every part of the page is built with: answers of the API, elements, and words for numbers.

import { language, marked, say } from "/static/languages.js";

// What went wrong, by the status: what the API says of it is for who writes programs, and English.
const FAULTS = {
  401: marked("This page needs a key: sign in first."),
  404: marked("The shop does not have this (any more)."),
  409: marked("The shop cannot tell that at the moment."),
  413: marked("That is too long for the shop."),
  422: marked("The shop does not take that: check what you wrote."),
  503: marked("Something behind the shop does not answer. Try again in a moment."),
};
const REFUSED = marked("The shop does not let this page do that.");
const OURS = marked("Something went wrong in the shop.");
const NUMBERED = marked("{fault} (request {request})");
const faultOf = (status) => FAULTS[status] ?? (status === 403 ? REFUSED : status < 500 ? FAULTS[422] : OURS);

export async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { ...options, headers: { ...options.headers, "Accept-Language": language } });
  } catch {
    throw new Error(say("The shop does not answer. Is it still running?"));
  }
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  const { request_id: request } = await answer.json().catch(() => ({}));
  const fault = say(faultOf(answer.status));
  // By the number its log is found.
  throw Object.assign(new Error(request && answer.status >= 500 ? say(NUMBERED, { fault, request }) : fault), { status: answer.status });
}

// Where somebody signs in, and comes back from.
export const signIn = () => within("/sign-in", { next: location.pathname + location.search });

// An address of ours, in the language that this page's address asks for, if it does.
export function within(page, asked) {
  const lang = new URLSearchParams(location.search).get("lang");
  return `${page}?${new URLSearchParams(lang ? { ...asked, lang } : asked)}`;
}

export const path = (...parts) => "/v1/" + parts.map(encodeURIComponent).join("/");

export function make(tag, properties = {}, ...children) {
  const { class: name, text, on = {}, ...rest } = properties;
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  for (const [event, act] of Object.entries(on)) element.addEventListener(event, act);
  for (const [key, value] of Object.entries(rest)) element.setAttribute(key, value);
  element.append(...children.filter(Boolean));
  return element;
}

// A shop may title its items in several languages: a reader has to say each as it is written.
export const tongue = (text) => (/\p{Script=Han}/u.test(text ?? "") ? { lang: "zh" } : {});
export const money = (price) => (price == null ? "" : price.toLocaleString(language, { minimumFractionDigits: 2, maximumFractionDigits: 2 }));
export const leaf = (category) => (category ?? "").split("/").at(-1);
export const percent = (share) => (share > 0 && share < 0.005 ? "<1" : Math.round(share * 100)) + " %";

export function ago(ts) {
  const days = (Date.now() - new Date(ts)) / 86400000;
  if (days < 1 / 24) return say("just now");
  if (days < 1) return say("{num} h ago", { num: Math.round(days * 24) });
  if (days < 60) return say("{num} d ago", { num: Math.round(days) });
  return new Date(ts).toLocaleDateString(language, { year: "numeric", month: "short" });
}
