// The thumbnails of a protocol: one sheet, decoded once, drawn in pieces.

class Pictures {
  constructor(points) {
    this.sheet = points.sprite;
    this.count = points.pictured;
    this.bitmap = null;
  }

  get ready() {
    return this.bitmap !== null;
  }

  has(index) {
    return index < this.count;
  }

  async load() {
    if (!this.sheet) return;
    this.bitmap = await createImageBitmap(new Blob([bytesOf(this.sheet.data)], { type: this.sheet.media }));
  }

  // Draws one thumbnail into a square, its sides kept in proportion; small ones stay crisp.
  draw(context, index, left, top, side) {
    const { width, height, cellWidth, cellHeight, columns } = this.sheet;
    const scale = side / Math.max(width, height);
    const [w, h] = [width * scale, height * scale];
    context.imageSmoothingEnabled = scale < 1;
    context.drawImage(
      this.bitmap, (index % columns) * cellWidth, Math.floor(index / columns) * cellHeight, width, height,
      left + (side - w) / 2, top + (side - h) / 2, w, h,
    );
  }

  // A canvas of its own for one thumbnail, enlarged by a whole factor up to about `room` pixels.
  canvas(index, room) {
    const factor = Math.max(1, Math.round(room / Math.max(this.sheet.width, this.sheet.height)));
    const canvas = element("canvas", { width: this.sheet.width * factor, height: this.sheet.height * factor, "aria-hidden": "true" });
    this.paint(canvas, index);
    return canvas;
  }

  paint(canvas, index) {
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    const { width, height, cellWidth, cellHeight, columns } = this.sheet;
    context.drawImage(
      this.bitmap, (index % columns) * cellWidth, Math.floor(index / columns) * cellHeight, width, height,
      0, 0, canvas.width, canvas.height,
    );
  }
}
