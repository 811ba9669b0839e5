// Comfort on top of pages that work without it: values of charts at the pointer or by arrow keys, and sorting and
// filtering without a reload.
"use strict";

const tip = Object.assign(document.createElement("div"), { id: "tip", hidden: true });
tip.setAttribute("role", "status");
// beside the body, which is enlarged on large screens: what places it is in pixels of the screen
document.documentElement.append(tip);
let shown = null;

function show(mark, x, y) {
  if (shown !== mark) {
    if (shown) shown.classList.remove("on");
    shown = mark;
    mark.classList.add("on");
    tip.textContent = mark.dataset.tip;
    tip.hidden = false;
  }
  const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
  const above = y - tip.offsetHeight - 14;
  tip.style.left = `${Math.max(8, Math.min(x + 12, room))}px`;
  tip.style.top = `${above > 4 ? above : y + 18}px`;
}

function hide() {
  if (shown) shown.classList.remove("on");
  shown = null;
  tip.hidden = true;
}

// The marks carry their words in <title>, which browsers show late and only to a mouse.
function prepare(root) {
  for (const mark of root.querySelectorAll("svg .hit")) {
    const title = mark.querySelector("title");
    if (!title) continue;
    mark.dataset.tip = title.textContent;
    title.remove();
  }
  for (const plot of root.querySelectorAll("svg.plot:has(.hit), svg.bars")) plot.setAttribute("tabindex", "0");
}

function cellUnder(svg, event) {
  const table = svg.closest("figure")?.querySelector("table.matrix");
  const rows = table ? [...table.tBodies[0].rows] : [];
  if (!rows.length) return null;
  const box = svg.getBoundingClientRect(), unit = box.width / 520, left = 84;
  const size = Math.min((520 - left - 4) / rows.length, 46);
  const row = Math.floor(((event.clientY - box.y) / unit - left) / size);
  const column = Math.floor(((event.clientX - box.x) / unit - left) / size);
  const cell = rows[row]?.cells[column + 1];
  if (!cell || column < 0 || row < 0) return null;
  return `${rows[row].cells[0].textContent} and ${rows[column].cells[0].textContent}: ${cell.textContent}`;
}

document.addEventListener("pointermove", (event) => {
  const mark = event.target.closest?.("svg .hit[data-tip]");
  if (mark) return show(mark, event.clientX, event.clientY);
  const heat = event.target.closest?.("svg.heat");
  const text = heat && cellUnder(heat, event);
  if (!text) return hide();
  heat.dataset.tip = text;
  if (shown === heat) tip.textContent = text;
  show(heat, event.clientX, event.clientY);
});
document.addEventListener("pointerleave", hide);
document.addEventListener("scroll", hide, { passive: true, capture: true });
document.addEventListener("focusout", hide);

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") return hide();
  const plot = event.target.closest?.("svg[tabindex]");
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!plot || !step) return;
  const marks = [...plot.querySelectorAll(".hit[data-tip]")];
  const from = marks.indexOf(shown);
  const mark = marks[from < 0 ? (step > 0 ? 0 : marks.length - 1) : Math.max(0, Math.min(marks.length - 1, from + step))];
  if (!mark) return;
  event.preventDefault();
  const box = mark.getBoundingClientRect();
  show(mark, box.x + box.width / 2, box.y + 24);
});

async function replace(address, section) {
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById(section.id);
  if (!answer.ok || !fresh) return location.assign(address);
  section.replaceWith(fresh);
  prepare(fresh);
  history.replaceState(null, "", address);
  return fresh;
}

document.addEventListener("click", async (event) => {
  const link = event.target.closest?.("a[data-sort]");
  const section = link?.closest("section[id]");
  if (!section || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  const head = link.textContent;
  const fresh = await replace(link.href, section);
  [...(fresh?.querySelectorAll("a[data-sort]") ?? [])].find((each) => each.textContent === head)?.focus();
});

document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-filter]");
  const section = form?.closest("section[id]");
  if (!section) return;
  event.preventDefault();
  const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));
  replace(`${form.getAttribute("action")}?${query}`, section);
});

prepare(document);
