// The control chart of a schedule: candidate and incumbent of each study, with 95 % intervals.

import { BOX, scale, ticks } from "/ui/chart.js";
import { h, svg } from "/ui/dom.js";
import { interval, number, score } from "/ui/format.js";

const WIDTH = 1080, HEIGHT = 320, APART = 5;

// One estimate: its interval, its value, and on the incumbent's what is said of it.
function mark(estimate, x, y, kind, point) {
  if (!estimate) return null;
  const cx = x.toFixed(1), cy = y(estimate.value).toFixed(1);
  return svg("g", { class: `${kind} ${kind === "incumbent" && point.stored ? "stored" : ""}` },
    svg("line", { class: "whisker", x1: cx, x2: cx, y1: y(estimate.low), y2: y(estimate.high) }),
    svg("circle", { class: "point", cx, cy, r: 3.6 }),
    kind === "incumbent" && point.moved
      ? svg("circle", { class: point.drift ? "drift" : "moved", cx, cy, r: 8 })
      : null);
}

// The centre is a line for as long as it belongs to one version of the baseline.
function centres(points, x, y) {
  const runs = [];
  points.forEach((point, i) => {
    if (!point.centre) return;
    const last = runs.at(-1);
    if (last?.baseline === point.baseline) last.places.push([x(i), y(point.centre.value)]);
    else runs.push({ baseline: point.baseline, places: [[x(i), y(point.centre.value)]] });
  });
  const d = (places) => places.map(([a, b], i) => `${i ? "L" : "M"}${a.toFixed(1)} ${b.toFixed(1)}`).join("");
  return runs.map((run) => svg("path", { class: "centre", d: `${d(run.places)}h.01` }));
}

function axes(points, x, y, marks, metric) {
  const every = Math.ceil(points.length / 9);
  const label = (v) => (metric === "accuracy" ? `${number(100 * v)} %` : number(v));
  return [
    marks.map((t) => [
      svg("line", { class: "grid", x1: BOX.left, x2: WIDTH - BOX.right, y1: y(t), y2: y(t) }),
      svg("text", { x: BOX.left - 9, y: y(t) + 4, "text-anchor": "end" }, label(t)),
    ]),
    points.map((point, i) => i % every === 0 &&
      svg("text", { x: x(i), y: HEIGHT - BOX.bottom + 18, "text-anchor": "middle" }, point.fire_at.slice(0, 10))),
  ];
}

function draw({ points, metric }) {
  const all = points.flatMap((p) => [p.candidate, p.incumbent]).filter(Boolean).flatMap((e) => [e.low, e.high]);
  const low = Math.min(...all), high = Math.max(...all), room = (high - low || Math.abs(high) || 1) * 0.06;
  const x = (i) => BOX.left + ((i + 0.5) / points.length) * (WIDTH - BOX.left - BOX.right);
  const y = scale(low - room, high + room, HEIGHT - BOX.bottom, BOX.top, false);
  return svg("svg", { class: "chart control", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": "scores of the runs over time with 95 % intervals" },
    axes(points, x, y, ticks(low - room, high + room, false, 6), metric),
    centres(points, x, y),
    points.map((point, i) => [
      mark(point.candidate, x(i) - APART, y, "candidate", point),
      mark(point.incumbent, x(i) + APART, y, "incumbent", point),
    ]));
}

function sentence({ points, metric }) {
  const last = points.at(-1);
  const parts = [`Last: candidate ${score(last.candidate?.value, metric)} (${interval(last.candidate, metric)})`];
  if (last.incumbent) parts.push(`${last.baseline} ${score(last.incumbent.value, metric)} (${interval(last.incumbent, metric)})`);
  if (last.drift) parts.push(`the incumbent drifts: ${last.moved}`);
  return `${parts.join(", ")}.`;
}

export function controlCard(history) {
  const shown = history.points.filter((point) => point.candidate || point.incumbent);
  const body = shown.length
    ? [
        draw({ ...history, points: shown }),
        h("div", { class: "legend" },
          h("span", { class: "key candidate" }, "candidate: the best finalist"),
          h("span", { class: "key incumbent" }, "incumbent: the baseline, trained again (hollow: stored scores)"),
          h("span", { class: "key drift" }, "ringed: moved away from its centre; bold: drift")),
        h("p", { class: "tip" }, sentence({ ...history, points: shown })),
      ]
    : h("p", { class: "quiet" }, "No study of this schedule is completed yet.");
  return h("section", { class: "card", id: "control" },
    h("header", {}, h("h2", {}, "Control chart"), h("span", { class: "small quiet" }, history.metric)), body);
}
