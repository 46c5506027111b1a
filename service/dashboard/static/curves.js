// Learning curves and adaptation curves, and the colours of branches.

import { partCard } from "/ui/figures.js";

export const colour = (study, branch) => study.spec.branches.findIndex((b) => b.name === branch) % 6;

const RESTING = {
  learning_curves: {
    title: "Learning curves",
    sentence: "The first scores come when trials reach their first rung.",
  },
  adaptation: {
    title: "Adaptation",
    sentence: "How the score improves with each inner step, once there is a score.",
  },
};

export function curveCards({ gallery, page }) {
  const card = (name) => partCard(gallery, name, page.parts[name], RESTING[name]);
  return gallery.keep("curves", "div", { class: "pair" }, card("learning_curves"), card("adaptation"));
}

export function costFrontCard({ gallery, page }) {
  return page.parts.cost_front ? partCard(gallery, "cost_front", page.parts.cost_front) : null;
}

export function paretoCard({ gallery, page }) {
  return page.parts.pareto ? partCard(gallery, "pareto", page.parts.pareto) : null;
}
