// What the report and our own page draw figures with: plotly's settings, and the colours of the
// paper, which are custom properties of the page.
const DARK = matchMedia("(prefers-color-scheme: dark)");
const FIGURE_CONFIG = {
  responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"],
};

function figureTheme(layout) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  return {
    font: { ...layout.font, color: colour("--ink") },
    hoverlabel: { bgcolor: colour("--card"), bordercolor: colour("--line"), font: { color: colour("--ink") } },
    modebar: { color: colour("--soft"), activecolor: colour("--ink"), bgcolor: "rgba(0,0,0,0)" },
  };
}
