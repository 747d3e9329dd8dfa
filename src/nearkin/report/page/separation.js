// Histograms of pair distances, one a method: two hills that overlap little where classes are well apart.

function drawSeparations(protocol) {
  const cards = protocol.separations.map((found) => {
    const label = `${found.method}: ${found.words}`;
    const most = Math.max(...found.same, ...found.different) || 1;
    const drawing = svg("svg", { class: "area", viewBox: "0 0 100 100", preserveAspectRatio: "none", role: "img", "aria-label": label }, hill("different", found.different, most), hill("same", found.same, most), svg("line", { class: "ground", x1: 0, x2: 100, y1: 100, y2: 100, "vector-effect": "non-scaling-stroke" }));
    const ends = element("div", { class: "ends" }, element("span", {}, shortNumber(found.low)), element("span", {}, found.distance), element("span", {}, shortNumber(found.high)));
    return element("article", { class: "card short" }, element("h3", { title: found.method }, found.method), element("p", { class: "how" }, found.note ? `${found.words}; ${found.note}` : found.words), element("div", { class: "chart" }, drawing, ends));
  });
  document.getElementById("separation-cards").replaceChildren(...cards);
}

function hill(kind, shares, most) {
  const width = 100 / shares.length;
  const top = (share) => (100 - (96 * share) / most).toFixed(2);
  const steps = shares.map((share, i) => `L${(i * width).toFixed(2)} ${top(share)}L${((i + 1) * width).toFixed(2)} ${top(share)}`).join("");
  return svg("path", { class: `hill ${kind}`, d: `M0 100${steps}L100 100` });
}
