
"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  const value = (row, place) => {
    const cell = row.cells[place], text = cell.dataset.sort ?? cell.textContent, number = Number(text);
    return text !== "" && !Number.isNaN(number) ? number : text;
  };
  heads.forEach((head, place) => head.firstElementChild.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") !== "descending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...body.rows].sort((a, b) => {
      const x = value(a, place), y = value(b, place);
      const order = typeof x === typeof y ? (x < y ? -1 : x > y ? 1 : 0) : typeof x === "number" ? 1 : -1;
      return down ? -order : order;
    });
    body.append(...rows);
  }));
}
for (const filter of document.querySelectorAll(".filter")) {
  const questions = [...document.getElementById(filter.dataset.for).children];
  const kind = filter.querySelector(".kind"), find = filter.querySelector(".find"), found = filter.querySelector(".found");
  const show = () => {
    const words = find.value.toLowerCase();
    let shown = 0;
    for (const question of questions) {
      const fits = (!kind.value || question.dataset.kind === kind.value)
        && (!words || question.textContent.toLowerCase().includes(words));
      question.hidden = !fits;
      shown += fits;
    }
    found.textContent = `${shown} of ${questions.length} shown`;
  };
  kind.addEventListener("change", show);
  find.addEventListener("input", show);
  show();
}
const tip = document.getElementById("tip");
const hide = () => { tip.hidden = true; };
for (const mark of document.querySelectorAll("[data-tip]")) {
  const show = () => {
    tip.textContent = mark.dataset.tip;
    tip.hidden = false;
    const box = mark.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(box.x + box.width / 2 - tip.offsetWidth / 2, innerWidth - tip.offsetWidth - 4))}px`;
    tip.style.top = `${box.y - tip.offsetHeight - 8 > 0 ? box.y - tip.offsetHeight - 8 : box.bottom + 8}px`;
  };
  mark.setAttribute("aria-label", mark.dataset.tip);
  mark.addEventListener("pointerenter", show);
  mark.addEventListener("focus", show);
  mark.addEventListener("pointerleave", hide);
  mark.addEventListener("blur", hide);
}
document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
document.addEventListener("scroll", hide, { passive: true });
