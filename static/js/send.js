// What a bookmark with a key opens: the link goes into the queue, the key into a header and out of the address.
(() => {
  "use strict";

  const said = document.currentScript.dataset;
  const given = new URLSearchParams(location.hash.slice(1));
  const [key, url] = [given.get("key"), given.get("url")];
  history.replaceState(null, "", location.pathname);

  const say = (text) => {
    document.getElementById("send-state").textContent = text;
  };

  const send = async () => {
    document.getElementById("sent-link").textContent = url;
    const answer = await fetch(said.address, {
      method: "POST",
      credentials: "omit",
      headers: { "Content-Type": "application/json", "X-API-Key": key },
      body: JSON.stringify({ url }),
    });
    const told = await answer.json();
    if (!answer.ok) return say(told.detail || told.title);
    const job = document.getElementById("send-job");
    job.href = job.href.replace(/library$/, `jobs/${told.request_id}`);
    job.hidden = false;
    return say(said.done);
  };

  if (key && url) send().catch(() => say(said.unreachable));
  else say(said.nothing);
})();
