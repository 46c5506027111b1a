// Learning curves (score against meta-iteration) and adaptation curves (score against inner step).

import { chart } from "/ui/chart.js";
import { h } from "/ui/dom.js";
import { interval, number, score } from "/ui/format.js";

const MOST_LINES = 150;
const MOST_RUNGS = 10;

export const better = (maximize) => (a, b) => (maximize ? b.score - a.score : a.score - b.score);
export const colour = (study, branch) => study.spec.branches.findIndex((b) => b.algorithm === branch) % 6;

// On a phone a chart of the same shape would have letters too small to read.
const isNarrow = () => matchMedia("(max-width: 860px)").matches;

const isScored = (trial) => trial.score !== null && trial.score !== undefined && trial.status !== "diverged";

// Trials best first: those that got furthest in front, since scores at a rung are comparable.
function ranked(state) {
  const order = better(state.study.maximize);
  return state.search.filter(isScored).sort((a, b) => b.meta_iteration - a.meta_iteration || order(a, b));
}

function bestOfBranches(state) {
  const seen = new Map();
  for (const trial of ranked(state)) if (!seen.has(trial.branch)) seen.set(trial.branch, trial);
  return seen;
}

function legend(study) {
  return h("span", { class: "legend" },
    study.spec.branches.map((b, i) => h("span", { class: `key branch-${i}` }, b.algorithm)));
}

const axis = (metric) => ({
  log: metric === "mse",
  yLabel: (t) => (metric === "accuracy" ? `${number(100 * t)} %` : number(t)),
});

function focuser(card, tell) {
  return (name) => {
    const drawing = card.querySelector("svg");
    drawing.classList.toggle("has-focus", name !== null);
    for (const group of drawing.querySelectorAll("g.trial")) {
      group.classList.toggle("focus", group.dataset.name === String(name));
    }
    for (const row of document.querySelectorAll("tr.trial")) {
      row.classList.toggle("focus", name !== null && row.dataset.trial === String(name));
    }
    card.querySelector(".tip").replaceChildren(...(name === null ? [RESTING] : tell(name)));
  };
}

const RESTING = "Point at a line to see its trial.";

export function learningCard(state) {
  const { study } = state;
  const strong = new Set([...bestOfBranches(state).values()].map((trial) => trial.trial_number));
  const lines = ranked(state).slice(0, MOST_LINES).map((trial) => ({
    name: trial.trial_number,
    colour: colour(study, trial.branch),
    strong: strong.has(trial.trial_number),
    band: strong.has(trial.trial_number),
    points: (state.reports.get(trial.trial_number) ?? []).map((r) => ({ x: r.meta_iteration, y: r.score, low: r.low, high: r.high })),
  }));
  const card = h("section", { class: "card", id: "learning" },
    h("header", {}, h("h2", {}, "Learning curves"), legend(study)));
  if (!lines.some((line) => line.points.length)) {
    card.append(h("p", { class: "quiet" }, "The first scores come when trials reach their first rung."));
    return card;
  }
  const focus = focuser(card, (name) => describe(state, Number(name)));
  const rungs = [...new Set(lines.flatMap((line) => line.points.map((p) => p.x)))];
  card.append(
    chart(lines, { rungs: rungs.length > MOST_RUNGS ? [] : rungs, ...axis(study.metric), focus, title: `${study.metric} of each trial against meta-iteration`, xTitle: "meta-iteration", yTitle: study.metric, width: isNarrow() ? 420 : 720, xLow: 0, xHigh: study.spec.budget.meta_iterations }),
    h("p", { class: "tip" }, RESTING));
  return card;
}

function describe(state, trialNumber) {
  const trial = state.search.find((it) => it.trial_number === trialNumber);
  const last = state.reports.get(trialNumber)?.at(-1);
  const metric = state.study.metric;
  return [
    h("b", {}, `Trial ${trialNumber}`), ` · ${trial.branch} · ${trial.status} · ${metric} `,
    h("b", {}, score(last?.score, metric)), ` (95 %: ${interval(last, metric)}) at ${last?.meta_iteration}`,
  ];
}

// Sealed curves once there are any, else those of the best trial of each branch.
function adaptationLines(state) {
  const { study, result } = state;
  if (result?.finalists?.length) {
    return result.finalists.map((it) => ({
      name: it.trial_number, colour: colour(study, it.branch), strong: it.rank === 1, points: points(it.sealed?.curve ?? []),
    }));
  }
  return [...bestOfBranches(state).values()].map((trial) => ({
    name: trial.trial_number, colour: colour(study, trial.branch), strong: true,
    points: points(state.reports.get(trial.trial_number)?.at(-1)?.curve ?? []),
  }));
}

const points = (curve) => curve.map((y, x) => ({ x, y }));

export function adaptationCard(state) {
  const { study } = state;
  const lines = adaptationLines(state);
  const what = state.result ? "finalists, sealed tasks" : "best of each branch";
  const card = h("section", { class: "card", id: "adaptation" },
    h("header", {}, h("h2", {}, "Adaptation"), h("span", { class: "small quiet" }, what)));
  if (!lines.some((line) => line.points.length)) {
    card.append(h("p", { class: "quiet" }, "How the score improves with each inner step, once there is a score."));
    return card;
  }
  const focus = focuser(card, (name) => [h("b", {}, `Trial ${name}`), ` · ${state.search.find((t) => t.trial_number === Number(name))?.branch ?? ""}`]);
  card.append(
    chart(lines, { ...axis(study.metric), focus, wholeX: true, title: `${study.metric} against inner steps`, xTitle: "inner steps", yTitle: study.metric, width: 420, height: 338 }),
    h("p", { class: "tip" }, RESTING));
  return card;
}
