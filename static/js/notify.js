// Tells of finished downloads outside the page, for those who ask for it and while the page is open.
(() => {
  "use strict";

  const KEY = "notify";
  const root = document.documentElement;

  const show = () => {
    const granted = window.Notification?.permission;
    const state = granted === "granted" && localStorage.getItem(KEY) ? "on" : "ask";
    root.dataset.notify = !granted || granted === "denied" ? "never" : state;
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-notify]");
    if (!button) return;
    if (root.dataset.notify === "on") localStorage.removeItem(KEY);
    else if ((await Notification.requestPermission()) === "granted") localStorage.setItem(KEY, "on");
    show();
  });

  // Phones have them by the service worker alone, which also leads to the download (templates/sw.js).
  const tell = async ({ text, id }) => {
    const address = `/jobs/${id}`;
    const options = { body: text, tag: id, data: address, icon: document.querySelector('[rel="apple-touch-icon"]').href };
    const worker = await navigator.serviceWorker?.getRegistration();
    if (worker?.active) return worker.showNotification("mediadl", options);
    const notification = new Notification("mediadl", options);
    notification.addEventListener("click", () => {
      window.focus();
      location.assign(address);
    });
    return notification;
  };

  document.addEventListener("job-ended", (event) => {
    if (root.dataset.notify === "on" && document.hidden) tell(event.detail);
  });

  show();
})();
