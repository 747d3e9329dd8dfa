// Differences to the baseline, drawn in the result table: a dot and its interval in each row, one axis above.
// Horizontal places are percentages, so the drawing follows the table's width without being drawn again.

function drawDifferences() {
  for (const table of document.querySelectorAll("table.results")) {
    const protocol = facts.protocols[Number(table.dataset.protocol)];
    const shown = protocol.differences.filter((each) => each.estimate !== null);
    if (!shown.length) continue;
    const axis = axisFor(shown.flatMap((each) => [each.estimate, each.low ?? each.estimate, each.high ?? each.estimate]));
    drawAxis(table.querySelector(".axis"), axis);
    for (const cell of table.querySelectorAll("td.plot")) drawInterval(cell, protocol.differences[Number(cell.dataset.row)], axis);
  }
}

function axisFor(values) {
  const low = Math.min(0, ...values);
  const high = Math.max(0, ...values);
  const margin = 0.06 * (high - low || 1);
  const range = [low - margin, high + margin];
  const at = (value) => `${((100 * (value - range[0])) / (range[1] - range[0])).toFixed(2)}%`;
  return { at, ticks: ticksBetween(range[0], range[1], 5) };
}

function drawAxis(place, axis) {
  const labels = axis.ticks.map((tick) => svg("text", { x: axis.at(tick), y: 14, "text-anchor": "middle" }, tick === 0 ? "0" : signedNumber(tick)));
  place.replaceChildren(svg("svg", { width: "100%", height: 18, "aria-hidden": "true" }, ...labels));
}

function drawInterval(cell, difference, axis) {
  const lines = axis.ticks.map((tick) => svg("line", { class: tick === 0 ? "zero" : "tick", x1: axis.at(tick), x2: axis.at(tick), y1: 0, y2: "100%" }));
  const drawing = svg("svg", { width: "100%", height: "100%", role: "img", "aria-label": difference.words ?? `${difference.method}: ${difference.verdict}` }, ...lines);
  if (difference.estimate !== null) {
    const mark = svg("g", { class: difference.verdict.replace(" ", "-") });
    const [low, high] = [difference.low, difference.high];
    if (low !== null) mark.append(svg("line", { class: "interval", x1: axis.at(low), x2: axis.at(high), y1: "50%", y2: "50%" }));
    mark.append(svg("circle", { cx: axis.at(difference.estimate), cy: "50%", r: 4.5 }));
    drawing.append(mark);
  }
  cell.replaceChildren(drawing);
}
