// The transcript: blocks of text, whose words become elements of their own when they come near.

const transcript = byId("transcript");
const sections = [];
const spans = new Array(units.length);
const CHAR_PX = 8.2;
const LINE_PX = 29;
// Words of overlapped speech that are looked at besides the last one that began.
const LOOK_BACK = 24;
// A word stays lit this long after its end, so that a steady speaker's words do not flicker.
const LINGER_S = 0.12;
let lit = [];
let litBlock = -1;
let following = true;
let gliding = false;
addEventListener("scrollend", () => (gliding = false));
const nearby = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) if (entry.isIntersecting) activate(Number(entry.target.dataset.block));
  },
  { rootMargin: "1000px 0px" },
);

function renderTranscript() {
  const perLine = Math.max(20, Math.min(transcript.clientWidth - 40, 680) / CHAR_PX);
  const fragment = document.createDocumentFragment();
  blocks.forEach((block, index) => fragment.append(renderBlock(block, index, perLine)));
  if (!blocks.length) fragment.append(make("p", { class: "nothing" }, "Nothing was said."));
  transcript.replaceChildren(fragment);
  for (const section of sections) nearby.observe(section);
}

function renderBlock(block, index, perLine) {
  const text = textOf(block.from, block.to);
  const paragraph = make("p", { dir: "auto" }, text);
  if (block.language) paragraph.lang = block.language;
  const who = make("div", { class: "who" });
  if (block.speaker >= 0 && !block.continues) who.append(nameButton(block.speaker, -1));
  if (block.timed) {
    const label = `Play from ${clock(block.start)}`;
    who.append(make("button", { class: "stamp", type: "button", "aria-label": label }, clock(block.start)));
  }
  const section = make("section", { class: block.continues ? "turn more" : "turn", "data-block": index }, who, paragraph);
  section.style.setProperty("--speaker", colour(block.speaker));
  // What is not in sight is not laid out: this is about how high it will be.
  const height = Math.ceil(text.length / perLine) * LINE_PX + 24;
  section.style.containIntrinsicSize = `auto ${height}px`;
  sections.push(section);
  return section;
}

// The same text, each word in an element.
function activate(index) {
  const section = sections[index];
  nearby.unobserve(section);
  const block = blocks[index];
  if (spans[block.from]) return;
  const parts = [];
  for (let unit = block.from; unit < block.to; unit++) {
    if (unit > block.from) parts.push(" ");
    parts.push((spans[unit] = renderUnit(unit, block)));
  }
  section.lastElementChild.replaceChildren(...parts);
}

function renderUnit(unit, block) {
  const { text, confidence, overlap } = units[unit];
  const span = document.createElement("span");
  span.className = "w";
  span.textContent = text;
  span.unit = block.timed ? unit : -1;
  const titles = [];
  if (confidence < LOW_CONFIDENCE) {
    span.classList.add("low");
    titles.push(`May be misheard: ${Math.round(confidence * 100)} % sure`);
  }
  if (overlap) {
    span.classList.add("both");
    titles.push("Somebody else speaks at the same time");
  }
  if (titles.length) span.title = titles.join("\n");
  if (isHit(unit)) markHit(span, unit);
  return span;
}

function spanOf(unit) {
  activate(units[unit].block);
  return spans[unit];
}

// ---------------------------------------------------------------- the word being spoken

function unitsAt(time) {
  const found = [];
  const last = placeAt(time);
  for (let place = last; place >= 0 && place > last - LOOK_BACK; place--) {
    if (units[inTime[place]].end + LINGER_S > time) found.push(inTime[place]);
  }
  // Of two words of one speaker only the later one is spoken: the other one lingers.
  return found.filter((unit, at) => !found.slice(0, at).some((later) => units[later].block === units[unit].block));
}

function light(time) {
  const now = blocks.length && blocks[0].timed ? unitsAt(time) : [];
  if (now.length === lit.length && now.every((unit, at) => unit === lit[at])) return;
  for (const unit of lit) spans[unit].classList.remove("now");
  for (const unit of now) spanOf(unit).classList.add("now");
  lit = now;
  if (!now.length) return;
  lightBlock(units[now[0]].block);
  if (following) bringIntoView(spans[now[0]]);
}

function lightBlock(index) {
  if (index === litBlock) return;
  sections[litBlock]?.classList.remove("current");
  sections[index].classList.add("current");
  litBlock = index;
  offerToFollow();
  byId("speaking").textContent = names[blocks[index].speaker] ?? "";
  byId("speaking").style.setProperty("--speaker", colour(blocks[index].speaker));
}

function bringIntoView(element) {
  const { top, bottom } = element.getBoundingClientRect();
  const high = document.querySelector(".tools").offsetHeight + 24;
  const low = byId("track").closest(".dock").getBoundingClientRect().top - 24;
  if (top >= high && bottom <= low) return;
  const far = top < -innerHeight || bottom > 2 * innerHeight;
  const behavior = far || reduced.matches ? "instant" : "smooth";
  gliding = behavior === "smooth";
  scrollBy({ top: top - high - (low - high) / 3, behavior });
  // On a long way heights that were guessed become known.
  if (far) requestAnimationFrame(() => element.isConnected && settle(element, high, low));
}

// A smooth scroll that is under way would swallow the person's own.
function stopGliding() {
  if (gliding) scrollTo({ top: scrollY, behavior: "instant" });
  gliding = false;
}

function settle(element, high, low) {
  const { top, bottom } = element.getBoundingClientRect();
  if (top < high || bottom > low) scrollBy({ top: top - high - (low - high) / 3, behavior: "instant" });
}

function offerToFollow() {
  byId("follow").hidden = following || litBlock < 0 || !position;
}

function setFollowing(wanted) {
  following = wanted;
  offerToFollow();
  if (following && litBlock >= 0) bringIntoView(lit.length ? spans[lit[0]] : sections[litBlock]);
}

// ---------------------------------------------------------------- names

function nameButton(speaker, tabIndex = 0) {
  const button = make("button", { class: "name", type: "button", dir: "auto", title: "Change the name", "data-speaker": speaker });
  button.tabIndex = tabIndex;
  button.textContent = names[speaker];
  return button;
}

function editName(button) {
  const speaker = Number(button.dataset.speaker);
  const input = make("input", { class: "name-input", dir: "auto", maxlength: 80, "aria-label": `Name of ${names[speaker]}`, spellcheck: "false", autocomplete: "off" });
  input.value = names[speaker];
  input.size = Math.max(8, input.value.length + 1);
  let done = false;
  const finish = (keep, refocus) => {
    if (done) return;
    done = true;
    const name = input.value;
    input.replaceWith(button);
    if (keep && name !== names[speaker]) rename(speaker, name);
    if (refocus) button.focus({ preventScroll: true });
  };
  input.addEventListener("blur", () => finish(true, false));
  input.addEventListener("keydown", (event) => {
    if (event.isComposing || (event.key !== "Enter" && event.key !== "Escape")) return;
    event.preventDefault();
    event.stopPropagation();
    finish(event.key === "Enter", true);
  });
  button.replaceWith(input);
  input.focus({ preventScroll: true });
  input.select();
}

renameListeners.push((speaker) => {
  for (const button of document.querySelectorAll(`button.name[data-speaker="${speaker}"]`)) button.textContent = names[speaker];
  if (litBlock >= 0) byId("speaking").textContent = names[blocks[litBlock].speaker] ?? "";
});
