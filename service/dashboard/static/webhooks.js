// Webhooks: who is told of events, a button to test each, and the log of deliveries.

import * as api from "/ui/api.js";
import { h, show, toast } from "/ui/dom.js";
import { at, since } from "/ui/format.js";
import { pill } from "/ui/studies.js";

const REFRESH_MS = 3000;

function webhookRow(one, refresh) {
  const test = async () => {
    try {
      await api.testWebhook(one.name);
      await refresh();
    } catch (error) {
      toast(error.message);
    }
  };
  return h("tr", { class: "webhook", "data-webhook": one.name },
    h("td", {}, one.name), h("td", {}, one.host), h("td", {}, one.events.join(", ")),
    h("td", {}, h("button", { type: "button", onclick: test }, "Test")));
}

function deliveryRow(one) {
  const again = one.status === "pending" && one.attempts ? ["; again at ", at(one.next_attempt_at)] : [];
  return h("tr", { class: "delivery", "data-delivery": one.delivery_id },
    h("td", {}, since(one.created_at)), h("td", {}, one.webhook), h("td", {}, one.event),
    h("td", {}, one.study_id ? h("a", { href: `#/studies/${one.study_id}` }, one.study_id.slice(0, 8)) : "–"),
    h("td", {}, pill(one.status), one.last_error ? h("div", { class: "cause" }, one.last_error, again) : null),
    h("td", { class: "n" }, one.attempts));
}

function table(headings, rows) {
  const head = headings.map(([label, kind]) => h("th", { class: kind ?? "" }, label));
  return h("div", { class: "scroll" },
    h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows)));
}

function cards(webhooks, deliveries, refresh) {
  const log = deliveries.length
    ? table([["when"], ["webhook"], ["event"], ["study"], ["outcome"], ["attempts", "n"]], deliveries.map(deliveryRow))
    : h("p", { class: "quiet" }, "None yet.");
  return [
    h("h1", {}, "Webhooks"),
    h("section", { class: "card", id: "webhooks" },
      table([["name"], ["host"], ["events"], [""]], webhooks.map((one) => webhookRow(one, refresh)))),
    h("section", { class: "card", id: "deliveries" },
      h("header", {}, h("h2", {}, "Deliveries"), h("span", { class: "small quiet" }, "newest first")), log),
  ];
}

export async function openWebhooks({ main, onClose, isClosed }) {
  document.title = "Webhooks · metaopt";
  let timer;
  onClose(() => clearTimeout(timer));
  async function refresh() {
    clearTimeout(timer);
    try {
      const [webhooks, deliveries] = await Promise.all([api.webhooks(), api.deliveries()]);
      if (isClosed()) return;
      show(main, cards(webhooks, deliveries, refresh));
    } catch (error) {
      if (!main.querySelector("#webhooks")) throw error; // else try again in a moment
    }
    if (!isClosed()) timer = setTimeout(refresh, REFRESH_MS);
  }
  await refresh();
}

// The link is there only where the operator has configured any.
export async function showLink() {
  const found = await api.webhooks().catch(() => []);
  document.getElementById("webhooks-link").hidden = !found.length;
}
