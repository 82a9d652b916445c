// Builds and changes elements. Text goes in as text, never as markup, so that nothing a client sent
// can become part of the page.

const SVG = 'http://www.w3.org/2000/svg';

/// An element: `h('td', {class: 'number', onclick}, 'text', child)`.
export function h(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

/// An element of a drawing.
export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, '');
    else node.setAttribute(name, String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/// Changes a text, if it is another one: nothing is laid out anew for the same.
export function set(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/// Changes an attribute, if it is another one.
export function attr(node, name, value) {
  if (value === null || value === undefined) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, String(value));
}

const children = new WeakMap();

/// Shows a list as the children of a node. What has the same key stays, changed in place, and so keeps
/// the focus; `make(item)` gives `{node, update(item)}`.
export function keep(parent, items, key, make) {
  const before = children.get(parent) ?? new Map();
  const now = new Map();
  let place = parent.firstElementChild;
  for (const item of items) {
    const made = before.get(key(item)) ?? make(item);
    made.update(item);
    now.set(key(item), made);
    if (made.node === place) place = place.nextElementSibling;
    else parent.insertBefore(made.node, place);
  }
  for (const [name, made] of before) if (!now.has(name)) made.node.remove();
  children.set(parent, now);
}

/// A link that leads somewhere, or is mere text.
export function lead(node, href, text) {
  set(node, text);
  attr(node, 'href', href);
}

// Control characters, marks that turn the direction of writing, and what has no width: on a page they
// would deceive whoever reads it.
const HIDDEN =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/// What a client sent, with everything visible.
export function visible(text) {
  return String(text).replace(HIDDEN, (mark) => {
    const code = mark.charCodeAt(0).toString(16);
    return code.length <= 2 ? `\\x${code.padStart(2, '0')}` : `\\u${code.padStart(4, '0')}`;
  });
}

/// The same, no longer than `most` characters.
export function short(text, most) {
  const seen = visible(text);
  return seen.length > most ? `${seen.slice(0, most - 1)}…` : seen;
}

/// Puts a text on the clipboard and says so on the button.
export async function copy(button, text) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
  } catch {
    // Without the right to the clipboard: show it, so that it can be copied by hand.
    button.textContent = 'Select and copy';
    const area = h('textarea', { class: 'copied', readonly: true, 'aria-label': 'Text to copy' });
    area.value = text;
    button.after(area);
    area.focus();
    area.select();
    area.addEventListener('blur', () => area.remove());
  }
  setTimeout(() => { button.textContent = before; }, 1500);
}
