// Choosing from a list: what is ticked is kept over searches and pages, by number; ranges with Shift or as text.
(() => {
  "use strict";

  const words = document.currentScript.dataset;
  const form = document.querySelector("[data-selection]");
  const choice = document.querySelector("[data-choice]");
  const status = choice.querySelector("[data-chosen]");
  const range = choice.querySelector("[data-range]");
  const chosen = new Set();
  const UNITS = ["B", "kB", "MB", "GB", "TB"];
  const BYTES_A_KBIT = 125;
  const rates = JSON.parse(choice.dataset.rates);
  // Seconds of each entry, in the order of their numbers.
  const lengths = choice.dataset.lengths ? choice.dataset.lengths.split(",").map(Number) : [];
  let found = [];
  let last = null;

  const boxes = () => [...choice.querySelectorAll('[name="entry"]')];
  const numberOf = (box) => Number(box.value);

  const clock = (total) => {
    const [hours, minutes] = [Math.floor(total / 3600), Math.floor((total % 3600) / 60)];
    const pad = (number) => String(number).padStart(2, "0");
    return `${hours ? `${hours}:${pad(minutes)}` : minutes}:${pad(total % 60)}`;
  };

  // The shortest way to write them: 1-10,15.
  const written = () => {
    const parts = [];
    for (const number of [...chosen].sort((a, b) => a - b)) {
      const part = parts.at(-1);
      if (part && part[1] + 1 === number) part[1] = number;
      else parts.push([number, number]);
    }
    return parts.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(",");
  };

  const size = (count) => {
    let unit = 0;
    while (Math.round(count * 10) / 10 >= 1000 && unit < UNITS.length - 1) {
      count /= 1000;
      unit += 1;
    }
    return `${count.toFixed(unit === 0 || count >= 100 ? 0 : 1).replace(".", words.point)} ${UNITS[unit]}`;
  };

  // Bytes a second of what is chosen now: a guess, since lists say no more than how long their entries are.
  const rate = () => {
    const { quality, audio_quality: kbits } = form.elements;
    return (quality.value === "audio" && Number(kbits.value) * BYTES_A_KBIT) || rates[quality.value] || rates.best;
  };

  const told = () => {
    const known = [...chosen].map((number) => lengths[number - 1] || 0).filter(Boolean);
    const seconds = known.reduce((sum, length) => sum + length, 0);
    const unknown = chosen.size - known.length;
    const said = (seconds ? words.severalLong : words.several)
      .replace("{chosen}", chosen.size)
      .replace("{count}", lengths.length)
      .replace("{length}", clock(seconds))
      .replace("{size}", size(seconds * rate()));
    return unknown ? `${said}${words.unknown.replace("{number}", unknown)}` : said;
  };

  const show = () => {
    const text = chosen.size ? told() : words.nothing;
    if (status.textContent !== text) status.textContent = text;
  };

  const tick = () => {
    for (const box of boxes()) box.checked = chosen.has(numberOf(box));
  };

  // Each page of a search says which entries it has found in all.
  const take = () => {
    const { numbers } = choice.querySelector("#entries").dataset;
    found = numbers ? numbers.split(",").map(Number) : [];
  };

  const choose = (number, isChosen) => (isChosen ? chosen.add(number) : chosen.delete(number));

  const chooseNamed = (text) => {
    const known = lengths.length;
    for (const part of text.split(/[,\s]+/)) {
      const match = /^(\d{1,7})(-?)(\d{0,7})$/.exec(part);
      if (!match) continue;
      const [from, to] = [Number(match[1]), match[2] ? Number(match[3] || known) : Number(match[1])];
      for (let number = from; number <= Math.min(to, known); number += 1) chosen.add(number);
    }
  };

  const chooseRange = () => {
    chooseNamed(range.value);
    range.value = "";
  };

  const chooseAs = {
    all: () => found.forEach((number) => chosen.add(number)),
    none: () => chosen.clear(),
    invert: () => found.forEach((number) => choose(number, !chosen.has(number))),
    range: chooseRange,
  };

  choice.addEventListener("click", (event) => {
    const button = event.target.closest("[data-choose]");
    if (button) {
      chooseAs[button.dataset.choose]();
      tick();
      show();
      return;
    }
    const box = event.target.closest('[name="entry"]');
    if (!box) return;
    const [here, before] = [found.indexOf(numberOf(box)), found.indexOf(last)];
    if (event.shiftKey && before >= 0) {
      const [from, to] = [here, before].sort((a, b) => a - b);
      for (const number of found.slice(from, to + 1)) choose(number, box.checked);
      tick();
    }
    choose(numberOf(box), box.checked);
    last = numberOf(box);
    show();
  });

  range.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    chooseRange();
    tick();
    show();
  });

  form.addEventListener("change", show);

  // The numbers say it all, and a form has room for some hundred fields only.
  form.addEventListener("formdata", (event) => {
    event.formData.delete("entry");
    event.formData.set("items", written());
  });

  document.addEventListener("htmx:afterSettle", () => {
    take();
    tick();
    show();
  });

  // A form that was refused comes back with its numbers, and a page that one goes back to with its ticks.
  const begin = () => {
    take();
    for (const box of boxes()) if (box.checked) chosen.add(numberOf(box));
    chooseNamed(form.elements.items.value);
    form.elements.items.value = "";
    tick();
    show();
  };
  begin();
})();
