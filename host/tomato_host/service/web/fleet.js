// The fleet page: asks /api/fleet every few seconds and writes one row a node. Texts of nodes are text, never HTML.
"use strict";

const EVERY_MS = 4000;
const $ = (id) => document.getElementById(id);
const SAFE = { well: "yes", watch: "yes, watching", bad: "NO", stale: "not heard" };

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
  const deed = last ? `${last.type.replaceAll("_", " ").toLowerCase()} ${last.text} ${when}` : "–";
  const soil = node.driest_pct === null ? "–" : `${node.driest_probe} ${node.driest_pct.toFixed(1)} %`;
  return [SAFE[node.level], node.mode, age(node.age_s), figure(node.air_temp_c, 1), figure(node.rh_pct, 0),
    figure(node.vpd_kpa, 2), soil, deed, node.alarms.join(", ") || (node.level === "well" ? "–" : node.verdict), String(node.dropped)];
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

function verdict(told) {
  if (told.problem) return ["bad", told.problem];
  const count = (level) => told.nodes.filter((node) => node.level === level).length;
  if (count("bad")) return ["bad", `${count("bad")} of ${told.nodes.length} want help`];
  if (count("stale")) return ["bad", `${count("stale")} of ${told.nodes.length} not heard`];
  if (count("watch")) return ["watch", `${count("watch")} of ${told.nodes.length} to watch`];
  return told.nodes.length ? ["well", `All ${told.nodes.length} are well`] : ["waiting", "No node has spoken to this broker yet"];
}

function show(told) {
  const [style, text] = verdict(told);
  if ($("verdict").textContent !== text) $("verdict").textContent = text;
  $("verdict").className = `verdict ${style}`;
  $("problem").textContent = told.next ? `Next: ${told.next}` : "";
  $("clock").textContent = `${told.broker || ""} ${new Date().toLocaleTimeString()}`;
  $("nodes").replaceChildren(...told.nodes.map(row));
}

async function look() {
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
    look();
  });
  for (;;) {
    if (!document.hidden) await look();
    await new Promise((later) => setTimeout(later, EVERY_MS));
  }
});
