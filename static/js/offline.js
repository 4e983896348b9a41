// Keeps the page that says there is no connection, and leaves that page when there is one again.
(() => {
  "use strict";

  if (document.querySelector("[data-offline]")) window.addEventListener("online", () => location.reload());
  // Browsers have it for secure addresses alone.
  navigator.serviceWorker?.register("/sw.js");
})();
