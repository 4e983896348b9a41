// Offers to install the pages as an app where the browser can, and only until it has been done.
(() => {
  "use strict";

  const buttons = () => document.querySelectorAll("[data-install]");
  let offer = null;

  const show = (event) => {
    offer = event;
    for (const button of buttons()) button.hidden = !offer;
  };

  window.addEventListener("beforeinstallprompt", (event) => {
    event.preventDefault();
    show(event);
  });
  window.addEventListener("appinstalled", () => show(null));
  document.addEventListener("click", async (event) => {
    if (!offer || !event.target.closest("[data-install]")) return;
    offer.prompt();
    await offer.userChoice;
    // It can be asked once.
    show(null);
  });
})();
