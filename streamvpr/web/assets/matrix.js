// The similarity of all frames so far to those before them, thinned out, and the loops on it.

const PAUSE = 3000;

export class Matrix {
  constructor(parts) {
    this.parts = parts;
    this.stream = null;
    this.known = -1;
    this.asked = -Infinity;
    this.axes = { rows: [], columns: [] };
    this.records = [];
    parts.image.addEventListener("load", () => {
      parts.image.hidden = false;
      parts.none.hidden = true;
      this.mark();
    });
    new ResizeObserver(() => this.mark()).observe(parts.marks.parentElement);
  }

  set(stream, records, newest) {
    const other = stream !== this.stream;
    this.records = records.filter((record) => record.match_stream === record.stream && !record.match_session);
    if (other) {
      this.stream = stream;
      this.known = -1;
      this.asked = -Infinity;
      this.parts.image.hidden = true;
      this.parts.none.hidden = false;
    }
    const now = performance.now();
    if (newest === this.known || newest < 1 || now - this.asked < PAUSE) return;
    this.asked = now;
    this.known = newest;
    this.fetch(stream, newest);
  }

  async fetch(stream, newest) {
    try {
      const answer = await fetch(`/api/streams/${stream.number}/matrix`);
      if (!answer.ok) return;
      this.axes = await answer.json();
    } catch {
      return;
    }
    const { rows } = this.axes;
    if (!rows.length || this.stream !== stream) return;
    this.parts.image.alt = `Similarity of ${rows.length} frames, ${rows[0]} to ${rows.at(-1)}, to those before them; `
      + `${this.records.length} loops are marked`;
    this.parts.image.src = `/api/streams/${stream.number}/matrix.png?to=${newest}`;
  }

  mark() {
    const { marks } = this.parts;
    const [side, ratio] = [marks.clientWidth, devicePixelRatio];
    if (!side) return;
    marks.width = side * ratio;
    marks.height = side * ratio;
    const { rows, columns } = this.axes;
    if (this.parts.image.hidden || !rows.length) return;
    const pen = marks.getContext("2d");
    pen.scale(ratio, ratio);
    pen.strokeStyle = "#ff2bd6";
    pen.lineWidth = 1.5;
    for (const record of this.records) {
      const [x, y] = [share(columns, record.match_idx), share(rows, record.query_idx)];
      pen.beginPath();
      pen.arc(x * side, y * side, 3.5, 0, 2 * Math.PI);
      pen.stroke();
    }
  }
}

// How far along the indices of an axis an index is.
function share(axis, index) {
  let [low, high] = [0, axis.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (axis[middle] < index) low = middle + 1;
    else high = middle;
  }
  return Math.min(1, (low + 0.5) / axis.length);
}
