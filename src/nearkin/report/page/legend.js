// The classes and their colours. Choosing classes greys the others; of more than twenty classes, up to ten can be coloured.

class Legend {
  constructor(host, colours, changed) {
    this.host = host;
    this.colours = colours;
    this.changed = changed;
    this.filter = "";
    this.draw();
  }

  draw() {
    const all = this.colours.classes.map((_, label) => label);
    if (!this.colours.many) {
      this.host.replaceChildren(...all.map((label) => this.button(label)), this.clearButton("colour all"));
      return;
    }
    const search = element("input", { type: "search", placeholder: "find a class", "aria-label": "Find a class", value: this.filter });
    search.addEventListener("input", () => {
      this.filter = search.value;
      list.replaceChildren(...this.found());
    });
    const list = element("ul", {}, ...this.found());
    const about = element("p", { class: "note" }, `${all.length} classes: up to ${MOST_COLOURED} are coloured, at first the largest. `);
    this.host.replaceChildren(
      ...[...this.colours.chosen].map((label) => this.button(label)), this.clearButton("colour none"),
      element("div", { class: "chooser" }, about, search, list),
    );
  }

  found() {
    const wanted = this.filter.toLowerCase();
    const labels = this.colours.classes.map((_, label) => label).filter((label) => !this.colours.chosen.has(label));
    return labels.filter((label) => this.colours.classes[label].toLowerCase().includes(wanted)).slice(0, 200).map((label) => element("li", {}, this.button(label)));
  }

  button(label) {
    const name = this.colours.classes[label];
    const swatch = element("span", { class: "swatch" });
    swatch.style.background = this.colours.of(label) ?? "";
    const button = element("button", { type: "button", class: "class", title: name, "aria-pressed": String(this.colours.isColoured(label)), "data-label": label }, swatch, element("span", {}, name));
    button.addEventListener("click", () => this.change(() => this.colours.toggle(label), label));
    return button;
  }

  clearButton(words) {
    const button = element("button", { type: "button", class: "tool", hidden: this.colours.chosen.size === 0 }, words);
    button.addEventListener("click", () => this.change(() => this.colours.clear()));
    return button;
  }

  // Draws again and gives the focus back to the class that was clicked.
  change(action, label) {
    action();
    this.draw();
    this.host.querySelector(label === undefined ? ".class" : `[data-label="${label}"]`)?.focus();
    this.changed();
  }
}
