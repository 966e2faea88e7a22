// Keys, mouse and fingers.

const wantsText = (element) => element instanceof HTMLInputElement && element.type === "search";

const onKey = (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const query = $("query");
  if (event.target === query) {
    if (event.key === "Escape") {
      query.value = "";
      onSearch();
      lanesBox.focus();
    } else if (event.key === "Enter") {
      event.preventDefault();
      act(event.shiftKey ? "previousMatch" : "nextMatch");
    }
    return;
  }
  if (wantsText(event.target) || ($("help").open && event.key !== "?")) return;
  if (event.key.length === 1 && !$("single").checked) return;
  const digit = /^[1-9]$/.test(event.key) ? Number(event.key) : 0;
  if (digit > 0) {
    if (digit <= DATA.findings.length) goFinding(digit - 1);
    else ask(`there is no finding ${digit}`);
    update();
    return;
  }
  const binding = KEYS.find(([keys]) => keys.includes(event.key));
  if (!binding) return;
  // Arrows and the like move the page, unless the lanes have the focus.
  const letter = event.key.length === 1 && event.key !== " ";
  if (binding[4] === "lanes" && !letter && document.activeElement !== lanesBox) return;
  event.preventDefault();
  act(binding[1]);
};

const onSearch = () => {
  state.words = $("query").value.trim();
  search(state.words);
  if (state.only.delete("onlyMatches") && state.found.size > 0) state.only.add("onlyMatches");
  refilter();
  // The first match is shown at once; looking for it is no step to come back to.
  if (state.matches.length > 0) go(subject(PROC, state.matches[0]), { past: false });
  update();
};

// Where a pointer is on the lanes.
const place = (event) => {
  const box = lanesBox.getBoundingClientRect();
  return { x: event.clientX - box.left - lanesBox.clientLeft, y: event.clientY - box.top - lanesBox.clientTop };
};

const onClick = ({ x, y }) => {
  const at = Math.floor((y + lanesBox.scrollTop) / space.row);
  const row = state.rows[at];
  if (!row) return;
  state.row = at;
  if (!row.procs) {
    fold(row.title);
    return;
  }
  const inPicture = x > space.labels;
  const us = usAt(x - space.labels);
  const near = inPicture ? nearSignal(row, x - space.labels) : NONE;
  if (near !== NONE) go(subject(SIGNAL, near), { cursor: SIG.at[near], row: at });
  else go(subject(PROC, nearestProc(row, us)), { cursor: inPicture ? us : undefined });
};

// Of several processes of a lane the one at a moment.
const nearestProc = (row, us) => {
  const distance = (proc) => Math.max(P.born[proc] - us, us - P.end[proc], 0);
  return row.procs.reduce((best, proc) => (distance(proc) < distance(best) ? proc : best));
};

const pointers = new Map();
let dragged = false;
let pinched = 0;

const listenToPointers = () => {
  lanesBox.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    pointers.set(event.pointerId, place(event));
    dragged = false;
    pinched = 0;
  });
  window.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = place(event);
    const moved = now.x - before.x;
    if (pointers.size === 2) {
      const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
      const apart = Math.abs(now.x - other.x);
      if (pinched > 20 && apart > 20) zoom(pinched / apart, (now.x + other.x) / 2 - space.labels);
      pinched = apart;
      dragged = true;
    } else if (dragged || Math.abs(moved) > 4) {
      if (!dragged) lanesBox.setPointerCapture(event.pointerId);
      dragged = true;
      pan(-moved);
    } else {
      return;
    }
    pointers.set(event.pointerId, now);
    $("tip").hidden = true;
    update();
  });
  for (const name of ["pointerup", "pointercancel"]) {
    window.addEventListener(name, (event) => pointers.delete(event.pointerId));
  }
  lanesBox.addEventListener("click", (event) => {
    // A screen reader presses a name, nowhere in particular.
    const name = event.detail === 0 ? event.target.closest("[role=treeitem]") : null;
    if (name) {
      chooseRow(Number(name.getAttribute("aria-posinset")) - 1);
      act("enter");
    } else if (!dragged) {
      onClick(place(event));
      update();
    }
  });
  lanesBox.addEventListener("pointermove", (event) => {
    if (pointers.size > 0 || event.pointerType !== "mouse") return;
    const { x, y } = place(event);
    tip(x, y);
  });
  lanesBox.addEventListener("pointerleave", () => ($("tip").hidden = true));
};

// The wheel scrolls lanes as it scrolls everything; with Ctrl, and on the scale, it zooms; sideways it moves.
const onWheel = (event) => {
  const { x } = place(event);
  const onScale = event.currentTarget === $("ribbon");
  if (event.ctrlKey || event.metaKey || (onScale && Math.abs(event.deltaY) > Math.abs(event.deltaX))) {
    event.preventDefault();
    zoom(Math.exp(clamp(event.deltaY, -100, 100) / 200), x - space.labels);
  } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    event.preventDefault();
    pan(event.shiftKey && event.deltaX === 0 ? event.deltaY : event.deltaX);
  } else {
    return;
  }
  update();
};
