"use strict";
(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  if (!data.suspects.length) return;
  const element = (id) => document.getElementById(id);
  const VERDICTS = ["keep", "drop", "relabel", "unsure"];

  // --------------------------------------------------------------- what is decided
  let decided = {}; // row -> {verdict, value, note}
  let history = []; // [row, what was decided before]
  try {
    decided = JSON.parse(localStorage.getItem(data.key)) || {};
  } catch (error) {
    decided = {}; // a browser that keeps nothing for files
  }

  function keep() {
    try {
      localStorage.setItem(data.key, JSON.stringify(decided));
    } catch (error) {
      element("progress").append(" This browser keeps nothing: download often.");
    }
  }

  function set(row, decision) {
    history.push([row, decided[row] || null]);
    if (decision) decided[row] = decision;
    else delete decided[row];
    renamed(row);
    keep();
  }

  function renamed(row) {
    const i = shown.findIndex((suspect) => suspect.row === row);
    if (i >= 0) name(i);
  }

  // ---------------------------------------------------------------- what is shown
  let shown = data.suspects;
  let current = 0;
  let buttons = []; // of the list, one for each that is shown

  function text(tag, content, className) {
    const node = document.createElement(tag);
    node.textContent = content;
    if (className) node.className = className;
    return node;
  }

  function options(select, all, values) {
    select.replaceChildren(text("option", all));
    select.firstChild.value = "";
    for (const value of values) {
      const option = text("option", value);
      option.value = value;
      select.append(option);
    }
  }

  function distinct(values) {
    return [...new Set(values)].sort((a, b) => a.localeCompare(b));
  }

  function passes(suspect) {
    const verdict = (decided[suspect.row] || {}).verdict || "undecided";
    const cells = data.rows[suspect.row];
    const column = element("by-column").value;
    const wanted = element("by-cell").value.toLowerCase();
    const sought = element("search").value.toLowerCase();
    const within = column === "" ? cells : [cells[data.columns.indexOf(column)]];
    return (
      (!element("by-given").value || suspect.given === element("by-given").value) &&
      (!element("by-suggested").value ||
        suspect.suggested === element("by-suggested").value) &&
      (!element("by-verdict").value || verdict === element("by-verdict").value) &&
      (!element("by-reason").value ||
        suspect.reasons.includes(element("by-reason").value)) &&
      (!wanted || within.some((c) => c.toLowerCase().includes(wanted))) &&
      (!sought ||
        [...cells, suspect.given, suspect.suggested, suspect.reason, suspect.place]
          .some((c) => c.toLowerCase().includes(sought)))
    );
  }

  const ORDERS = {
    rank: (a, b) => a.rank - b.rank,
    place: (a, b) => a.row - b.row,
    given: (a, b) => a.given.localeCompare(b.given) || a.rank - b.rank,
  };

  function filter() {
    const row = shown[current] ? shown[current].row : null;
    const found = data.suspects.filter(passes).sort(ORDERS[element("order").value]);
    const same =
      found.length === shown.length && found.every((one, i) => one === shown[i]);
    shown = found;
    if (!same || !buttons.length) drawList();
    const place = shown.findIndex((suspect) => suspect.row === row);
    current = place < 0 ? 0 : place;
    draw();
  }

  function drawProgress() {
    const n = data.suspects.filter((suspect) => decided[suspect.row]).length;
    const before = data.earlier.length;
    element("progress").textContent =
      n + " of " + data.suspects.length + " decided; " + shown.length + " shown." +
      (before ? " " + before + " were decided before." : "");
  }

  function name(i) {
    const verdict = (decided[shown[i].row] || {}).verdict || "";
    buttons[i].textContent = shown[i].place + " " + verdict;
    buttons[i].className = verdict;
  }

  // Thousands of entries take long: they are made when others are shown, not at each
  // step.
  function drawList() {
    buttons = shown.map(() => document.createElement("button"));
    element("list").replaceChildren(
      ...buttons.map((button, i) => {
        name(i);
        button.type = "button";
        button.addEventListener("click", () => go(i));
        const item = document.createElement("li");
        item.append(button);
        return item;
      }));
  }

  function select() {
    const before = element("list").querySelector("[aria-current]");
    if (before) before.removeAttribute("aria-current");
    const selected = buttons[current];
    if (!selected) return;
    selected.setAttribute("aria-current", "true");
    // Scrolls the list only, never the page.
    element("list").scrollTop = selected.offsetTop - 80;
  }

  function line(role, row, target, differs, blamed) {
    const cells = data.rows[row];
    const tr = document.createElement("tr");
    if (role === "suspect") tr.className = "suspect";
    tr.append(text("td", role), text("td", data.places[row]), text("td", target));
    cells.forEach((cell, j) => {
      const name = j === blamed ? "blamed" : differs.includes(j) ? "differs" : "";
      tr.append(text("td", cell, name));
    });
    return tr;
  }

  function drawCard() {
    const suspect = shown[current];
    element("card").hidden = !suspect;
    if (!suspect) return;
    const decision = decided[suspect.row] || {};
    element("title").textContent = suspect.rank + ". " + suspect.place;
    element("reason").textContent =
      "Given " + suspect.given + ", suggested " + suspect.suggested +
      (suspect.chance ? " (probability " + suspect.chance + ")" : "") +
      "; estimated probability to be wrong " + suspect.probability + ", at most " +
      suspect.ceiling + ": " + suspect.reason + "." +
      (suspect.hurts ? " Hurts most the held-out rows " + suspect.hurts + "." : "");
    element("tags").textContent =
      [suspect.reasons.join(", "), suspect.unsaid].filter((said) => said).join(". ");
    for (const button of element("verdicts").querySelectorAll("button")) {
      const chosen = button.dataset.verdict === decision.verdict;
      button.setAttribute("aria-pressed", String(chosen));
    }
    element("value").value =
      decision.value === undefined || decision.value === ""
        ? suspect.suggested_value
        : decision.value;
    element("note").value = decision.note || "";
    const head = document.createElement("tr");
    for (const name of ["", "row", data.target, ...data.columns]) {
      head.append(text("th", name));
    }
    element("head").replaceChildren(head);
    // Where nothing else is suggested they would be the same rows again.
    const alike = suspect.given === suspect.suggested ? [] : suspect.alike;
    element("rows").replaceChildren(
      line("suspect", suspect.row, suspect.given, [], suspect.blamed),
      ...suspect.near.map(([row, differs]) =>
        line("as suggested", row, data.targets[row], differs)),
      ...alike.map(([row, differs]) =>
        line("as given", row, data.targets[row], differs)));
  }

  function draw() {
    drawProgress();
    select();
    drawCard();
  }

  // ------------------------------------------------------------------ what is done
  function go(i) {
    current = Math.max(0, Math.min(shown.length - 1, i));
    draw();
  }

  function decide(verdict) {
    const suspect = shown[current];
    if (!suspect) return;
    set(suspect.row, {
      verdict: verdict,
      value: verdict === "relabel" ? element("value").value : "",
      note: element("note").value,
    });
    const gone = element("by-verdict").value === "undecided";
    filter();
    if (!gone) go(current + 1);
  }

  function annotate() {
    const suspect = shown[current];
    const decision = suspect && decided[suspect.row];
    if (!decision) return;
    decision.note = element("note").value;
    if (decision.verdict === "relabel") decision.value = element("value").value;
    keep();
  }

  function undo() {
    if (!history.length) return;
    const [row, before] = history.pop();
    if (before) decided[row] = before;
    else delete decided[row];
    renamed(row);
    keep();
    filter();
    const place = shown.findIndex((suspect) => suspect.row === row);
    if (place >= 0) go(place);
  }

  // A spreadsheet runs what begins so; `apply` takes the quote away again.
  function cell(value) {
    const text = String(value);
    const runs = /^'*[=+\-@\t\r\n]/.test(text) && !/^[+-]?[\d.]+(e[+-]?\d+)?$/i.test(text);
    return '"' + (runs ? "'" + text : text).replaceAll('"', '""') + '"';
  }

  function download() {
    const lines = ["row,verdict,value,note,given"];
    for (const [row, verdict, ...texts] of data.earlier) {
      lines.push([row, verdict, ...texts.map(cell)].join(","));
    }
    for (const suspect of data.suspects) {
      const decision = decided[suspect.row];
      if (!decision) continue;
      lines.push([
        suspect.row, decision.verdict, cell(decision.value), cell(decision.note),
        cell(data.targets[suspect.row]),
      ].join(","));
    }
    const link = document.createElement("a");
    link.href = URL.createObjectURL(
      new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
    link.download = "verdicts.csv";
    link.click();
    URL.revokeObjectURL(link.href);
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^(INPUT|SELECT)$/.test(event.target.tagName)) {
      if (event.key === "Escape" || event.key === "Enter") {
        event.target.blur();
        event.preventDefault();
      }
      return;
    }
    if (event.key === "j") go(current + 1);
    else if (event.key === "k") go(current - 1);
    else if (event.key === "u") undo();
    else if (event.key === "/") element("search").focus();
    else if (/^[1-4]$/.test(event.key)) decide(VERDICTS[event.key - 1]);
    else return;
    event.preventDefault();
  });

  options(element("by-given"), "any", distinct(data.suspects.map((s) => s.given)));
  options(element("by-suggested"), "any",
    distinct(data.suspects.map((s) => s.suggested)));
  options(element("by-verdict"), "any", ["undecided", ...VERDICTS]);
  options(element("by-reason"), "any",
    distinct(data.suspects.flatMap((s) => s.reasons)));
  options(element("by-column"), "any", data.columns);
  for (const [value, label] of data.labels) {
    const option = text("option", label);
    option.value = value;
    element("labels").append(option);
  }
  for (const input of element("filters").querySelectorAll("input, select")) {
    input.addEventListener("input", filter);
    input.addEventListener("change", filter);
  }
  element("filters").addEventListener("submit", (event) => event.preventDefault());
  for (const button of element("verdicts").querySelectorAll("button")) {
    button.addEventListener("click", () => decide(button.dataset.verdict));
  }
  element("note").addEventListener("input", annotate);
  element("value").addEventListener("input", annotate);
  element("next").addEventListener("click", () => go(current + 1));
  element("previous").addEventListener("click", () => go(current - 1));
  element("undo").addEventListener("click", undo);
  element("download").addEventListener("click", download);
  element("review").hidden = false;
  element("static").hidden = true;
  filter();
})();
