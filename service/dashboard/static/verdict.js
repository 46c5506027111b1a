// The verdict: what the search believed, and what sealed tasks say, side by side.

import { h, svg } from "/ui/dom.js";
import { colour } from "/ui/curves.js";
import { difference, interval, number, plural, score } from "/ui/format.js";
import { params } from "/ui/trials.js";

const ROW = 46, LEFT = 74, RIGHT = 16, WIDTH = 420;

// Two intervals for each finalist on a common axis: hollow is the search's, full is sealed.
function forest(state) {
  const { study, result } = state;
  const all = result.finalists.flatMap((it) => [it.search, it.sealed]).filter(Boolean);
  const low = Math.min(...all.map((s) => s.low)), high = Math.max(...all.map((s) => s.high));
  const room = (high - low || 1) * 0.06;
  const x = (v) => LEFT + ((v - low + room) / (high - low + 2 * room)) * (WIDTH - LEFT - RIGHT);
  const height = result.finalists.length * ROW + 34;
  const mark = (s, y, sealed) => s && [
    svg("line", { class: "whisker", x1: x(s.low), x2: x(s.high), y1: y, y2: y }),
    svg("circle", { class: sealed ? "sealed" : "searched", cx: x(s.score), cy: y, r: 4.5 }),
  ];
  const label = (v) => (study.metric === "accuracy" ? `${number(100 * v)} %` : number(v));
  return svg("svg", { class: "chart forest", viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": "search and sealed scores with 95 % intervals" },
    [low, (low + high) / 2, high].map((v) => [
      svg("line", { class: "grid", x1: x(v), x2: x(v), y1: 4, y2: height - 26 }),
      svg("text", { x: x(v), y: height - 9, "text-anchor": "middle" }, label(v)),
    ]),
    result.finalists.map((it, i) =>
      svg("g", { class: `branch-${colour(study, it.branch)}` },
        svg("text", { x: 0, y: i * ROW + 28 }, `trial ${it.trial_number}`),
        mark(it.search, i * ROW + 16, false),
        mark(it.sealed, i * ROW + 32, true) ?? [])));
}

function answer(state) {
  const { study, result } = state;
  const best = result.finalists[0];
  if (!best.sealed) return h("p", { class: "quiet" }, "No finalist could be trained to the end again, so none has a sealed score.");
  const rivals = result.finalists.filter((it) => it !== best && it.tied_with_best).length;
  const sentences = [
    `Trained afresh with ${plural(best.sealed.seeds, "new seed")} and scored on ${best.sealed.tasks} meta-test tasks that the search never used.`,
    `The search's own figure was ${difference(Math.abs(best.optimism), study.metric).slice(1)} ${best.optimism > 0 ? "better" : "worse"}.`,
    rivals ? `${plural(rivals, "other finalist")} cannot be told apart from it.` : null,
    againstReference(result, study.metric),
    result.intervals_cover === "tasks" ? "With one seed each, intervals allow for the choice of tasks only, not for training." : null,
  ];
  return h("div", { class: "answer" },
    h("div", {}, h("div", { class: "label" }, "Best trial"), h("div", { class: "big" }, `${best.trial_number} · ${best.branch}`)),
    h("div", {}, h("div", { class: "label" }, `Sealed ${study.metric}`),
      h("div", { class: "big" }, score(best.sealed.score, study.metric))),
    h("p", { class: "why" }, sentences.filter(Boolean).join(" ")));
}

// The best finalist beside the spec's defaults, or beside a published recipe.
function againstReference(result, metric) {
  const told = result.comparison?.difference;
  if (!told) return null;
  const [low, high] = result.maximize ? [told.low, told.high] : [-told.high, -told.low];
  const by = difference(Math.abs(told.value), metric).slice(1);
  const { compared_with: name, branch } = result.comparison;
  const other = name === "default" ? `the defaults of ${branch}` : `${name} (${branch})`;
  if (low > 0) return `It is ${by} better than ${other}.`;
  return high < 0 ? `It is ${by} worse than ${other}.` : `It cannot be told from ${other}.`;
}

function cell(it, metric) {
  return h("td", { class: "n" }, score(it?.score, metric), h("span", { class: "range" }, interval(it, metric)));
}

// What became of the finalist: best, tied, or why it could not be trained again.
function standing(it) {
  const broken = it.runs.filter((run) => run.status !== "completed");
  return [
    it.rank === 1 ? h("span", { class: "tied" }, "best") : it.tied_with_best ? h("span", { class: "tied" }, "tied with best") : "",
    broken.map((run) => h("div", { class: "cause" }, `seed ${it.runs.indexOf(run) + 1} ${run.status}`)),
  ];
}

function row(state, it) {
  const { study } = state;
  return h("tr", { class: it.rank === 1 ? "winner" : "" },
    h("td", { class: "n" }, it.rank),
    h("td", {}, h("span", { class: `key branch-${colour(study, it.branch)}` }, `${it.trial_number} · ${it.branch}`)),
    cell(it.search, study.metric),
    cell(it.sealed, study.metric),
    h("td", { class: "n" }, difference(it.optimism, study.metric)),
    h("td", {}, standing(it)),
    h("td", {}, params(study, it)));
}

export function verdictCard(state) {
  const { result } = state;
  const card = h("section", { class: "card", id: "verdict" },
    h("header", {}, h("h2", {}, "Verdict"), h("span", { class: "small quiet" }, "95 % intervals")));
  if (!result.finalists.length) {
    card.append(h("p", { class: "quiet" }, "No trial reached the end, so there is nothing to judge."));
    return card;
  }
  card.append(
    answer(state),
    h("div", { class: "pair" },
      h("div", { class: "scroll" },
        h("table", {},
          h("thead", {}, h("tr", {},
            ["rank", "trial", "search", "sealed", "optimism", "", "searched parameters"].map((label, i) =>
              h("th", { class: [0, 2, 3, 4].includes(i) ? "n" : "" }, label)))),
          h("tbody", {}, result.finalists.map((it) => row(state, it))))),
      h("div", {}, forest(state),
        h("div", { class: "legend" }, h("span", { class: "mark searched" }, "search"), h("span", { class: "mark sealed" }, "sealed")))));
  return card;
}
