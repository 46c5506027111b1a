// Gates: what the best finalist had to be able to do, beside which baseline, and what was answered.

import { h } from "/ui/dom.js";
import { interval, plural, score } from "/ui/format.js";

function contender(name, one, metric) {
  return h("tr", {},
    h("td", {}, name),
    h("td", { class: "n" }, score(one.score?.value, metric),
      h("span", { class: "range" }, interval(one.score, metric))),
    h("td", {}, one.stored ? "stored scores" : plural(one.runs.length, "fresh training")));
}

export function gatesCard({ result: { gates, metric }, page: { gates: words } }) {
  const label = gates.baseline_name && `${gates.baseline_name.name}@${gates.baseline_name.version}`;
  return h("section", { class: "card", id: "gates" },
    h("header", {}, h("h2", {}, "Gates ", h("span", { class: `pill ${words.outcome}` }, words.outcome))),
    h("p", { class: "caption" }, words.compared),
    h("div", { class: "pair" },
      h("div", { class: "scroll" }, h("table", {},
        h("thead", {}, h("tr", {}, ["rule", "answer", "why"].map((it) => h("th", {}, it)))),
        h("tbody", {}, gates.answers.map(({ rule, answer }, i) => h("tr", {},
          h("td", { class: "rule" }, h("code", {}, rule)),
          h("td", {}, h("span", { class: `pill ${answer}` }, answer)),
          h("td", {}, words.reasons[i])))))),
      h("div", {}, h("table", {},
        h("thead", {}, h("tr", {}, ["", `${metric}, two-sided 95 %`, "from"].map((it, i) => h("th", { class: i === 1 ? "n" : "" }, it)))),
        h("tbody", {},
          contender(`trial ${gates.trial_number}`, gates.candidate, metric),
          gates.baseline ? contender(label, gates.baseline, metric) : "")),
      h("p", { class: "caption" }, words.promotion))));
}
