// The list of studies.

import * as api from "/ui/api.js";
import { h, show, styled } from "/ui/dom.js";
import { duration, plural, score, since } from "/ui/format.js";

const REFRESH_MS = 3000;
const ENDS = ["completed", "pruned", "diverged", "failed", "cancelled"];

export const pill = (status) => h("span", { class: `pill ${status}` }, status);

// One bar for the search: a trial is a segment coloured by its status, the rest is still to come.
export function progress(study) {
  const counts = study.trials;
  const total = Math.max(study.spec.budget.trials - (study.spec.search.replicates ?? 0), sum(counts));
  const ended = ENDS.reduce((n, status) => n + (counts[status] ?? 0), 0);
  const parts = [...ENDS, "running"].filter((status) => counts[status]);
  return [
    h("div", { class: "progress", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": total, "aria-valuenow": ended, "aria-label": "trials ended" },
      parts.map((status) => styled(h("i", { class: status, title: `${counts[status]} ${status}` }), { "--share": `${(100 * counts[status]) / total}%` }))),
    h("div", { class: "legend" },
      h("span", {}, `${ended} of ${plural(total, "trial")}`),
      parts.map((status) => h("span", { class: `key ${status}` }, `${counts[status]} ${status}`)),
      counts.queued ? h("span", { class: "key" }, `${counts.queued} queued`) : null,
      repeating(study),
      judging(study)),
  ];
}

// At the end of the search: its best trained again, where the noise of training leaves it open.
function repeating({ replica_trials: counts = {} }) {
  const all = sum(counts);
  if (!all) return null;
  const ended = ENDS.reduce((n, status) => n + (counts[status] ?? 0), 0);
  return h("span", { class: "key" }, `again: ${ended} of ${plural(all, "training")} done`);
}

// After the search: finalists trained afresh for the verdict.
function judging({ verdict_trials: counts, finished_at: end }) {
  const all = sum(counts);
  if (!all || end) return null;
  const ended = ENDS.reduce((n, status) => n + (counts[status] ?? 0), 0);
  return h("span", { class: "key running" }, `verdict: ${ended} of ${plural(all, "training")} done`);
}

const sum = (counts) => Object.values(counts).reduce((a, b) => a + b, 0);

// What a branch trains that its name does not say: its algorithm, and a model of its own.
export function trained({ name, algorithm, model }) {
  const options = Object.entries(model ?? {}).filter(([option]) => option !== "kind");
  const words = options.map(([option, value]) => `${option}=${JSON.stringify(value).replaceAll('"', "")}`);
  return [name === algorithm ? null : algorithm, model ? [model.kind, ...words].join(" ") : null].filter(Boolean).join(", ");
}

export function bests(study) {
  const found = study.spec.branches.map((branch, i) => {
    const { best, device_seconds: taken } = study.branches[branch.name] ?? {};
    const most = branch.device_seconds;
    return h("span", { class: "best" },
      h("span", { class: `key branch-${i} small`, title: trained(branch) }, branch.name),
      h("b", {}, best ? score(best.score, study.metric) : "–"),
      best && best.status !== "completed" ? h("span", { class: "small quiet" }, ` at ${best.rung}`) : null,
      most ? h("span", { class: "small quiet" }, ` ${Math.round(taken ?? 0)} of ${most} s`) : null);
  });
  const when = study.finished_at ? "of the search" : "so far";
  return h("div", { class: "bests" }, found, h("span", { class: "small quiet" }, `best ${study.metric} ${when}`));
}

function card(study) {
  const when = study.finished_at
    ? [since(study.finished_at), `, took ${duration(study.started_at ?? study.created_at, study.finished_at)}`]
    : since(study.created_at);
  return h("a", { class: "card study", href: `#/studies/${study.study_id}` },
    h("div", { class: "top" },
      h("span", { class: "name" }, study.name), pill(study.status),
      h("span", { class: "when small quiet" }, when)),
    progress(study),
    study.waits ? h("p", { class: "small quiet" }, `It ${study.waits.sentence}.`) : null,
    study.error ? h("p", { class: "cause" }, study.error) : bests(study));
}

function empty() {
  const spec = [
    "name: my first study",
    "tasks: {kind: sinusoid}",
    "model: {kind: mlp}",
    "branches:",
    "  - algorithm: maml",
    "    space: {inner_lr: default, outer_lr: default}",
    "  - algorithm: reptile",
    "    space: {inner_lr: default, epsilon: default}",
    "budget: {trials: 16, meta_iterations: 500}",
  ].join("\n");
  const curl = `curl -X POST ${location.origin}/api/v1/studies \\\n  -H 'Content-Type: application/yaml' --data-binary @- <<'EOF'\n${spec}\nEOF`;
  return h("section", { class: "card empty" },
    h("h1", {}, "No studies yet"),
    h("p", { class: "quiet" }, "A study tunes the meta-hyperparameters of MAML and Reptile on a family of tasks, and ends with a verdict on tasks it never used. Submit one from a terminal; it shows up here by itself:"),
    h("pre", { class: "spec" }, h("code", {}, curl)),
    h("p", { class: "quiet small" }, "Or with the command line: ", h("code", {}, "metaopt submit examples/sinusoid.yaml")));
}

export async function openList({ main, onClose, isClosed }) {
  document.title = "Studies · metaopt";
  let timer;
  onClose(() => clearTimeout(timer));
  async function refresh() {
    try {
      const found = await api.studies();
      if (isClosed()) return;
      show(main, found.length ? [h("h1", {}, "Studies"), found.map(card)] : empty());
    } catch (error) {
      if (!main.querySelector(".study, .empty")) throw error; // else try again in a moment
    }
    if (!isClosed()) timer = setTimeout(refresh, REFRESH_MS);
  }
  await refresh();
}
