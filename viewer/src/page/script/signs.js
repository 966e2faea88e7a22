// The signs of a life: each is told from the others by its form as well as by its colour.

const ink = {};
const readInk = () => {
  const style = getComputedStyle(document.documentElement);
  const names = ["ink", "dim", "line", "edge", "paper", "panel", "chosen", "marked", "bad", "warn", "good", "accent"];
  names.push("run", "told", "ignoring", "heir", "signal", "focus", "seam", "stripe");
  for (const name of names) ink[name] = style.getPropertyValue(`--${name}`).trim();
  ink.plain = ink.dim;
  ink.strong = ink.title = ink.ink;
};

const THICK = 6;

// Lives, from `x` to `to` around `y`.
const LIVES = {
  run: (c, x, to, y) => {
    c.fillStyle = ink.run;
    c.fillRect(x, y - THICK / 2, Math.max(1.5, to - x), THICK);
  },
  heir: (c, x, to, y) => {
    c.fillStyle = ink.heir;
    c.fillRect(x, y - 3.5, Math.max(1.5, to - x), 2.5);
    c.fillRect(x, y + 1, Math.max(1.5, to - x), 2.5);
  },
  told: (c, x, to, y) => {
    c.strokeStyle = ink.told;
    c.lineWidth = THICK;
    c.setLineDash([4, 3]);
    stroke(c, [[x, y], [Math.max(x + 1.5, to), y]]);
    c.setLineDash([]);
  },
  ignoring: (c, x, to, y) => {
    c.strokeStyle = ink.ignoring;
    c.lineWidth = 2;
    c.save();
    c.beginPath();
    c.rect(x, y - 6, Math.max(1.5, to - x), 12);
    c.clip();
    c.beginPath();
    // Held fast to the screen, so that the wave does not crawl while one moves.
    for (let at = Math.floor(x / 8) * 8; at <= to + 8; at += 4) c.lineTo(at, at % 8 === 0 ? y + 3 : y - 3);
    c.stroke();
    c.restore();
  },
};

const stroke = (c, points) => {
  c.beginPath();
  for (const [x, y] of points) c.lineTo(x, y);
  c.stroke();
};
const fill = (c, points) => {
  c.beginPath();
  for (const [x, y] of points) c.lineTo(x, y);
  c.closePath();
  c.fill();
};
// A sign stands out from the lines that it lies on.
const disc = (c, x, y, radius) => {
  c.beginPath();
  c.arc(x, y, radius, 0, 2 * Math.PI);
};

const arrowhead = (c, x, y, up) => {
  const tip = up ? -6 : 6;
  fill(c, [[x, y + tip], [x + 5, y - tip / 2], [x - 5, y - tip / 2]]);
};

const MARKS = {
  exited: (c, x, y) => {
    disc(c, x, y, 4.5);
    c.fillStyle = ink.panel;
    c.fill();
    c.lineWidth = 2;
    c.strokeStyle = ink.good;
    c.stroke();
  },
  failed: (c, x, y) => {
    c.fillStyle = ink.warn;
    fill(c, [[x, y - 6], [x + 6, y], [x, y + 6], [x - 6, y]]);
  },
  killed: (c, x, y) => {
    c.lineCap = "round";
    for (const [width, colour] of [[7, ink.panel], [3, ink.bad]]) {
      c.lineWidth = width;
      c.strokeStyle = colour;
      stroke(c, [[x - 5, y - 5], [x + 5, y + 5]]);
      stroke(c, [[x - 5, y + 5], [x + 5, y - 5]]);
    }
    c.lineCap = "butt";
  },
  alive: (c, x, y) => {
    c.fillStyle = ink.warn;
    fill(c, [[x - 3, y - 6], [x + 6, y], [x - 3, y + 6]]);
  },
  unknown: (c, x, y) => {
    c.fillStyle = ink.warn;
    c.font = "bold 13px system-ui, sans-serif";
    c.textAlign = "center";
    c.fillText("?", x, y + 5);
    c.textAlign = "left";
  },
  born: (c, x, y) => {
    c.fillStyle = ink.run;
    c.fillRect(x - 1, y - 6, 2, 12);
  },
  reborn: (c, x, y) => {
    c.fillStyle = ink.heir;
    fill(c, [[x, y - 7], [x + 6, y + 5], [x - 6, y + 5]]);
  },
  sent: (c, x, y) => {
    disc(c, x, y, 4);
    c.fillStyle = ink.signal;
    c.fill();
  },
  hit: (c, x, y, up = false) => {
    c.fillStyle = ink.panel;
    c.strokeStyle = ink.signal;
    c.lineWidth = 1.75;
    arrowhead(c, x, y, up);
    c.stroke();
  },
  kill: (c, x, y, up = false) => {
    c.fillStyle = ink.bad;
    arrowhead(c, x, y, up);
  },
};
const END_MARKS = ["exited", "failed", "killed", "alive", "unknown"];

const SIGNS = [
  ["run", "running"],
  ["told", "told to stop, and at it"],
  ["ignoring", "told to stop, and ignoring it or not taking it"],
  ["heir", "running in the place of a dead one: restarted"],
  ["born", "born"],
  ["reborn", "restarted here"],
  ["sent", "sent a signal"],
  ["hit", "was sent a signal to stop"],
  ["kill", "was sent SIGKILL"],
  ["exited", "exited 0, or died of the signal that asked it to"],
  ["failed", "exited with another code"],
  ["killed", "killed"],
  ["alive", "alive at the end"],
  ["unknown", "its end was not recorded"],
];
const SHORT = {
  told: "stopping",
  ignoring: "ignoring it",
  heir: "restarted",
  hit: "told to stop",
  exited: "ended well",
  failed: "failed",
  alive: "still alive",
  unknown: "end not recorded",
};

const sign = (name) => {
  const canvas = document.createElement("canvas");
  canvas.setAttribute("aria-hidden", "true");
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [name in LIVES ? 28 : 16, 16];
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const c = canvas.getContext("2d");
  c.scale(ratio, ratio);
  if (name in LIVES) LIVES[name](c, 0, width, height / 2);
  else MARKS[name](c, width / 2, height / 2);
  return canvas;
};

// Whether somebody's end was not recorded: the sign that a power cut needs.
const hasUnknown = () => P.mark?.includes(MARK.unknown) ?? false;

// What the signs mean, in a list: in few words, or in all.
const legend = (list, whole) => {
  list.replaceChildren();
  for (const [name, words] of SIGNS) {
    if (!whole && (name === "born" || (name === "unknown" && !hasUnknown()))) continue;
    const item = document.createElement("li");
    item.append(sign(name), whole ? words : (SHORT[name] ?? words));
    list.append(item);
  }
};
