// The page comes alive: the differences at once, the pictures of a protocol when it is chosen.

const mapsOf = new Map(); // protocol number -> its maps, made when first shown
let current = 0;
let shown = null; // the maps in view

async function showProtocol(number) {
  current = number;
  for (const button of document.querySelectorAll(".switch button")) button.setAttribute("aria-pressed", String(Number(button.dataset.protocol) === number));
  const protocol = facts.protocols[number];
  drawSeparations(protocol);
  showConfusions(protocol);
  showClassDistances(protocol);
  showMistakes(protocol);
  showVerification(protocol);
  showUnknowns(protocol);
  drawCurves(protocol);
  if (!mapsOf.has(number)) mapsOf.set(number, Maps.of(protocol));
  const maps = await mapsOf.get(number);
  if (current !== number) return; // another one was chosen meanwhile
  shown = maps;
  maps.show();
  document.body.dataset.shown = String(number);
}

// Maps are pixels, so they are painted again when colours change: night and day, and paper, which is always white.
function redraw() {
  shown?.draw();
}

drawDifferences();
await showProtocol(0);

for (const button of document.querySelectorAll(".switch button")) button.addEventListener("click", () => showProtocol(Number(button.dataset.protocol)));
for (const media of ["(prefers-color-scheme: dark)", "print"]) matchMedia(media).addEventListener("change", redraw);
new ResizeObserver(redraw).observe(document.getElementById("map-cards"));
