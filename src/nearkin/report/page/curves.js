// Learning curves: a row a method, three small plots a row (loss, validation, active share), a line a seed.

const PLOTS = [["loss", "Loss"], ["validation", "Validation"], ["active", "Active share"]];

function drawCurves(protocol) {
  const steps = [0, Math.max(1, ...protocol.curves.flatMap((curve) => curve.runs.map((run) => run.steps)))];
  const head = element("div", { class: "curves head", "aria-hidden": "true" }, element("span", {}, ""), ...PLOTS.map(([, title]) => element("span", {}, title)));
  const rows = protocol.curves.map((curve) => element("div", { class: "curves" }, element("div", {}, element("h3", {}, curve.method), element("p", { class: "note" }, curve.words)), ...PLOTS.map(([name, title]) => plotOf(curve, name, title, steps))));
  document.getElementById("curve-rows").replaceChildren(head, ...rows);
  document.getElementById("curves").hidden = protocol.curves.length === 0;
}

function plotOf(curve, name, title, steps) {
  const values = curve.runs.flatMap((run) => run[name][1]);
  if (!values.length) return element("p", { class: "none" }, `${title}: not measured`);
  const range = name === "loss" || Math.min(...values) < 0 || Math.max(...values) > 1 ? [Math.min(0, ...values), Math.max(...values)] : [0, 1];
  const lines = curve.runs.map((run) => svg("path", { class: "curve", d: pathThrough(run[name][0], run[name][1], steps, range) }));
  const label = `${title} of ${curve.method}, ${curve.runs.length} seeds, last values ${curve.runs.map((run) => shortNumber(run[name][1].at(-1))).join(", ")}`;
  const box = svg("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none" }, ...lines);
  const dots = name === "validation" ? curve.runs.map((run) => keptDot(run, name, steps, range)) : [];
  const drawing = svg("svg", { role: "img", "aria-label": label }, filled(box, { width: "100%", height: "100%" }, []), ...dots);
  const ends = element("div", { class: "ends" }, element("span", {}, "0"), element("span", {}, `${shortNumber(steps[1])} steps`));
  return element("div", { class: "plot" }, element("span", { class: "title" }, title), element("span", { class: "high" }, shortNumber(range[1])), drawing, element("span", { class: "low" }, shortNumber(range[0])), ends);
}

// The dot at the kept step: the measured value nearest to it.
function keptDot(run, name, steps, range) {
  const [at, values] = run[name];
  const nearest = at.reduce((best, step, i) => (Math.abs(step - run.best) < Math.abs(at[best] - run.best) ? i : best), 0);
  const percent = (value, [low, high]) => `${((100 * (value - low)) / (high - low || 1)).toFixed(2)}%`;
  return svg("circle", { class: "kept", cx: percent(at[nearest], steps), cy: percent(range[1] - values[nearest], [0, range[1] - range[0]]), r: 3 });
}
