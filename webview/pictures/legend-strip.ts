/** `<legend-strip>`: the colours of a scale from its low to its high end. */
export class LegendStrip extends HTMLElement {
  private readonly canvas = document.createElement('canvas');

  connectedCallback(): void {
    if (this.canvas.parentElement === null) this.append(this.canvas);
  }

  set colours(colours: readonly string[]) {
    this.canvas.width = colours.length;
    this.canvas.height = 1;
    const context = this.canvas.getContext('2d');
    if (context === null) return;
    colours.forEach((colour, i) => {
      context.fillStyle = colour;
      context.fillRect(i, 0, 1, 1);
    });
  }
}
