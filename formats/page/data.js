// What the page shows: words, segments, blocks and names, out of the JSON in the page.

const raw = JSON.parse(byId("data").textContent);
const reduced = matchMedia("(prefers-reduced-motion: reduce)");
const COLOURS = 8;
const LOW_CONFIDENCE = 0.6;
const BLOCK_PAUSE_S = 3;
const BLOCK_CHARS = 450;

const words = unpackWords(raw.words);
// A unit is what can be clicked: a word, or a whole segment whose words are not known.
const units = [];
const segments = raw.segments.map(unpackSegment);
const blocks = makeBlocks();
const inTime = units.map((_, index) => index).sort((a, b) => units[a].start - units[b].start);
const starts = Float64Array.from(inTime, (unit) => units[unit].start);
const turns = raw.turns.length
  ? raw.turns.map(([speaker, start, end]) => ({ speaker, start: start / 1000, end: end / 1000 }))
  : segments.filter((segment) => segment.timed);
const duration = Math.max(
  raw.rest.duration,
  turns.reduce((latest, turn) => Math.max(latest, turn.end), 0),
  units.reduce((latest, unit) => Math.max(latest, unit.end), 0),
);

function byId(id) {
  return document.getElementById(id);
}

// Elements are only ever made here, and texts are only ever text nodes.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function unpackWords(packed) {
  const overlap = new Set(packed.overlap);
  const repaired = new Set(packed.repaired);
  let start = 0;
  return packed.text.map((text, index) => {
    start += packed.start[index];
    return {
      text,
      start: start / 1000,
      end: (start + packed.length[index]) / 1000,
      confidence: packed.confidence[index] / 10000,
      speaker: packed.speaker[index],
      certainty: packed.certainty[index] < 0 ? null : packed.certainty[index] / 10000,
      overlap: overlap.has(index),
      repaired: repaired.has(index),
    };
  });
}

function unpackSegment([start, end, speaker, language, unexpected, said]) {
  const from = units.length;
  const segment = { start: start / 1000, end: end / 1000, speaker, language, unexpected, from, timed: true };
  if (typeof said === "string") {
    units.push({ text: said, start: segment.start, end: segment.end });
  } else if (Array.isArray(said[0])) {
    for (const index of said[0]) units.push(words[index]);
  } else {
    for (let index = said[0]; index < said[0] + said[1]; index++) units.push(words[index]);
  }
  segment.to = units.length;
  return segment;
}

function textOf(from, to) {
  let text = "";
  for (let unit = from; unit < to; unit++) text += (unit > from ? " " : "") + units[unit].text;
  return text;
}

// Consecutive segments of a speaker, in paragraphs.
function makeBlocks() {
  const made = [];
  let chars = 0;
  for (const segment of segments) {
    const last = made.at(-1);
    const same = last !== undefined && last.speaker === segment.speaker;
    if (same && segment.start - last.end < BLOCK_PAUSE_S && chars < BLOCK_CHARS) {
      last.to = segment.to;
      last.end = Math.max(last.end, segment.end);
    } else {
      made.push({ ...segment, continues: same });
      chars = 0;
    }
    for (let unit = segment.from; unit < segment.to; unit++) chars += units[unit].text.length + 1;
  }
  if (!made.length && raw.text) {
    units.push({ text: raw.text, start: 0, end: 0 });
    made.push({ start: 0, end: 0, speaker: -1, from: 0, to: 1, timed: false, continues: false });
  }
  made.forEach((block, index) => {
    for (let unit = block.from; unit < block.to; unit++) units[unit].block = index;
  });
  return made;
}

// The unit whose start is the last one at or before a time, as a place in inTime; -1 before all.
function placeAt(time) {
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (starts[middle] <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function clock(time) {
  const whole = Math.max(0, Math.floor(time + 0.0005));
  const pad = (number) => String(number).padStart(2, "0");
  const [hours, minutes, seconds] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return hours ? `${hours}:${pad(minutes)}:${pad(seconds)}` : `${minutes}:${pad(seconds)}`;
}

function colour(speaker) {
  return speaker < 0 ? "var(--nobody)" : `var(--speaker-${speaker % COLOURS})`;
}

// ---------------------------------------------------------------- names

const names = [...raw.speakers];
const renameListeners = [];
const storageKey = `transcript-names-${document.body.dataset.key}`;

function restoreNames() {
  try {
    const kept = JSON.parse(localStorage.getItem(storageKey) ?? "{}");
    raw.speakers.forEach((id, speaker) => {
      if (Object.hasOwn(kept, id) && typeof kept[id] === "string") names[speaker] = tidyName(kept[id], speaker);
    });
  } catch {
    // Storage is refused or holds something else: names last as long as the page is open.
  }
}

function tidyName(name, speaker) {
  const oneLine = name.replace(/[\u0000-\u001f\u007f-\u009f\s]+/g, " ").replace(/[\ue000\ue001]/g, "");
  return oneLine.trim() || raw.speakers[speaker];
}

function rename(speaker, name) {
  names[speaker] = tidyName(name, speaker);
  for (const follow of renameListeners) follow(speaker);
  try {
    localStorage.setItem(storageKey, JSON.stringify(Object.fromEntries(raw.speakers.map((id, at) => [id, names[at]]))));
  } catch {
    // As above.
  }
}
