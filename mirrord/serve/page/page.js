// The page of a mirror: what it serves, how fresh that is, and what it was. It reads the files below /status/ and the
// registry itself, and asks nobody else. All that comes from there is put into the document as text, never as markup.
"use strict";

const CHUNK = 60; // rows of a list that are made at once
const LOOK = 60_000; // milliseconds between looks for news
const ACCEPT = [
  "application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");
const MOVES = {
  upstream: "the upstream registry's", network: "whoever runs the network between here and the upstream",
  config: "whoever edits this mirror's config", host: "whoever runs this mirror's host",
};
const STATES = ["failing", "stale", "waiting", "fresh"];
const mirror = { status: null, runs: [], snapshots: null, repositories: null, misses: null, catalog: [], problem: "" };

// ---- the document: text only ----

// Control characters, and those that turn the direction of what follows, are shown as a replacement.
const HOSTILE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const clean = (value) => String(value).replace(HOSTILE, "\ufffd");

function h(name, attributes, ...children) {
  return fill(document.createElement(name), attributes, children);
}

function s(name, attributes, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value !== null && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) {
      element.append(child instanceof Node ? child : document.createTextNode(clean(child)));
    }
  }
  return element;
}

// What a document itself has under a name: tags and repositories may be called constructor.
const own = (object, key) => (object && Object.hasOwn(object, key) ? object[key] : undefined);
const byId = (id) => document.getElementById(id);
const link = (path, ...children) => h("a", { href: "#/" + path }, ...children);
const soft = (...children) => h("span", { class: "soft" }, ...children);
const chip = (kind, words) => h("span", { class: "chip " + kind }, words);
const say = (words) => { byId("said").textContent = clean(words); };

// ---- words ----

const CLOCK = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" }); // made once: slow to make
const NUMBER = new Intl.NumberFormat("en");
const whole = (number) => NUMBER.format(number);

function size(bytes) {
  if (typeof bytes !== "number") return "–";
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let at = 0;
  while (bytes >= 999.5 && at < units.length - 1) { bytes /= 1000; at += 1; }
  return (at && bytes < 9.95 ? bytes.toFixed(1) : Math.round(bytes)) + " " + units[at];
}

const count = (number, word) => whole(number) + " " + word + (number === 1 ? "" : "s");
const repositoriesOf = (number) => whole(number) + (number === 1 ? " repository" : " repositories");

function duration(seconds) {
  for (const [unit, length] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (seconds >= length * 1.5 || (unit !== "day" && seconds >= length)) return count(Math.round(seconds / length), unit);
  }
  return seconds < 10 && seconds % 1 ? seconds.toFixed(1) + " s" : Math.round(seconds) + " s";
}

function moment(text) {
  const at = Date.parse(text);
  if (Number.isNaN(at)) return soft("never");
  const past = (Date.now() - at) / 1000;
  const words = Math.abs(past) < 45 ? "just now" : past > 0 ? duration(past) + " ago" : "in " + duration(-past);
  return h("time", { datetime: new Date(at).toISOString(), title: CLOCK.format(at) }, words);
}

const short = (digest) => { const [kind, hex = ""] = String(digest).split(":"); return kind + ":" + hex.slice(0, 12); };
const repositoryIn = (name) => name.split(/[:@ ]/, 1)[0];
const encoded = (name) => name.split("/").map(encodeURIComponent).join("/");
const imagePath = (name) => "image/" + encodeURI(name);

function plural(platforms) {
  return platforms && platforms.length ? platforms.join(", ") : "";
}

// ---- how fresh ----

function stateOf(image, now = Date.now()) {
  const retry = image.error && image.error.retry ? Date.parse(image.error.retry) : 0;
  if (image.error && !(retry > now)) return "failing";
  const succeeded = Date.parse(image.succeeded);
  if (Number.isNaN(succeeded) ? !image.error : (now - succeeded) / 1000 > image.stale_after) return "stale";
  return image.error || image.state === "deferred" || image.checked !== image.succeeded ? "waiting" : "fresh";
}

function worst(states) {
  return STATES.find((state) => states.has(state)) || "";
}

function standing() {
  const images = Object.entries((mirror.status && mirror.status.images) || {}).map(([name, image]) => (
    { name, image, state: stateOf(image), repository: repositoryIn(name) }));
  const repositories = new Map();
  const counts = { failing: 0, stale: 0, waiting: 0, fresh: 0 };
  for (const each of images) {
    counts[each.state] += 1;
    if (!repositories.has(each.repository)) repositories.set(each.repository, new Set());
    repositories.get(each.repository).add(each.state);
  }
  return { images, repositories, counts };
}

function explained(image, state) {
  if (image.error) {
    const retry = image.error.retry && ["; it may be asked again ", moment(image.error.retry)];
    return h("div", {},
      h("div", { class: "text" }, image.error.text),
      h("div", { class: "soft" }, "Whose move: ", own(MOVES, image.error.owner) || image.error.owner, ". Since ", moment(image.error.since), retry || ""));
  }
  const note = image.note && h("div", { class: "text" }, image.note);
  if (state === "stale") return h("div", {}, note, h("div", { class: "soft" }, "Last right ", moment(image.succeeded), "; that is longer than ", duration(image.stale_after), "."));
  if (state === "waiting") return h("div", {}, note || "Its upstream asked to wait, or a new digest is cooling down.");
  return h("div", {}, note, h("div", { class: "soft" }, "Checked ", moment(image.checked)));
}

// ---- fetching ----

async function ask(path, read, accept) {
  const answer = await fetch(path, { cache: "no-cache", credentials: "same-origin", headers: accept ? { Accept: accept } : {} });
  if (answer.status === 404) return null;
  if (!answer.ok) throw new Error(path + ": " + answer.status);
  return read === "text" ? answer.text() : answer.json();
}

function lines(text) {
  return (text || "").split("\n").flatMap((line) => { try { return line ? [JSON.parse(line)] : []; } catch { return []; } });
}

async function load() {
  const wanted = { status: "status.json", snapshots: "snapshots.json", repositories: "repositories.json", misses: "misses.json" };
  try {
    const [catalog, runs, ...documents] = await Promise.all([
      ask("/v2/_catalog"), ask("/status/runs.jsonl", "text"), ...Object.values(wanted).map((name) => ask("/status/" + name)),
    ]);
    Object.keys(wanted).forEach((key, at) => { mirror[key] = documents[at]; });
    mirror.runs = lines(runs);
    mirror.catalog = (catalog && catalog.repositories) || [];
    mirror.problem = "";
  } catch (error) {
    mirror.problem = error.message;
  }
}

// ---- parts ----

// A list of which a part is made at first, and more as its end comes near: thousands of rows stay smooth.
const observer = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) entry.target.click();
}, { rootMargin: "600px" });

function rows(columns, label) {
  const body = h("tbody");
  const more = h("button", { type: "button", class: "more", hidden: true });
  const head = columns.map((column) => h("th", { scope: "col", class: column.class || null }, column.words));
  let items = [];
  let row = null;
  let shown = 0;
  const step = () => {
    const part = document.createDocumentFragment();
    for (const item of items.slice(shown, shown + CHUNK)) part.append(row(item));
    body.append(part);
    shown = Math.min(items.length, shown + CHUNK);
    more.hidden = shown >= items.length;
    more.textContent = "Show more (" + whole(items.length - shown) + " left)";
    observer.unobserve(more);
    if (!more.hidden) observer.observe(more);
  };
  more.addEventListener("click", step);
  const show = (found, make) => { items = found; row = make; shown = 0; body.replaceChildren(); step(); };
  const table = h("table", { "aria-label": label }, h("thead", {}, h("tr", {}, head)), body);
  return { show, node: h("div", {}, h("div", { class: "table", tabindex: 0, role: "region", "aria-label": label }, table), more) };
}

function finder(label, query, found) {
  const told = h("p", { class: "soft", role: "status" });
  const input = h("input", { type: "search", autocomplete: "off", spellcheck: "false", value: query });
  const look = () => { told.textContent = found(input.value.trim().toLowerCase()); };
  input.addEventListener("input", () => {
    const [path] = location.hash.slice(1).split("?");
    history.replaceState(null, "", "#" + (path || "/") + (input.value ? "?q=" + encodeURIComponent(input.value) : ""));
    look();
  });
  return { node: h("div", { class: "find" }, h("label", {}, label, input), told), look };
}

function copying(name, command, what = "the command for " + name) {
  const button = h("button", { type: "button", "aria-label": clean("Copy " + what), click: () => copy(command, button) }, "Copy");
  return h("div", { class: "command" }, h("span", { class: "name" }, name), h("code", {}, command), button);
}

async function copy(text, button) {
  let done = false;
  try {
    await navigator.clipboard.writeText(text);
    done = true;
  } catch { // no https: browsers have no clipboard there, but for the old way
    const area = h("textarea", { class: "unseen", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    done = document.execCommand("copy");
    area.remove();
    button.focus();
  }
  button.textContent = done ? "Copied" : "Not copied";
  say(done ? "Copied: " + text : "The browser does not let this page copy; select the command instead.");
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

function tile(number, words, kind, path) {
  const inside = [h("b", {}, number), h("span", {}, words)];
  const attributes = { class: "tile " + (kind || "") };
  return h("li", {}, path ? h("a", { ...attributes, href: "#/" + path }, inside) : h("div", attributes, inside));
}

function chart(title, newest, points, format) {
  const most = Math.max(...points.map((point) => point.value), 0);
  const width = 300 / Math.max(points.length, 20);
  const bars = points.map((point, at) => {
    const height = most ? Math.max(point.value ? 1.5 : 0, (point.value / most) * 78) : 0;
    return s("rect", { class: "bar " + (point.kind || ""), x: at * width + width * 0.12, y: 80 - height, width: width * 0.76, height },
      s("title", {}, point.words + ": " + format(point.value)));
  });
  const words = title + ": newest " + newest + ", at most " + format(most) + ", of " + points.length;
  return h("figure", {}, h("figcaption", {}, title, h("span", {}, newest, " · at most ", format(most))),
    s("svg", { viewBox: "0 0 300 81", preserveAspectRatio: "none", role: "img", "aria-label": clean(words) }, bars,
      s("line", { class: "axis", x1: 0, y1: 80.5, x2: 300, y2: 80.5 })));
}

// ---- pulling ----

function address() {
  let at = location;
  try { if (mirror.status && mirror.status.public_url) at = new URL(mirror.status.public_url); } catch { /* as it was reached */ }
  return { host: at.host, plain: at.protocol === "http:" };
}

// A name that is none by the grammar is asked for nowhere, and becomes no command: it could mean something to a shell.
const isRepository = (name) => /^[a-z0-9][a-z0-9._/-]*$/.test(name);
const isName = (repository, reference) => isRepository(repository) && /^(?::\w[\w.-]*|@sha(?:256|512):[0-9a-f]+)$/.test(reference);

function pulls(repository, reference) {
  const { host, plain } = address();
  if (!isName(repository, reference) || !/^[\w.:[\]-]+$/.test(host)) return null;
  const image = host + "/" + repository + reference;
  const file = repository.split("/").pop() + (reference.startsWith(":") ? reference : "");
  return [
    copying("docker", "docker pull " + image),
    copying("podman", "podman pull " + (plain ? "--tls-verify=false " : "") + image),
    copying("nerdctl", "nerdctl " + (plain ? "--insecure-registry " : "") + "pull " + image),
    copying("ctr", "ctr images pull " + (plain ? "--plain-http " : "") + image),
    copying("skopeo", "skopeo copy " + (plain ? "--src-tls-verify=false " : "") + "docker://" + image + " oci:" + file),
  ];
}

// ---- pages ----

function nothing() {
  if (mirror.problem) {
    return h("div", { class: "note failing" }, h("p", {}, h("strong", {}, "The mirror does not answer as it should.")), h("p", { class: "text" }, mirror.problem));
  }
  if (!mirror.status && !mirror.catalog.length) {
    return h("div", { class: "note" }, h("p", {}, h("strong", {}, "Nothing is mirrored yet.")),
      h("p", {}, "No run has published an image. On the mirror's host, ", h("code", {}, "mirrord sync"), " fetches what its config names, and ", h("code", {}, "mirrord run"), " keeps it fresh; what is published shows up here at once."));
  }
  if (!mirror.status) {
    return h("div", { class: "note" }, h("p", {}, h("strong", {}, "This mirror does not tell how fresh it is.")),
      h("p", {}, "Its images are listed and can be pulled. Freshness, runs, disk and snapshots need the status files: they are switched off (", h("code", {}, "serve: {status: false}"), " in its config), or no run has ended yet."));
  }
  if (!mirror.catalog.length) {
    return h("div", { class: "note" }, h("p", {}, h("strong", {}, "Nothing is served yet.")),
      h("p", {}, "Runs have ended, and none has published an image; ", link("freshness", "Freshness"), " says why."));
  }
  return mirror.status.config_error && h("div", { class: "note failing" }, h("p", {}, h("strong", {}, "The config as it lies there is wrong; an older one is in force.")), h("p", { class: "text" }, mirror.status.config_error));
}

function nextRun() {
  const times = Object.values((mirror.status && mirror.status.groups) || {}).map((group) => group.next).filter(Boolean).sort();
  return times.length ? moment(times[0]) : soft("not scheduled");
}

function imagesPage(query) {
  const now = standing();
  const known = (mirror.repositories && mirror.repositories.repositories) || {};
  const list = rows([{ words: "Image" }, { words: "Tags", class: "number" }, { words: "Size", class: "number wide" }, { words: "Changed", class: "wide" }, { words: "Freshness" }], "Images");
  const repositories = mirror.catalog.map((name) => ({ name, lower: name.toLowerCase() }));
  const images = now.images.map((each) => ({ ...each, lower: each.name.toLowerCase() }));
  const row = (item) => {
    if (item.state) {
      return h("tr", {}, h("th", { scope: "row" }, link(imagePath(item.name), item.name)), h("td", { class: "number" }), h("td", { class: "number wide" }), h("td", { class: "wide" }, moment(item.image.changed)), h("td", {}, chip(item.state, item.state)));
    }
    const told = own(known, item.name) || {};
    const state = worst(now.repositories.get(item.name) || new Set());
    return h("tr", {}, h("th", { scope: "row" }, link("image/" + encodeURI(item.name), item.name)),
      h("td", { class: "number" }, told.tags === undefined ? "–" : whole(told.tags)), h("td", { class: "number wide" }, size(told.bytes)),
      h("td", { class: "wide" }, told.changed ? moment(told.changed) : "–"), h("td", {}, state ? chip(state, state) : ""));
  };
  const find = finder("Search images and tags", query.get("q") || "", (words) => {
    const found = words ? repositories.filter((each) => each.lower.includes(words)) : repositories;
    const tagged = words ? images.filter((each) => each.lower.includes(words)) : [];
    list.show(found.concat(tagged), row);
    return words ? repositoriesOf(found.length) + ", " + count(tagged.length, "tag") + " found" : repositoriesOf(found.length);
  });
  find.look();
  const tiles = mirror.status && h("ul", { class: "tiles" },
    ["fresh", "waiting", "stale", "failing"].map((state) => tile(whole(now.counts[state]), state, now.counts[state] ? state : "", "freshness?show=" + state)),
    tile(nextRun(), "next run"));
  return ["Images", h("h1", { tabindex: -1 }, "Images"), nothing(), tiles, mirror.catalog.length ? [find.node, list.node] : null];
}

function freshnessPage(query) {
  const now = standing();
  const groups = Object.entries((mirror.status && mirror.status.groups) || {}).map(([name, group]) => {
    const members = now.images.filter((each) => each.image.group === name);
    const of = (state) => members.filter((each) => each.state === state).length;
    const state = worst(new Set(members.map((each) => each.state)));
    return h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, state ? chip(state, state) : ""), h("td", { class: "number" }, whole(members.length)),
      h("td", { class: "number" }, of("failing") + of("stale") + of("waiting")), h("td", { class: "wide" }, moment(group.succeeded)), h("td", {}, group.next ? moment(group.next) : "not scheduled"), h("td", { class: "wide" }, h("code", {}, group.schedule)));
  });
  const columns = [["Group"], ["Standing"], ["Images", "number"], ["Not fresh", "number"], ["Last run right", "wide"], ["Next run"], ["Schedule", "wide"]];
  const list = rows([{ words: "Image" }, { words: "State" }], "Images by freshness");
  const wanted = STATES.includes(query.get("show")) ? query.get("show") : "all";
  const buttons = ["all", ...STATES].map((state) => h("a", { class: "chip " + (state === wanted ? (state === "all" ? "fresh" : state) : "plain"), href: "#/freshness" + (state === "all" ? "" : "?show=" + state), "aria-current": state === wanted ? "true" : null },
    state === "all" ? "all that is not fresh" : state + " " + whole(now.counts[state])));
  const found = now.images.filter((each) => (wanted === "all" ? each.state !== "fresh" : each.state === wanted));
  found.sort((one, other) => STATES.indexOf(one.state) - STATES.indexOf(other.state));
  list.show(found, (each) => h("tr", {}, h("th", { scope: "row" }, link(imagePath(each.name), each.name), explained(each.image, each.state)), h("td", {}, chip(each.state, each.state))));
  return ["Freshness", h("h1", { tabindex: -1 }, "Freshness"), nothing(), mirror.status && [
    h("div", { class: "table", tabindex: 0, role: "region", "aria-label": "Groups" }, h("table", { "aria-label": "Groups" }, h("thead", {}, h("tr", {}, columns.map(([words, kind]) => h("th", { scope: "col", class: kind || null }, words)))), h("tbody", {}, groups))),
    h("h2", {}, "Image by image"), h("div", { class: "choices" }, buttons),
    found.length ? list.node : h("p", { class: "note" }, wanted === "all" ? "Everything is fresh." : "None is " + wanted + "."),
  ], missedPart()];
}

// What clients asked for and the mirror lacks: `mirrord misses --write` counts it out of nginx's log.
function missedPart() {
  const told = mirror.misses;
  if (!told || !Array.isArray(told.misses)) return null;
  const list = rows([{ words: "Asked for" }, { words: "Times", class: "number" }, { words: "Clients", class: "number wide" }, { words: "Last", class: "wide" }], "What was asked for and is not here");
  list.show(told.misses, (miss) => h("tr", {},
    h("th", { scope: "row" }, h("span", { class: "text" }, miss.name), miss.note && h("div", { class: "soft text" }, miss.note), miss.line && copying("add", miss.line, "the config line for " + miss.name)),
    h("td", { class: "number" }, whole(miss.times)), h("td", { class: "number wide" }, whole(miss.clients), miss.clients_are_more ? "+" : ""), h("td", { class: "wide" }, moment(miss.last))));
  return [h("h2", { id: "missed" }, "Asked for and not here"),
    told.misses.length ? [h("p", { class: "soft" }, "Counted ", moment(told.written), told.since ? [" since ", moment(told.since)] : "", ". A line goes below ", h("code", {}, "images:"), " in the config."), list.node] : h("p", { class: "note" }, "All that clients asked for is here, as counted ", moment(told.written), ".")];
}

// Of each upstream that counts pulls, what was left when each run ended that heard of it; one that is held back is red.
function pullCharts(runs) {
  const known = (mirror.status && mirror.status.upstreams) || {};
  const hosts = [...new Set(runs.flatMap((run) => Object.keys(run.pulls_left || {})))].sort().slice(0, 6);
  return hosts.map((host) => {
    const heard = runs.filter((run) => run.pulls_left && Object.hasOwn(run.pulls_left, host));
    const limit = Object.hasOwn(known, host) ? known[host].limit : null;
    const points = heard.map((run) => ({ value: run.pulls_left[host], kind: run.pulls_left[host] <= 1 ? "bad" : "", words: (run.group || "command") + ", " + run.ended }));
    return chart("Pulls left at " + host, whole(points[points.length - 1].value) + (limit === null ? "" : " of " + whole(limit)), points, (number) => whole(number));
  });
}

function runsPage() {
  const runs = mirror.runs.slice(-60);
  const failures = (run) => (run.counts.failed || 0) + (run.counts.deferred || 0);
  const bad = (run) => Boolean(run.counts.failed || run.problem);
  const points = (value) => runs.map((run) => ({ value: value(run), kind: bad(run) ? "bad" : "", words: (run.group || "command") + ", " + run.ended }));
  const last = runs[runs.length - 1];
  const charts = last && h("div", { class: "charts" },
    chart("Duration", duration(last.seconds), points((run) => run.seconds), duration), chart("Fetched", size(last.bytes_fetched), points((run) => run.bytes_fetched), size),
    chart("Requests", whole(last.requests), points((run) => run.requests), (number) => whole(number)),
    chart("Failed, deferred", String(failures(last)), points(failures), String), pullCharts(runs));
  const list = rows([{ words: "Ended" }, { words: "Group" }, { words: "Took", class: "number" }, { words: "Fetched", class: "number wide" }, { words: "Requests", class: "number wide" }, { words: "Outcome" }], "Runs");
  list.show(mirror.runs.slice().reverse(), (run) => h("tr", {}, h("th", { scope: "row" }, moment(run.ended)), h("td", {}, run.group || "command"), h("td", { class: "number" }, duration(run.seconds)),
    h("td", { class: "number wide" }, size(run.bytes_fetched)), h("td", { class: "number wide" }, whole(run.requests)),
    h("td", {}, h("div", { class: "chips" }, Object.entries(run.counts).filter(([, number]) => number).map(([state, number]) => chip(state === "failed" ? "failing" : state === "deferred" ? "waiting" : "plain", whole(number) + " " + state)), run.snapshots.map((name) => link("snapshots/" + name, "snapshot " + Number(name.split("-")[0])))),
      run.problem && h("div", { class: "text" }, run.problem.owner + ": " + run.problem.text), run.held && h("div", { class: "text" }, run.held))));
  return ["Runs", h("h1", { tabindex: -1 }, "Runs"), nothing(), mirror.status && (last ? [h("p", { class: "soft" }, "The last ", count(runs.length, "run"), ", oldest first; those in which something failed are red."), charts, h("h2", {}, "Run by run"), list.node] : h("p", { class: "note" }, "No run has ended yet."))];
}

function diskPage() {
  const disk = mirror.status && mirror.status.disk;
  const told = mirror.snapshots && mirror.snapshots.disk;
  const history = ((mirror.snapshots && mirror.snapshots.snapshots) || []).filter((each) => each.disk).slice(0, 60).reverse();
  const points = (key) => history.map((each) => ({ value: each.disk[key], words: "snapshot " + each.sequence, kind: key === "named" ? "soft" : "" }));
  const used = disk && disk.total ? (disk.total - disk.free) / disk.total : 0;
  return ["Disk", h("h1", { tabindex: -1 }, "Disk"), nothing(),
    told && [h("ul", { class: "tiles" }, tile(size(told.stored), "stored, every byte once"), tile(size(told.named), "what the tags come to, each for itself"), tile(size(told.saved), "saved by sharing", "fresh"), tile(whole(told.files), "files")),
      h("p", { class: "soft" }, "Stored is all that is on disk, also what only earlier snapshots have.")],
    disk && [h("h2", {}, "The filesystem"), h("p", {}, size(disk.free), " of ", size(disk.total), " free; ", size(disk.reserve), " are kept free."),
      s("svg", { class: "meter", viewBox: "0 0 100 4", preserveAspectRatio: "none", role: "img", "aria-label": Math.round(used * 100) + " % of the filesystem are used" }, s("rect", { class: "rest", width: 100, height: 4 }), s("rect", { class: "bar", width: used * 100, height: 4 }))],
    history.length ? [h("h2", {}, "Publication by publication"), h("div", { class: "charts" }, chart("Stored", size(told.stored), points("stored"), size), chart("What the tags come to", size(told.named), points("named"), size))] : null];
}

function changesOf(entry) {
  if (!entry.changes) return h("p", { class: "soft text" }, "What it changed is not known: " + entry.problem);
  const rest = entry.counts.added + entry.counts.removed + entry.counts.moved - entry.changes.length;
  const row = (each) => h("tr", {}, h("th", { scope: "row" }, link(imagePath(each.repository + ":" + each.tag), each.repository + ":" + each.tag)), h("td", {}, !each.old ? "added" : !each.new ? "removed" : "moved"),
    h("td", { class: "wide" }, h("code", {}, each.old ? short(each.old) : "–"), " → ", h("code", {}, each.new ? short(each.new) : "–")));
  const label = "Changes of snapshot " + entry.sequence;
  return entry.changes.length ? [h("div", { class: "table", tabindex: 0, role: "region", "aria-label": label }, h("table", { "aria-label": label }, h("thead", {}, h("tr", {}, ["Tag", "Change"].map((words) => h("th", { scope: "col" }, words)), h("th", { scope: "col", class: "wide" }, "Digest"))), h("tbody", {}, entry.changes.map(row)))), rest > 0 && h("p", { class: "soft" }, "… and ", count(rest, "more tag"), "; ", h("code", {}, "mirrord snapshots diff " + (entry.against || "") + " " + entry.name), " lists them.")]
    : h("p", { class: "soft" }, "No tag of an image changed.");
}

function snapshotsPage(query, wanted) {
  const told = mirror.snapshots;
  const hold = told && told.hold;
  const entries = ((told && told.snapshots) || []).map((entry) => {
    const counts = entry.counts && ["added", "moved", "removed"].filter((what) => entry.counts[what]).map((what) => whole(entry.counts[what]) + " " + what).join(", ");
    const body = h("div");
    const details = h("details", { id: "snapshot-" + entry.name, toggle: () => {
      if (!details.open || body.childNodes.length) return;
      const command = "mirrord snapshots rollback " + entry.sequence;
      fill(body, {}, [h("p", { class: "text" }, entry.reason), h("p", { class: "soft" }, repositoriesOf(entry.repositories), ", ", count(entry.tags, "tag"), entry.against ? ", against snapshot " + Number(entry.against.split("-")[0]) : ""), changesOf(entry),
        !entry.served && [h("p", {}, "To serve it again, and hold it there until ", h("code", {}, "mirrord snapshots release"), ":"), copying("rollback", command)]]);
    } }, h("summary", {}, h("strong", {}, "Snapshot " + entry.sequence), " ", moment(entry.published), " ", entry.served && chip("fresh", "served"), entry.pinned && chip("plain", "pinned"), " ", soft(counts || (entry.counts ? "no tag changed" : ""))), body);
    if (entry.name === wanted) details.open = true;
    return details;
  });
  return ["Snapshots", h("h1", { tabindex: -1 }, "Snapshots"), nothing(),
    hold && h("div", { class: "note waiting" }, h("p", {}, h("strong", {}, "A rollback holds: "), hold.snapshot ? "everything stays at snapshot " + hold.snapshot : Object.entries(hold.repositories).map(([name, at]) => name + " stays at " + at).join(", "), ", since ", moment(hold.since), "."), h("p", {}, "Until ", h("code", {}, "mirrord snapshots release"), " runs publish nothing of it.")),
    told && (entries.length ? [h("p", { class: "soft" }, "Each is what one publication made: all tags at one moment. Going back is one command."), entries] : h("p", { class: "note" }, "Nothing was published yet."))];
}

// ---- one repository, and one image of it ----

function imagePage(query, name) {
  const [repository] = name.split(/[:@]/, 1);
  const reference = name.slice(repository.length);
  if (!isRepository(repository) || (reference && !isName(repository, reference))) return absent(name);
  return reference ? onePage(repository, reference) : repositoryPage(repository, query);
}

async function toldOf(repository) {
  const told = await ask("/status/repositories/" + encoded(repository) + ".json");
  if (told) return told;
  const list = await ask("/v2/" + encoded(repository) + "/tags/list");
  return list && { name: repository, tags: Object.fromEntries(list.tags.map((tag) => [tag, {}])), digests: [], history: {} };
}

const crumbs = (...parts) => h("p", { class: "crumbs" }, link("", "Images"), parts.map((part) => [" / ", part]));

function absent(name) {
  const image = mirror.status && own(mirror.status.images, name);
  const state = image && stateOf(image);
  return [name, crumbs(), h("h1", { tabindex: -1 }, name), h("p", { class: "note" }, "That is not served here. ", link("", "What is?")),
    image && (image.error || image.note) && h("div", { class: "note " + state }, explained(image, state))];
}

function attachedChips(told) {
  const kinds = {};
  for (const each of told.attached || []) kinds[each.what] = (kinds[each.what] || 0) + 1;
  return Object.entries(kinds).map(([what, number]) => chip("plain", number > 1 ? number + " " + what : what));
}

async function repositoryPage(repository, query) {
  const told = await toldOf(repository);
  if (!told) return absent(repository);
  const images = (mirror.status && mirror.status.images) || {};
  const strays = Object.entries(images).filter(([name, image]) => repositoryIn(name) === repository && (image.error || image.note) && !own(told.tags, name.slice(repository.length + 1)));
  const list = rows([{ words: "Tag" }, { words: "Digest", class: "wide" }, { words: "Platforms", class: "wide" }, { words: "Size", class: "number" }, { words: "First seen", class: "wide" }, { words: "Freshness" }], "Tags of " + repository);
  const tags = Object.entries(told.tags).map(([tag, held]) => ({ tag, held, lower: tag.toLowerCase() }));
  tags.sort((one, other) => collator.compare(other.tag, one.tag));
  const find = finder("Search tags and digests", query.get("q") || "", (words) => {
    const found = words ? tags.filter((each) => each.lower.includes(words) || (each.held.digest || "").includes(words)) : tags;
    list.show(found, ({ tag, held }) => {
      const image = own(images, repository + ":" + tag);
      const state = image ? stateOf(image) : "";
      return h("tr", {}, h("th", { scope: "row" }, link(imagePath(repository + ":" + tag), tag), h("div", { class: "chips" }, attachedChips(held))), h("td", { class: "wide" }, held.digest ? h("code", {}, short(held.digest)) : "–"),
        h("td", { class: "wide" }, plural(held.platforms) || "–"), h("td", { class: "number" }, size(held.size)), h("td", { class: "wide" }, held.first_seen ? moment(held.first_seen) : "–"), h("td", {}, state ? chip(state, state) : ""));
    });
    return count(found.length, "tag") + (words ? " found" : "");
  });
  find.look();
  const gone = Object.entries(told.history || {}).filter(([tag, moments]) => !own(told.tags, tag) && moments.length);
  return [repository, crumbs(), h("h1", { tabindex: -1 }, repository), told.upstream && h("p", { class: "soft" }, "Mirrored from ", h("code", {}, told.upstream)),
    strays.map(([name, image]) => h("div", { class: "note " + stateOf(image) }, h("strong", {}, name), explained(image, stateOf(image)))),
    find.node, list.node,
    told.digests.length ? [h("h2", {}, "Kept by digest"), h("ul", { class: "plain" }, told.digests.map((held) => h("li", {}, link(imagePath(repository + "@" + held.digest), h("code", {}, held.digest)), " ", soft(size(held.size)))))] : null,
    gone.length ? [h("h2", {}, "Served no more"), h("ul", { class: "plain" }, gone.map(([tag, moments]) => h("li", {}, h("strong", {}, tag), " ", soft("gone ", moment(moments[0].published)))))] : null];
}

const collator = new Intl.Collator("en", { numeric: true });

async function onePage(repository, reference) {
  const name = repository + reference;
  const told = await toldOf(repository);
  const held = told && (reference[0] === ":" ? own(told.tags, reference.slice(1)) : told.digests.find((each) => "@" + each.digest === reference) || {});
  if (!held) return absent(name);
  const manifest = await ask("/v2/" + encoded(repository) + "/manifests/" + encodeURIComponent(held.digest || reference.slice(1)), "json", ACCEPT);
  const image = mirror.status && own(mirror.status.images, name);
  const state = image ? stateOf(image) : "";
  const facts = [
    ["Digest", held.digest && h("code", {}, held.digest)], ["Platforms", plural(held.platforms)],
    ["Size", typeof held.size === "number" && [size(held.size), typeof held.alone === "number" ? soft(", of which ", size(held.alone), " are its own and ", size(Math.max(0, held.size - held.alone)), " shared with other tags of it") : ""]],
    ["First seen", held.first_seen && moment(held.first_seen)], ["Added by", held.source === "command" ? "a command" : held.source === "load" && "a bundle"],
  ].filter(([, value]) => value);
  const commands = pulls(repository, reference);
  const parts = manifest ? await contents(repository, manifest) : h("p", { class: "soft" }, "Its manifest is not served any more.");
  const moments = own(told.history, reference.slice(1)) || [];
  return [name, crumbs(link("image/" + encodeURI(repository), repository)), h("h1", { tabindex: -1 }, name, " ", state && chip(state, state)),
    image && (image.error || image.note || state !== "fresh") && h("div", { class: "note " + state }, explained(image, state)),
    h("dl", {}, facts.map(([word, value]) => [h("dt", {}, word), h("dd", {}, value)])),
    h("h2", {}, "Pull it"), commands ? [commands, address().plain && h("p", { class: "soft" }, "Over plain HTTP Docker asks only a registry at localhost, or one in its insecure-registries.")] : h("p", { class: "soft" }, "Its name is none that a client could ask for."),
    h("h2", {}, "Signatures, SBOMs and the like"),
    (held.attached || []).length ? h("ul", { class: "plain" }, held.attached.map((each) => h("li", {}, chip("plain", each.what), " ", h("span", { class: "text" }, each.type), " ", h("code", {}, short(each.digest)))), held.attached_count > held.attached.length && h("li", { class: "soft" }, "… and ", held.attached_count - held.attached.length, " more")) : h("p", { class: "soft" }, "None is here."),
    h("h2", {}, "What is in it"), parts,
    moments.length ? [h("h2", {}, "What the tag named"), h("ol", { class: "plain" }, moments.map((each) => h("li", {}, moment(each.published), " ", each.digest ? h("code", {}, short(each.digest)) : soft("not served"), " ", link("snapshots/" + each.snapshot, "snapshot " + Number(String(each.snapshot).split("-")[0])))))] : null];
}

async function contents(repository, manifest) {
  if (!Array.isArray(manifest.manifests)) return layers(manifest, "Layers", true);
  const children = manifest.manifests.slice(0, 64);
  const found = await Promise.all(children.map((child) => ask("/v2/" + encoded(repository) + "/manifests/" + encodeURIComponent(child.digest), "json", ACCEPT)));
  const rest = manifest.manifests.length - children.length;
  return [children.map((child, at) => {
    const platform = child.platform && child.platform.os !== "unknown" ? [child.platform.os, child.platform.architecture, child.platform.variant].filter(Boolean).join("/") : (child.annotations || {})["vnd.docker.reference.type"] || child.artifactType || "other";
    return found[at] ? layers(found[at], platform, children.length === 1) : h("p", { class: "soft" }, platform, ": not kept here");
  }), rest > 0 && h("p", { class: "soft" }, "… and ", rest, " more")];
}

function layers(manifest, words, isOpen) {
  const listed = Array.isArray(manifest.layers) ? manifest.layers : [];
  const total = listed.reduce((sum, layer) => sum + (Number(layer.size) || 0), 0);
  return h("details", { open: isOpen }, h("summary", {}, h("strong", {}, words), " ", soft(count(listed.length, "layer"), ", ", size(total))),
    h("ol", { class: "plain" }, listed.slice(0, 500).map((layer) => h("li", {}, h("code", {}, short(layer.digest)), " ", size(layer.size), " ", soft(layer.mediaType)))));
}

// ---- going from page to page ----

const PAGES = { "": imagesPage, image: imagePage, freshness: freshnessPage, runs: runsPage, disk: diskPage, snapshots: snapshotsPage };
let turn = 0;
let isFirst = true;

function place() {
  const [path, words = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
  const [page, ...rest] = path.split("/");
  let what = rest.join("/");
  try { what = decodeURIComponent(what); } catch { /* as it is */ }
  return { page: Object.hasOwn(PAGES, page) ? page : "", what, query: new URLSearchParams(words) };
}

async function render() {
  const { page, what, query } = place();
  const mine = ++turn;
  let found;
  try {
    found = await PAGES[page](query, what);
  } catch (error) {
    found = ["Mirror", h("h1", { tabindex: -1 }, "That could not be shown"), h("p", { class: "note failing text" }, error.message)];
  }
  if (mine !== turn) return;
  const [title, ...nodes] = found;
  const main = byId("main");
  observer.disconnect();
  main.replaceChildren();
  fill(main, {}, nodes);
  for (const more of main.querySelectorAll("button.more:not([hidden])")) observer.observe(more);
  document.title = clean(title) + " · " + address().host;
  byId("host").textContent = address().host;
  for (const each of document.querySelectorAll("nav a")) {
    const target = each.getAttribute("href").slice(2);
    if (target === page || (target === "" && page === "image")) each.setAttribute("aria-current", "page");
    else each.removeAttribute("aria-current");
  }
  const about = mirror.status && [ "mirrord ", mirror.status.version, ", as of ", moment(mirror.status.written), mirror.status.snapshot ? ", serving snapshot " + Number(mirror.status.snapshot.split("-")[0]) : "" ];
  byId("footer").replaceChildren();
  fill(byId("footer"), {}, about ? [h("p", {}, about)] : []);
  if (!isFirst) {
    scrollTo(0, 0);
    const opened = what && page === "snapshots" && byId("snapshot-" + what);
    if (opened) opened.scrollIntoView();
    const heading = main.querySelector("h1");
    if (heading) heading.focus({ preventScroll: true });
  }
  isFirst = false;
  document.documentElement.dataset.shown = String(mine);
}

async function lookForNews() {
  if (document.hidden) return;
  try {
    const status = await ask("/status/status.json");
    if (status && (!mirror.status || status.written !== mirror.status.written)) byId("news").hidden = false;
  } catch { /* the next look may reach it */ }
}

byId("show-news").addEventListener("click", async () => {
  byId("news").hidden = true;
  await load();
  await render();
});
byId("skip").addEventListener("click", (event) => { event.preventDefault(); byId("main").focus(); });
addEventListener("hashchange", render);
setInterval(lookForNews, LOOK);
load().then(render);
