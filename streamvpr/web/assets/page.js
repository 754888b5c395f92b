// The page: what the source knows, put where it is seen. Drawn at most once a picture of the screen.

import { Chart } from "./chart.js";
import { Matrix } from "./matrix.js";
import { Pair } from "./pair.js";
import { Source } from "./source.js";
import { Track } from "./track.js";
import { DECISIONS, STATES, at, bytes, color, fixed, seconds, why } from "./words.js";

const FRAME_PAUSE = 400;
const MOST_ROWS = 200;
const find = (id) => document.getElementById(id);

const source = new Source(changed);
const chart = new Chart(find("chart"), find("cursor"), (point) => showFrame(point));
const matrix = new Matrix({ image: find("matrix"), marks: find("marks"), none: find("no-matrix"), text: find("matrix-text") });
const track = new Track(find("track"), find("track-text"));
const pair = new Pair({
  pair: find("pair"), none: find("no-loop"), text: find("pair-text"), query: find("query"),
  match: find("match"), svg: find("inliers"), lines: find("lines"),
});

let selected = 0;
// Whether the user chose the stream: until then it is the first on which something was decided.
let picked = false;
// The number of the closure that is shown, or null to follow the latest.
let chosen = null;
let stale = new Set();
let frameAsked = 0;
let frameShown = null;
let announced = 0;

function changed(what) {
  if (what === "run") {
    selected = 0;
    picked = false;
    chosen = null;
    frameShown = null;
    announced = source.loops.length;
    chart.cursor = null;
  }
  if (!stale.size) requestAnimationFrame(draw);
  stale.add(what);
}

function draw() {
  const what = stale;
  stale = new Set();
  if (document.hidden) {
    // What changed meanwhile is drawn when somebody looks again.
    what.forEach((one) => hidden.add(one));
    return;
  }
  drawStatus();
  if (!picked) selected = Math.max(0, source.streams.findIndex((stream) => stream.points.length));
  const stream = source.streams[selected];
  if (!stream) return;
  if (what.has("run")) drawRun();
  if (what.has("run") || what.has("loops")) drawLoops(stream);
  drawStreams();
  drawNow(stream);
  drawReasons(stream);
  drawFacts(stream);
  drawTrack(stream);
  chart.set(stream.points, source.run.settings["sim-threshold"] ?? null);
  matrix.set(stream, records(stream), stream.points.at(-1)?.query_idx ?? -1);
}

const hidden = new Set();
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) [...hidden, "stream"].forEach(changed);
  hidden.clear();
});

function records(stream) {
  return source.loops.map((loop) => loop.record).filter((record) => record.stream === stream.name);
}

function drawStatus() {
  const { state, text } = source.status;
  const [where, stream] = [find("status"), source.streams[selected]];
  const troubled = state === "running" && stream && ["lost", "frozen"].includes(stream.health.state);
  where.dataset.state = troubled ? "trouble" : state;
  where.textContent = troubled ? `running; ${stream.name} is ${stream.health.state}` : text;
}

function drawRun() {
  const { settings, version } = source.run;
  const names = source.streams.map((stream) => stream.name).join(", ");
  find("run").textContent = `${names} · ${settings.model} on ${settings.device} · version ${version}`;
  document.title = `${names} – streamvpr`;
}

function drawStreams() {
  const nav = find("streams");
  nav.hidden = source.streams.length < 2;
  while (nav.children.length > source.streams.length) nav.lastChild.remove();
  source.streams.forEach((stream, number) => {
    const button = nav.children[number] ?? nav.appendChild(tab(number));
    const [name, how] = button.children;
    name.textContent = stream.name;
    how.textContent = `${STATES[stream.health.state] ?? "not here yet"}, ${count(stream.closures, "loop")}`;
    button.setAttribute("aria-current", String(number === selected));
  });
}

function tab(number) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(document.createElement("span"), document.createElement("span"));
  button.lastChild.className = "muted";
  button.addEventListener("click", () => {
    selected = number;
    picked = true;
    frameShown = null;
    chart.cursor = null;
    changed("stream");
    changed("loops");
  });
  return button;
}

function drawNow(stream) {
  const [newest, verdict] = [stream.points.at(-1), find("verdict")];
  if (newest) {
    const name = DECISIONS[newest.decision]?.name ?? newest.decision;
    verdict.textContent = `${name}:`;
    verdict.style.setProperty("--swatch", color(newest.decision));
    const because = why(newest);
    find("why").textContent = `frame ${at(newest.query_idx, newest.query_time)}${because ? `, ${because}` : ""}`;
  } else {
    verdict.textContent = "waiting for the first frame";
    find("why").textContent = "";
  }
  drawFrame(stream, newest);
}

// The newest picture, asked for when the one before it is here: a slow line gets fewer.
function drawFrame(stream, newest) {
  const image = find("frame");
  const index = newest?.query_idx ?? stream.frame;
  if (index === null || index === undefined) {
    image.hidden = true;
    find("no-frame").hidden = false;
    return;
  }
  const key = `${source.run.run}/${stream.number}/${index}`;
  const now = performance.now();
  if (key === frameShown || now < frameAsked) return;
  frameShown = key;
  frameAsked = now + 10_000;
  const picture = new Image();
  const done = () => {
    frameAsked = performance.now() + FRAME_PAUSE;
    setTimeout(() => changed("stream"), FRAME_PAUSE + 10);
  };
  picture.onload = () => {
    image.src = picture.src;
    image.alt = `Frame ${index} of ${stream.name}`;
    image.hidden = false;
    find("no-frame").hidden = true;
    done();
  };
  picture.onerror = done;
  picture.src = `/api/streams/${stream.number}/frame.jpg?of=${encodeURIComponent(key)}`;
}

function drawReasons(stream) {
  const body = find("reasons");
  for (const [decision, { name, means }] of Object.entries(DECISIONS)) {
    let row = body.querySelector(`[data-decision="${decision}"]`);
    if (!row) {
      row = body.appendChild(document.createElement("tr"));
      row.dataset.decision = decision;
      row.innerHTML = '<th scope="row"><span class="verdict"></span></th><td class="number"></td><td></td>';
      row.querySelector(".verdict").textContent = name;
      row.querySelector(".verdict").style.setProperty("--swatch", color(decision));
    }
    const number = stream.decisions[decision] ?? 0;
    // What never happened needs no advice.
    if (number && !row.lastChild.hasChildNodes()) row.lastChild.append(...advice(means));
    if (!number) row.lastChild.replaceChildren();
    row.children[1].textContent = String(number);
    row.dataset.none = String(number === 0);
  }
}

// Text in which options are set as such, each on one line.
function advice(text) {
  return text.split(/(--[a-z-]+)/).map((part) => {
    if (!part.startsWith("--")) return part;
    const option = document.createElement("code");
    option.textContent = part;
    return option;
  });
}

function drawFacts(stream) {
  const { health } = stream;
  const { overload, damaged } = health.dropped;
  const troubled = ["lost", "frozen"].includes(health.state);
  const state = STATES[health.state] ?? "not here yet";
  const latency = health.latency_p50_ms === null
    ? null : `${Math.round(health.latency_p50_ms)} ms, 95 %: ${Math.round(health.latency_p95_ms)} ms`;
  const facts = [
    ["state", troubled && stream.cause ? `${state}: ${stream.cause}` : state, troubled],
    ["frames a second", fixed(stream.rate, 1)],
    ["processed", `${health.processed} of ${health.frames_in} pictures`],
    ["dropped by overload", String(overload), overload > 0],
    ["damaged", String(damaged), damaged > 0],
    ["not described", String(health.undescribed), health.undescribed > 0],
    ["on their way", String(health.queued)],
    ["latency", latency],
    ["reconnects", String(health.reconnects)],
    ["loops", String(stream.closures)],
    ["places", health.places_bytes ? `${health.places}, ${bytes(health.places_bytes)}` : String(health.places)],
    ["memory of the program", health.resident_bytes === null ? null : bytes(health.resident_bytes)],
    ["running for", seconds(elapsed())],
  ];
  const list = find("facts");
  const shown = facts.filter(([, value]) => value !== null);
  list.replaceChildren(...shown.flatMap(([name, value, trouble]) => {
    const [term, said] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name;
    said.textContent = value;
    said.classList.toggle("trouble", Boolean(trouble));
    return [term, said];
  }));
}

function elapsed() {
  const { began, summary } = source.run;
  return summary === null ? Math.max(0, Date.now() / 1e3 - began) : summary.seconds;
}

function drawTrack(stream) {
  const there = stream.track.length > 0;
  find("map").hidden = !there;
  find("main").classList.toggle("mapped", there);
  if (there) track.set(stream.track, records(stream));
}

function drawLoops(stream) {
  const several = source.streams.length > 1;
  const positioned = source.loops.some((loop) => loop.record.distance_m !== undefined);
  const columns = [
    ["query and match", false], ...(several ? [["stream", false]] : []), ["revisit", true],
    ["similarity", true], ["inliers", true], ["confidence", true],
    ...(positioned ? [["apart (m)", true]] : []),
  ];
  find("columns").replaceChildren(...columns.map(([name, number]) => {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = name;
    cell.classList.toggle("number", number);
    return cell;
  }));
  const current = shownLoop(stream);
  const newest = source.loops.slice(-MOST_ROWS).reverse();
  find("rows").replaceChildren(...newest.map((loop) => row(loop, { several, positioned, current })));
  if (!newest.length) {
    const line = find("rows").appendChild(document.createElement("tr"));
    const cell = line.appendChild(document.createElement("td"));
    cell.colSpan = columns.length;
    cell.className = "muted";
    cell.textContent = "no loop closed yet; the decisions say why";
  }
  drawPair(stream, current);
  announce();
}

function row(loop, { several, positioned, current }) {
  const { record } = loop;
  const line = document.createElement("tr");
  line.setAttribute("aria-current", String(loop.number === current?.number));
  const head = line.appendChild(document.createElement("th"));
  head.scope = "row";
  const button = head.appendChild(document.createElement("button"));
  button.type = "button";
  button.dataset.loop = loop.number;
  button.textContent = `${at(record.query_idx, record.query_time)} → ${at(record.match_idx, record.match_time)}`;
  button.setAttribute("aria-label", `Show the loop of frame ${record.query_idx} with ${record.match_idx}`);
  button.addEventListener("click", () => choose(loop.number));
  const add = (text, number = true) => {
    const cell = line.appendChild(document.createElement("td"));
    cell.textContent = text;
    cell.classList.toggle("number", number);
  };
  if (several) add(record.stream, false);
  add(String(record.loop_id));
  add(fixed(record.score, 3));
  add(record.geom_verified ? String(record.inliers) : "–");
  add(fixed(record.confidence, 2));
  if (positioned) add(record.distance_m === undefined ? "–" : record.distance_m.toFixed(1));
  return line;
}

// The closure that is looked at: the chosen one, or the latest of the stream.
function shownLoop(stream) {
  const picked = source.loops.find((loop) => loop.number === chosen);
  return picked ?? source.loops.findLast((loop) => loop.record.stream === stream.name) ?? null;
}

function drawPair(stream, current) {
  pair.show(current);
  const place = source.loops.indexOf(current);
  find("older").disabled = place <= 0;
  find("newer").disabled = place < 0 || place === source.loops.length - 1;
  find("latest").disabled = !source.loops.length;
  find("latest").setAttribute("aria-pressed", String(chosen === null));
}

function choose(number) {
  chosen = number;
  const focused = document.activeElement?.dataset?.loop;
  drawLoops(source.streams[selected]);
  if (focused !== undefined) document.querySelector(`[data-loop="${focused}"]`)?.focus();
}

function step(by) {
  const place = source.loops.indexOf(shownLoop(source.streams[selected]));
  const next = source.loops[place + by];
  if (next) choose(next.number);
}

function showFrame(point) {
  const stream = source.streams[selected];
  const loop = source.loops.find(({ record }) =>
    record.stream === stream.name && record.query_idx === point.query_idx);
  if (loop) choose(loop.number);
}

// New loops are said to whoever listens instead of looking; not each one of a long revisit.
function announce() {
  const fresh = source.loops.length - announced;
  if (fresh <= 0) {
    announced = Math.min(announced, source.loops.length);
    return;
  }
  announced = source.loops.length;
  const { record } = source.loops.at(-1);
  find("said").textContent = `${count(fresh, "new loop")}: frame ${record.query_idx} of ${record.stream} matches ${record.match_idx}`;
}

function count(number, word) {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}

function setTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  find("theme").value = theme;
  if (source.streams.length) changed("stream");
}

find("older").addEventListener("click", () => step(-1));
find("newer").addEventListener("click", () => step(1));
find("latest").addEventListener("click", () => choose(null));
find("window").addEventListener("change", (event) => {
  chart.window = Number(event.target.value);
  chart.draw();
});
find("theme").addEventListener("change", (event) => {
  localStorage.setItem("theme", event.target.value);
  setTheme(event.target.value);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart.draw());
// While nothing comes, time goes on.
setInterval(() => { if (source.streams.length && !document.hidden) changed("stream"); }, 1000);
setTheme(localStorage.getItem("theme") ?? "auto");
source.start();
