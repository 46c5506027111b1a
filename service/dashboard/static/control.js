// The control chart of a schedule: candidate and incumbent of each study, with 95 % intervals.

import { h } from "/ui/dom.js";
import { interval, score } from "/ui/format.js";

function sentence({ points, metric }) {
  const last = points.at(-1);
  const parts = [`Last: candidate ${score(last.candidate?.value, metric)} ${interval(last.candidate, metric)}`];
  if (last.incumbent) parts.push(`${last.baseline} ${score(last.incumbent.value, metric)} ${interval(last.incumbent, metric)}`);
  if (last.drift) parts.push(`the incumbent drifts: ${last.moved}`);
  return `${parts.join(", ")}.`;
}

export function controlCard(gallery, history, figure) {
  const points = history.points.filter((point) => point.candidate || point.incumbent);
  const body = figure && points.length
    ? [
        gallery.frame("control-0", figure, "Control chart"),
        h("p", { class: "caption" }, "The candidate is the best finalist, the incumbent the baseline trained again (hollow: stored scores). Ringed: it moved away from its centre; bold: drift."),
        h("p", { class: "tip" }, sentence({ ...history, points })),
      ]
    : h("p", { class: "quiet" }, "No study of this schedule is completed yet.");
  return gallery.keep("control", "section", { class: "card", id: "control" },
    h("header", {}, h("h2", {}, "Control chart"), h("span", { class: "small quiet" }, history.metric)), body);
}
