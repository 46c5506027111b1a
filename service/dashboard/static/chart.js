// Line charts in SVG: axes, lines with 95 % bands, a pointer that tells.

import { svg } from "/ui/dom.js";
import { number } from "/ui/format.js";

export const BOX = { left: 58, right: 14, top: 12, bottom: 40 };

export function ticks(low, high, log, count) {
  if (log) {
    const marks = high / low < 8 ? [1, 1.5, 2, 3, 4, 5, 7] : [1, 2, 5];
    const found = [];
    for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++) {
      for (const m of marks) found.push(m * 10 ** e);
    }
    const inside = found.filter((t) => t >= low * 0.999 && t <= high * 1.001);
    const decades = inside.filter((t) => /^1(e|0*$|$)/.test(String(Number(t.toPrecision(1)))));
    return inside.length > 7 && decades.length > 2 ? decades : inside;
  }
  const rough = (high - low) / count;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * size).find((s) => s >= rough * 0.999);
  const found = [];
  for (let t = Math.ceil(low / step) * step; t <= high + step * 1e-6; t += step) {
    found.push(Number(t.toPrecision(10)));
  }
  return found;
}

export function scale(low, high, from, to, log) {
  const f = log ? Math.log : (x) => x;
  const span = f(high) - f(low) || 1;
  const within = (x) => Math.min(Math.max(x, low), high);
  return (x) => from + ((f(within(x)) - f(low)) / span) * (to - from);
}

function extent(lines, log) {
  const all = lines.flatMap((line) => line.points.flatMap((p) => [p.y, ...bounds(p, line)]));
  const usable = log ? all.filter((y) => y > 0) : all;
  if (!usable.length) return log ? [0.1, 1] : [0, 1];
  const sorted = usable.sort((a, b) => a - b);
  let [low, high] = [sorted[0], sorted.at(-1)];
  // A loss that ran away would press all others flat: it is drawn on the upper edge.
  const usual = sorted[Math.floor(0.8 * (sorted.length - 1))];
  if (log) return [low / 1.12, Math.min(high, 10 * usual) * 1.12];
  const room = (high - low || Math.abs(high) || 1) * 0.06;
  return [low >= 0 ? Math.max(0, low - room) : low - room, high + room];
}

const bounds = (p, line) => (line.band && p.low !== undefined ? [p.low, p.high] : []);
const path = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

function axes(x, y, o, width, height) {
  const right = width - BOX.right, bottom = height - BOX.bottom;
  return [
    o.yTicks.map((t) => [
      svg("line", { class: "grid", x1: BOX.left, x2: right, y1: y(t), y2: y(t) }),
      svg("text", { x: BOX.left - 9, y: y(t) + 4, "text-anchor": "end" }, o.yLabel(t)),
    ]),
    o.rungs.map((t) => svg("line", { class: "rung", x1: x(t), x2: x(t), y1: BOX.top, y2: bottom })),
    o.xTicks.map((t) =>
      svg("text", { x: x(t), y: bottom + 17, "text-anchor": "middle" }, number(t, 6))),
    svg("text", { class: "axis-title", x: right, y: height - 4, "text-anchor": "end" }, o.xTitle),
    svg("text", { class: "axis-title", x: BOX.left, y: height - 4 }, o.yTitle),
  ];
}

function drawLine(line, x, y, low, o) {
  const at = (v) => y(Math.max(v, low));
  const points = line.points.map((p) => [x(p.x), at(p.y)]);
  const group = svg("g", { class: `trial branch-${line.colour} ${line.strong ? "strong" : ""}`, "data-name": line.name });
  if (line.band && points.length && line.points[0].low !== undefined) {
    const up = line.points.map((p) => [x(p.x), at(p.high)]);
    const down = line.points.map((p) => [x(p.x), at(p.low)]).reverse();
    group.append(
      points.length > 1
        ? svg("path", { class: "band", d: `${path([...up, ...down])}Z` })
        : svg("rect", { class: "band", x: up[0][0] - 3, width: 6, y: up[0][1], height: Math.max(1, down[0][1] - up[0][1]) }),
    );
  }
  group.append(svg("path", { class: "line", d: path(points) }));
  const r = line.strong ? 3.2 : 2.4;
  if (o.dots) group.append(...points.map(([cx, cy]) => svg("circle", { class: "dot", cx: cx.toFixed(1), cy: cy.toFixed(1), r })));
  const hit = svg("path", { class: "hit", d: points.length > 1 ? path(points) : `${path(points)}h.01` });
  hit.addEventListener("pointerenter", () => o.focus(line.name));
  hit.addEventListener("pointerleave", () => o.focus(null));
  group.append(hit);
  return group;
}

// Draw `lines` = [{name, colour, strong, band, points: [{x, y, low?, high?}]}].
export function chart(lines, options) {
  const o = { log: false, rungs: [], dots: true, width: 720, height: 330, focus: () => {}, ...options };
  const { width, height } = o;
  const shown = lines.filter((line) => line.points.length);
  const xs = shown.flatMap((line) => line.points.map((p) => p.x));
  const xLow = o.xLow ?? Math.min(...xs, 0), xHigh = o.xHigh ?? Math.max(...xs, 1);
  const log = o.log && shown.some((line) => line.points.some((p) => p.y > 0));
  const [low, high] = extent(shown, log);
  const x = scale(xLow, xHigh, BOX.left, width - BOX.right, false);
  const y = scale(low, high, height - BOX.bottom, BOX.top, log);
  o.xTicks = ticks(xLow, xHigh, false, Math.min(8, width / 80)).filter((t) => !o.wholeX || Number.isInteger(t));
  o.yTicks = ticks(low, high, log, 6);
  const ordered = [...shown].sort((a, b) => Number(a.strong ?? false) - Number(b.strong ?? false));
  return svg(
    "svg",
    { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": o.title },
    axes(x, y, o, width, height),
    ordered.map((line) => drawLine(line, x, y, low, o)),
  );
}
