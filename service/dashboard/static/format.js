// Numbers and times as people read them.

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

// Accuracies are shares; people read them as per cent.
export function score(value, metric) {
  if (value === null || value === undefined) return "–";
  if (metric === "accuracy") return `${(100 * value).toFixed(1)} %`;
  return fixed(value);
}

export function interval(it, metric) {
  if (!it || it.low === null || it.low === undefined) return "";
  if (metric === "accuracy") return `[${(100 * it.low).toFixed(1)}, ${(100 * it.high).toFixed(1)}]`;
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
export function ago(instant) {
  const past = (Date.parse(instant) - Date.now()) / 1000;
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(past) >= size) return relative.format(Math.round(past / size), unit);
  }
  return "just now";
}

export const duration = (from, to) =>
  from ? seconds(((to ? Date.parse(to) : Date.now()) - Date.parse(from)) / 1000) : "–";

export const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
