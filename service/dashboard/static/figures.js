// The report's figures on the page: plotly.js draws them, and draws them again where they change.

import { h, show, styled } from "/ui/dom.js";

let loading;
function plotly() {
  loading ??= new Promise((resolve, reject) => {
    const script = h("script", { src: "/ui/plotly.js" });
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => {
      script.remove();
      loading = undefined; // the next refresh tries again
      reject(new Error("The figures could not be loaded."));
    };
    document.head.append(script);
  });
  return loading;
}

// Elements that a view keeps: what is drawn in them outlives the view's refreshes.
export function gallery(onClose) {
  const elements = new Map();
  const frames = new Map(); // element -> {figure, text: of what is drawn}
  const inColours = () => {
    for (const [element, { figure }] of frames) {
      if ("drawn" in element.dataset) window.Plotly.relayout(element, figureTheme(figure.layout));
    }
  };
  DARK.addEventListener("change", inColours);
  onClose(() => {
    DARK.removeEventListener("change", inColours);
    for (const element of frames.keys()) window.Plotly?.purge(element);
    frames.clear();
  });

  // The element of that name, with these children.
  function keep(name, tag, attributes, ...children) {
    if (!elements.has(name)) elements.set(name, h(tag, attributes));
    const element = elements.get(name);
    show(element, children);
    return element;
  }

  // Where a figure is drawn; `draw` does it once the element is on the page.
  function frame(name, figure, title) {
    if (!elements.has(name)) elements.set(name, h("div", { class: "figure", role: "img", "data-figure": name }));
    const element = styled(elements.get(name), { height: `${figure.layout.height}px` });
    element.setAttribute("aria-label", figure.heading || title);
    frames.set(element, { ...frames.get(element), figure });
    return element;
  }

  async function draw() {
    if (!frames.size) return;
    const { react } = await plotly();
    for (const [element, known] of frames) {
      const text = JSON.stringify(known.figure);
      if (known.text === text || !element.isConnected) continue;
      known.text = text;
      const { data, layout } = known.figure;
      await react(element, data, { ...layout, ...figureTheme(layout), uirevision: "kept" }, FIGURE_CONFIG);
      element.dataset.drawn = "";
    }
  }

  return { keep, frame, draw };
}

// A card for a part of the report: its title and caption, its figures, or why there are none yet.
export function partCard(gallery, name, part, resting) {
  const figures = (part?.figures ?? []).map((figure, i) => [
    figure.heading ? h("h3", {}, figure.heading) : null,
    gallery.frame(`${name}-${i}`, figure, part.title),
  ]);
  return gallery.keep(name, "section", { class: "card", id: name },
    h("header", {}, h("h2", {}, part?.title ?? resting.title)),
    figures.length ? [h("p", { class: "caption" }, part.caption), figures] : h("p", { class: "quiet" }, resting.sentence));
}
