// A picture for every product: the shop's own, or, where it has none, one drawn from category and id.

const GLYPHS = {
  pan: '<path d="M20 52a22 22 0 1 0 44 0a22 22 0 1 0-44 0zM63 45l25-15"/><circle cx="42" cy="52" r="14"/>',
  knife: '<path d="M22 72l34-34c10-10 20-16 28-18c-2 10-8 22-20 34L50 66zM50 66l-6-6"/>',
  cup: '<path d="M26 38h40v24a16 16 0 0 1-16 16h-8a16 16 0 0 1-16-16zM66 44h6a8 8 0 0 1 0 18h-6M38 20c-4 5 4 7 0 12M52 20c-4 5 4 7 0 12"/>',
  lamp: '<path d="M38 22h24l12 26H26zM50 48v26M36 78h28"/>',
  textile: '<path d="M22 30h56v44H22zM22 44h56M22 58h56M36 30v44M50 30v44M64 30v44"/>',
  plant: '<path d="M36 60h28l-4 20H40zM50 60V34M50 44c-14 2-20-8-20-18c12 0 20 6 20 18zM50 38c0-12 8-18 20-18c0 12-8 20-20 18z"/>',
  tool: '<path d="M30 76l26-28M62 54a16 16 0 0 0 16-22l-10 10l-8-8l10-10a16 16 0 0 0-22 18L26 66a8 8 0 0 0 10 12z"/>',
  dress: '<path d="M40 20v8l-6 14l8 4l-14 34h44L58 46l8-4l-6-14v-8M40 28c6 6 14 6 20 0"/>',
  shirt: '<path d="M36 24l14 6l14-6l18 14l-8 14l-8-4v32H34V48l-8 4l-8-14z"/>',
  shoe: '<path d="M18 66V44l14 4c4-6 8-8 14-6l10 14l20 6c6 2 8 6 8 10H22a4 4 0 0 1-4-6zM46 48l6-4M50 54l6-4"/>',
  bag: '<path d="M26 40h48l4 38H22zM38 46V34a12 12 0 0 1 24 0v12"/>',
  mat: '<path d="M22 64a10 10 0 1 1 20 0a10 10 0 1 1-20 0M32 54h42a8 8 0 0 1 8 8v12H32"/><circle cx="32" cy="64" r="3"/>',
  wheel: '<circle cx="50" cy="50" r="28"/><circle cx="50" cy="50" r="5"/><path d="M50 22v23M50 55v23M22 50h23M55 50h23"/>',
  tent: '<path d="M50 24L18 76h64zM50 24v14M50 46L38 76h24z"/>',
  peak: '<path d="M16 76l24-42l12 20l8-12l24 34zM34 46l6 6l6-6"/><circle cx="70" cy="28" r="6"/>',
  headphones: '<path d="M24 60V50a26 26 0 0 1 52 0v10M24 56h8v20h-4a4 4 0 0 1-4-4zM76 56h-8v20h4a4 4 0 0 0 4-4z"/>',
  speaker: '<rect x="32" y="18" width="36" height="64" rx="6"/><circle cx="50" cy="58" r="12"/><circle cx="50" cy="32" r="5"/>',
  keyboard: '<rect x="16" y="34" width="68" height="34" rx="6"/><path d="M26 44h4M38 44h4M50 44h4M62 44h4M72 44h2M26 56h4M38 56h26M72 56h2"/>',
  camera: '<path d="M18 36h16l6-8h20l6 8h16v40H18z"/><circle cx="50" cy="55" r="13"/><circle cx="50" cy="55" r="5"/>',
  home: '<path d="M20 50l30-26l30 26M28 44v34h44V44M44 78V60h12v18"/>',
  drop: '<path d="M50 18c14 18 22 28 22 40a22 22 0 0 1-44 0c0-12 8-22 22-40zM40 60a10 10 0 0 0 10 10"/>',
  candle: '<path d="M36 46h28v34H36zM50 46v-8M50 18c8 8 8 14 0 20c-8-6-8-12 0-20z"/>',
  bottle: '<path d="M42 18h16v12l8 12v36a4 4 0 0 1-4 4H38a4 4 0 0 1-4-4V42l8-12zM34 54h32M34 68h32"/>',
  sweet: '<rect x="24" y="26" width="52" height="50" rx="5"/><path d="M24 42h52M24 60h52M41 26v50M59 26v50"/>',
  book: '<path d="M50 30c-8-6-18-8-30-8v50c12 0 22 2 30 8c8-6 18-8 30-8V22c-12 0-22 2-30 8zM50 30v50"/>',
  dice: '<rect x="24" y="24" width="52" height="52" rx="10"/><circle cx="38" cy="38" r="3"/><circle cx="62" cy="38" r="3"/><circle cx="50" cy="50" r="3"/><circle cx="38" cy="62" r="3"/><circle cx="62" cy="62" r="3"/>',
  blocks: '<path d="M20 52h28v28H20zM52 52h28v28H52zM36 20h28v28H36z"/>',
  paw: '<path d="M50 50c10 0 20 12 18 20c-2 8-10 4-18 4s-16 4-18-4c-2-8 8-20 18-20z"/><circle cx="28" cy="46" r="6"/><circle cx="42" cy="32" r="6"/><circle cx="58" cy="32" r="6"/><circle cx="72" cy="46" r="6"/>',
  box: '<path d="M50 20l28 14v32L50 82L22 66V34zM22 34l28 14l28-14M50 48v34"/>',
};

// First word that a category or title holds decides; the order is from narrow to wide.
const WORDS = [
  ["headphone", "headphones"], ["speaker", "speaker"], ["audio", "headphones"], ["keyboard", "keyboard"],
  ["comput", "keyboard"], ["photo", "camera"], ["camera", "camera"], ["smart", "home"], ["electronic", "keyboard"],
  ["knives", "knife"], ["coffee", "cup"], ["tea", "cup"], ["pan", "pan"], ["kitchen", "pan"],
  ["light", "lamp"], ["lamp", "lamp"], ["textile", "textile"], ["plant", "plant"], ["tool", "tool"],
  ["garden", "plant"], ["dress", "dress"], ["women", "dress"], ["shirt", "shirt"], ["knit", "shirt"],
  ["jacket", "shirt"], ["men", "shirt"], ["shoe", "shoe"], ["sneaker", "shoe"], ["bag", "bag"], ["fashion", "bag"],
  ["yoga", "mat"], ["cycling", "wheel"], ["bik", "wheel"], ["camp", "tent"], ["outdoor", "tent"], ["climb", "peak"],
  ["running", "shoe"], ["sport", "wheel"], ["fragrance", "candle"], ["candle", "candle"], ["skin", "drop"],
  ["hair", "bottle"], ["beauty", "drop"], ["oil", "bottle"], ["sweet", "sweet"], ["choco", "sweet"],
  ["food", "bottle"], ["book", "book"], ["block", "blocks"], ["game", "dice"], ["toy", "dice"],
  ["pet", "paw"], ["dog", "paw"], ["home", "lamp"],
];

export function hash(text) {
  let value = 2166136261;
  for (const letter of text) value = Math.imul(value ^ letter.codePointAt(0), 16777619) >>> 0;
  return value;
}

function glyph(item) {
  // The leaf says more than the department.
  const parts = (item.category ?? "").split("/").reverse();
  for (const part of [...parts, item.title]) {
    const found = WORDS.find(([word]) => part.toLowerCase().startsWith(word) || part.toLowerCase().includes(" " + word));
    if (found) return GLYPHS[found[1]];
  }
  return GLYPHS.box;
}

// Where the shop's own pictures are; empty where this server shows none.
const OWN = document.querySelector("meta[name=pictures]")?.content ?? "";

function address(image) {
  if (!image) return "";
  if (image.startsWith("https://")) return image;
  return OWN && OWN + image.split("/").map(encodeURIComponent).join("/");
}

/** An element that shows an item. Its title stands beside it, so it has no words of its own. */
export function picture(item) {
  const src = address(item.image);
  if (!src) return drawn(item);
  const shown = document.createElement("img");
  Object.assign(shown, { className: "picture photo", alt: "", loading: "lazy", decoding: "async", referrerPolicy: "no-referrer" });
  shown.addEventListener("error", () => shown.replaceWith(drawn(item)), { once: true });
  shown.src = src;
  return shown;
}

// An SVG element: soft colours of the category, a turn of its own for each item.
function drawn(item) {
  const hue = hash((item.category ?? "").split("/").slice(0, 2).join("/")) % 360;
  const turn = hash(item.item_id);
  const second = (hue + 30 + (turn % 50)) % 360;
  const id = `g${turn.toString(36)}${Math.random().toString(36).slice(2, 6)}`;
  const x = 15 + (turn % 70);
  const y = 10 + ((turn >> 8) % 70);
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100" preserveAspectRatio="xMidYMid slice" aria-hidden="true" class="picture">
    <defs><linearGradient id="${id}" x1="0" y1="0" x2="1" y2="1">
      <stop offset="0" stop-color="hsl(${hue} 62% 78%)"/><stop offset="1" stop-color="hsl(${second} 58% 62%)"/>
    </linearGradient></defs>
    <rect width="100" height="100" fill="url(#${id})"/>
    <circle cx="${x}" cy="${y}" r="34" fill="#fff" opacity=".18"/><circle cx="${100 - x}" cy="${110 - y}" r="24" fill="#fff" opacity=".14"/>
    <g transform="translate(50 50) scale(.62) rotate(${(turn % 13) - 6}) translate(-50 -50)" fill="#fff" fill-opacity=".28" stroke="hsl(${hue} 45% 22%)" stroke-width="4" stroke-linecap="round" stroke-linejoin="round">${glyph(item)}</g>
  </svg>`;
  return new DOMParser().parseFromString(svg, "image/svg+xml").documentElement;
}

/** A round face with initials, in a colour of its own. */
export function face(name) {
  const hue = hash(name) % 360;
  const words = name.split(/[^\p{L}\p{N}]+/u).filter(Boolean);
  const last = words.at(-1) ?? "?";
  const text = words.length > 1 && /^\d+$/.test(last) ? last.slice(-2) : name.slice(0, 2);
  const element = document.createElement("span");
  element.className = "face";
  element.textContent = text.toUpperCase();
  element.setAttribute("aria-hidden", "true");
  // Dark on light of the same hue: read as well by day and by night.
  element.style.background = `linear-gradient(135deg, hsl(${hue} 78% 88%), transparent) hsl(${(hue + 35) % 360} 68% 76%)`;
  element.style.color = `hsl(${hue} 60% 18%)`;
  return element;
}
