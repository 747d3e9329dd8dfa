// The page comes alive: the differences at once, the pictures of a protocol when it is chosen.

const mapsOf = new Map(); // protocol number -> its maps, made when first shown
let current = 0;

async function showProtocol(number) {
  current = number;
  for (const button of document.querySelectorAll(".switch button")) button.setAttribute("aria-pressed", String(Number(button.dataset.protocol) === number));
  const protocol = facts.protocols[number];
  drawSeparations(protocol);
  showConfusions(protocol);
  drawCurves(protocol);
  if (!mapsOf.has(number)) mapsOf.set(number, Maps.of(protocol));
  const maps = await mapsOf.get(number);
  if (current === number) maps.show();
  document.body.dataset.shown = String(current);
}

async function redraw() {
  (await mapsOf.get(current))?.draw();
}

drawDifferences();
await showProtocol(0);

for (const button of document.querySelectorAll(".switch button")) button.addEventListener("click", () => showProtocol(Number(button.dataset.protocol)));

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
new ResizeObserver(redraw).observe(document.getElementById("map-cards"));

// Paper has no pointer: everything folded is opened, and closed again afterwards.
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")];
  for (const details of opened) details.open = true;
  redraw();
});
addEventListener("afterprint", () => {
  for (const details of opened) details.open = false;
  redraw();
});
