// Same or different: histograms of training and of test pairs with the thresholds, ROC and DET curves, and what each threshold does.

const [LEAST, MOST] = [1e-5, 0.6]; // of the rates that are drawn

function showVerification(protocol) {
  document.getElementById("verification").hidden = protocol.verified.length === 0;
  chooseMethod(document.getElementById("verification-method"), protocol.verified, protocol.best, drawVerification);
}

function drawVerification(found) {
  document.getElementById("verification-words").textContent = found.words;
  document.getElementById("verification-cards").replaceChildren(pairsCard(found, "training", "Training pairs"), pairsCard(found, "test", "Test pairs"), rocCard(found), detCard(found));
  document.getElementById("verification-table").replaceChildren(thresholdTable(found));
}

function pairsCard(found, part, title) {
  const shares = found.shares[part];
  const most = Math.max(...shares.positive, ...shares.negative) || 1;
  const place = (value) => (100 * (value - found.low)) / (found.high - found.low);
  const lines = found.thresholds.map((each, i) => svg("line", { class: "threshold", x1: place(each.value), x2: place(each.value), y1: 0, y2: 100, "stroke-dasharray": i ? "3 3" : null, "vector-effect": "non-scaling-stroke" }, svg("title", {}, `${each.rule}: ${shortNumber(each.value)}`)));
  const words = `${found.pairs[part].positive} pairs of one class, ${found.pairs[part].negative} of two`;
  const drawing = svg("svg", { class: "area", viewBox: "0 0 100 100", preserveAspectRatio: "none", role: "img", "aria-label": `${title}: ${words}` }, hill("different", shares.negative, most), hill("same", shares.positive, most), ...lines, svg("line", { class: "ground", x1: 0, x2: 100, y1: 100, y2: 100, "vector-effect": "non-scaling-stroke" }));
  return curveCard(title, words, drawing, shortNumber(found.low), found.distance, shortNumber(found.high));
}

function rocCard(found) {
  const low = Math.log10(LEAST);
  const xs = found.far.map((rate) => Math.log10(Math.max(rate, LEAST)));
  return curveCard("ROC", "accepted pairs of one class, 0 to 100 %", curveDrawing("ROC curve", pathThrough(xs, found.tar, [low, 0], [0, 1])), "0.001 %", "false accept rate, logarithmic", "100 %");
}

// Both rates as quantiles of the normal distribution, between 0.001 % and 60 %; only points within are drawn.
function detCard(found) {
  const points = found.far.map((rate, i) => [rate, 1 - found.tar[i]]).filter((pair) => pair.every((rate) => rate > LEAST && rate < MOST));
  const [xs, ys] = [0, 1].map((which) => points.map((pair) => probit(pair[which])));
  const range = [probit(LEAST), probit(MOST)];
  return curveCard("DET", "refused pairs of one class, 0.001 to 60 %", curveDrawing("DET curve", pathThrough(xs, ys, range, range)), "0.001 %", "false accept rate, normal scale", "60 %");
}

function curveDrawing(label, path) {
  return svg("svg", { class: "area", viewBox: "0 0 100 100", preserveAspectRatio: "none", role: "img", "aria-label": label }, svg("path", { class: "curve", d: path, "vector-effect": "non-scaling-stroke" }), svg("line", { class: "ground", x1: 0, x2: 100, y1: 100, y2: 100, "vector-effect": "non-scaling-stroke" }));
}

function curveCard(title, words, drawing, left, middle, right) {
  const ends = element("div", { class: "ends" }, element("span", {}, left), element("span", {}, middle), element("span", {}, right));
  return element("article", { class: "card short" }, element("h3", {}, title), element("p", { class: "how" }, words), element("div", { class: "chart" }, drawing, ends));
}

function thresholdTable(found) {
  const heads = ["Rule", "Threshold", "TPR, training", "TNR, training", "TPR, test", "TNR, test", "Precision, test"];
  const rows = found.thresholds.map((each) => element("tr", {}, element("th", { scope: "row" }, each.rule), ...[shortNumber(each.value), ...each.rates, each.precision].map((text) => element("td", { class: "number" }, text))));
  return element("table", { class: "plain" }, element("thead", {}, element("tr", {}, ...heads.map((name, i) => element("th", { scope: "col", class: i ? "number" : null }, name)))), element("tbody", {}, ...rows));
}

// The quantile of the standard normal distribution, by bisection on Abramowitz and Stegun's 7.1.26 (error below 1.5e-7).
function probit(share) {
  let [low, high] = [-8, 8];
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (normalShare(middle) < share) low = middle;
    else high = middle;
  }
  return low;
}

function normalShare(value) {
  const t = 1 / (1 + (0.3275911 * Math.abs(value)) / Math.SQRT2);
  const tail = 0.5 * t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))) * Math.exp((-value * value) / 2);
  return value < 0 ? tail : 1 - tail;
}
