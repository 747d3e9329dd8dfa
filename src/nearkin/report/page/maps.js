// All maps of a protocol: the same image marked in every one, its nearest images below each, the image beside the pointer.

class Maps {
  static async of(protocol) {
    const maps = new Maps(protocol);
    const points = protocol.points;
    maps.pictures = new Pictures(points);
    [maps.label, maps.ids] = await Promise.all([numbersOf(points.label), textsOf(points.ids), maps.pictures.load()]);
    maps.cards = await Promise.all(protocol.maps.map((drawn) => maps.card(drawn)));
    return maps;
  }

  constructor(protocol) {
    this.protocol = protocol;
    this.colours = new ClassColours(protocol.classes, protocol.sizes);
    this.marked = null;
    this.kept = false;
    this.tooltip = document.getElementById("tooltip");
  }

  async card(drawn) {
    const [xy, near, nearLabel] = await Promise.all([drawn.xy, drawn.near, drawn.nearLabel].map(numbersOf));
    const points = element("canvas", { class: "points", tabindex: 0, role: "application", "aria-roledescription": "map", "aria-label": `Map of ${drawn.method}: ${drawn.how}. Arrow keys walk from image to image.` });
    const host = element("div", { class: "map" }, points, element("canvas", { class: "marks", "aria-hidden": "true" }));
    const list = element("ul", { class: "near empty", "aria-label": `Nearest images by ${drawn.method}` });
    const article = element("article", { class: "card" }, element("h3", { title: drawn.method }, drawn.method), element("p", { class: "how" }, drawn.score, element("br"), drawn.how), host, list);
    const map = new PointMap(host, xy, this.label, this.colours, this.pictures);
    host.append(this.zoomButtons(map));
    const card = { drawn, map, article, list, near, nearLabel };
    this.listen(card, points);
    return card;
  }

  zoomButtons(map) {
    const button = (sign, label, action) => {
      const made = element("button", { type: "button", tabindex: -1, "aria-label": label, title: label }, sign);
      made.addEventListener("click", action);
      return made;
    };
    return element("div", { class: "zoom" }, button("+", "Zoom in", () => map.zoomBy(1.6)), button("−", "Zoom out", () => map.zoomBy(1 / 1.6)), button("⤢", "Whole map", () => map.reset()));
  }

  show() {
    document.getElementById("map-cards").replaceChildren(...this.cards.map((card) => card.article));
    document.getElementById("shown").textContent = this.shownWords();
    this.legend = new Legend(document.getElementById("legend"), this.colours, () => this.draw());
    this.draw();
    this.mark(this.marked, this.kept);
  }

  shownWords() {
    const { count, pictured } = this.protocol.points;
    const total = this.protocol.sizes.reduce((sum, size) => sum + size, 0);
    const dots = count < total ? `${count.toLocaleString("en")} of ${total.toLocaleString("en")} test images are shown, every class in its proportion` : `All ${total.toLocaleString("en")} test images are shown`;
    const images = pictured === 0 ? "; the study holds no thumbnails" : pictured < count ? `; ${pictured.toLocaleString("en")} of them have their picture in this page, to keep it small` : "";
    return `${dots}${images}. Each method is shown with the seed whose ${facts.primary} is the median of its seeds.`;
  }

  draw() {
    for (const card of this.cards) card.map.draw();
    this.drawNeighbours();
  }

  listen(card, canvas) {
    const { map } = card;
    let held = null;
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    canvas.addEventListener("pointerdown", (event) => {
      held = { x: event.clientX, y: event.clientY, moved: false };
      if (map.view.zoom > 1) canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (held && map.view.zoom > 1 && event.buttons) {
        const [dx, dy] = [event.clientX - held.x, event.clientY - held.y];
        if (held.moved || Math.hypot(dx, dy) > 4) {
          map.moveBy(dx, dy);
          held = { x: event.clientX, y: event.clientY, moved: true };
          return this.hideTooltip();
        }
      }
      if (!this.kept) this.mark(map.nearest(...at(event)), false, card);
    });
    canvas.addEventListener("pointerleave", () => {
      held = null;
      if (!this.kept) this.mark(null, false);
      this.hideTooltip();
    });
    canvas.addEventListener("click", (event) => {
      if (held?.moved) return;
      const index = map.nearest(...at(event), 20);
      this.mark(index, index !== null && !(this.kept && index === this.marked), card);
      this.speak(card);
    });
    canvas.addEventListener("dblclick", () => map.reset());
    canvas.addEventListener("wheel", (event) => this.wheel(event, map, at(event)), { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event, card));
    canvas.addEventListener("blur", () => this.hideTooltip());
  }

  // The wheel zooms a map that has the focus, or with Ctrl; otherwise the page scrolls as always.
  wheel(event, map, place) {
    if (document.activeElement !== map.points && !event.ctrlKey) return;
    event.preventDefault();
    map.zoomBy(Math.exp(-event.deltaY * 0.002), ...place);
  }

  key(event, card) {
    const { map } = card;
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const arrow = arrows[event.key];
    if (arrow && event.shiftKey) map.moveBy(-40 * arrow[0], -40 * arrow[1]);
    else if (arrow) this.walk(card, arrow);
    else if (event.key === "+" || event.key === "=") map.zoomAroundMark(1.6);
    else if (event.key === "-") map.zoomAroundMark(1 / 1.6);
    else if (event.key === "0") map.reset();
    else if (event.key === "Enter" || event.key === " ") this.mark(this.marked, this.marked !== null && !this.kept, card);
    else if (event.key === "Escape") this.mark(null, false);
    else return;
    event.preventDefault();
  }

  walk(card, [dx, dy]) {
    const { map } = card;
    const next = this.marked === null ? map.nearest(map.size / 2, map.size / 2, Infinity) : map.inDirection(this.marked, dx, dy);
    if (next === null) return;
    map.reveal(next);
    this.mark(next, this.kept, card);
    this.speak(card);
  }

  // Marks an image in every map; `card` is the map whose pointer or keys did it.
  mark(index, kept, card = null) {
    const same = index === this.marked;
    [this.marked, this.kept] = [index, kept];
    for (const each of this.cards) each.map.mark(index, kept);
    if (!same || index === null) this.drawNeighbours();
    if (index === null || card === null) this.hideTooltip();
    else this.showTooltip(card);
  }

  className(label) {
    return label === NOWHERE ? "" : this.protocol.classes[label];
  }

  drawNeighbours() {
    for (const card of this.cards) {
      card.list.classList.toggle("empty", this.marked === null);
      if (this.marked === null) card.list.replaceChildren(element("li", {}, "nearest images of the marked one"));
      else card.list.replaceChildren(...this.neighboursOf(card).map((near) => this.neighbour(near)));
    }
    this.drawTable();
  }

  neighboursOf(card) {
    const width = card.drawn.nearCount;
    const start = this.marked * width;
    const pairs = Array.from({ length: width }, (_, i) => ({ point: card.near[start + i], label: card.nearLabel[start + i] }));
    return pairs.filter((near) => near.label !== NOWHERE);
  }

  neighbour({ point, label }) {
    const picture = point !== NOWHERE && this.pictures.ready && this.pictures.has(point) ? this.pictures.canvas(point, 44) : element("div", { class: "blank" });
    const name = this.className(label);
    return element("li", { class: label === this.label[this.marked] ? null : "wrong", title: name }, picture, element("span", {}, name));
  }

  // The same as a plain table, for those who cannot see a canvas.
  drawTable() {
    const place = document.querySelector("#marked .scroll");
    if (this.marked === null) return place.replaceChildren(element("p", { class: "note" }, "No image is marked."));
    const own = element("p", { class: "note" }, `${this.ids[this.marked]}, class ${this.className(this.label[this.marked])}`);
    const heads = ["Method", "1st", "2nd", "3rd", "4th", "5th"].map((text) => element("th", { scope: "col" }, text));
    const rows = this.cards.map((card) => element("tr", {}, element("th", { scope: "row" }, card.drawn.method), ...this.neighboursOf(card).map((near) => element("td", {}, this.className(near.label)))));
    place.replaceChildren(own, element("table", { class: "plain" }, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows)));
  }

  speak(card) {
    const spoken = document.getElementById("spoken");
    if (this.marked === null) return spoken.replaceChildren();
    const near = this.neighboursOf(card).map((each) => this.className(each.label));
    spoken.textContent = `${this.ids[this.marked]}, class ${this.className(this.label[this.marked])}. Nearest by ${card.drawn.method}: ${near.join(", ")}.`;
  }

  showTooltip(card) {
    const index = this.marked;
    const canvas = this.tooltip.querySelector("canvas");
    canvas.hidden = !(this.pictures.ready && this.pictures.has(index));
    if (!canvas.hidden) canvas.replaceWith(this.pictures.canvas(index, 104));
    const swatch = element("span", { class: "swatch" });
    swatch.style.background = this.colours.of(this.label[index]) ?? "";
    this.tooltip.querySelector(".class").replaceChildren(swatch, this.className(this.label[index]));
    this.tooltip.querySelector(".id").textContent = this.ids[index];
    this.tooltip.hidden = false;
    this.placeTooltip(card, index);
  }

  // Beside the point, on the side that has room, never over the point itself.
  placeTooltip(card, index) {
    const map = card.map.host.getBoundingClientRect();
    const [x, y] = card.map.place(index);
    const { offsetWidth: width, offsetHeight: height } = this.tooltip;
    const left = map.left + x + 18 + width < window.innerWidth ? map.left + x + 18 : map.left + x - 18 - width;
    const top = Math.min(window.innerHeight - height - 8, Math.max(8, map.top + y - height / 2));
    this.tooltip.style.left = `${Math.max(8, left)}px`;
    this.tooltip.style.top = `${top}px`;
  }

  hideTooltip() {
    this.tooltip.hidden = true;
  }
}
