// Numbers and times as people read them.

import { h } from "/ui/dom.js";

const MINUS = "\u2212";

export function number(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text =
    size >= 1e5 || size < 1e-3
      ? value.toExponential(digits - 1).replace(/\.?0+e/, "e").replace("e+", "e")
      : String(Number(value.toPrecision(digits)));
  return text.replaceAll("-", MINUS);
}

// Shares, which people read as per cent: the metrics of metaopt/metrics that say so.
const SHARES = new Set(["accuracy", "macro_f1"]);

export function score(value, metric) {
  if (value === null || value === undefined) return "–";
  if (SHARES.has(metric)) return `${(100 * value).toFixed(1)} %`;
  return fixed(value);
}

export function interval(it, metric) {
  if (!it || it.low === null || it.low === undefined) return "";
  if (SHARES.has(metric)) return `[${(100 * it.low).toFixed(1)}, ${(100 * it.high).toFixed(1)}]`;
  return `[${fixed(it.low)}, ${fixed(it.high)}]`;
}

function fixed(value) {
  const size = Math.abs(value);
  return size >= 0.01 && size < 1000 ? value.toFixed(size < 10 ? 3 : 1) : number(value);
}

export function seconds(value) {
  if (value === null || value === undefined) return "–";
  if (value < 0.1) return `${Math.round(1000 * value)} ms`;
  if (value < 10) return `${value.toFixed(1)} s`;
  if (value < 90) return `${Math.round(value)} s`;
  const whole = Math.round(value);
  if (whole < 5400) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${(value / 3600).toFixed(1)} h`;
}

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
function ago(instant) {
  const past = (Date.parse(instant) - Date.now()) / 1000;
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(past) >= size) return relative.format(Math.round(past / size), unit);
  }
  return "just now";
}

const LOCAL = new Intl.DateTimeFormat().resolvedOptions().timeZone;
const FIELDS = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" };

const formats = new Map(); // they are slow to make

function clock(at, timeZone) {
  if (!formats.has(timeZone)) formats.set(timeZone, new Intl.DateTimeFormat("sv-SE", { ...FIELDS, timeZone }));
  return formats.get(timeZone).format(at).replace(/(:\d\d):00$/, "$1");
}

// Where clocks are put back, a time of day comes twice: then the offset says which it is.
function which(at, timeZone) {
  const shown = clock(at, timeZone);
  if (![-60, -30, 30, 60].some((minutes) => clock(at + 60000 * minutes, timeZone) === shown)) return "";
  const named = new Intl.DateTimeFormat("en", { timeZone, timeZoneName: "longOffset" }).formatToParts(at);
  return ` (${named.find((part) => part.type === "timeZoneName").value})`;
}

// An instant with the name of its zone: that of a schedule, or the browser's own.
export function zoned(instant, timeZone = LOCAL) {
  const at = Date.parse(instant);
  try {
    return `${clock(at, timeZone)} ${timeZone}${which(at, timeZone)}`;
  } catch {
    return `${clock(at, "UTC")} UTC`; // a zone that this browser does not know
  }
}

function time(instant, text) {
  const places = [...new Set([zoned(instant), zoned(instant, "UTC")])];
  return h("time", { datetime: instant, title: places.join(" · ") }, text);
}

export const at = (instant, timeZone) => time(instant, zoned(instant, timeZone));
export const since = (instant) => time(instant, ago(instant));

export const duration = (from, to) =>
  from ? seconds(((to ? Date.parse(to) : Date.now()) - Date.parse(from)) / 1000) : "–";

export const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
