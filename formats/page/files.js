// Files to download, written with the names as they are now.

const MARK = /\ue000(\d+)\ue001/g;
const JOINER = "\u2060";
const KINDS = {
  srt: { label: "Subtitles (SRT)", type: "application/x-subrip", write: (text) => withNames(text, srtName) },
  vtt: { label: "Subtitles (WebVTT)", type: "text/vtt", write: (text) => withNames(text, vttName) },
  txt: { label: "Text", type: "text/plain", write: (text) => withNames(text, plainName) },
  md: { label: "Markdown", type: "text/markdown", write: (text) => withNames(text, markdownName) },
  csv: { label: "Table (CSV)", type: "text/csv", write: withNamesInTable },
};

function withNames(text, escape) {
  return text.replace(MARK, (whole, speaker) => (speaker in names ? escape(names[speaker]) : whole));
}

// What each format needs is as the worker writes it: formats/subtitles.py, texts.py and tables.py.
function plainName(name) {
  return name;
}

function srtName(name) {
  return name
    .replaceAll("\\", `\\${JOINER}`)
    .replaceAll("-->", `--${JOINER}>`)
    .replace(/<(?=[A-Za-z/!?])/g, `<${JOINER}`)
    .replaceAll("{", "\uff5b")
    .replaceAll("}", "\uff5d");
}

function vttName(name) {
  const escaped = name.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return escaped.replaceAll("\\", `\\${JOINER}`);
}

function markdownName(name) {
  return name.replace(/[\\`*_[\]<>&|~#$]/g, "\\$&");
}

// Fields are read and written anew: a name may need quotes where its mark did not.
function withNamesInTable(text) {
  let written = "";
  // A field, quoted or not, and what ends it.
  for (const [, field, end] of text.matchAll(/("(?:[^"]|"")*"|[^,\r\n]*)(,|\r\n|\r|\n|$)/g)) {
    written += withNamesInField(field) + end;
  }
  return written;
}

function withNamesInField(field) {
  const bare = field.startsWith('"') ? field.slice(1, -1).replaceAll('""', '"') : field;
  let named = withNames(bare, plainName);
  if (named === bare) return field;
  // A spreadsheet would take it for a formula.
  if (/^[=+\-@]/.test(named)) named = `'${named}`;
  return /[",\r\n]/.test(named) || field.startsWith('"') ? `"${named.replaceAll('"', '""')}"` : named;
}

// As the worker answers, with names for ids, so that it can be sent to it as an earlier result.
function resultAsJson() {
  const of = (speaker) => (raw.diarized ? { speaker: names[speaker] ?? null } : {});
  const timestamps = {};
  if (words.length) {
    timestamps.word = words.map(({ text, start, end, confidence, speaker, certainty, overlap, repaired }) => ({
      word: text,
      start,
      end,
      confidence,
      ...of(speaker),
      ...(raw.diarized && { speaker_confidence: certainty }),
      ...(overlap && { overlap }),
      ...(repaired && { repaired }),
    }));
  }
  if (segments.length) {
    timestamps.segment = segments.map(({ start, end, speaker, language, unexpected, from, to }) => ({
      text: textOf(from, to),
      start,
      end,
      ...of(speaker),
      ...(language && { language }),
      ...(unexpected && { unexpected_language: true }),
    }));
  }
  const text = raw.text ?? segments.map(({ from, to }) => textOf(from, to)).join(" ");
  const whole = { ...raw.rest, text, timestamps, speakers: speakersByName() };
  whole.turns = raw.turns.map(([speaker, start, end]) => ({ ...of(speaker), start: start / 1000, end: end / 1000 }));
  return JSON.stringify(whole, null, 2);
}

// Two speakers of one name are one person whom the diarizer took for two.
function speakersByName() {
  const byName = new Map();
  raw.rest.speakers.forEach((speaker, index) => {
    const same = byName.get(names[index]);
    if (same) {
      same.talk_time = Math.round((same.talk_time + speaker.talk_time) * 1000) / 1000;
      same.turns += speaker.turns;
    } else {
      byName.set(names[index], { ...speaker, id: names[index] });
    }
  });
  return [...byName.values()];
}

function save(extension) {
  const json = extension === "json";
  const text = json ? resultAsJson() : KINDS[extension].write(raw.files[extension]);
  const type = json ? "application/json" : KINDS[extension].type;
  const url = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  make("a", { href: url, download: `${raw.name}.${extension}` }).click();
  // The browser has read it long before.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

// ---------------------------------------------------------------- the menu

function renderDownloads() {
  const offered = Object.keys(KINDS).filter((extension) => extension in raw.files);
  const items = [...offered, "json"].map((extension) => {
    const label = KINDS[extension]?.label ?? "Everything (JSON)";
    const button = make("button", { type: "button", "data-extension": extension }, label);
    return make("li", {}, button);
  });
  byId("downloads").replaceChildren(...items);
}

function openMenu(wanted) {
  byId("downloads").hidden = !wanted;
  byId("download").setAttribute("aria-expanded", String(wanted));
  if (wanted) byId("downloads").querySelector("button").focus();
}

function isMenuOpen() {
  return !byId("downloads").hidden;
}

function wireDownloads() {
  byId("download").addEventListener("click", () => openMenu(!isMenuOpen()));
  byId("downloads").addEventListener("click", (event) => {
    const extension = event.target.closest("button")?.dataset.extension;
    if (!extension) return;
    save(extension);
    openMenu(false);
    byId("download").focus();
  });
  document.addEventListener("pointerdown", (event) => {
    if (isMenuOpen() && !event.target.closest(".menu")) openMenu(false);
  });
  byId("downloads").addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const buttons = [...byId("downloads").querySelectorAll("button")];
    buttons[(buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length].focus();
  });
}
