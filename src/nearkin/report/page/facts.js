// The facts of the page, and how its packed arrays are unpacked: base64, gzip, little-endian uint16.

const facts = JSON.parse(document.getElementById("facts").textContent);

const NOWHERE = 65535; // stands for "no such point" and "no such class"

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}

async function unpacked(base64) {
  const stream = new Blob([bytesOf(base64)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

async function numbersOf(base64) {
  return new Uint16Array(await unpacked(base64));
}

async function textsOf(base64) {
  return JSON.parse(new TextDecoder().decode(await unpacked(base64)));
}
