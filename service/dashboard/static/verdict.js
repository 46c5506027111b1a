// The verdict: what the search believed, and what sealed tasks say, side by side.

import { h } from "/ui/dom.js";

const USEFUL = { better: "better", open: "not shown", useless: "useless" };

function beside(trivial) {
  if (!trivial) return null;
  const bad = trivial.answer === "useless" ? " bad" : "";
  return h("div", {},
    h("div", { class: "label" }, "Beside trivial predictors"),
    h("div", { class: `big${bad}`, id: "beside-trivial" }, USEFUL[trivial.answer]));
}

function answer({ page, result }) {
  const best = result.finalists[0];
  if (!page.score) return h("p", { class: "quiet" }, page.sentences.join(" "));
  return h("div", { class: "answer" },
    h("div", {}, h("div", { class: "label" }, "Best trial"), h("div", { class: "big" }, `${best.trial_number} · ${best.branch}`)),
    h("div", {}, h("div", { class: "label" }, page.label), h("div", { class: "big" }, page.score)),
    beside(result.trivial),
    h("div", { class: "why" }, page.sentences.slice(1).map((sentence) => h("p", {}, sentence))));
}

const cell = ({ text, interval }) =>
  h("td", {}, text ?? "–", interval ? h("span", { class: "range" }, interval) : null);

function table({ header, rows }, winner = true) {
  return h("div", { class: "scroll" },
    h("table", {},
      h("thead", {}, h("tr", {}, header.map((name) => h("th", {}, name)))),
      h("tbody", {}, rows.map((cells, i) => h("tr", { class: winner && !i ? "winner" : "" }, cells.map(cell))))));
}

function worth(content) {
  if (!content) return null;
  const rows = content.rows.map((cells) => cells.map((text) => ({ text })));
  return h("div", { id: "meta-learning" },
    h("h3", {}, content.title), table({ header: content.header, rows }, false));
}

export function verdictCard(state) {
  const { gallery, page, result } = state;
  const head = h("header", {}, h("h2", {}, "Verdict"), h("span", { class: "small quiet" }, "95 % intervals"));
  if (!result.finalists.length) {
    const none = h("p", { class: "quiet" }, "No trial reached the end, so there is nothing to judge.");
    return gallery.keep("verdict", "section", { class: "card", id: "verdict" }, head, none);
  }
  const figures = page.parts.verdict?.figures ?? [];
  return gallery.keep("verdict", "section", { class: "card", id: "verdict" },
    head, answer(state), table(page.finalists), worth(page.worth),
    figures.map((figure, i) => gallery.frame(`verdict-${i}`, figure, page.parts.verdict.title)),
    h("p", { class: "caption" }, page.parts.verdict?.caption ?? ""));
}
