"""What a page in a browser owes to everybody: measured as it is shown at that moment."""

import itertools

_COLOURS = """
const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
const rgba = (colour) => {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
  return [r, g, b, a / 255];
};
const over = (top, below) => [0, 1, 2].map((n) => top[n] * top[3] + below[n] * (1 - top[3]));
// What lies behind: colours that let something through are put over what is below them.
const behind = (element) => {
  if (!element) return rgba("Canvas");
  const colour = rgba(getComputedStyle(element).backgroundColor);
  return colour[3] === 1 ? colour : [...over(colour, behind(element.parentElement)), 1];
};
const light = (colour) => {
  const [r, g, b] = colour.map((n) => n / 255)
    .map((n) => (n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (colour, below) => {
  const [dark, bright] = [light(over(colour, below)), light(below)].sort((a, b) => a - b);
  return (bright + 0.05) / (dark + 0.05);
};
"""
_TOO_FAINT = f"""() => {{
  {_COLOURS}
  const found = [];
  const look = (what, colour, below, needed) => {{
    const measured = contrast(rgba(colour), below);
    if (measured < needed) found.push(`${{what.trim().slice(0, 40)}}: ${{measured.toFixed(2)}}`);
  }};
  const needs = (style) => {{
    const size = parseFloat(style.fontSize);
    return size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
  }};
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {{
    const element = node.parentElement, style = getComputedStyle(element);
    const seen = node.data.trim() && element.checkVisibility({{ opacityProperty: true }});
    if (!seen || element.closest(":disabled, noscript, .ghost")) continue;
    look(node.data, style.color, behind(element), needs(style));
  }}
  for (const field of document.querySelectorAll("input")) {{
    if (!field.checkVisibility()) continue;
    const style = getComputedStyle(field, "::placeholder");
    look(field.placeholder, style.color, behind(field), 4.5);
    look(`edge of ${{field.id || field.name}}`, getComputedStyle(field).borderColor,
      behind(field.parentElement), 3);
  }}
  // Dots and bars tell by their colour alone.
  for (const mark of document.querySelectorAll(".dot, .part:not(.against)")) {{
    const below = behind(mark.parentElement);
    look(mark.className, getComputedStyle(mark).backgroundColor, below, 3);
  }}
  return [...new Set(found)];
}}"""
_NAMELESS = """() => {
  const bare = (one) => one.outerHTML.slice(0, 120);
  const text = (one) => one.innerText?.trim() || one.textContent.trim();
  const named = (one) => one.getAttribute("aria-label")?.trim()
    || [...(one.labels ?? [])].some(text)
    || (one.getAttribute("aria-labelledby") ?? "").split(" ").some((id) => {
      const of = document.getElementById(id);
      return of && text(of);
    });
  const all = (wanted) => [...document.querySelectorAll(wanted)];
  return [
    ...all("input, select, textarea").filter((one) => !named(one)),
    ...all("button, a[href], summary").filter((one) => !named(one) && !text(one)),
    ...all("img").filter((one) => !one.hasAttribute("alt")),
    ...all("svg").filter((one) => one.getAttribute("aria-hidden") !== "true" && !named(one)),
    ...all("section, aside, nav, form:not([method=dialog]), dialog, article:not([hidden])")
      .filter((one) => one.hasAttribute("aria-labelledby") && one.checkVisibility() && !named(one)),
  ].map(bare);
}"""
_HEADINGS = """() => [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")]
  .filter((one) => one.checkVisibility()).map((one) => Number(one.tagName[1]))"""
_FOCUS = """() => {
  const one = document.activeElement, style = getComputedStyle(one);
  const box = one.getBoundingClientRect();
  return {
    what: one.id || one.className || one.tagName,
    ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    shown: box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0,
  };
}"""
_CUT = """() => [...document.querySelectorAll("button, .tag, .verb, label, h1, .headline span")]
  .filter((one) => one.checkVisibility() && !one.closest(".aside"))
  .filter((one) => one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0)
  .map((one) => one.outerHTML.slice(0, 120))"""


def too_faint(page):
    """Words and marks whose contrast is below what WCAG 2.2 asks for at level AA."""
    return page.evaluate(_TOO_FAINT)


def nameless(page):
    """Fields, buttons, links, pictures and parts without a name for who does not see them."""
    return page.evaluate(_NAMELESS)


def headings(page):
    """Levels of the headings that are shown, in their order."""
    return page.evaluate(_HEADINGS)


def skipped_levels(page):
    """Headings that stand more than one level below the one before."""
    levels = headings(page)
    pairs = itertools.pairwise(levels)
    return [pair for pair in pairs if pair[1] > pair[0] + 1]


def focus(page):
    """Where the keyboard is: what it is, whether that shows, and whether it is in sight."""
    return page.evaluate(_FOCUS)


def cut_words(page):
    """Labels that do not fit into what holds them."""
    return page.evaluate(_CUT)
