// The fields that filter two lists of choices are named by a span, which may have a name only as a picture.
(() => {
  "use strict";

  window.addEventListener("load", () => {
    for (const name of document.querySelectorAll(".selector .help-tooltip[aria-label]")) name.setAttribute("role", "img");
  });
})();
