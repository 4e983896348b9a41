// What can be undone is offered for a while, and not taken away from under a hand or the focus.
(() => {
  "use strict";

  const LASTS_MS = 10000;
  const LINGERS_MS = 2000;

  const withdraw = (notice) => {
    if (notice.matches(":hover, :focus-within")) setTimeout(withdraw, LINGERS_MS, notice);
    else notice.remove();
  };

  for (const undo of document.querySelectorAll("[data-undo]")) {
    setTimeout(withdraw, LASTS_MS, undo.closest(".notice"));
  }
})();
