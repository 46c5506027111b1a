// Elements without a framework: h(tag, attributes, ...children).  Text is always text, so a
// study's name can never become markup.

// Characters that nobody sees or that direct how others are shown, written as JSON writes them.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
export const printable = (text) =>
  text.replace(HIDDEN, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);

export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  const shown = children.flat(Infinity).filter((child) => child !== null && child !== false);
  element.append(...shown.map((child) => (typeof child === "string" ? printable(child) : child)));
  return element;
}

// Put `children` into `parent`, keeping what is already equal: hover and focus survive a refresh.
export function show(parent, ...children) {
  const fresh = children.flat(Infinity).filter(Boolean);
  fresh.forEach((child, i) => {
    const old = parent.childNodes[i];
    if (!old) parent.append(child);
    else if (!old.isEqualNode?.(child)) old.replaceWith(child);
  });
  while (parent.childNodes.length > fresh.length) parent.lastChild.remove();
}

// The policy of the page forbids nothing that a script sets here.
export function styled(element, properties) {
  for (const [name, value] of Object.entries(properties)) element.style.setProperty(name, value);
  return element;
}

let hiding;
export function toast(text) {
  const box = document.getElementById("toast");
  box.textContent = printable(text);
  box.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => (box.hidden = true), 6000);
}
