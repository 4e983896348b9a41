// Ticking in the library: all of the page, ranges with Shift, and buttons that come with the first tick.
(() => {
  "use strict";

  const words = document.currentScript.dataset;
  let last = null;
  let kept = [];
  const boxes = () => [...document.querySelectorAll('[form="selection"][name="job"]')];

  const show = () => {
    const selection = document.querySelector("[data-selection]");
    if (!selection) return;
    const ticked = boxes().filter((box) => box.checked).length;
    const all = selection.querySelector("[data-select-all]");
    all.checked = ticked > 0 && ticked === boxes().length;
    all.indeterminate = ticked > 0 && !all.checked;
    selection.querySelector("[data-selected]").textContent = ticked
      ? words.chosen.replace("{count}", ticked)
      : "";
    selection.classList.toggle("is-in-use", ticked > 0);
  };

  document.addEventListener("click", (event) => {
    const box = event.target.closest('[form="selection"][name="job"]');
    if (!box) return;
    if (event.shiftKey && last) {
      const [from, to] = [boxes().indexOf(last), boxes().indexOf(box)].sort((a, b) => a - b);
      for (const between of boxes().slice(from, to + 1)) between.checked = box.checked;
    }
    last = box;
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-select-all]")) {
      for (const box of boxes()) box.checked = event.target.checked;
    }
    show();
  });

  // Rows that change by themselves keep their ticks, and what was asked for before a search is no answer to it.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { elt, pathInfo } = event.detail;
    if (elt.id === "rows" && elt.getAttribute("hx-get") !== pathInfo.requestPath) event.detail.shouldSwap = false;
    kept = boxes().filter((box) => box.checked).map((box) => box.value);
  });
  document.addEventListener("htmx:afterSwap", () => {
    for (const box of boxes()) if (kept.includes(box.value)) box.checked = true;
    show();
  });
  show();
})();
