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
    const button = event.target.closest("[data-notify]");
    if (!button) return;
    if (root.dataset.notify === "on") localStorage.removeItem(KEY);
    else if ((await Notification.requestPermission()) === "granted") localStorage.setItem(KEY, "on");
    show();
  });

  document.addEventListener("job-ended", (event) => {
    if (root.dataset.notify === "on" && document.hidden) {
      new Notification("mediadl", { body: event.detail.text, tag: event.detail.id });
    }
  });

  show();
})();
