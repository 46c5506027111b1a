// The REST API, as any client uses it.

import { EVENTS } from "/ui/events.js"; // made from service/events.py

const BASE = "/api/v1";

async function request(path, options) {
  let response;
  try {
    response = await fetch(BASE + path, { headers: { Accept: "application/json" }, ...options });
  } catch {
    throw new Error("The server does not answer.");
  }
  if (response.status === 401) {
    logIn(); // the session has ended
    return new Promise(() => {}); // nothing more is shown of this page
  }
  if (response.status === 204) return {};
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  const error = new Error(body.detail ?? body.title ?? `The server answered ${response.status}.`);
  error.status = response.status;
  throw error;
}

export function logIn() {
  location.assign(`/login?next=${encodeURIComponent(location.pathname + location.hash)}`);
}

// All pages of a list; `limit` bounds what a page of ours is willing to show.
async function pages(path, limit) {
  const items = [];
  let cursor = null;
  do {
    const more = cursor ? `&cursor=${encodeURIComponent(cursor)}` : "";
    const page = await request(`${path}?limit=${Math.min(limit, 100)}${more}`);
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor && items.length < limit);
  return items;
}

export const identity = () => request("/identity");
export const logOut = () => fetch("/logout", { method: "POST" });
export const studies = () => pages("/studies", 100);
export const study = (id) => request(`/studies/${id}`);
export const trials = (id) => pages(`/studies/${id}/trials`, 2000);
export const page = (id) => request(`/studies/${id}/page`); // figures, words, where trials stand
export const schedules = () => pages("/schedules", 100);
export const schedule = (id) => request(`/schedules/${id}`);
export const runs = (id) => pages(`/schedules/${id}/runs`, 50);
export const history = (id) => request(`/schedules/${id}/history?limit=100`);
export const chart = (id) => request(`/schedules/${id}/chart?limit=100`);
export const actOnSchedule = (id, verb) => request(`/schedules/${id}:${verb}`, { method: "POST" });
export const webhooks = async () => (await request("/webhooks")).items;
export const deliveries = async () => (await request("/deliveries?limit=100")).items;
export const testWebhook = (name) => request(`/webhooks/${name}:test`, { method: "POST" });
export const act = (id, verb) => request(`/studies/${id}:${verb}`, { method: "POST" });

// What the server says of itself, by name; `problem` says why it is not ready.
export async function readiness() {
  try {
    const response = await fetch("/readyz", { headers: { Accept: "application/json" } });
    const body = await response.json();
    return response.ok ? body : { problem: body.detail ?? `the server answered ${response.status}` };
  } catch {
    return { problem: "the server does not answer" };
  }
}

export async function result(id) {
  try {
    return await request(`/studies/${id}/result`);
  } catch (error) {
    if (error.status === 404 || error.status === 409) return null; // no verdict, yet or ever
    throw error;
  }
}

// Call `heard(kind, data)` for each event of the study, past ones first; the browser reconnects
// by itself and asks for what it missed.  Returns a function that stops listening.
export function listen(id, heard, connected) {
  const source = new EventSource(`${BASE}/studies/${id}/events`);
  const hear = (event) => heard(event.type, JSON.parse(event.data));
  for (const kind of EVENTS) source.addEventListener(kind, hear);
  source.onopen = () => connected(true);
  source.onerror = () => connected(false);
  return () => source.close();
}
