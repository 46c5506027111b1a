// The page: #/ lists studies, #/studies/ID shows one; #/schedules and #/schedules/ID likewise;
// #/webhooks shows who is told of events.

import { h, show } from "/ui/dom.js";
import { watchReadiness } from "/ui/readiness.js";
import { openSchedule, openSchedules } from "/ui/schedules.js";
import { showSession } from "/ui/session.js";
import { openList } from "/ui/studies.js";
import { openStudy } from "/ui/study.js";
import { openWebhooks, showLink } from "/ui/webhooks.js";

const main = document.getElementById("main");
let close = () => {};

const LISTS = { studies: openList, schedules: openSchedules, webhooks: openWebhooks };
const OPENERS = { studies: openStudy, schedules: openSchedule };

async function route() {
  close();
  const [, kind, id] = location.hash.match(/^#\/(studies|schedules|webhooks)(?:\/([\w-]+))?$/) ?? [];
  const open = (id && OPENERS[kind]) || LISTS[kind] || openList;
  document.getElementById("live").hidden = true;
  main.replaceChildren(h("p", { class: "quiet" }, "Loading…"));
  window.scrollTo(0, 0);
  let closed = false;
  const stops = [];
  close = () => {
    closed = true;
    stops.forEach((stop) => stop());
  };
  const view = { main, onClose: (stop) => stops.push(stop), isClosed: () => closed };
  try {
    await open(view, id);
  } catch (error) {
    if (!closed) showError(error, kind === "schedules" ? "schedule" : "study");
  }
}

function showError(error, what) {
  document.title = "metaopt";
  show(
    main,
    h("section", { class: "card error empty" },
      h("h1", {}, error.status === 404 ? `No such ${what}` : "That did not work"),
      h("p", { class: "quiet" }, error.message),
      h("p", {}, h("a", { href: "#/" }, "All studies"))),
  );
}

addEventListener("hashchange", route);
route();
showLink();
showSession();
watchReadiness();
