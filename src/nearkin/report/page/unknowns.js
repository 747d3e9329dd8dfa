// Known or unknown: how far known and unknown images lie from what is known, and what a threshold between would accept.

function showUnknowns(protocol) {
  document.getElementById("unknowns").hidden = protocol.unknowns.methods.length === 0;
  document.getElementById("unknowns-table").replaceChildren(unknownsTable(protocol.unknowns.rows));
  chooseMethod(document.getElementById("unknowns-method"), protocol.unknowns.methods, protocol.best, drawUnknowns);
}

function drawUnknowns(found) {
  document.getElementById("unknowns-words").textContent = found.words;
  document.getElementById("unknowns-cards").replaceChildren(nearestCard(found), acceptedCard(found, "tpr", "ROC", "accepted known images, 0 to 100 %"), acceptedCard(found, "ccr", "Open-set classification", "known images accepted and answered rightly, 0 to 100 %"));
}

function nearestCard(found) {
  const most = Math.max(...found.shares.known, ...found.shares.unknown) || 1;
  const words = `${found.numbers.known} images of known classes, ${found.numbers.unknown} of unknown ones`;
  const drawing = svg("svg", { class: "area", viewBox: "0 0 100 100", preserveAspectRatio: "none", role: "img", "aria-label": words }, hill("different", found.shares.unknown, most), hill("same", found.shares.known, most), svg("line", { class: "ground", x1: 0, x2: 100, y1: 100, y2: 100, "vector-effect": "non-scaling-stroke" }));
  return curveCard("Nearest known image", words, drawing, shortNumber(found.low), found.distance, shortNumber(found.high));
}

function acceptedCard(found, name, title, words) {
  return curveCard(title, words, curveDrawing(title, pathThrough(found.curves.fpr, found.curves[name], [0, 1], [0, 1])), "0\u00a0%", "unknown images accepted", "100\u00a0%");
}

function unknownsTable(rows) {
  const heads = ["Method", "AUROC", "FPR at 95 % TPR", "OSCR"];
  const cell = ([value, interval]) => element("td", { class: "number" }, value, interval ? element("span", { class: "below" }, interval) : null);
  const lines = rows.map(({ method, scores }) => element("tr", {}, element("th", { scope: "row" }, method), ...scores.map(cell)));
  return element("table", { class: "plain" }, element("thead", {}, element("tr", {}, ...heads.map((name, i) => element("th", { scope: "col", class: i ? "number" : null }, name)))), element("tbody", {}, ...lines));
}
