// What a page can do without, and is nicer with: the dial and its preview, local times, live charts.
"use strict";

const dark = matchMedia("(prefers-color-scheme: dark)");
const narrow = matchMedia("(max-width: 600px)");

// Half up on the decimal digits, as service/formatting.py rounds.
function rounded(value, places) {
  return Number(`${Math.round(Number(`${value.toFixed(12)}e${places}`))}e-${places}`);
}

function odds(chance) {
  if (chance <= 0 || chance >= 1) return chance <= 0 ? "impossible" : "certain";
  if (Math.abs(chance - 0.5) < 0.01) return "even odds";
  const likely = Math.max(chance, 1 - chance);
  const ratio = likely / (1 - likely);
  const shown = ratio < 10 ? rounded(ratio, 1) : Math.round(ratio);
  return `odds of ${shown.toLocaleString("en-US")} to 1 ${chance > 0.5 ? "on" : "against"}`;
}

function typed(text) {
  const cleaned = text.trim().replace("%", "").replace(",", ".").trim();
  if (cleaned === "" || !Number.isFinite(Number(cleaned))) return null;
  const percent = Number(cleaned);
  return percent < 0 || percent > 100 ? null : Number(`${percent}e-2`);
}

function dial(form) {
  const slider = form.querySelector(".slider");
  const number = form.querySelector("[name=probability]");
  const said = form.querySelector(".odds");
  const preview = form.querySelector(".preview");
  let waiting = 0;
  let asked = null;
  async function ask(percent) {
    asked?.abort();
    asked = new AbortController();
    try {
      const answer = await fetch(`${form.dataset.preview}?probability=${encodeURIComponent(percent)}`, {
        signal: asked.signal,
        headers: { Accept: "text/html" },
      });
      if (answer.ok) preview.innerHTML = await answer.text();
    } catch (error) {
      if (error.name !== "AbortError") throw error;
    }
  }
  function changed() {
    const chance = typed(number.value);
    said.textContent = chance === null ? "from 0 to 100; tenths are fine" : odds(chance);
    clearTimeout(waiting);
    if (chance !== null && preview) waiting = setTimeout(ask, 180, number.value);
  }
  slider.addEventListener("input", () => {
    number.value = slider.value;
    changed();
  });
  number.addEventListener("input", () => {
    const chance = typed(number.value);
    if (chance !== null) slider.value = chance * 100;
    changed();
  });
  number.addEventListener("keydown", (event) => {
    const step = { ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
    if (!step) return;
    event.preventDefault();
    const percent = (typed(number.value) ?? 0.5) * 100 + step;
    number.value = rounded(Math.min(100, Math.max(0, percent)), 4);
    number.dispatchEvent(new Event("input"));
  });
  if (number.value) changed();
}

function localTime(element) {
  const at = new Date(element.dateTime);
  const local = document.createElement("span");
  local.className = "local";
  local.textContent = `${at.toLocaleString([], { dateStyle: "medium", timeStyle: "short" })} where you are`;
  element.append(local);
}

let drawing = null;

function bundle(address) {
  drawing ??= new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = address;
    script.onload = () => done(window.vegaEmbed);
    script.onerror = failed;
    document.head.append(script);
  });
  return drawing;
}

async function enliven(holder) {
  const [address, query] = holder.dataset.chart.split("?");
  const asked = new URLSearchParams(query);
  asked.set("theme", dark.matches ? "dark" : "light");
  if (narrow.matches) asked.set("size", "narrow");
  const [embed, answer] = await Promise.all([bundle(holder.dataset.bundle), fetch(`${address}?${asked}`)]);
  if (!answer.ok) return;
  const picture = holder.querySelector("picture");
  const alternative = picture.querySelector("img").alt;
  const live = document.createElement("div");
  live.className = "live";
  live.setAttribute("role", "img");
  live.setAttribute("aria-label", alternative);
  holder.style.minHeight = `${holder.offsetHeight}px`; // nothing below may jump meanwhile
  holder.querySelector(".live")?.remove();
  holder.append(live);
  picture.hidden = true;
  await embed(live, await answer.json(), {
    actions: false,
    ast: true,
    defaultStyle: false,
    renderer: "svg",
    tooltip: { disableDefaultStyle: true },
  });
}

function pools(form) {
  const holder = document.querySelector("[data-chart^='/questions/'][data-chart*='/history']");
  form.addEventListener("change", () => {
    const [address] = holder.dataset.chart.split("?");
    const chosen = new URLSearchParams(new FormData(form));
    holder.dataset.chart = `${address}?${chosen}`;
    enliven(holder);
  });
}

document.querySelectorAll("form.forecast").forEach(dial);
document.querySelectorAll("time[data-local]").forEach(localTime);
document.querySelectorAll("form.pools").forEach(pools);
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    seen.unobserve(entry.target);
    enliven(entry.target);
  }
});
document.querySelectorAll("[data-chart]").forEach((holder) => seen.observe(holder));
dark.addEventListener("change", () => document.querySelectorAll(".live").forEach((live) => enliven(live.parentElement)));

function review(form) {
  const shown = form.querySelector(".examined");
  const text = form.querySelector("textarea");
  let waiting = 0;
  text.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      const answer = await fetch(form.dataset.check, {
        method: "POST",
        headers: { Accept: "text/x-findings" },
        body: new URLSearchParams(new FormData(form)),
      });
      if (answer.ok) shown.innerHTML = await answer.text();
    }, 500);
  });
}

document.querySelectorAll("form.review").forEach(review);

// What was done has the focus, and is not told again to whoever is sent the address.
const done = document.getElementById("done");
if (done) {
  done.focus();
  const plain = new URL(location.href);
  plain.searchParams.delete("done");
  plain.searchParams.delete("comment");
  plain.hash = "";
  if (location.search !== plain.search) history.replaceState(null, "", plain);
}

// A link that names a key can be followed by it, except while somebody types.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
  document.querySelector(`a[data-key="${CSS.escape(event.key)}"]`)?.click();
});
