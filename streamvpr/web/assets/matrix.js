// The similarity of all frames so far to those before them, thinned out, and the loops on it.

const PAUSE = 3000;
const OF_FRAMES = "Each row is a frame, each column one before it; bright is alike, rings are loops. "
  + "A stripe beside the diagonal is a way that was gone again.";
const OF_PLACES = "Each row is a frame, each column a place of the database; bright is alike, rings "
  + "are matches. A stripe is a way that was gone again.";

export class Matrix {
  constructor(parts) {
    this.parts = parts;
    this.stream = null;
    this.known = -1;
    this.asked = -Infinity;
    this.axes = { rows: [], places: [], fixed: false };
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
    this.records = records;
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
    const { rows, fixed } = this.axes;
    if (!rows.length || this.stream !== stream) return;
    this.parts.text.textContent = fixed ? OF_PLACES : OF_FRAMES;
    const others = fixed ? "the places" : "those before them";
    this.parts.image.alt = `Similarity of ${rows.length} frames, ${rows[0]} to ${rows.at(-1)}, to ${others}; `
      + `${this.records.length} loops are marked`;
    this.parts.image.src = `/api/streams/${stream.number}/matrix.png?to=${newest}`;
  }

  mark() {
    const { marks } = this.parts;
    const [side, ratio] = [marks.clientWidth, devicePixelRatio];
    if (!side) return;
    marks.width = side * ratio;
    marks.height = side * ratio;
    const { rows, places } = this.axes;
    if (this.parts.image.hidden || !rows.length) return;
    const pen = marks.getContext("2d");
    pen.scale(ratio, ratio);
    pen.strokeStyle = "#ff2bd6";
    pen.lineWidth = 1.5;
    for (const record of this.records) {
      const [x, y] = [column(places, record), share(rows, record.query_idx)];
      if (x === null) continue;
      pen.beginPath();
      pen.arc(x * side, y * side, 3.5, 0, 2 * Math.PI);
      pen.stroke();
    }
  }
}

// How far along the places a record's match is; null where they hold none of its stream.
function column(places, record) {
  const own = (place) => place[0] === (record.match_session ?? null) && place[1] === record.match_stream;
  const first = places.findIndex(own);
  if (first < 0) return null;
  const indices = places.slice(first, places.findLastIndex(own) + 1).map((place) => place[2]);
  return (first + share(indices, record.match_idx) * indices.length) / places.length;
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
