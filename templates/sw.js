{% load static %}// Shows a page of our own when the server cannot be reached. It keeps that page, and nothing that is anybody's.
"use strict";

// In another language this script is another one, and keeps the page anew.
const CACHE = "mediadl-offline-{{ product.language }}";
const PAGE = "{% url "offline" %}";
const PARTS = [PAGE, {% for path in parts %}"{% static path %}"{% if not forloop.last %}, {% endif %}{% endfor %}];
// What programs, players and operators fetch goes by without us.
const LEFT_ALONE = ["/api/", "/s/", "/admin/"];

const keep = async () => {
  for (const name of await caches.keys()) if (name.startsWith("mediadl-offline")) await caches.delete(name);
  await (await caches.open(CACHE)).addAll(PARTS);
  await skipWaiting();
};

const begin = async () => {
  // Or each page would wait until this script has started.
  await registration.navigationPreload?.enable();
  await clients.claim();
};

const visit = async (event) => {
  try {
    return (await event.preloadResponse) || (await fetch(event.request));
  } catch {
    return caches.match(PAGE);
  }
};

// A notification leads to its download, in a tab that is open if there is one.
const lead = async (address) => {
  const [tab] = await clients.matchAll({ type: "window" });
  if (!tab) return clients.openWindow(address);
  await tab.focus();
  return tab.navigate(address);
};

addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(lead(event.notification.data));
});
addEventListener("install", (event) => event.waitUntil(keep()));
addEventListener("activate", (event) => event.waitUntil(begin()));
addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (origin !== location.origin || request.method !== "GET") return;
  if (request.mode === "navigate" && !LEFT_ALONE.some((start) => pathname.startsWith(start))) {
    event.respondWith(visit(event));
  } else if (PARTS.includes(pathname)) {
    event.respondWith(fetch(request).catch(() => caches.match(request)));
  }
});
