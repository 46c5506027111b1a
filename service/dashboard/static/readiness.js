// Above every view: which slots train, which devices do not work, and what is missing if the
// service is not ready; the words are the server's (/readyz).

import * as api from "/ui/api.js";
import { h, show } from "/ui/dom.js";

const REFRESH_MS = 10000;
const place = document.getElementById("readiness");

async function refresh() {
  const found = await api.readiness();
  show(
    place,
    found.problem ? h("p", { class: "not-ready" }, `Not ready: ${found.problem}`) : null,
    found.devices ? h("p", { class: "broken" }, found.devices) : null,
    found.slots ? h("p", { class: "quiet" }, found.slots) : null,
  );
}

export async function watchReadiness() {
  await refresh();
  setTimeout(watchReadiness, REFRESH_MS);
}
