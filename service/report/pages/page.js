// Draws the figures of the page, in the colours of its paper (theme.js).
const figures = JSON.parse(document.getElementById("figures").textContent);

async function draw() {
  await Promise.all(figures.map(({ data, layout }, number) =>
    Plotly.newPlot(`figure-${number}`, data, { ...layout, ...figureTheme(layout) }, FIGURE_CONFIG)));
  document.body.dataset.drawn = figures.length;
}

DARK.addEventListener("change", () => {
  figures.forEach(({ layout }, number) => Plotly.relayout(`figure-${number}`, figureTheme(layout)));
});
draw();
