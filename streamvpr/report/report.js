"use strict";

// What a frame was told by, in the order of its numbers.
const FIELDS = ["index", "time", "score", "decision", "match", "confidence", "inliers", "needed"];

for (const signal of document.querySelectorAll(".signal")) readFrames(signal);
enlargePictures([...document.querySelectorAll(".closure img")]);

// A frame at a time: by the slider below a chart, or where the pointer is in it.
function readFrames(signal) {
  const reader = signal.querySelector(".reader");
  if (!reader) return;
  const slider = reader.querySelector("input");
  const said = reader.querySelector("p");
  const cursor = signal.querySelector(".cursor");
  const plot = signal.querySelector(".plot");
  const verdicts = reader.dataset.verdicts.split(" ");
  const first = Number(signal.dataset.first);
  const last = Number(signal.dataset.last);
  const frames = reader.dataset.steps.split(" ").map((told) => {
    const values = told.split(",");
    return Object.fromEntries(FIELDS.map((name, at) => [name, values[at]]));
  });

  function show(at) {
    const frame = frames[at];
    const text = describe(frame, verdicts);
    cursor.hidden = false;
    cursor.style.left = `${(100 * (Number(frame.index) - first)) / (last - first)}%`;
    slider.setAttribute("aria-valuetext", text);
    said.textContent = text;
    const closure = document.getElementById(`closure-${reader.dataset.stream}-${frame.index}`);
    if (closure) said.append(" ", linkTo(closure));
  }

  slider.addEventListener("input", () => show(Number(slider.value)));
  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect();
    const index = first + ((last - first) * (event.clientX - box.left)) / box.width;
    slider.value = String(nearest(frames, index));
    show(Number(slider.value));
  });
  reader.hidden = false;
  said.textContent = "Move over the chart, or the slider, to read a frame.";
}

function describe(frame, verdicts) {
  const parts = [`Frame ${frame.index}`];
  if (frame.time) parts.push(`${Number(frame.time).toFixed(1)} s`);
  if (frame.decision) parts.push(verdicts[Number(frame.decision)].replaceAll("_", " "));
  if (frame.match) parts.push(`best candidate ${frame.match}`);
  if (frame.score) parts.push(`score ${Number(frame.score).toFixed(3)}`);
  if (frame.confidence) parts.push(`confidence ${Number(frame.confidence).toFixed(3)}`);
  if (frame.inliers) {
    parts.push(`${frame.inliers} inliers${frame.needed ? ` of ${frame.needed} needed` : ""}`);
  }
  return parts.join(", ");
}

function linkTo(closure) {
  const link = document.createElement("a");
  link.href = `#${closure.id}`;
  link.textContent = "its picture";
  link.addEventListener("click", () => {
    const folded = closure.closest("details");
    if (folded) folded.open = true;
  });
  return link;
}

function nearest(frames, index) {
  let low = 0;
  let high = frames.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (Number(frames[middle].index) < index) low = middle + 1;
    else high = middle;
  }
  const before = frames[Math.max(0, low - 1)];
  return index - Number(before.index) < Number(frames[low].index) - index ? Math.max(0, low - 1) : low;
}

// Pictures in their own size, one after the other.
function enlargePictures(pictures) {
  if (!pictures.length) return;
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-label", "Closure in full size");
  const shown = document.createElement("figure");
  shown.className = "closure";
  const bar = document.createElement("form");
  bar.method = "dialog";
  let at = 0;

  function show(next) {
    at = (next + pictures.length) % pictures.length;
    const copy = pictures[at].closest("figure").cloneNode(true);
    copy.querySelector(".enlarge").replaceWith(copy.querySelector("img"));
    shown.replaceChildren(...copy.childNodes);
  }

  for (const [name, step] of [["Previous", -1], ["Next", 1], ["Close", 0]]) {
    const button = document.createElement("button");
    button.type = step ? "button" : "submit";
    button.textContent = name;
    if (step) button.addEventListener("click", () => show(at + step));
    bar.append(button);
  }
  dialog.append(bar, shown);
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") show(at - 1);
    if (event.key === "ArrowRight") show(at + 1);
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);

  for (const [number, picture] of pictures.entries()) {
    const button = document.createElement("button");
    button.className = "enlarge";
    picture.replaceWith(button);
    button.append(picture);
    button.addEventListener("click", () => {
      show(number);
      dialog.showModal();
    });
  }
}
