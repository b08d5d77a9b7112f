"use strict";
// Draws the charts of what is open, shows what is under the pointer, and lets the arrow keys walk over the marks.
(() => {
  const { theme, kinds, figures } = JSON.parse(document.getElementById("figures").textContent);
  const tooltip = document.getElementById("tooltip");
  const NARROW = 560;

  // A column is a list of values, or {of: distinct values, at: which of them stands where}, or {of: [the only one]}.
  function rows({ count, columns }) {
    const at = (column, row) => (column.of ? column.of[column.at ? column.at[row] : 0] : column[row]);
    return Array.from({ length: count }, (_, row) =>
      Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, at(column, row)])));
  }

  function configured(width) {
    const narrow = width < NARROW;
    return {
      ...theme,
      axis: { ...theme.axis, labelLimit: narrow ? 110 : theme.axis.labelLimit },
      legend: { ...theme.legend, columns: narrow ? 2 : theme.legend.columns },
    };
  }

  function draw(chart) {
    if (chart.dataset.drawn || chart.closest("details:not([open])")) return;
    chart.dataset.drawn = "yes";
    const figure = figures[chart.dataset.figure];
    const data = { name: "rows", values: rows(figure) };
    const spec = { ...kinds[figure.kind], height: figure.height, data };
    // ast: expressions are interpreted, so that the page's policy need not allow eval
    const options = {
      ast: true, renderer: "svg", actions: false, defaultStyle: false, tooltip: hover,
      mode: "vega-lite", logLevel: 1, config: configured(chart.clientWidth),
    };
    vegaEmbed(chart, spec, options).then(
      () => {
        chart.querySelector("svg").setAttribute("aria-hidden", "true"); // the chart itself has role and label
        chart.dataset.drawn = "done";
      },
      (error) => { chart.dataset.drawn = "failed"; chart.textContent = String(error); },
    );
  }

  function drawAll() {
    document.querySelectorAll(".chart").forEach(draw);
  }

  function say(value, x, y) {
    tooltip.replaceChildren();
    for (const [name, text] of Object.entries(value)) {
      const line = document.createElement("div");
      const strong = document.createElement("b");
      strong.textContent = `${name}: `;
      line.append(strong, String(text));
      tooltip.append(line);
    }
    tooltip.hidden = false;
    const { width, height } = tooltip.getBoundingClientRect();
    tooltip.style.left = `${Math.max(4, Math.min(x + 12, innerWidth - width - 8))}px`;
    tooltip.style.top = `${y + 16 + height > innerHeight ? Math.max(4, y - height - 12) : y + 16}px`;
  }

  function hover(_, event, __, value) {
    if (value === null || value === undefined || value === "") tooltip.hidden = true;
    else say(typeof value === "object" ? value : { "": value }, event.clientX, event.clientY);
  }

  // --- the keyboard

  function marks(chart) {
    const all = [...chart.querySelectorAll("svg path, svg rect")];
    return all.filter((each) => each.__data__ && each.__data__.tooltip);
  }

  function walk(chart, step) {
    const all = marks(chart);
    if (!all.length) return;
    const before = chart.dataset.at === undefined ? (step > 0 ? -1 : all.length) : Number(chart.dataset.at);
    const at = (before + step + all.length) % all.length;
    chart.dataset.at = at;
    const box = all[at].getBoundingClientRect();
    say(all[at].__data__.tooltip, box.right, box.bottom);
  }

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") tooltip.hidden = true;
    const chart = event.target.closest ? event.target.closest(".chart") : null;
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (chart && step) {
      event.preventDefault();
      walk(chart, step);
    }
  });
  document.addEventListener("focusout", () => { tooltip.hidden = true; });

  // --- opening and closing

  document.addEventListener("toggle", drawAll, true);
  document.querySelectorAll("button[data-open]").forEach((button) => {
    button.addEventListener("click", () => {
      document.querySelectorAll("details.point").forEach((each) => { each.open = button.dataset.open === "true"; });
    });
  });
  function openTarget() {
    const target = document.getElementById(location.hash.slice(1));
    if (target && target.matches("details")) target.open = true;
  }
  addEventListener("hashchange", openTarget);
  openTarget();
  drawAll();
})();
