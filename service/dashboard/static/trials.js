// The table of trials: what was tried, how far it got, what it scored.

import { h } from "/ui/dom.js";
import { colour } from "/ui/curves.js";
import { interval, number, score, seconds } from "/ui/format.js";
import { pill } from "/ui/studies.js";

const MOST_ROWS = 300;
const SORTS = {
  trial: () => (a, b) => a.trial_number - b.trial_number,
  // The server's order: scores of different rungs do not compare. Those without a score come last.
  score: ({ page }) => {
    const places = new Map(page.order.map((number, place) => [number, place]));
    const place = (trial) => places.get(trial.trial_number) ?? places.size;
    return (a, b) => place(a) - place(b) || a.trial_number - b.trial_number;
  },
  seconds: () => (a, b) => b.device_seconds - a.device_seconds,
};

function searched(study, trial) {
  const branch = study.spec.branches.find((b) => b.name === trial.branch);
  const names = Object.entries(branch?.space ?? {})
    .filter(([, entry]) => typeof entry === "object")
    .map(([name]) => name);
  return names.filter((name) => name in trial.params);
}

export function params(study, trial) {
  return h("div", { class: "params mono" },
    searched(study, trial).map((name) => {
      const value = trial.params[name];
      return h("span", {}, h("i", {}, name), typeof value === "number" ? number(value) : value);
    }));
}

function row(state, trial) {
  const { study } = state;
  const last = state.page.last_points[trial.trial_number];
  const budget = study.spec.budget.meta_iterations;
  return h("tr", { class: "trial", "data-trial": trial.trial_number },
    h("td", { class: "n" }, trial.trial_number),
    h("td", {}, h("span", { class: `key branch-${colour(study, trial.branch)}` }, trial.branch)),
    h("td", {}, pill(trial.status), trial.cause ? h("div", { class: "cause" }, trial.cause) : null),
    h("td", { class: "n" }, score(trial.score, study.metric), h("span", { class: "range" }, interval(last, study.metric))),
    h("td", { class: "n" }, trial.meta_iteration, h("span", { class: "range" }, `of ${budget}`)),
    h("td", { class: "n" }, seconds(trial.device_seconds)),
    h("td", {}, params(study, trial)));
}

function notes({ study, search, sort }, rows) {
  const unfinished = search.some((trial) => !trial.finished_at);
  return [
    sort === "score" && unfinished ? "best first, compared at the rungs that trials have in common" : null,
    rows > MOST_ROWS ? `first ${MOST_ROWS} of ${rows}` : `95 % intervals over ${study.spec.evaluation.tasks} tasks`,
  ].filter(Boolean);
}

export function trialsCard(state, redraw) {
  const { study } = state;
  const sorted = [...state.search].sort(SORTS[state.sort](state));
  const heading = (label, key, numeric) =>
    h("th", { class: numeric ? "n" : "", "aria-sort": state.sort === key ? "descending" : null },
      key ? h("button", { type: "button", onclick: () => { state.sort = key; redraw(); } }, label + (state.sort === key ? " ↓" : "")) : label);
  const card = h("section", { class: "card", id: "trials" },
    h("header", {}, h("h2", {}, "Trials"),
      h("span", { class: "small quiet" }, notes(state, sorted.length).join(" · "))));
  if (!sorted.length) {
    card.append(h("p", { class: "quiet" }, study.status === "queued" ? "None before the study begins." : "None yet."));
    return card;
  }
  card.append(h("div", { class: "scroll" },
    h("table", {},
      h("thead", {}, h("tr", {},
        heading("trial", "trial", true), heading("branch"), heading("status"), heading(study.metric, "score", true),
        heading("meta-iterations", null, true), heading("device time", "seconds", true), heading("searched parameters"))),
      h("tbody", {}, sorted.slice(0, MOST_ROWS).map((trial) => row(state, trial))))));
  return card;
}
