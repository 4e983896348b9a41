// Follows the server's events: bars and figures move in place; what changes its status is fetched again. Says how far
// downloads are, and that they have ended, for those who do not see the bars.
(() => {
  "use strict";

  const REFRESH_MS = 700;
  const LOG_MS = 5000;
  const ANNOUNCE_MS = 1500;
  const LONG = /^(.{79}).{2,}/s;
  const FAR_MS = 30000;
  const MOST_SAID = 2;
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
  const said = new Map();

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

  const told = (jobs) => {
    if (jobs.length === 1) return jobs[0].text;
    const forms = JSON.parse(words.several);
    const form = new Intl.PluralRules(document.documentElement.lang).select(jobs.length);
    return (forms[form] ?? forms.other).replace("{count}", jobs.length);
  };

  // To the ear all, to the eye what the page itself does not show.
  const announce = () => {
    announcer.textContent = told(ended);
    const unseen = ended.filter(({ isShown }) => !isShown);
    const level = unseen.some(({ hasFailed }) => hasFailed) ? "warning" : "success";
    const address = unseen.length === 1 ? `/jobs/${unseen[0].id}` : words.library;
    if (unseen.length) htmx.trigger(document.body, "ended", { level, text: told(unseen), address });
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
    // What only gets on changes nothing of a library that does not show it.
    if (stays && !element && root.hasAttribute("data-shown-alone")) return;
    refresh();
    if (!(event in ENDINGS)) return;
    const text = ENDINGS[event].replace("{name}", () => (job.title || job.url).replace(LONG, "$1…"));
    const isShown = element && root.hasAttribute("data-tells-itself");
    if (ended.push({ text, id: job.request_id, isShown, hasFailed: event === "download.failed" }) === 1) setTimeout(announce, ANNOUNCE_MS);
    document.dispatchEvent(new CustomEvent("job-ended", { detail: { text, id: job.request_id } }));
  };

  const far = (job) => {
    const name = job.querySelector(".job-title, h1").textContent.trim();
    return words.far.replace("{name}", () => name).replace("{percent}", Math.floor(job.querySelector("[data-progress]").value));
  };

  // Of many at once, and of what stands still, it says nothing.
  const announceProgress = () => {
    const jobs = [...root.querySelectorAll('[data-job][data-status="running"]:has([data-progress][value])')];
    const news = jobs.length > MOST_SAID ? [] : jobs.filter((job) => said.get(job.dataset.job) !== far(job));
    for (const job of news) said.set(job.dataset.job, far(job));
    if (news.length) announcer.textContent = news.map(far).join(" ");
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

  setInterval(announceProgress, FAR_MS);
  open();
})();
