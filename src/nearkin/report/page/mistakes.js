// The worst mistakes of one method: each a row of pictures, the image first, then what the method finds nearest to it.

let mistakePictures = null; // of the protocol in view

async function showMistakes(protocol) {
  const { methods, sprite, pictured } = protocol.mistakes;
  document.getElementById("mistakes").hidden = methods.length === 0;
  const pictures = new Pictures({ sprite, pictured });
  await pictures.load();
  mistakePictures = pictures;
  chooseMethod(document.getElementById("mistakes-method"), methods, protocol.best, (found) => chooseClass(protocol, found));
}

function chooseClass(protocol, found) {
  const select = document.getElementById("mistakes-class");
  const labels = [...new Set(found.worst.map((mistake) => mistake.image.label))].sort((a, b) => a - b);
  select.replaceChildren(element("option", { value: "" }, "all"), ...labels.map((label) => element("option", { value: label }, protocol.classes[label])));
  select.onchange = () => drawMistakes(protocol, found, select.value);
  drawMistakes(protocol, found, "");
}

function drawMistakes(protocol, found, label) {
  const shown = found.worst.filter((mistake) => label === "" || String(mistake.image.label) === label);
  const listed = shown.length < found.count ? `; ${shown.length} shown` : "";
  document.getElementById("mistakes-words").textContent = `${found.words}${listed}`;
  document.getElementById("mistakes-list").replaceChildren(...shown.map((mistake) => mistakeRow(protocol, found, mistake)));
}

function mistakeRow(protocol, found, mistake) {
  const late = mistake.firstKin === null ? `none of the first ${found.recorded} is kin` : `the first kin comes at rank ${mistake.firstKin}`;
  const near = mistake.near.map((other) => pictureOf(protocol, other, other.label !== mistake.image.label, shortNumber(other.distance)));
  return element("li", {}, element("ul", { class: "near", "aria-label": `${protocol.classes[mistake.image.label]}: ${late}` }, pictureOf(protocol, mistake.image, false, "asked"), ...near), element("p", { class: "note" }, late));
}

function pictureOf(protocol, image, wrong, words) {
  const name = protocol.classes[image.label];
  const picture = mistakePictures.sheet && mistakePictures.has(image.picture) ? mistakePictures.canvas(image.picture, 64) : element("div", { class: "blank" });
  return element("li", { class: wrong ? "wrong" : null, title: `${name}: ${image.id}` }, picture, element("span", {}, name), words);
}
