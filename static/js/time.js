// Keeps "3 min ago" true, in the words of downloads/web/tags.py.
(() => {
  "use strict";

  const SPANS = [[45, 1, ""], [5400, 60, "min"], [129600, 3600, "h"], [Infinity, 86400, "days"]];

  const relative = (milliseconds) => {
    const seconds = Math.abs(milliseconds) / 1000;
    const [, length, unit] = SPANS.find(([limit]) => seconds < limit);
    if (!unit) return milliseconds > 0 ? "in a moment" : "just now";
    const count = Math.max(1, Math.round(seconds / length));
    const said = `${count} ${unit === "days" && count === 1 ? "day" : unit}`;
    return milliseconds > 0 ? `in ${said}` : `${said} ago`;
  };

  const refresh = () => {
    for (const time of document.querySelectorAll("time[data-relative]")) {
      const at = new Date(time.dateTime);
      const said = relative(at - Date.now());
      if (time.textContent !== said) time.textContent = said;
      time.title = at.toLocaleString();
    }
  };

  refresh();
  setInterval(refresh, 15000);
  document.addEventListener("htmx:afterSettle", refresh);
})();
