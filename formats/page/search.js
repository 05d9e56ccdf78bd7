// Search: every place where what is typed stands in a block, letters' case and accents aside.

const searchField = byId("search");
const SEARCH_PAUSE_MS = 120;
let hits = [];
let hitAt = -1;
let hitUnits = new Map();
let plainTexts = null;
let searchTimer = 0;

function plain(text) {
  return text
    .normalize("NFD")
    .replace(/\p{M}+/gu, "")
    .replace(/[\u2018\u2019]/g, "'")
    .replace(/[\u201c\u201d]/g, '"')
    .toLowerCase();
}

// Of each block its text, and where in it each unit ends.
function readPlainTexts() {
  plainTexts ??= blocks.map((block) => {
    const ends = [];
    let text = "";
    for (let unit = block.from; unit < block.to; unit++) {
      text += (unit > block.from ? " " : "") + plain(units[unit].text);
      ends.push(text.length);
    }
    return { text, ends };
  });
  return plainTexts;
}

function findAll(wanted) {
  const found = [];
  readPlainTexts().forEach(({ text, ends }, block) => {
    let unit = 0;
    let last = 0;
    // A word counts once, however often the text stands in it.
    for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, ends[last])) {
      while (ends[unit] <= at) unit++;
      last = unit;
      while (ends[last] < at + wanted.length) last++;
      found.push({ from: blocks[block].from + unit, to: blocks[block].from + last });
    }
  });
  return found;
}

function search() {
  clearTimeout(searchTimer);
  const wanted = plain(searchField.value).replace(/\s+/g, " ").trim();
  const before = hitUnits;
  hits = wanted ? findAll(wanted) : [];
  hitUnits = new Map();
  hits.forEach((hit, index) => {
    for (let unit = hit.from; unit <= hit.to; unit++) hitUnits.set(unit, index);
  });
  hitAt = -1;
  for (const unit of before.keys()) if (spans[unit]) spans[unit].classList.remove("hit", "hit-now");
  for (const unit of hitUnits.keys()) if (spans[unit]) markHit(spans[unit], unit);
  showCount(wanted);
  drawTimeline();
  if (hits.length) goToHit(firstInView());
}

function isHit(unit) {
  return hitUnits.has(unit);
}

function markHit(span, unit) {
  span.classList.add("hit");
  span.classList.toggle("hit-now", hitUnits.get(unit) === hitAt);
}

function hitStarts() {
  return hits.map((hit) => hit.from);
}

// Where one reads, rather than the first of all.
function firstInView() {
  const height = document.querySelector(".tools").offsetHeight;
  const top = sections.findIndex((section) => section.getBoundingClientRect().bottom > height);
  const found = hits.findIndex((hit) => units[hit.from].block >= top);
  return found < 0 ? 0 : found;
}

function goToHit(index) {
  if (!hits.length) return;
  const before = hits[hitAt];
  hitAt = (index + hits.length) % hits.length;
  for (const hit of [before, hits[hitAt]]) {
    for (let unit = hit?.from; unit <= hit?.to; unit++) markHit(spanOf(unit), unit);
  }
  showCount(searchField.value);
  setFollowing(false);
  bringIntoView(spanOf(hits[hitAt].from));
}

function showCount(wanted) {
  byId("count").textContent = hits.length ? `${Math.max(0, hitAt) + 1} of ${hits.length}` : wanted ? "none" : "";
  for (const name of ["previous", "next"]) byId(name).hidden = !hits.length;
}

function clearSearch() {
  searchField.value = "";
  search();
}

function wireSearch() {
  searchField.addEventListener("input", () => {
    clearTimeout(searchTimer);
    searchTimer = setTimeout(search, SEARCH_PAUSE_MS);
  });
  searchField.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Enter") {
      event.preventDefault();
      if (hitAt < 0) search();
      else goToHit(hitAt + (event.shiftKey ? -1 : 1));
    } else if (event.key === "Escape") {
      event.preventDefault();
      clearSearch();
      searchField.blur();
    }
  });
  byId("previous").addEventListener("click", () => goToHit(hitAt - 1));
  byId("next").addEventListener("click", () => goToHit(hitAt + 1));
}
