// Draws the figures of the page, in the colours of its paper.
const figures = JSON.parse(document.getElementById("figures").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
const config = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"] };

function theme(layout) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  return {
    font: { ...layout.font, color: colour("--ink") },
    hoverlabel: { bgcolor: colour("--card"), bordercolor: colour("--line"), font: { color: colour("--ink") } },
    modebar: { color: colour("--soft"), activecolor: colour("--ink"), bgcolor: "rgba(0,0,0,0)" },
  };
}

async function draw() {
  await Promise.all(figures.map(({ data, layout }, number) =>
    Plotly.newPlot(`figure-${number}`, data, { ...layout, ...theme(layout) }, config)));
  document.body.dataset.drawn = figures.length;
}

dark.addEventListener("change", () => {
  figures.forEach(({ layout }, number) => Plotly.relayout(`figure-${number}`, theme(layout)));
});
draw();
