// Copies the text of the element that a button's data-copy names, also where there is no clipboard API (plain HTTP).
(() => {
  "use strict";

  const words = document.currentScript.dataset;

  const select = (source) => {
    const range = document.createRange();
    range.selectNodeContents(source);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  };

  const copy = async (source) => {
    const text = source.value ?? source.textContent;
    if (navigator.clipboard) return navigator.clipboard.writeText(text.trim());
    if (source.select) source.select();
    else select(source);
    if (!document.execCommand("copy")) throw new Error("not copied");
  };

  const say = (level, text) => htmx.trigger(document.body, "notice", { level, text });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    copy(document.getElementById(button.dataset.copy)).then(
      () => say("success", words.copied),
      () => say("error", words.refused),
    );
  });
})();
