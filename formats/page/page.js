// The page's head, its keys, and the order in which all begins.

function languageName(code) {
  try {
    return new Intl.DisplayNames(["en"], { type: "language" }).of(code);
  } catch {
    return code;
  }
}

function counted(number, one) {
  return `${number.toLocaleString("en")} ${one}${number === 1 ? "" : "s"}`;
}

function renderHead() {
  byId("title").textContent = raw.title;
  const facts = [clock(raw.rest.duration)];
  if (names.length) facts.push(counted(names.length, "speaker"));
  if (words.length) facts.push(counted(words.length, "word"));
  if (raw.rest.language) facts.push(languageName(raw.rest.language));
  byId("facts").replaceChildren(...facts.map((fact) => make("span", {}, fact)));
  byId("speakers").hidden = !names.length;
  byId("speakers").replaceChildren(...names.map(renderSpeaker));
  if (raw.rest.language) transcript.lang = raw.rest.language;
  const notes = byId("notes");
  notes.hidden = !raw.rest.warnings.length;
  notes.firstElementChild.textContent = counted(raw.rest.warnings.length, "note");
  notes.lastElementChild.replaceChildren(...raw.rest.warnings.map((warning) => make("li", {}, warning)));
}

function renderSpeaker(name, speaker) {
  const item = make("li", {}, nameButton(speaker));
  item.style.setProperty("--speaker", colour(speaker));
  const summary = raw.rest.speakers[speaker];
  if (summary) {
    const all = raw.rest.speakers.reduce((sum, { talk_time: time }) => sum + time, 0);
    const share = all ? `${Math.round((summary.talk_time / all) * 100)} %` : "";
    item.append(make("span", { class: "share", title: `${clock(summary.talk_time)} in ${counted(summary.turns, "turn")}` }, share));
  }
  return item;
}

function wireTranscript() {
  transcript.addEventListener("click", (event) => {
    const target = event.target;
    const stamp = target.closest(".stamp");
    if (stamp) {
      seekAndFollow(blocks[Number(stamp.closest(".turn").dataset.block)].start, true);
      // After a click the space bar is the player's again.
      if (event.detail) stamp.blur();
    } else if (target.unit >= 0 && getSelection().isCollapsed) {
      seekAndFollow(units[target.unit].start, true);
    }
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.name");
    if (button) editName(button);
  });
}

// Whoever scrolls reads elsewhere: the page stays there until it is asked back.
function wireScrolling() {
  const away = () => {
    if (!following) return;
    setFollowing(false);
    stopGliding();
  };
  addEventListener("wheel", (event) => event.deltaY && away(), { passive: true });
  addEventListener("touchmove", (event) => event.target.closest("main, header") && away(), { passive: true });
  addEventListener("pointerdown", (event) => event.clientX >= document.documentElement.clientWidth && away());
  addEventListener("keydown", (event) => {
    if (["PageUp", "PageDown", "Home", "End", "ArrowUp", "ArrowDown"].includes(event.key) && !isTyping(event.target)) away();
  });
}

// ---------------------------------------------------------------- keys

const KEYS = {
  " ": togglePlay,
  "/": () => (searchField.focus(), searchField.select()),
  "?": () => byId("keys").showModal(),
  ArrowLeft: () => seekAndFollow(position - STEP_S),
  ArrowRight: () => seekAndFollow(position + STEP_S),
  n: () => goToHit(hitAt + 1),
  p: () => goToHit(hitAt - 1),
  Escape: () => (isMenuOpen() ? (openMenu(false), byId("download").focus()) : clearSearch()),
};

function isTyping(target) {
  return target.closest("input, select, textarea, [contenteditable]") !== null;
}

function wireKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (!Object.hasOwn(KEYS, key) || isTyping(event.target) || byId("keys").open) return;
    // Space is a button's own, where it has the focus.
    if (key === " " && event.target.closest("button, summary, a")) return;
    event.preventDefault();
    KEYS[key]();
  });
  byId("help").addEventListener("click", KEYS["?"]);
}

restoreNames();
renderHead();
renderTranscript();
renderRows();
wireTranscript();
wireScrolling();
wireTimeline();
wirePlayer();
wireSearch();
renderDownloads();
wireDownloads();
wireKeys();
setTotal(duration);
startSound();
showTime(0);
