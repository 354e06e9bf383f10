// The service worker: the pages without a network, and alarms when no page is open. It never answers for the API: what
// is shown without the host is what the page itself has stored, with its age.
const VERSION = "/*VERSION*/", SHELL = [/*SHELL*/];
const PATIENCE_MS = 3000;

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(VERSION).then((cache) => cache.addAll(SHELL)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(caches.keys().then((names) => Promise.all(names.filter((name) => name !== VERSION).map((name) => caches.delete(name))))
    .then(() => self.clients.claim()));
});

// A file of the shell: from the host, so that an upgrade holds at once; from here when the host does not answer.
async function fromHost(request, key) {
  try {
    const answer = await fetch(request, { signal: AbortSignal.timeout(PATIENCE_MS) });
    if (answer.ok || answer.status === 304) return answer;
    if (answer.status < 500) return answer;
    throw new Error(answer.status);
  } catch {
    return (await caches.match(key, { ignoreSearch: true })) || Response.error();
  }
}

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== location.origin) return;
  if (url.pathname === "/" || SHELL.includes(url.pathname)) event.respondWith(fromHost(event.request, url.pathname));
});

self.addEventListener("push", (event) => {
  const told = event.data ? event.data.json() : {};
  const options = { body: told.body || "", tag: told.tag || undefined, renotify: Boolean(told.tag), icon: "/static/icons/icon-192.png",
    badge: "/static/icons/badge-96.png", requireInteraction: told.level === "ALARM", data: { url: told.url || "/" } };
  event.waitUntil(self.registration.showNotification(told.title || "Tomato", options));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const url = new URL(event.notification.data?.url || "/", location.origin);
  event.waitUntil(self.clients.matchAll({ type: "window", includeUncontrolled: true }).then((open) => {
    const page = open.find((one) => new URL(one.url).origin === url.origin);
    return page ? page.focus() : self.clients.openWindow(url);
  }));
});
