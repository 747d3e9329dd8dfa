// Mix-ups of one method: a matrix where the classes are few enough to read it, and always the list of the most frequent ones.

function showConfusions(protocol) {
  chooseMethod(document.getElementById("confusion-method"), protocol.confusions, protocol.best, drawConfusion);
  document.getElementById("confusion").hidden = protocol.confusions.length === 0;
}

function drawConfusion(found) {
  document.getElementById("confusion-words").textContent = found.words;
  document.getElementById("confusion-matrix").replaceChildren(...(found.share ? [matrixOf(found)] : []));
  document.getElementById("confusion-list").replaceChildren(element("h3", {}, found.mixups.length ? "Most frequent" : "No image was taken for another class"), mixupsOf(found));
}

function matrixOf(found) {
  const heads = found.answered.map((name) => element("th", { scope: "col", title: name }, name));
  const rows = found.true.map((name, i) => element("tr", {}, element("th", { scope: "row", title: name }, name), ...found.answered.map((other, j) => cellOf(found.share[i][j], name === other, `${name} voted ${other}`))));
  return element("table", { class: "matrix" }, element("thead", {}, element("tr", {}, element("td", { class: "corner" }), ...heads)), element("tbody", {}, ...rows));
}

function cellOf(share, right, title) {
  const text = share === 0 ? "" : share < 0.005 ? "<1" : String(Math.round(100 * share));
  const cell = element("td", { class: share === 0 ? null : right ? "right" : "wrong", title: `${title}: ${(100 * share).toFixed(1)} %` }, text);
  cell.style.setProperty("--share", share);
  return cell;
}

function mixupsOf(found) {
  return element("ol", { class: "mixups" }, ...found.mixups.map((mixup) => element("li", {}, element("span", {}, `${mixup.true} → ${mixup.answered}`), element("span", {}, `${mixup.count.toLocaleString("en")} (${mixup.share})`))));
}
