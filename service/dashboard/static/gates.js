// Gates: what the best finalist had to be able to do, beside which baseline, and what was answered.

import { h } from "/ui/dom.js";
import { interval, plural, score } from "/ui/format.js";

function outcome(gates) {
  if (gates.passed) return "passed";
  return gates.answers.some((one) => one.answer === "fail") ? "failed" : "undecided";
}

function more(one) {
  if (one.answer !== "undecided") return "";
  if (one.more_tasks) return `; about ${one.more_tasks} more tasks would decide it`;
  return one.more_seeds ? `; about ${one.more_seeds} more trainings of each would decide it` : "";
}

function contender(name, one, metric) {
  return h("tr", {},
    h("td", {}, name),
    h("td", { class: "n" }, score(one.score?.value, metric),
      h("span", { class: "range" }, interval(one.score, metric))),
    h("td", {}, one.stored ? "stored scores" : plural(one.runs.length, "fresh training")));
}

function after(gates) {
  const label = (it) => `${it.name}@${it.version}`;
  if (gates.promoted) return `It is now ${label(gates.promoted)}.`;
  return gates.not_promoted ? `It was not promoted: ${gates.not_promoted}.` : "";
}

export function gatesCard(result) {
  const { gates, metric } = result;
  const label = gates.baseline_name && `${gates.baseline_name.name}@${gates.baseline_name.version}`;
  return h("section", { class: "card", id: "gates" },
    h("header", {}, h("h2", {}, "Gates ", h("span", { class: `pill ${outcome(gates)}` }, outcome(gates))),
      h("span", { class: "small quiet" }, `${gates.tasks} tasks of the gate bank, ${plural(gates.looks, "look")}`)),
    h("div", { class: "pair" },
      h("div", { class: "scroll" }, h("table", {},
        h("thead", {}, h("tr", {}, ["rule", "answer", "why"].map((it) => h("th", {}, it)))),
        h("tbody", {}, gates.answers.map((one) => h("tr", {},
          h("td", {}, h("code", {}, one.rule)),
          h("td", {}, h("span", { class: `pill ${one.answer}` }, one.answer)),
          h("td", {}, `${one.why}${more(one)}`)))))),
      h("div", {}, h("table", {},
        h("thead", {}, h("tr", {}, ["", metric, "from"].map((it, i) => h("th", { class: i === 1 ? "n" : "" }, it)))),
        h("tbody", {},
          contender(`trial ${gates.trial_number}`, gates.candidate, metric),
          gates.baseline ? contender(label, gates.baseline, metric) : "")),
      h("p", { class: "why" }, after(gates)))));
}
