// One map: points put into a pixel buffer (fast without a graphics card), zoom and pan, the nearest point to the pointer.
// It knows nothing of the other maps; what is marked is told to it.

const NEAR_ENOUGH = 14; // CSS pixels between the pointer and the point it means
const PICTURES_FROM = 60; // so few points in view are drawn as their images

class PointMap {
  constructor(host, xy, label, colours, pictures) {
    this.host = host;
    this.xy = xy;
    this.label = label;
    this.colours = colours;
    this.pictures = pictures;
    this.count = xy.length / 2;
    this.view = { x: 0.5, y: 0.5, zoom: 1 };
    this.size = 0; // CSS pixels of a side, read anew by every `draw`
    this.points = host.querySelector("canvas.points");
    this.marks = host.querySelector("canvas.marks");
    this.marked = null;
    this.kept = false;
  }

  // Where a point lies, in CSS pixels.
  place(index) {
    const room = 0.92 * this.size * this.view.zoom;
    return [
      this.size / 2 + (this.xy[2 * index] / 65535 - this.view.x) * room,
      this.size / 2 - (this.xy[2 * index + 1] / 65535 - this.view.y) * room,
    ];
  }

  // The nearest point within reach of a place, or null.
  nearest(left, top, reach = NEAR_ENOUGH) {
    let best = null;
    let smallest = reach * reach;
    for (let i = 0; i < this.count; i++) {
      const [x, y] = this.place(i);
      const squared = (x - left) ** 2 + (y - top) ** 2;
      const favour = this.colours.isColoured(this.label[i]) ? 1 : 4; // grey points give way to coloured ones
      if (squared * favour < smallest) [best, smallest] = [i, squared * favour];
    }
    return best;
  }

  // The nearest point that lies in a direction, for the arrow keys: within 45 degrees of it.
  inDirection(from, dx, dy) {
    const [x0, y0] = this.place(from);
    let best = null;
    let smallest = Infinity;
    for (let i = 0; i < this.count; i++) {
      const [x, y] = this.place(i);
      const along = (x - x0) * dx + (y - y0) * dy;
      const across = Math.abs((x - x0) * dy - (y - y0) * dx);
      const cost = along + 2 * across;
      if (along > 0.5 && across <= along && cost < smallest) [best, smallest] = [i, cost];
    }
    return best;
  }

  zoomBy(factor, left = this.size / 2, top = this.size / 2) {
    const before = this.view.zoom;
    const zoom = Math.min(60, Math.max(1, before * factor));
    const room = 0.92 * this.size;
    this.view.x += ((left - this.size / 2) / room) * (1 / before - 1 / zoom);
    this.view.y -= ((top - this.size / 2) / room) * (1 / before - 1 / zoom);
    this.view.zoom = zoom;
    this.settle();
  }

  moveBy(dx, dy) {
    const room = 0.92 * this.size * this.view.zoom;
    this.view.x -= dx / room;
    this.view.y += dy / room;
    this.settle();
  }

  reset() {
    this.view = { x: 0.5, y: 0.5, zoom: 1 };
    this.settle();
  }

  settle() {
    if (this.view.zoom === 1) this.view.x = this.view.y = 0.5;
    this.view.x = Math.min(1, Math.max(0, this.view.x));
    this.view.y = Math.min(1, Math.max(0, this.view.y));
    this.host.classList.toggle("zoomed", this.view.zoom > 1);
    this.draw();
  }

  // Brings a point that was reached by the keyboard to the middle when it is out of view.
  reveal(index) {
    const [x, y] = this.place(index);
    const out = (value) => value < 16 || value > this.size - 16;
    if (this.view.zoom > 1 && (out(x) || out(y))) this.moveBy(this.size / 2 - x, this.size / 2 - y);
  }

  // Zooms by key: around the marked point if there is one.
  zoomAroundMark(factor) {
    if (this.marked === null) return this.zoomBy(factor);
    this.zoomBy(factor, ...this.place(this.marked));
    this.reveal(this.marked);
  }

  draw() {
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    this.size = this.host.clientWidth;
    const side = Math.round(this.size * ratio);
    if (!side) return;
    for (const canvas of [this.points, this.marks]) {
      if (canvas.width !== side) canvas.width = canvas.height = side;
    }
    this.ratio = ratio;
    const context = this.points.getContext("2d");
    const image = context.createImageData(side, side);
    const visible = this.paint(image, side, ratio);
    context.putImageData(image, 0, 0);
    if (visible.length <= PICTURES_FROM && this.view.zoom > 1) this.drawPictures(context, visible, ratio);
    this.drawMark();
  }

  // Fills the buffer with the surface and a disc a point, grey ones first; answers the points in view.
  paint(image, side, ratio) {
    const pixels = image.data;
    const [red, green, blue] = redGreenBlue(cssColour("--surface"));
    const grey = redGreenBlue(cssColour("--unselected"));
    new Uint32Array(pixels.buffer).fill((255 << 24) | (blue << 16) | (green << 8) | red);
    const base = this.count > 3000 ? 1.3 : this.count > 1200 ? 1.7 : 2.3;
    const small = Math.min(1, this.size / 220); // on a phone, maps are small
    const disc = discOf(base * small * ratio * Math.min(2, this.view.zoom ** 0.25));
    const palette = new Map();
    const visible = [];
    for (const pass of [false, true]) {
      for (let i = 0; i < this.count; i++) {
        const label = this.label[i];
        if (this.colours.isColoured(label) !== pass) continue;
        if (!palette.has(label)) palette.set(label, pass ? redGreenBlue(this.colours.of(label)) : grey);
        const [x, y] = this.place(i);
        if (x < -8 || y < -8 || x > this.size + 8 || y > this.size + 8) continue;
        visible.push(i);
        stamp(pixels, side, Math.round(x * ratio), Math.round(y * ratio), disc, palette.get(label));
      }
    }
    return visible;
  }

  drawPictures(context, visible, ratio) {
    if (!this.pictures.ready) return;
    const side = Math.round(26 * ratio);
    for (const index of visible) {
      if (!this.pictures.has(index)) continue;
      const [x, y] = this.place(index).map((value) => Math.round(value * ratio - side / 2));
      context.fillStyle = this.colours.of(this.label[index]) ?? cssColour("--unselected");
      context.fillRect(x - 2, y - 2, side + 4, side + 4);
      this.pictures.draw(context, index, x, y, side);
    }
  }

  mark(index, kept) {
    this.marked = index;
    this.kept = kept;
    this.drawMark();
  }

  // A ring around the marked point; at the border where the point is out of view.
  drawMark() {
    const context = this.marks.getContext("2d");
    context.clearRect(0, 0, this.marks.width, this.marks.height);
    this.host.dataset.marked = this.marked ?? "";
    if (this.marked === null) return;
    const [x, y] = this.place(this.marked).map((value) => Math.min(this.size - 6, Math.max(6, value)) * this.ratio);
    const ring = (radius, width, colour) => {
      context.beginPath();
      context.arc(x, y, radius * this.ratio, 0, 2 * Math.PI);
      context.lineWidth = width * this.ratio;
      context.strokeStyle = colour;
      context.stroke();
    };
    ring(8, 5, cssColour("--surface"));
    ring(8, 2, cssColour("--ink"));
    if (this.kept) ring(12, 1, cssColour("--ink"));
  }
}

// A disc of a radius: how much of each pixel of a square it covers, row by row.
function discOf(radius) {
  const reach = Math.ceil(radius);
  const width = 2 * reach + 1;
  const coverage = new Float32Array(width * width);
  for (let i = 0; i < coverage.length; i++) {
    const apart = Math.hypot((i % width) - reach, Math.floor(i / width) - reach);
    coverage[i] = 0.88 * Math.min(1, Math.max(0, radius + 0.5 - apart));
  }
  return { reach, width, coverage };
}

// Blends a disc over the opaque buffer.
function stamp(pixels, side, x, y, disc, colour) {
  const { reach, width, coverage } = disc;
  for (let i = 0; i < coverage.length; i++) {
    if (coverage[i] === 0) continue;
    const column = x - reach + (i % width);
    const row = y - reach + ((i / width) | 0);
    if (column < 0 || row < 0 || column >= side || row >= side) continue;
    const at = 4 * (row * side + column);
    for (let part = 0; part < 3; part++) pixels[at + part] += (colour[part] - pixels[at + part]) * coverage[i];
  }
}
