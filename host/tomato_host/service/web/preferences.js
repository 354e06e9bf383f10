// How this device shows things: language, units, clock. Kept in the browser; the records do not change.
import { $, element, fill } from "/static/base.js";
import { LANGUAGES, prefer, preferences } from "/static/text.js";

fill($("language"), Object.entries(LANGUAGES).map(([value, name]) => Object.assign(element("option", name), { value })));
for (const [name, id] of Object.entries({ language: "language", temperature: "temperature", volume: "volume", clock: "clock-style" })) {
  $(id).value = preferences[name];
  $(id).addEventListener("change", () => { prefer(name, $(id).value); location.reload(); });
}
