// Says now and then how far downloads are, for those who do not see the bars; live.js says when they end.
(() => {
  "use strict";

  const EVERY_MS = 30000;
  const MOST = 2;
  const words = document.currentScript.dataset;
  const announcer = document.getElementById("announcer");
  const said = new Map();

  const running = () => [...document.querySelectorAll('[data-job][data-status="running"]')].filter((job) => job.querySelector("[data-progress][value]"));

  const far = (job) => {
    const name = job.querySelector(".job-title, h1").textContent.trim();
    return words.far.replace("{name}", () => name).replace("{percent}", Math.floor(job.querySelector("[data-progress]").value));
  };

  // Of many at once, and of what stands still, it says nothing.
  setInterval(() => {
    const jobs = running();
    if (jobs.length > MOST) return;
    const news = jobs.filter((job) => said.get(job.dataset.job) !== far(job));
    for (const job of news) said.set(job.dataset.job, far(job));
    if (news.length) announcer.textContent = news.map(far).join(" ");
  }, EVERY_MS);
})();
