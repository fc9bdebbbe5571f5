"use strict";

// What is decided of one table. The browser keeps it, with what undo needs, so that a
// reload or a crash loses nothing.
function decisionsOf(key) {
  let state;
  let kept = true; // false in a browser that keeps nothing for files

  function read() {
    state = { decided: {}, history: [], drafts: {} };
    try {
      Object.assign(state, JSON.parse(localStorage.getItem(key)) || {});
    } catch (error) {
      kept = false;
    }
  }

  function write() {
    try {
      localStorage.setItem(key, JSON.stringify(state));
    } catch (error) {
      kept = false;
    }
  }

  function put(row, decision) {
    if (decision) state.decided[row] = decision;
    else delete state.decided[row];
  }

  read();
  return {
    read: read,
    isKept: () => kept,
    // {verdict, value, note, given, check}, or nothing
    of: (row) => state.decided[row],
    verdict: (row) => (state.decided[row] || { verdict: "" }).verdict,
    rows: () => Object.keys(state.decided).map(Number),

    // What was written beside a row that is not decided: {value, note}.
    draft: (row) => state.drafts[row] || {},

    set(row, decision) {
      state.history.push([row, state.decided[row] || null]);
      put(row, decision);
      delete state.drafts[row];
      write();
    },

    // Change the value or the note, which is no decision of its own.
    annotate(row, value, note) {
      const decision = state.decided[row];
      if (!decision) {
        state.drafts[row] = { value: value, note: note };
      } else {
        decision.note = note;
        if (decision.verdict === "relabel" && value.trim()) decision.value = value;
      }
      write();
    },

    // Take the last decision back; return its row, or null.
    undo() {
      if (!state.history.length) return null;
      const [row, before] = state.history.pop();
      if (!before) state.drafts[row] = state.decided[row]; // its note stays written
      put(row, before);
      write();
      return row;
    },
  };
}

// A spreadsheet runs what begins so; `apply` takes the quote away again.
function csvCell(value) {
  const text = String(value);
  const runs = /^'*[=+\-@\t\r\n]/.test(text) && !/^[+-]?[\d.]+(e[+-]?\d+)?$/i.test(text);
  return '"' + (runs ? "'" + text : text).replaceAll('"', '""') + '"';
}

// The file of verdicts: of earlier ones, of the suspects in their order, and of rows
// that were decided on another page of the same table.
function csvOf(earlier, suspects, decisions) {
  const lines = ["row,verdict,value,note,given,check"];
  const done = new Set();

  function add(row, verdict, ...texts) {
    if (done.has(row)) return;
    done.add(row);
    lines.push([row, verdict, ...texts.map(csvCell)].join(","));
  }

  for (const line of earlier) add(...line);
  for (const row of [...suspects.map((suspect) => suspect.row), ...decisions.rows()]) {
    const one = decisions.of(row);
    if (one) add(row, one.verdict, one.value, one.note, one.given, one.check);
  }
  return lines.join("\n") + "\n";
}
