// Mean distances between classes, one method at a time: dark is near.

function showClassDistances(protocol) {
  const select = document.getElementById("class-distances-method");
  chooseMethod(select, protocol.classDistances, protocol.best, drawClassDistances);
  document.getElementById("class-distances").hidden = protocol.classDistances.length === 0;
}

// Fills a choice of methods, keeps what was chosen before, and draws; used by every section that shows one method at a time.
function chooseMethod(select, found, best, draw) {
  const wanted = found.some((each) => each.method === select.value) ? select.value : best;
  select.replaceChildren(...found.map((each) => element("option", { value: each.method, selected: each.method === wanted }, each.method)));
  select.onchange = () => draw(found[select.selectedIndex]);
  if (found.length) draw(found[select.selectedIndex]);
}

function drawClassDistances(found) {
  document.getElementById("class-distances-words").textContent = found.words;
  const values = found.mean.flat().filter((value) => value !== null);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const nearness = (value) => (high > low ? (high - value) / (high - low) : 0);
  const heads = found.classes.map((name) => element("th", { scope: "col", title: name }, name));
  const rows = found.mean.map((row, i) => element("tr", {}, element("th", { scope: "row", title: found.classes[i] }, found.classes[i]), ...row.map((value, j) => nearCell(value, nearness, i === j, `${found.classes[i]} to ${found.classes[j]}`))));
  document.getElementById("class-distances-matrix").replaceChildren(element("table", { class: "matrix distances" }, element("thead", {}, element("tr", {}, element("td", { class: "corner" }), ...heads)), element("tbody", {}, ...rows)));
}

function nearCell(value, nearness, own, title) {
  if (value === null) return element("td", { title: `${title}: there is no pair` });
  const cell = element("td", { class: own ? "close own" : "close", title: `${title}: ${shortNumber(value)}` }, shortNumber(Number(value.toPrecision(2))));
  cell.style.setProperty("--share", nearness(value));
  return cell;
}
