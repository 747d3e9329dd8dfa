// Small helpers that make elements. Text always goes in as text, never as HTML, so that a name is only ever a name.

function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function filled(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// Round numbers between low and high, about `wanted` of them.
function ticksBetween(low, high, wanted) {
  const rough = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough * 0.999);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) ticks.push(i * step);
  return ticks;
}

// A number as people write it: three digits that count, thousands apart, a power of ten where it is very large or small.
function shortNumber(value) {
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e6 || size < 1e-4)) {
    const [digits, power] = value.toExponential(1).split("e");
    const raised = [...String(Number(power))].map((char) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[char] ?? "⁻").join("");
    return `${digits.replace("-", "−")}·10${raised}`;
  }
  return value.toLocaleString("en", { maximumSignificantDigits: size >= 1000 ? 4 : 3 }).replace("-", "−");
}

function signedNumber(value) {
  return (value > 0 ? "+" : "") + shortNumber(value);
}

// The path through points given as two arrays, in a box of 100 x 100 whose y axis points upwards.
function pathThrough(xs, ys, xRange, yRange) {
  const place = (value, [low, high]) => (high > low ? (100 * (value - low)) / (high - low) : 50);
  return xs.map((x, i) => `${i ? "L" : "M"}${place(x, xRange).toFixed(2)} ${(100 - place(ys[i], yRange)).toFixed(2)}`).join("");
}

function cssColour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
