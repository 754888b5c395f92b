// A query and the place that it matched, side by side, with lines between their inliers.

import { at, fixed } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
// Narrower than this, the pictures stand one above the other.
const SIDE_BY_SIDE = 520;

export class Pair {
  constructor(parts) {
    this.parts = parts;
    this.loop = null;
    this.pairs = [];
    parts.lines.addEventListener("change", () => this.draw());
    for (const image of [parts.query, parts.match]) image.addEventListener("load", () => this.draw());
    new ResizeObserver(() => this.arrange()).observe(parts.pair.parentElement);
  }

  // Show a closure as /api/loops lists it.
  async show(loop) {
    const { parts } = this;
    if (this.loop && loop && this.loop.number === loop.number && this.loop.record === loop.record) return;
    this.loop = loop;
    this.pairs = [];
    parts.pair.hidden = !loop?.pictured;
    parts.none.hidden = Boolean(loop?.pictured);
    if (!loop) return;
    const { record, number } = loop;
    parts.text.textContent = describe(record);
    if (!loop.pictured) return;
    parts.query.alt = `Query: frame ${record.query_idx} of ${record.stream}`;
    parts.match.alt = `Match: frame ${record.match_idx} of ${record.match_session ?? record.match_stream}`;
    const stamp = encodeURIComponent(`${record.stream}-${record.query_idx}`);
    parts.query.src = `/api/loops/${number}/query.jpg?of=${stamp}`;
    parts.match.src = `/api/loops/${number}/match.jpg?of=${stamp}`;
    this.arrange();
    try {
      const answer = await fetch(`/api/loops/${number}`);
      const full = answer.ok ? await answer.json() : { pairs: [] };
      if (this.loop === loop) this.pairs = full.pairs;
    } catch {
      // The pictures say enough.
    }
    this.draw();
  }

  arrange() {
    const { pair } = this.parts;
    pair.classList.toggle("wide", pair.parentElement.clientWidth >= SIDE_BY_SIDE);
    this.draw();
  }

  draw() {
    const { pair, query, match, svg, lines } = this.parts;
    svg.replaceChildren();
    if (pair.hidden || !lines.checked) return;
    svg.setAttribute("viewBox", `0 0 ${pair.clientWidth} ${pair.clientHeight}`);
    const [left, right] = [place(query, pair), place(match, pair)];
    for (const [qx, qy, mx, my] of this.pairs) {
      const from = [left.x + qx * left.width, left.y + qy * left.width];
      const to = [right.x + mx * right.width, right.y + my * right.width];
      svg.append(
        element("line", { x1: from[0], y1: from[1], x2: to[0], y2: to[1] }),
        element("circle", { cx: from[0], cy: from[1], r: 2.4 }),
        element("circle", { cx: to[0], cy: to[1], r: 2.4 }),
      );
    }
  }
}

function place(image, within) {
  const [box, around] = [image.getBoundingClientRect(), within.getBoundingClientRect()];
  return { x: box.left - around.left, y: box.top - around.top, width: box.width };
}

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) {
    made.setAttribute(key, typeof value === "number" ? value.toFixed(1) : value);
  }
  return made;
}

function describe(record) {
  const other = record.match_session ?? (record.match_stream === record.stream ? null : record.match_stream);
  const where = other === null || other === undefined ? "" : ` of ${other}`;
  const parts = [
    `Frame ${at(record.query_idx, record.query_time)} matches ${at(record.match_idx, record.match_time)}${where}`,
    `similarity ${fixed(record.score, 3)}`,
    record.geom_verified ? `${record.inliers} inliers` : "not checked by geometry",
    `confidence ${fixed(record.confidence, 2)}`,
  ];
  if (record.distance_m !== undefined) parts.push(`${record.distance_m.toFixed(1)} m apart by GPS`);
  return `${parts.join(", ")}.`;
}
