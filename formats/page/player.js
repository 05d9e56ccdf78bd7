// The sound, the timeline and the clock. Without sound the time can still be set: it waits.

const audio = byId("sound");
const track = byId("track");
const canvas = byId("canvas");
const STEP_S = 5;
const MOST_ROWS_NAMED = 6;
// The upper edge, where matches of a search are marked.
const HIT_PX = 5;
let position = 0;
let total = 0;
let ownFile = null;
let playWhenReady = false;

function rowsShown() {
  return Math.max(1, names.length);
}

// ---------------------------------------------------------------- sound

function startSound() {
  audio.addEventListener("loadedmetadata", soundReady);
  audio.addEventListener("error", soundMissing);
  audio.addEventListener("play", () => (showPlaying(), requestAnimationFrame(whilePlaying)));
  for (const name of ["pause", "ended"]) audio.addEventListener(name, showPlaying);
  for (const name of ["timeupdate", "seeked"]) audio.addEventListener(name, followSound);
  if (raw.audio) audio.src = raw.audio;
  else soundMissing();
}

function soundReady() {
  byId("missing").hidden = true;
  if (Number.isFinite(audio.duration)) setTotal(Math.max(duration, audio.duration));
  if (position) audio.currentTime = position;
  if (playWhenReady) start();
  playWhenReady = false;
  drawTimeline();
  showTime(position);
}

function soundMissing() {
  const reason = ownFile
    ? "This file cannot be played here."
    : raw.audio
      ? "The sound could not be loaded: links expire."
      : "The sound is not in this page.";
  byId("why").textContent = reason;
  byId("choose").textContent = ownFile ? "Choose another…" : "Choose the file…";
  byId("missing").hidden = false;
  showPlaying();
}

function openFile(file) {
  if (!file) return;
  if (ownFile) URL.revokeObjectURL(ownFile);
  audio.pause();
  ownFile = URL.createObjectURL(file);
  audio.src = ownFile;
  audio.playbackRate = Number(byId("speed").value);
}

function isReady() {
  return audio.readyState >= HTMLMediaElement.HAVE_METADATA && !audio.error;
}

function start() {
  // A browser may refuse, as before any click; then the button still says "Play".
  audio.play().catch(showPlaying);
}

function togglePlay() {
  if (!isReady()) {
    playWhenReady = true;
    if (!byId("missing").hidden) byId("choose").focus();
  } else if (audio.paused) {
    setFollowing(true);
    start();
  } else {
    audio.pause();
  }
}

function seek(time, play = false) {
  position = Math.min(Math.max(0, time), total);
  if (isReady()) {
    audio.currentTime = position;
    if (play && audio.paused) start();
  } else if (play) {
    playWhenReady = true;
  }
  showTime(position);
}

function seekAndFollow(time, play = false) {
  seek(time, play);
  setFollowing(true);
}

function followSound() {
  if (!isReady()) return;
  position = audio.currentTime;
  showTime(position);
}

function whilePlaying() {
  if (audio.paused) return;
  followSound();
  requestAnimationFrame(whilePlaying);
}

function showPlaying() {
  const playing = !audio.paused && !audio.error;
  const button = byId("play");
  button.classList.toggle("playing", playing);
  button.setAttribute("aria-label", playing ? "Pause" : "Play");
}

function showTime(time) {
  const text = clock(time);
  if (byId("now").textContent !== text) {
    byId("now").textContent = text;
    track.setAttribute("aria-valuenow", Math.round(time));
    track.setAttribute("aria-valuetext", `${text} of ${clock(total)}`);
  }
  byId("head-line").style.transform = `translateX(${(total ? time / total : 0) * track.clientWidth}px)`;
  light(time);
}

// ---------------------------------------------------------------- timeline

function renderRows() {
  const named = names.length > 1 && names.length <= MOST_ROWS_NAMED;
  byId("rows").classList.toggle("unnamed", !named);
  byId("rows").replaceChildren(
    ...(named ? names : []).map((name, speaker) => {
      const row = make("li", { dir: "auto" }, name);
      row.style.setProperty("--speaker", colour(speaker));
      return row;
    }),
  );
  const rows = rowsShown();
  const height = rows <= MOST_ROWS_NAMED ? Math.max(16 * rows, 24) : Math.min(8 * rows, 112);
  track.parentElement.style.setProperty("--height", `${height + HIT_PX}px`);
}

function setTotal(time) {
  total = time;
  byId("total").textContent = clock(total);
  track.setAttribute("aria-valuemax", Math.round(total));
}

function drawTimeline() {
  const { clientWidth: width, clientHeight: height } = track;
  const scale = devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  const style = getComputedStyle(document.documentElement);
  const row = (height - HIT_PX) / rowsShown();
  const bar = Math.max(2, Math.min(row - 4, 12));
  for (const { speaker, start, end } of turns) {
    const property = speaker < 0 ? "--nobody" : `--speaker-${speaker % COLOURS}`;
    context.fillStyle = style.getPropertyValue(property);
    const left = (start / total) * width;
    const top = HIT_PX + Math.max(0, speaker) * row + (row - bar) / 2;
    const length = Math.max(1, ((end - start) / total) * width);
    context.beginPath();
    context.roundRect(left, top, length, bar, Math.min(2.5, length / 2));
    context.fill();
  }
  context.fillStyle = style.getPropertyValue("--found");
  for (const unit of hitStarts()) context.fillRect((units[unit].start / total) * width - 1, 0, 2, HIT_PX);
}

function timeAt(event) {
  const { left, width } = track.getBoundingClientRect();
  return Math.min(1, Math.max(0, (event.clientX - left) / width)) * total;
}

function showHover(event) {
  const hover = byId("hover");
  const time = timeAt(event);
  const down = event.clientY - track.getBoundingClientRect().top - HIT_PX;
  const row = Math.floor((down / (track.clientHeight - HIT_PX)) * rowsShown());
  const near = turns.filter((turn) => turn.start <= time && time < turn.end && turn.speaker >= 0);
  const turn = near.find(({ speaker }) => speaker === row) ?? near[0];
  hover.textContent = turn ? `${clock(time)} ${names[turn.speaker]}` : clock(time);
  hover.hidden = false;
  const half = hover.offsetWidth / 2;
  const middle = Math.min(Math.max((time / total) * track.clientWidth, half), track.clientWidth - half);
  hover.style.transform = `translateX(${middle - half}px)`;
}

function wireTimeline() {
  track.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    track.setPointerCapture(event.pointerId);
    seekAndFollow(timeAt(event));
  });
  track.addEventListener("pointermove", (event) => {
    showHover(event);
    if (track.hasPointerCapture(event.pointerId)) seek(timeAt(event));
  });
  for (const name of ["pointerleave", "pointercancel"]) track.addEventListener(name, () => (byId("hover").hidden = true));
  new ResizeObserver(() => (drawTimeline(), showTime(position))).observe(track);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawTimeline);
  renameListeners.push(renderRows);
}

function wirePlayer() {
  byId("play").addEventListener("click", togglePlay);
  byId("back").addEventListener("click", () => seekAndFollow(position - STEP_S));
  byId("forward").addEventListener("click", () => seekAndFollow(position + STEP_S));
  byId("speed").addEventListener("change", (event) => (audio.playbackRate = Number(event.target.value)));
  byId("choose").addEventListener("click", () => byId("file").click());
  byId("file").addEventListener("change", (event) => openFile(event.target.files[0]));
  byId("follow").addEventListener("click", () => setFollowing(true));
  document.addEventListener("dragover", (event) => event.dataTransfer.types.includes("Files") && event.preventDefault());
  document.addEventListener("drop", (event) => {
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    openFile(event.dataTransfer.files[0]);
  });
}
