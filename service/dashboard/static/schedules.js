// Schedules: their list, and one with its control chart and its runs.

import * as api from "/ui/api.js";
import { controlCard } from "/ui/control.js";
import { h, show, toast } from "/ui/dom.js";
import { gallery } from "/ui/figures.js";
import { at, since, zoned } from "/ui/format.js";
import { pill } from "/ui/studies.js";

const REFRESH_MS = 3000;

const outcome = (run) => run.study_status ?? run.status;

function last(run) {
  if (!run) return h("span", { class: "small quiet" }, "has not run yet");
  return h("span", { class: "small quiet" }, "last ", since(run.fire_at), " ", pill(outcome(run)));
}

function next({ paused, next_fire_at: fires, time_zone: zone }) {
  if (paused) return "paused";
  return fires ? ["next ", since(fires), `, ${zoned(fires, zone)}`] : "never fires again";
}

function card(schedule) {
  return h("a", { class: "card study", href: `#/schedules/${schedule.schedule_id}` },
    h("div", { class: "top" },
      h("span", { class: "name" }, schedule.name),
      schedule.paused ? pill("paused") : null,
      h("span", { class: "when small quiet" }, next(schedule))),
    h("div", { class: "bests" },
      h("span", { class: "mono" }, `${schedule.cron} (${schedule.time_zone})`), last(schedule.last_run)));
}

function empty() {
  return h("section", { class: "card empty" },
    h("h1", {}, "No schedules yet"),
    h("p", { class: "quiet" }, "A schedule submits a spec again and again. Add one from a terminal:"),
    h("pre", { class: "spec" }, h("code", {}, 'metaopt schedule add --cron "0 2 * * *" --tz Europe/Berlin examples/sinusoid.yaml')));
}

function buttons(schedule, refresh) {
  const verbs = { [schedule.paused ? "resume" : "pause"]: schedule.paused ? "Resume" : "Pause", "run-now": "Run now" };
  return Object.entries(verbs).map(([verb, text]) =>
    h("button", {
      type: "button", "data-verb": verb,
      onclick: async () => {
        try {
          await api.actOnSchedule(schedule.schedule_id, verb);
          await refresh();
        } catch (error) {
          toast(error.message);
        }
      },
    }, text));
}

function head(schedule, refresh) {
  return h("section", { class: "head" },
    h("div", {},
      h("div", { class: "title" }, h("h1", {}, schedule.name), schedule.paused ? pill("paused") : null),
      h("div", { class: "facts" },
        h("span", { class: "mono" }, `${schedule.cron} (${schedule.time_zone})`),
        h("span", {}, next(schedule)),
        h("span", {}, `missed: ${schedule.catch_up}, overlap: ${schedule.overlap}, seed: ${schedule.seed}`),
        h("span", { class: "mono" }, schedule.schedule_id))),
    h("div", { class: "actions" },
      buttons(schedule, refresh),
      h("a", { class: "button", href: `/api/v1/schedules/${schedule.schedule_id}` }, "JSON")));
}

function runsCard(runs, zone) {
  const row = (run) =>
    h("tr", {},
      h("td", {}, at(run.fire_at, zone)),
      h("td", {}, run.manual ? "hand" : "clock"),
      h("td", {}, pill(outcome(run))),
      h("td", { class: "mono" }, run.study_id ? h("a", { href: `#/studies/${run.study_id}` }, run.study_id.slice(0, 8)) : "–"),
      h("td", { class: "quiet" }, run.reason ?? ""));
  return h("section", { class: "card", id: "runs" },
    h("header", {}, h("h2", {}, "Runs")),
    h("div", { class: "scroll" },
      h("table", {},
        h("thead", {}, h("tr", {}, ["Fired", "By", "Outcome", "Study", "Reason"].map((name) => h("th", {}, name)))),
        h("tbody", {}, runs.map(row)))));
}

// Load and draw, and again every few seconds.
async function repeat({ main, onClose, isClosed }, draw, after) {
  let timer;
  onClose(() => clearTimeout(timer));
  async function again() {
    clearTimeout(timer);
    try {
      const children = await draw(again);
      if (isClosed()) return;
      show(main, children);
      await after?.();
    } catch (error) {
      if (!main.querySelector(".card")) throw error; // else try again in a moment
    }
    if (!isClosed()) timer = setTimeout(again, REFRESH_MS);
  }
  await again();
}

export function openSchedules(view) {
  document.title = "Schedules · metaopt";
  return repeat(view, async () => {
    const found = await api.schedules();
    return found.length ? [h("h1", {}, "Schedules"), found.map(card)] : [empty()];
  });
}

export function openSchedule(view, id) {
  const figures = gallery(view.onClose);
  return repeat(view, async (refresh) => {
    const [schedule, runs, history, chart] = await Promise.all(
      [api.schedule(id), api.runs(id), api.history(id), api.chart(id)]);
    document.title = `${schedule.name} · metaopt`;
    return [head(schedule, refresh), controlCard(figures, history, chart), runsCard(runs, schedule.time_zone)];
  }, figures.draw);
}
