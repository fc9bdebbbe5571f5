(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  if (!data.suspects.length) return;
  const element = (id) => document.getElementById(id);
  const LONG = 30; // of a cell, in characters: about what is seen of it in one line
  const VERDICTS = ["keep", "drop", "relabel", "unsure"];
  const decisions = decisionsOf(data.key);

  // ---------------------------------------------------------------- what is shown
  let shown = data.suspects;
  let current = 0;
  let scrolled = false; // to a cell that is to blame
  let last = ""; // what was done last, in words

  function text(tag, content, className) {
    const node = document.createElement(tag);
    node.textContent = content;
    if (className) node.className = className;
    return node;
  }

  // A reader says a live text again whenever it is set.
  function say(id, content) {
    if (element(id).textContent !== content) element(id).textContent = content;
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

  for (const suspect of data.suspects) {
    const said = [suspect.given, suspect.suggested, suspect.reason, suspect.place];
    suspect.words = [...data.rows[suspect.row], ...said].map((w) => w.toLowerCase());
  }

  function filters() {
    const value = (id) => element(id).value;
    const [given, suggested] = [value("by-given"), value("by-suggested")];
    const [verdict, reason] = [value("by-verdict"), value("by-reason")];
    const column = value("by-column");
    const wanted = value("by-cell").toLowerCase();
    const sought = value("search").toLowerCase();
    const j = data.columns.indexOf(column);

    return (suspect) => {
      const cells = column === "" ? suspect.words.slice(0, data.columns.length)
        : [suspect.words[j]];
      return (
        (!given || suspect.given === given) &&
        (!suggested || suspect.suggested === suggested) &&
        (!verdict || (decisions.verdict(suspect.row) || "undecided") === verdict) &&
        (!reason || suspect.reasons.includes(reason)) &&
        (!wanted || cells.some((cell) => cell.includes(wanted))) &&
        (!sought || suspect.words.some((word) => word.includes(sought)))
      );
    };
  }

  const ORDERS = {
    rank: (a, b) => a.rank - b.rank,
    place: (a, b) => a.row - b.row,
    given: (a, b) => a.given.localeCompare(b.given) || a.rank - b.rank,
  };

  // The current suspect stays, or the one that takes its place.
  function filter(place = 0, step = 0) {
    const suspect = shown[current];
    const found = data.suspects.filter(filters()).sort(ORDERS[element("order").value]);
    const same =
      found.length === shown.length && found.every((one, i) => one === shown[i]);
    shown = found;
    if (!same) drawList();
    const stays = shown.indexOf(suspect);
    go(stays < 0 ? place : stays + step);
  }

  function drawProgress() {
    const n = data.suspects.filter((suspect) => decisions.of(suspect.row)).length;
    const before = data.earlier.length;
    const here = new Set(data.suspects.map((suspect) => suspect.row));
    for (const [row] of data.earlier) here.add(row);
    const others = decisions.rows().filter((row) => !here.has(row)).length;
    say("progress",
      n + " of " + data.suspects.length + " decided; " + shown.length + " shown." +
      (before ? " " + before + " were decided before." : "") +
      (others ? " " + others + " on other pages of this table." : "") +
      (decisions.isKept() ? "" : " This browser keeps nothing: download often.") +
      (last ? " Last: " + last + "." : ""));
  }

  function name(suspect) {
    const verdict = decisions.verdict(suspect.row);
    suspect.button.textContent = (suspect.place + " " + verdict).trim();
    suspect.button.className = verdict;
  }

  // Of thousands of entries each is made once. Only the current one is reached by Tab,
  // so that the verdicts come next.
  for (const suspect of data.suspects) {
    suspect.button = document.createElement("button");
    suspect.button.type = "button";
    suspect.button.tabIndex = -1;
    suspect.button.addEventListener("click", () => go(shown.indexOf(suspect)));
    suspect.item = document.createElement("li");
    suspect.item.append(suspect.button);
    name(suspect);
  }

  function drawList() {
    const focused = element("list").contains(document.activeElement);
    element("list").replaceChildren(...shown.map((suspect) => suspect.item));
    if (focused && shown.length) shown[0].button.focus({ preventScroll: true });
  }

  function select() {
    const before = element("list").querySelector("[aria-current]");
    if (before) {
      before.removeAttribute("aria-current");
      before.tabIndex = -1;
    }
    if (!shown[current]) return;
    const selected = shown[current].button;
    selected.setAttribute("aria-current", "true");
    selected.tabIndex = 0;
    if (element("list").contains(document.activeElement)) {
      selected.focus({ preventScroll: true });
    }
    // Scrolls the list only, never the page.
    element("list").scrollTop = selected.offsetTop - 80;
  }

  function line(role, row, target, differs, blamed) {
    const tr = document.createElement("tr");
    if (role === "suspect") tr.className = "suspect";
    const first = text("th", role);
    first.scope = "row";
    tr.append(first, text("td", data.places[row]), text("td", target));
    data.rows[row].forEach((cell, j) => {
      const name = j === blamed ? "blamed" : differs.includes(j) ? "differs" : "";
      tr.append(text("td", cell, cell.length > LONG ? name + " long" : name));
    });
    return tr;
  }

  function drawCard() {
    const suspect = shown[current];
    element("card").hidden = !suspect;
    element("none").hidden = Boolean(suspect);
    element("problem").hidden = true;
    if (!suspect) return;
    const decision = decisions.of(suspect.row);
    const written = decision || decisions.draft(suspect.row);
    say("title", suspect.rank + ". " + suspect.place);
    say("reason",
      "Given " + suspect.given + ", suggested " + suspect.suggested +
      (suspect.chance ? " (probability " + suspect.chance + ")" : "") +
      "; estimated probability to be wrong " + suspect.probability + ", at most " +
      suspect.ceiling + ": " + suspect.reason + "." +
      (suspect.hurts ? " Hurts most the held-out rows " + suspect.hurts + "." : ""));
    say("tags",
      [suspect.reasons.join(", "), suspect.unsaid].filter((said) => said).join(". "));
    for (const button of element("verdicts").querySelectorAll("button")) {
      const chosen = button.dataset.verdict === decisions.verdict(suspect.row);
      button.setAttribute("aria-pressed", String(chosen));
    }
    element("value").value = written.value || suspect.suggested_value;
    element("note").value = written.note || "";
    drawRows(suspect);
  }

  function drawRows(suspect) {
    const head = document.createElement("tr");
    for (const name of ["", "row", data.target, ...data.columns]) {
      const cell = text("th", name, name.length > LONG ? "long" : "");
      cell.scope = "col";
      head.append(cell);
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
    const [beside, blamed] = [element("beside"), element("rows").querySelector(".blamed")];
    const end = blamed ? blamed.offsetLeft + blamed.offsetWidth : 0;
    if (end > beside.clientWidth) {
      const room = element("rows").querySelector("th").offsetWidth; // stays in sight
      beside.scrollLeft = blamed.offsetLeft - room;
    } else if (scrolled) {
      beside.scrollLeft = 0;
    }
    scrolled = end > beside.clientWidth;
  }

  // ------------------------------------------------------------------ what is done
  function go(i) {
    current = Math.max(0, Math.min(shown.length - 1, i));
    drawProgress();
    select();
    drawCard();
  }

  // A field loses line breaks: labels have theirs back.
  function value() {
    const written = element("value").value;
    const plain = ([label]) => label.replace(/[\r\n]/g, "") === written;
    return (data.labels.find(plain) || [written])[0];
  }

  function problemOf(suspect) {
    const written = value();
    if (!written.trim()) return "Relabel to which value? Write it, then Enter and 3.";
    if (data.numbers && !/\d/.test(written)) return "The value must be a number.";
    if (written === data.targets[suspect.row]) {
      return "The row has this value already: keep it, or write another value.";
    }
    return "";
  }

  function decide(verdict) {
    const [suspect, at] = [shown[current], current];
    if (!suspect) return;
    const problem = verdict === "relabel" ? problemOf(suspect) : "";
    if (problem) {
      element("problem").hidden = false;
      say("problem", problem);
      element("value").focus();
      return;
    }
    const written = verdict === "relabel" ? value() : "";
    decisions.set(suspect.row, {
      verdict: verdict,
      value: written,
      note: element("note").value,
      given: data.targets[suspect.row],
      check: suspect.check,
    });
    const known =
      data.numbers || !data.all_labels || data.labels.some(([l]) => l === written);
    last = suspect.place + ", " + verdict + (written ? " to " + written : "") +
      (written && !known ? ", which no row has" : "");
    name(suspect);
    filter(at, 1);
  }

  function undo() {
    const row = decisions.undo();
    const suspect = data.suspects.find((one) => one.row === row);
    if (row === null) last = "nothing is left to take back";
    else last = "taken back, " + (suspect ? suspect.place : "on another page");
    if (suspect) name(suspect);
    filter(current);
    if (shown.includes(suspect)) go(shown.indexOf(suspect));
  }

  function annotate() {
    const suspect = shown[current];
    if (suspect) decisions.annotate(suspect.row, value(), element("note").value);
  }

  function whole() {
    const wide = element("beside").classList.toggle("whole");
    element("whole").setAttribute("aria-pressed", String(wide));
  }

  function download() {
    const link = document.createElement("a");
    const content = csvOf(data.earlier, data.suspects, decisions);
    link.href = URL.createObjectURL(new Blob([content], { type: "text/csv" }));
    link.download = "verdicts.csv";
    link.click();
    URL.revokeObjectURL(link.href);
  }

  const KEYS = {
    j: () => go(current + 1),
    k: () => go(current - 1),
    "/": () => element("search").focus(),
  };
  // A key that is held down must not decide on all rows.
  const ONCE = { u: undo, w: whole };
  VERDICTS.forEach((verdict, i) => (ONCE[i + 1] = () => decide(verdict)));

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^(INPUT|SELECT)$/.test(event.target.tagName)) {
      if (event.key === "Escape" || event.key === "Enter") {
        event.target.blur();
        event.preventDefault();
      }
      return;
    }
    if (!KEYS[event.key] && !ONCE[event.key]) return;
    event.preventDefault();
    if (KEYS[event.key]) KEYS[event.key]();
    else if (!event.repeat) ONCE[event.key]();
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
    input.addEventListener("input", () => filter());
    input.addEventListener("change", () => filter());
  }
  element("filters").addEventListener("submit", (event) => event.preventDefault());
  // The fields are empty only after the event.
  element("filters").addEventListener("reset", () => setTimeout(() => filter()));
  for (const button of element("verdicts").querySelectorAll("button")) {
    button.addEventListener("click", () => decide(button.dataset.verdict));
  }
  element("note").addEventListener("input", annotate);
  element("value").addEventListener("input", annotate);
  element("next").addEventListener("click", KEYS.j);
  element("previous").addEventListener("click", KEYS.k);
  element("undo").addEventListener("click", undo);
  element("whole").addEventListener("click", whole);
  element("download").addEventListener("click", download);
  // Another tab with the same page.
  window.addEventListener("storage", (event) => {
    if (event.key !== data.key) return;
    decisions.read();
    data.suspects.forEach(name);
    filter(current);
  });
  element("review").hidden = false;
  element("static").hidden = true;
  drawList();
  filter();
})();
