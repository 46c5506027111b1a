// One study, live: progress, curves, verdict, trials.

import * as api from "/ui/api.js";
import { costFrontCard, curveCards, paretoCard } from "/ui/curves.js";
import { h, printable, show, toast } from "/ui/dom.js";
import { gallery } from "/ui/figures.js";
import { duration, plural, since } from "/ui/format.js";
import { gatesCard } from "/ui/gates.js";
import { bests, pill, progress, trained } from "/ui/studies.js";
import { trialsCard } from "/ui/trials.js";
import { verdictCard } from "/ui/verdict.js";

const REFRESH_MS = 400; // events within this time cost one refresh
const TICK_MS = 5000; // between rungs there are no events, but trials move on
const LINK_TRIES = 12; // a tick apart: the mirror follows a little behind, at times after the end
const ENDED = ["completed", "failed", "cancelled"];
const VERBS = { queued: ["pause", "cancel"], running: ["pause", "cancel"], paused: ["resume", "cancel"] };

async function load(state) {
  [state.study, state.trials] = await Promise.all([api.study(state.id), api.trials(state.id)]);
  state.page = await api.page(state.id); // after the study: once that is completed, it has a verdict
  state.search = state.trials.filter((trial) => trial.role === "search");
  if (state.study.status === "completed" && !state.result) state.result = await api.result(state.id);
}

// Optuna Dashboard numbers its studies itself; ours are known by an attribute.
async function dashboardLinks(state) {
  const response = await fetch("/api/studies").catch(() => null);
  if (!response?.ok) return;
  const { study_summaries: summaries = [] } = await response.json();
  for (const summary of summaries) {
    const attributes = Object.fromEntries((summary.user_attrs ?? []).map((a) => [a.key, a.value]));
    const unquoted = (text) => String(text ?? "").replaceAll('"', "");
    if (unquoted(attributes.study_id) !== state.id) continue;
    state.links[unquoted(attributes.branch)] = `/dashboard/studies/${summary.study_id}`;
  }
}

// Of a study of several branches the mirror makes one after the other.
const isLinked = (state) => state.study.spec.branches.every(({ name }) => name in state.links);

function buttons(state, refresh) {
  const verbs = VERBS[state.study.status] ?? [];
  return verbs.map((verb) =>
    h("button", {
      class: verb === "cancel" ? "danger" : "", type: "button", "data-verb": verb,
      onclick: async () => {
        if (verb === "cancel" && !confirm("Cancel this study? Its running trials stop, and it gets no verdict.")) return;
        try {
          await api.act(state.id, verb);
          await refresh();
        } catch (error) {
          toast(error.message);
        }
      },
    }, verb[0].toUpperCase() + verb.slice(1)));
}

function tasksInWords({ tasks, model, branches }) {
  const ways = tasks.n_way ? `${tasks.n_way}-way ` : "";
  const shots = tasks.k_shot ? `${ways}${tasks.k_shot}-shot` : "";
  const models = new Set(branches.map((branch) => (branch.model ?? model).kind));
  return `${tasks.kind} ${shots}, ${[...models].join(" and ")}`;
}

function head(state, refresh) {
  const { study } = state;
  const dashboards = Object.entries(state.links);
  return h("section", { class: "head" },
    h("div", {},
      h("div", { class: "title" }, h("h1", {}, study.name), pill(study.status)),
      h("div", { class: "facts" },
        h("span", {}, tasksInWords(study.spec)),
        study.spec.branches.filter(trained).map((branch) => h("span", {}, `${branch.name}: ${trained(branch)}`)),
        h("span", {}, `${plural(study.spec.budget.meta_iterations, "meta-iteration")} a trial`),
        h("span", {}, study.started_at ? `running time ${duration(study.started_at, study.finished_at)}` : ["submitted ", since(study.created_at)]),
        h("span", { class: "mono" }, study.study_id))),
    h("div", { class: "actions" },
      buttons(state, refresh),
      dashboards.length
        ? dashboards.map(([branch, link]) => h("a", { class: "button", href: link }, `Optuna: ${branch}`))
        : h("a", { class: "button", href: "/dashboard" }, "Optuna Dashboard"),
      h("a", { class: "button", href: `/api/v1/studies/${study.study_id}/report.html` }, "Report"),
      state.result?.weights_sha256 ? h("a", { class: "button", href: `/api/v1/studies/${study.study_id}/weights` }, "Weights") : null,
      h("a", { class: "button", href: `/api/v1/studies/${study.study_id}` }, "JSON")));
}

function specCard(study) {
  return h("details", { class: "card" },
    h("summary", {}, "Spec, with every default"),
    h("pre", { class: "spec" }, h("code", {}, JSON.stringify(study.spec, null, 2))));
}

function render(view, state, refresh) {
  const { study } = state;
  document.title = `${printable(study.name)} · metaopt`;
  const children = [
    head(state, refresh),
    study.error && h("section", { class: "card error" }, h("p", { class: "cause" }, study.error)),
    state.result && verdictCard(state),
    state.result?.gates && gatesCard(state),
    h("section", { class: "card study" }, progress(study), bests(study),
      study.waits && h("p", { class: "small" }, `The study ${study.waits.sentence}.`),
      study.warnings.map((warning) => h("p", { class: "small quiet" }, `Warning: ${warning}.`))),
    curveCards(state),
    costFrontCard(state),
    paretoCard(state),
    trialsCard(state, () => render(view, state, refresh)),
    view.main.querySelector("details") ?? specCard(study),
  ];
  show(view.main, children);
  state.gallery.draw().catch((error) => toast(error.message));
}

// The stream begins with the past, most of which the first load has shown already.
function isKnown(state, kind, data) {
  if (kind === "trial_reported") {
    return state.page.last_points[data.trial_number]?.meta_iteration >= data.meta_iteration;
  }
  if (kind === "trial_finished") {
    return state.trials.find((t) => t.trial_number === data.trial_number)?.finished_at;
  }
  return false;
}

function follow(view, state, refresh) {
  const live = document.getElementById("live");
  live.hidden = false;
  const connected = (yes) => {
    live.textContent = yes ? "live" : "reconnecting…";
    live.classList.toggle("lost", !yes);
  };
  connected(true);
  const stop = api.listen(state.id, (kind, data) => {
    if (isKnown(state, kind, data)) return;
    refresh.soon();
  }, connected);
  const tick = setInterval(refresh.soon, TICK_MS);
  state.stop = () => {
    stop();
    clearInterval(tick);
    live.hidden = true;
  };
  view.onClose(state.stop);
}

export async function openStudy(view, id) {
  const state = { id, gallery: gallery(view.onClose), links: {}, sort: "score", stop: null };
  let timer = null;
  let later = null;
  let tries = LINK_TRIES;
  async function refresh() {
    await load(state);
    if (!isLinked(state)) await dashboardLinks(state);
    if (view.isClosed()) return;
    render(view, state, refresh);
    if (!ENDED.includes(state.study.status)) return;
    state.stop?.();
    if (!isLinked(state) && tries-- > 0) later = setTimeout(refresh.soon, TICK_MS);
  }
  refresh.soon = () => {
    timer ??= setTimeout(() => {
      refresh().catch((error) => toast(error.message)).finally(() => (timer = null));
    }, REFRESH_MS);
  };
  view.onClose(() => [timer, later].forEach(clearTimeout));
  await refresh();
  if (!ENDED.includes(state.study.status) && !view.isClosed()) follow(view, state, refresh);
}
