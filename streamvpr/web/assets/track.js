// Where the stream went, and where it came back, by its own positions. Needs no map of anybody.

const SVG = "http://www.w3.org/2000/svg";
const METRES = 111_320;
const MARGIN = 24;

export class Track {
  constructor(svg, text) {
    this.svg = svg;
    this.text = text;
    this.track = [];
    this.loops = [];
    new ResizeObserver(() => this.draw()).observe(svg);
  }

  set(track, records) {
    this.track = track;
    this.loops = records.filter((record) => record.query_lat !== undefined);
    this.draw();
  }

  draw() {
    const { svg, track, loops } = this;
    const [width, height] = [svg.clientWidth, svg.clientHeight];
    svg.replaceChildren();
    if (!width || !track.length) return;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const view = project(track, width, height);
    const way = track.map(([lat, lon]) => view.point(lat, lon).map((v) => v.toFixed(1)).join(",")).join(" ");
    this.add("polyline", { class: "way", points: way });
    for (const record of loops) {
      const [x, y] = view.point(record.query_lat, record.query_lon);
      if (record.match_lat !== undefined) {
        const [toX, toY] = view.point(record.match_lat, record.match_lon);
        this.add("line", { class: "tie", x1: x, y1: y, x2: toX, y2: toY });
      }
      this.add("circle", { class: "closed", cx: x, cy: y, r: 3.5 });
    }
    const [x, y] = view.point(...track.at(-1));
    this.add("circle", { class: "here", cx: x, cy: y, r: 6 });
    this.scale(view.perMetre, height);
    const north = this.add("text", { x: width - 20, y: 20, "text-anchor": "middle" });
    north.textContent = "N ↑";
    this.text.textContent = `The way by GPS, ${track.length} positions, north up; the ring is now, `
      + `green are ${loops.length} loops.`;
  }

  scale(perMetre, height) {
    const metres = nice(110 / perMetre);
    const length = metres * perMetre;
    this.add("line", { class: "scale", x1: 12, y1: height - 12, x2: 12 + length, y2: height - 12 });
    const label = this.add("text", { x: 12, y: height - 18 });
    label.textContent = metres >= 1000 ? `${metres / 1000} km` : `${metres} m`;
  }

  add(name, attributes) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) {
      made.setAttribute(key, typeof value === "number" ? value.toFixed(1) : value);
    }
    this.svg.append(made);
    return made;
  }
}

// Flat around the middle: a track is short beside the Earth.
function project(track, width, height) {
  const middle = track[Math.floor(track.length / 2)];
  const east = Math.cos((middle[0] * Math.PI) / 180);
  const flat = ([lat, lon]) => [turned(lon - middle[1]) * east * METRES, (lat - middle[0]) * METRES];
  const points = track.map(flat);
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const [west, south] = [xs, ys].map((all) => all.reduce((a, b) => Math.min(a, b)));
  const [eastmost, north] = [xs, ys].map((all) => all.reduce((a, b) => Math.max(a, b)));
  const perMetre = Math.min(
    (width - 2 * MARGIN) / Math.max(10, eastmost - west),
    (height - 2 * MARGIN) / Math.max(10, north - south),
  );
  const [centreX, centreY] = [(west + eastmost) / 2, (south + north) / 2];
  return {
    perMetre,
    point: (lat, lon) => {
      const [x, y] = flat([lat, lon]);
      return [width / 2 + (x - centreX) * perMetre, height / 2 - (y - centreY) * perMetre];
    },
  };
}

// Across the date line by the short way.
function turned(degrees) {
  return ((degrees + 540) % 360) - 180;
}

function nice(metres) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, metres)));
  return [5, 2, 1].map((one) => one * power).find((one) => one <= metres) ?? 1;
}
