// The fleet page: reads /api/fleet every few seconds and shows one row a node. Texts of nodes are inserted as text, never as HTML.
"use strict";

const EVERY_MS = 4000;
const $ = (id) => document.getElementById(id);
const SAFE = { well: "yes", watch: "yes, watching", bad: "NO", stale: "unknown" };

function age(seconds) {
  if (seconds === null) return "never";
  for (const [unit, size, below] of [["s", 1, 120], ["min", 60, 7200], ["h", 3600, 172800]]) {
    if (seconds < below) return `${Math.round(seconds / size)} ${unit} ago`;
  }
  return `${Math.round(seconds / 86400)} d ago`;
}

const figure = (value, digits) => value === null ? "–" : value.toFixed(digits);

function cells(node) {
  const last = node.last_action;
  const when = last ? new Date(last.ts).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) : "";
  const action = last ? `${last.type.replaceAll("_", " ").toLowerCase()} ${last.text} ${when}` : "–";
  const soil = node.driest_pct === null ? "–" : `${node.driest_probe} ${node.driest_pct.toFixed(1)} %`;
  return [SAFE[node.level], node.mode, age(node.age_s), figure(node.air_temp_c, 1), figure(node.rh_pct, 0),
    figure(node.vpd_kpa, 2), soil, action, node.alarms.join(", ") || (node.level === "well" ? "–" : node.verdict), String(node.dropped)];
}

function row(node) {
  const line = document.createElement("tr");
  line.className = node.level;
  line.title = node.verdict;
  const name = document.createElement("th");
  name.scope = "row";
  name.textContent = node.node;
  line.append(name, ...cells(node).map((text) => {
    const cell = document.createElement("td");
    cell.textContent = text;
    return cell;
  }));
  return line;
}

function verdict(fleet) {
  if (fleet.problem) return ["bad", fleet.problem];
  const count = (level) => fleet.nodes.filter((node) => node.level === level).length;
  if (count("bad")) return ["bad", `${count("bad")} of ${fleet.nodes.length} need attention`];
  if (count("stale")) return ["bad", `${count("stale")} of ${fleet.nodes.length} silent`];
  if (count("watch")) return ["watch", `${count("watch")} of ${fleet.nodes.length} to watch`];
  return fleet.nodes.length ? ["well", `All ${fleet.nodes.length} are well`] : ["waiting", "No node has published to this broker yet"];
}

function show(fleet) {
  const [style, text] = verdict(fleet);
  if ($("verdict").textContent !== text) $("verdict").textContent = text;
  $("verdict").className = `verdict ${style}`;
  $("problem").textContent = fleet.next ? `Next: ${fleet.next}` : "";
  $("clock").textContent = `${fleet.broker || ""} ${new Date().toLocaleTimeString()}`;
  $("nodes").replaceChildren(...fleet.nodes.map(row));
}

async function refresh() {
  const token = sessionStorage.getItem("token");
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch("/api/fleet", { headers }).catch(() => null);
  $("ask-token").hidden = !answer || answer.status !== 401;
  if (answer && answer.ok) show(await answer.json());
  else {
    $("verdict").textContent = answer ? `Refused (${answer.status})` : "The dashboard does not answer.";
    $("verdict").className = "verdict bad";
  }
}

document.addEventListener("DOMContentLoaded", async () => {
  $("ask-token").addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem("token", $("token").value);
    refresh();
  });
  for (;;) {
    if (!document.hidden) await refresh();
    await new Promise((later) => setTimeout(later, EVERY_MS));
  }
});
