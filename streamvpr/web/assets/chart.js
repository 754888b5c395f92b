// The loop-closure signal: the best similarity of each frame, coloured by what was decided.

import { DECISIONS, at, why } from "./words.js";

const LEFT = 40, RIGHT = 10, TOP = 10, BOTTOM = 22;
const NOTHING = -0.99;

export class Chart {
  constructor(canvas, text, show) {
    this.canvas = canvas;
    this.text = text;
    this.show = show;
    this.hint = text.textContent;
    this.points = [];
    this.threshold = null;
    this.window = 300;
    this.cursor = null;
    canvas.addEventListener("pointermove", (event) => this.point(event.offsetX));
    canvas.addEventListener("pointerleave", () => this.leave());
    canvas.addEventListener("click", (event) => { this.point(event.offsetX); this.open(); });
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("blur", () => this.leave());
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  set(points, threshold) {
    this.points = points;
    this.threshold = threshold !== null && threshold > NOTHING ? threshold : null;
    this.draw();
  }

  shown() {
    return this.points.slice(-this.window);
  }

  color(name) {
    return getComputedStyle(this.canvas).getPropertyValue(`--${name.replaceAll("_", "-")}`);
  }

  scales(shown, width, height) {
    const last = shown.at(-1).query_idx;
    const first = Math.min(shown[0].query_idx, last - Math.min(this.window, 60) + 1);
    const scores = shown.map((point) => point.score).filter((score) => score !== null);
    if (this.threshold !== null) scores.push(this.threshold);
    const low = Math.floor((Math.min(...scores, 0.9) - 0.02) * 10) / 10;
    return {
      low, first, last,
      x: (index) => LEFT + ((index - first) / Math.max(1, last - first)) * (width - LEFT - RIGHT),
      y: (score) => TOP + ((1 - score) / (1 - low)) * (height - TOP - BOTTOM),
    };
  }

  draw() {
    const { canvas } = this;
    const [width, height, ratio] = [canvas.clientWidth, canvas.clientHeight, devicePixelRatio];
    if (!width) return;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = "12px system-ui, sans-serif";
    const shown = this.shown();
    this.describe(shown);
    if (!shown.length) {
      pen.fillStyle = this.color("muted");
      pen.fillText("no frames yet", LEFT, height / 2);
      return;
    }
    const scales = this.scales(shown, width, height);
    this.axes(pen, scales, width, height);
    this.line(pen, scales, shown);
    this.dots(pen, scales, shown, height);
    if (this.cursor !== null) this.mark(pen, scales, shown, height);
  }

  axes(pen, { low, first, last, x, y }, width, height) {
    pen.lineWidth = 1;
    pen.strokeStyle = this.color("line");
    pen.fillStyle = this.color("muted");
    pen.textAlign = "right";
    const step = 1 - low > 0.6 ? 0.2 : 0.1;
    for (let value = 1; value > low - 1e-6; value -= step) {
      const level = Math.round(y(value)) + 0.5;
      pen.beginPath();
      pen.moveTo(LEFT, level);
      pen.lineTo(width - RIGHT, level);
      pen.stroke();
      pen.fillText(value.toFixed(1), LEFT - 6, level + 4);
    }
    pen.textAlign = "center";
    for (const index of ticks(first, last, width / 90)) pen.fillText(String(index), x(index), height - 6);
    if (this.threshold === null) return;
    pen.strokeStyle = this.color("fg");
    pen.setLineDash([5, 4]);
    pen.beginPath();
    pen.moveTo(LEFT, y(this.threshold));
    pen.lineTo(width - RIGHT, y(this.threshold));
    pen.stroke();
    pen.setLineDash([]);
    pen.fillStyle = this.color("fg");
    pen.textAlign = "left";
    pen.fillText(`threshold ${this.threshold.toFixed(2)}`, LEFT + 4, y(this.threshold) - 5);
  }

  line(pen, { x, y }, shown) {
    pen.strokeStyle = this.color("muted");
    pen.globalAlpha = 0.55;
    pen.beginPath();
    let drawn = false;
    for (const point of shown) {
      if (point.score === null) drawn = false;
      else if (drawn) pen.lineTo(x(point.query_idx), y(point.score));
      else { pen.moveTo(x(point.query_idx), y(point.score)); drawn = true; }
    }
    pen.stroke();
    pen.globalAlpha = 1;
  }

  // Loops are full and large, what was refused is small; frames without a candidate are ticks.
  dots(pen, { x, y }, shown, height) {
    const colors = Object.fromEntries(Object.keys(DECISIONS).map((name) => [name, this.color(name)]));
    for (const point of shown) {
      const accepted = point.decision === "accepted";
      pen.fillStyle = colors[point.decision] ?? colors.empty_database;
      if (point.score === null) {
        pen.fillRect(x(point.query_idx) - 0.75, height - BOTTOM - 6, 1.5, 6);
        continue;
      }
      pen.beginPath();
      pen.arc(x(point.query_idx), y(point.score), accepted ? 4.5 : 2.2, 0, 2 * Math.PI);
      pen.fill();
    }
  }

  mark(pen, { x, y }, shown, height) {
    const point = shown.find((one) => one.query_idx === this.cursor);
    if (!point) return;
    pen.strokeStyle = this.color("accent");
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(x(point.query_idx), TOP);
    pen.lineTo(x(point.query_idx), height - BOTTOM);
    pen.stroke();
    if (point.score === null) return;
    pen.lineWidth = 2;
    pen.beginPath();
    pen.arc(x(point.query_idx), y(point.score), 7, 0, 2 * Math.PI);
    pen.stroke();
  }

  describe(shown) {
    const loops = shown.filter((point) => point.decision === "accepted").length;
    this.canvas.setAttribute("aria-label",
      `Best similarity of the last ${shown.length} frames; ${loops} of them closed a loop`);
  }

  point(offset) {
    const shown = this.shown();
    if (!shown.length) return;
    const { x } = this.scales(shown, this.canvas.clientWidth, this.canvas.clientHeight);
    const near = shown.reduce((best, point) =>
      Math.abs(x(point.query_idx) - offset) < Math.abs(x(best.query_idx) - offset) ? point : best);
    this.move(near);
  }

  move(point) {
    this.cursor = point.query_idx;
    const name = DECISIONS[point.decision]?.name ?? point.decision;
    this.text.textContent = [`Frame ${at(point.query_idx, point.query_time)}: ${name}`, why(point)]
      .filter(Boolean).join("; ");
    this.draw();
  }

  leave() {
    if (this.canvas === document.activeElement && this.cursor !== null) return;
    this.cursor = null;
    this.text.textContent = this.hint;
    this.draw();
  }

  open() {
    const point = this.points.find((one) => one.query_idx === this.cursor);
    if (point?.decision === "accepted") this.show(point);
  }

  key(event) {
    const shown = this.shown();
    const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20, Home: -Infinity, End: Infinity };
    if (event.key === "Enter") this.open();
    else if (event.key in steps && shown.length) {
      const place = shown.findIndex((point) => point.query_idx === this.cursor);
      const from = place < 0 ? shown.length - 1 : place + steps[event.key];
      this.move(shown[Math.min(shown.length - 1, Math.max(0, from))]);
    } else return;
    event.preventDefault();
  }
}

function ticks(first, last, most) {
  const span = Math.max(1, last - first);
  const power = 10 ** Math.floor(Math.log10(span / Math.max(1, most)));
  const step = Math.max(1, [1, 2, 5, 10].map((one) => one * power).find((one) => span / one <= most) ?? 10 * power);
  const found = [];
  for (let index = Math.ceil(first / step) * step; index <= last; index += step) found.push(index);
  return found.filter((index) => index >= 0);
}
