// Elements without a framework: h(tag, attributes, ...children).  Text is always text, so a
// study's name can never become markup.

export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== false));
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
  box.textContent = text;
  box.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => (box.hidden = true), 6000);
}
