// Colours of classes. Up to twenty classes each have their own. Of more, at most ten chosen ones are coloured: nobody tells
// apart a hundred colours. A class that is not chosen is grey.

const TEN = ["#4269d0", "#e8a510", "#ff6b54", "#3db3a5", "#3c9a4b", "#f277ac", "#9a5ce8", "#84b4f2", "#9c6b4e", "#7a8290"];
const TWENTY = [...TEN, "#1f3c8c", "#a87500", "#b3301f", "#1c7d74", "#a4cf5a", "#b5427f", "#5b2aa6", "#2f88b8", "#d3a68b", "#4a5260"];
const MOST_COLOURED = 10;

class ClassColours {
  constructor(classes, sizes) {
    this.classes = classes;
    this.many = classes.length > TWENTY.length;
    this.sizes = sizes;
    this.chosen = new Set(this.many ? this.largest(8) : []);
    this.slots = new Map();
    this.fillSlots();
  }

  largest(count) {
    return this.sizes.map((size, i) => [size, i]).sort((a, b) => b[0] - a[0] || a[1] - b[1]).slice(0, count).map((pair) => pair[1]);
  }

  // Of many classes the chosen ones take free colours and keep them while they stay chosen.
  fillSlots() {
    if (!this.many) return;
    for (const label of [...this.slots.keys()]) if (!this.chosen.has(label)) this.slots.delete(label);
    const free = TEN.map((_, i) => i).filter((slot) => ![...this.slots.values()].includes(slot));
    for (const label of this.chosen) if (!this.slots.has(label)) this.slots.set(label, free.shift());
  }

  toggle(label) {
    if (this.chosen.has(label)) this.chosen.delete(label);
    else {
      this.chosen.add(label);
      if (this.many && this.chosen.size > MOST_COLOURED) this.chosen.delete(this.chosen.values().next().value);
    }
    this.fillSlots();
  }

  clear() {
    this.chosen.clear();
    this.fillSlots();
  }

  isColoured(label) {
    if (label === NOWHERE) return false;
    return this.many ? this.chosen.has(label) : this.chosen.size === 0 || this.chosen.has(label);
  }

  // The colour of a class as it is shown now: its own, or null where it is grey.
  of(label) {
    if (!this.isColoured(label)) return null;
    return this.many ? TEN[this.slots.get(label)] : TWENTY[label];
  }
}

function redGreenBlue(hex) {
  return [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));
}
