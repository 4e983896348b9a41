// Keeps "3 min ago" true, in the words of downloads/web/moments.py, and turns clock times into those of the reader.
(() => {
  "use strict";

  const words = document.currentScript.dataset;
  const SPANS = [[45, 1, "now"], [5400, 60, "min"], [129600, 3600, "h"], [63072000, 86400, "days"], [Infinity, 31557600, "years"]];

  const relative = (milliseconds) => {
    const seconds = Math.abs(milliseconds) / 1000;
    const [, length, unit] = SPANS.find(([limit]) => seconds < limit);
    return words[`${milliseconds > 0 ? "after" : "before"}${unit}`].replace("{count}", Math.max(1, Math.round(seconds / length)));
  };

  const local = (at) => [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");

  const refresh = () => {
    for (const time of document.querySelectorAll("time[data-clock]")) {
      const said = local(new Date(time.dateTime));
      if (time.textContent !== said) time.textContent = said;
    }
    for (const zone of document.querySelectorAll("[data-zone]")) zone.textContent = words.ownZone;
    for (const time of document.querySelectorAll("time[data-relative]")) {
      const at = new Date(time.dateTime);
      const said = relative(at - Date.now());
      if (time.textContent !== said) time.textContent = said;
      time.title = at.toLocaleString(document.documentElement.lang);
    }
  };

  refresh();
  setInterval(refresh, 15000);
  document.addEventListener("htmx:afterSettle", refresh);
})();
