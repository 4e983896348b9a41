// Follows the server's events: bars and figures move in place; what changes its status is fetched again.
(() => {
  "use strict";

  const REFRESH_MS = 700;
  const LOG_MS = 5000;
  const ANNOUNCE_MS = 1500;
  const HIDDEN_MS = 30000;
  const REFUSED_MS = 10000;
  const LOST_MS = 5000;
  const words = document.currentScript.dataset;
  const UNITS = ["B", "kB", "MB", "GB", "TB"];
  const ENDINGS = { "download.completed": words.ready, "download.failed": words.failed };

  const root = document.querySelector("[data-live]");
  const announcer = document.getElementById("announcer");
  let source = null;
  let refreshing = 0;
  let refreshedAt = Date.now();
  let hiding = 0;
  let ended = [];
  let losing = 0;

  const lost = document.createElement("p");
  lost.className = "notice notice-warning";
  lost.textContent = words.lost;

  const size = (count) => {
    let unit = 0;
    while (Math.round(count * 10) / 10 >= 1000 && unit < UNITS.length - 1) {
      count /= 1000;
      unit += 1;
    }
    return `${count.toFixed(unit === 0 || count >= 100 ? 0 : 1).replace(".", words.point)} ${UNITS[unit]}`;
  };

  const clock = (total) => {
    const seconds = Math.round(total);
    const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
    const pad = (number) => String(number).padStart(2, "0");
    return `${hours ? `${hours}:${pad(minutes)}` : minutes}:${pad(seconds % 60)}`;
  };

  const write = (element, name, text) => {
    const target = element.querySelector(`[data-${name}]`);
    if (target && target.textContent !== text) target.textContent = text;
  };

  const move = (element, job) => {
    const bar = element.querySelector("[data-progress]");
    if (bar && job.progress_percent > 0) bar.value = job.progress_percent;
    write(element, "percent", `${Math.floor(job.progress_percent)} %`);
    write(element, "bytes", job.downloaded_bytes ? size(job.downloaded_bytes) : "");
    write(element, "total", job.downloaded_bytes && job.total_bytes ? ` ${words.of.replace("{size}", size(job.total_bytes))}` : "");
    write(element, "speed", job.speed ? `${size(job.speed)}/s` : "");
    write(element, "eta", job.eta ? words.left.replace("{time}", clock(job.eta)) : "");
  };

  const refresh = () => {
    if (refreshing) return;
    const wait = Math.max(60, refreshedAt + REFRESH_MS - Date.now());
    refreshing = setTimeout(() => {
      refreshing = 0;
      refreshedAt = Date.now();
      htmx.trigger(document.body, "jobs-changed");
    }, wait);
  };

  const announce = () => {
    const forms = JSON.parse(words.several);
    const form = new Intl.PluralRules(document.documentElement.lang).select(ended.length);
    announcer.textContent = ended.length === 1 ? ended[0] : (forms[form] ?? forms.other).replace("{count}", ended.length);
    ended = [];
  };

  const hear = (message) => {
    const { event, data: job } = JSON.parse(message.data);
    const element = root.querySelector(`[data-job="${job.request_id}"]`);
    const stays = event === "download.progress" || event === "download.snapshot";
    if (element && stays && element.dataset.status === job.status) {
      move(element, job);
      if (element.querySelector("[data-log]") && Date.now() - refreshedAt > LOG_MS) refresh();
      return;
    }
    refresh();
    if (!(event in ENDINGS)) return;
    const text = ENDINGS[event].replace("{name}", () => job.title || job.url);
    if (ended.push(text) === 1) setTimeout(announce, ANNOUNCE_MS);
    document.dispatchEvent(new CustomEvent("job-ended", { detail: { text, id: job.request_id } }));
  };

  // A moment without the stream is nothing; after that, one is told that what is shown may be old.
  const lose = () => {
    losing ||= setTimeout(() => document.getElementById("toasts").append(lost), LOST_MS);
  };

  const find = () => {
    clearTimeout(losing);
    losing = 0;
    lost.remove();
  };

  const close = () => {
    find();
    if (source) source.close();
    source = null;
  };

  const open = () => {
    if (source) return;
    source = new EventSource(root.dataset.live);
    source.onmessage = hear;
    // The stream tells of what is still to end: what ended before it began is seen only by looking again.
    source.onopen = () => {
      find();
      refresh();
    };
    source.addEventListener("end", close);
    source.onerror = () => {
      lose();
      // The browser comes back by itself, but not after a refusal: too many streams, or a session that has ended.
      if (!source || source.readyState !== EventSource.CLOSED) return;
      source = null;
      setTimeout(open, REFUSED_MS);
      refresh();
    };
  };

  // A browser has six connections to a server over HTTP/1.1: tabs that nobody looks at give theirs back.
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (document.hidden) {
      if (document.documentElement.dataset.notify !== "on") hiding = setTimeout(close, HIDDEN_MS);
    } else if (!source) {
      open();
      refresh();
    }
  });
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", (event) => event.persisted && open());
  // A retried job runs again after its stream has ended.
  document.body.addEventListener("notice", open);

  open();
})();
