// The annotators' desk. What is filled in goes into the browser's own storage at once and to the server a moment later, so neither a lost
// connection nor a closed window loses anything.
"use strict";

const $ = (id) => document.getElementById(id);
const CHOICES = [["left", "A", "A is better"], ["right", "B", "B is better"], ["tie", "T", "Equally good"], ["bad", "N", "Both bad"]];
const NOUNS = {image: "Picture", audio: "Sound", video: "Clip"};
const SAVE_AFTER = 800;      // ms after the last change
const RETRY_AFTER = 3000;    // ms between tries without a connection
const BEAT_EVERY = 60000;    // ms between signs of life, which keep the task reserved
const IDLE_AFTER = 60000;    // ms without a sign of the annotator after which their time stops

const key_of = (id) => `nextgpt-desk-${id}`;
const outbox_of = (id) => key_of(`outbox-${me}-${id}`);  // of one annotator and one item: others may use this browser, and other windows be open
const MOST_TRIES = 20;       // times that the server may fail until a judgement is put aside

let going = 0;               // number of the newest way to somewhere: answers to older ones come too late
let campaign = null;         // id of the open campaign
let about = null;            // what the server says about it
let task = null;             // what is judged
let sheet = null;            // what is filled in
let current = 0;             // number of the marked question
let saving = 0;              // timer of the next save
let me = "";                 // who the annotator is, as a number that says nothing
let outbox = null;           // the judgement that waits to be sent: {id, path, body}
let failed = 0;              // how often the server failed to take it
let delivering = false;      // whether it is on its way
let retrying = 0;            // timer of the next try
let stirred = Date.now();    // when the annotator last did something

class Refused extends Error {
  constructor(sentence, status) {
    super(sentence);
    this.status = status;
  }
}

async function call(path, body) {
  const options = body === undefined ? {} : {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)};
  const answer = await fetch(`annotate/api/${path}`, options);  // a failed connection throws TypeError
  const said = await answer.json().catch(() => null);
  if (answer.status >= 500 || answer.status === 429) throw new Unwell();  // it may be well soon
  if (said === null) throw new TypeError("somebody else answered, such as a page to sign in to a network");
  if (!answer.ok) throw new Refused(said.error, answer.status);
  return said;
}

class Unwell extends TypeError {}

function element(name, given = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(given)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key in made && key !== "form") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

function problem(text) {
  $("problem").textContent = text || "";
  $("problem").hidden = !text;
}

function offline(text) {
  $("offline").textContent = text || "";
  $("offline").hidden = !text;
}

// ---- The list of campaigns ----

async function list() {
  clearTimeout(saving);
  const mine = ++going;
  campaign = task = sheet = null;
  $("main").replaceChildren(element("p", {}, "Loading …"));
  $("leave").hidden = $("help-button").hidden = true;
  $("progress").textContent = $("saved").textContent = "";
  let found;
  try {
    found = await call("campaigns");
  } catch (error) {
    if (mine !== going) return;
    if (!(error instanceof Refused)) return later(() => mine === going && list());
    $("main").replaceChildren(element("h1", {}, "Annotate"), element("p", {}, error.message),
      element("p", {}, element("a", {href: "account"}, "Account")));
    return;
  }
  if (mine !== going) return;
  known(found.me);
  offline("");
  problem("");
  const admin = found.admin ? element("p", {}, element("a", {href: "annotate/admin"}, "Campaigns and statistics")) : null;
  if (!found.agreed) return terms(admin);
  const cards = found.campaigns.map((one) => {
    const all = one.done + one.left;
    const state = one.left ? `${one.done} done, up to ${one.left} for you now` : one.open ? `${one.done} done, nothing for you now` : `${one.done} done, closed`;
    const way = one.mode === "pairwise" ? "two answers side by side" : "one answer at a time";
    return element("li", {}, element("span", {}, element("strong", {}, one.title), element("br"), `${way}: ${state}`),
      element("progress", {max: all || 1, value: one.done, "aria-label": `${one.done} of ${all} done`}),
      element("button", {className: "main", onclick: () => enter(one.id)}, one.left ? "Go on" : "Open"));
  });
  $("main").replaceChildren(element("h1", {}, "Annotate"), ...(admin ? [admin] : []),
    cards.length ? element("ul", {className: "cards"}, ...cards) : element("p", {}, "There is nothing to judge now."));
}

function terms(admin) {
  const agree = async () => {
    await call("agree", {}).catch((error) => problem(error.message));
    list();
  };
  $("main").replaceChildren(element("h1", {}, "Before you begin"), ...(admin ? [admin] : []),
    element("p", {}, "You judge answers of models without knowing which model made them. Kept for ever are: what you choose and write, when, in which "
      + "order the answers stood, how long you had them in front of you, and what you changed. In data sets you appear under a made-up name, "
      + "another one in each campaign."),
    element("p", {}, "Answers may be wrong, and pictures or sounds disturbing. You may skip any item, and stop at any time."),
    element("button", {className: "main", onclick: agree}, "I agree"));
}

// ---- One task ----

function enter(id) {
  campaign = id;
  location.hash = id;
  return next();
}

async function next() {
  await open(() => call(`campaigns/${campaign}/next`, {}));
}

async function back() {
  if (outbox) return;
  const mine = going;
  await keep();
  if (mine !== going) return;
  await open(() => call(`campaigns/${campaign}/back`, task ? {before: task.id} : {}));
}

async function open(ask) {
  let found;
  const [asked, mine] = [campaign, ++going];
  try {
    found = await ask();
  } catch (error) {
    if (mine !== going) return;
    if (!(error instanceof Refused)) return later(() => mine === going && open(ask));
    if (task) return problem(error.message);
    history.replaceState(null, "", location.pathname);
    return list();  // which says what is missing, such as the terms
  }
  if (mine !== going) return;
  known(found.me);
  offline("");
  problem("");
  about = found.campaign;
  $("leave").hidden = $("help-button").hidden = false;
  $("progress").textContent = about.left ? `${about.done} done, up to ${about.left} left` : `${about.done} done`;
  $("saved").textContent = "";
  if (!found.task) return finished();
  const read = key_of(`read-${asked}`);
  if (stored(read) !== about.version) {  // once, and again when they are new
    stored(read, about.version);
    guidelines();
  }
  task = found.task;
  task.bases = [said(task.sheet)];
  task.posted = outbox !== null && outbox.id === task.id;  // the page was loaded anew while it waits to be sent
  sheet = {answers: {}, flags: [], comment: "", played: {}, seconds: 0, ...task.sheet, ...remembered()};
  if (said(sheet) !== said(task.sheet)) saving = setTimeout(keep, SAVE_AFTER);
  current = Math.max(0, task.questions.findIndex((one) => !(one.key in sheet.answers)));
  show();
}

function finished() {
  task = sheet = null;
  $("main").replaceChildren(element("h1", {}, about.left || !about.open ? "This campaign is closed" : "Nothing is left for you here"),
    element("p", {}, about.open ? "Thank you. Others may still be at work, or answers may still be made: look in again later." : "Thank you."),
    element("div", {className: "actions"},
      element("button", {onclick: back, disabled: !about.done}, "Look at the last one again"),
      element("button", {className: "main", onclick: leave}, "All campaigns")));
  $("main").focus();
}

function leave() {
  keep();
  history.replaceState(null, "", location.pathname);
  list();
}

function show() {
  const compared = task.answers.length > 1;
  const sides = task.answers.map((answer, number) => {
    const name = compared ? `Answer ${"AB"[number]}` : "Answer";
    return element("section", {className: "answer", "aria-label": name}, element("h2", {}, name), ...answer.parts.map((part) => shown(part, name)));
  });
  const prompt = task.prompt.map((turn) => element("div", {}, task.prompt.length > 1 ? element("strong", {}, turn.role === "user" ? "User" : "Model") : null,
    ...turn.parts.map((part) => shown(part, "Request"))));
  const questions = task.questions.map(asked);
  const flags = element("div", {className: "options", role: "group", "aria-label": "Report"}, ...Object.entries(about.flags).map(([key, words]) =>
    element("label", {}, element("input", {type: "checkbox", checked: sheet.flags.includes(key), onchange: (event) => flag(key, event.target.checked)}), words)));
  const comment = element("textarea", {id: "comment", value: sheet.comment, maxLength: about.longest_comment, "aria-label": "Comment", placeholder: "Comment (not needed)",
    oninput: (event) => change(() => { sheet.comment = event.target.value; })});
  const both = compared && task.answers.every((answer) => answer.parts.some((part) => part.kind === "video"));
  players().forEach((one) => one.pause());
  $("main").replaceChildren(
    task.sent ? element("p", {}, "You have judged this before. If you send it again, the new judgement counts; the old one stays on record.") : "",
    element("section", {className: "prompt", "aria-label": "Request"}, element("h2", {}, task.prompt.length > 1 ? "Conversation and request" : "Request"), ...prompt),
    element("div", {className: compared ? "sides" : "sides one"}, ...sides),
    both ? element("p", {}, element("button", {onclick: together}, "Play both clips together")) : "",
    element("section", {"aria-label": "Judgement", id: "questions"}, ...questions),
    element("details", {id: "report", open: sheet.flags.length > 0 || sheet.comment !== ""}, element("summary", {}, "Report something, or comment"), flags, element("p"), comment),
    element("div", {className: "actions"},
      element("button", {className: "main", id: "send", onclick: send}, "Send"),
      element("button", {onclick: ask_skip}, "Skip"),
      element("button", {onclick: back, disabled: !about.done && !task.sent}, "Back"),
      element("button", {onclick: guidelines}, "Guidelines"),
      element("span", {className: "wait", id: "wait", role: "status"})));
  mark(current, false);
  update();
  window.scrollTo(0, 0);
  $("main").focus({preventScroll: true});
}

function shown(part, where) {
  if (part.kind === "text") return element("p", {className: "text"}, part.text);
  const [side, number] = part.place.split("/");
  const name = `${where}, ${NOUNS[part.kind].toLowerCase()} ${Number(number) + 1}`;
  const src = `annotate/media/${task.id}/${part.place}`;
  const failed = () => { caption.textContent = `${name} cannot be shown. Report it below, or skip this item.`; };
  const caption = element("figcaption", {});
  let medium;
  if (part.kind === "image") {
    const image = element("img", {src, alt: name, onerror: failed, onload: () => image.classList.toggle("small", image.naturalWidth < 256)});
    medium = element("button", {className: "zoom", "aria-label": `${name}: show in full size`, onclick: () => zoom(image)}, image);
  } else {
    medium = element(part.kind, {src, controls: true, preload: "auto", "aria-label": name, onerror: failed});
    if (part.kind === "video") {
      medium.playsInline = true;
      medium.addEventListener("loadedmetadata", () => medium.classList.toggle("small", medium.videoWidth < 256));
    }
    medium.dataset.place = part.place;
    const owner = task;
    const heard = () => { if (owner === task && medium.isConnected) listened(medium); };  // one that is taken away pauses as well
    for (const event of ["timeupdate", "ended", "pause"]) medium.addEventListener(event, heard);
    medium.addEventListener("play", () => players().forEach((other) => other !== medium && !other.dataset.together && other.pause()));
  }
  return element("figure", {className: "medium"}, medium, caption);
}

function zoom(image) {
  const dialog = $("zoom");
  dialog.querySelector("button").replaceChildren(element("img", {src: image.src, alt: image.alt}));
  dialog.showModal();
}

const players = () => [...document.querySelectorAll("#main audio, #main video")];

function listened(medium) {
  const place = medium.dataset.place;
  let sum = 0;
  for (let i = 0; i < medium.played.length; i++) sum += medium.played.end(i) - medium.played.start(i);
  const share = medium.duration > 0 ? Math.min(1, sum / medium.duration) : 0;
  if (!(share > (sheet.played[place] || 0))) return;
  const before = waits();
  sheet.played[place] = share;
  if (before !== waits()) change(() => {});
  update();
}

function asked(question, number) {
  const pairwise = about.mode === "pairwise";
  const options = pairwise ? CHOICES : [1, 2, 3, 4, 5].map((points) => [points, String(points), null]);
  const inputs = options.map(([value, key, words]) => element("label", {title: pairwise ? "" : question.anchors[value - 1]},
    element("input", {type: "radio", name: question.key, value: String(value), checked: sheet.answers[question.key] === value, onchange: () => answer(number, value)}),
    element("kbd", {}, key), words || ""));
  const anchors = element("details", {open: !pairwise}, element("summary", {}, pairwise ? "What the best and the worst look like" : "What the points mean"),
    element("ol", {}, ...question.anchors.map((anchor) => element("li", {}, anchor))));
  return element("fieldset", {onclick: () => mark(number, false)}, element("legend", {}, question.title), element("p", {className: "question"}, question.question),
    element("div", {className: "options"}, ...inputs), anchors);
}

function answer(number, value) {
  change(() => { sheet.answers[task.questions[number].key] = value; });
  document.querySelectorAll("#questions fieldset")[number].querySelectorAll("input").forEach((input) => { input.checked = input.value === String(value); });
  const missing = task.questions.findIndex((one) => !(one.key in sheet.answers));
  mark(missing < 0 ? number : missing, missing >= 0);
}

function mark(number, scroll) {
  current = Math.max(0, Math.min(number, task.questions.length - 1));
  document.querySelectorAll("#questions fieldset").forEach((field, i) => {
    field.classList.toggle("current", i === current);
    if (i === current && scroll) field.scrollIntoView({block: "nearest"});
  });
}

function flag(key, on) {
  change(() => { sheet.flags = sheet.flags.filter((one) => one !== key).concat(on ? [key] : []); });
}

function waits() {
  const unplayed = task.timed.filter((place) => (sheet.played[place] || 0) < task.play);
  const missing = task.questions.filter((one) => !(one.key in sheet.answers));
  if (unplayed.length) return `${unplayed.length === 1 ? "One sound or clip has" : `${unplayed.length} sounds or clips have`} to be played to the end.`;
  return missing.length ? `${missing.length} of ${task.questions.length} to judge.` : "";
}

function update() {
  const reason = waits();
  for (const part of [$("questions"), $("report")]) part.inert = Boolean(task.posted);
  $("wait").textContent = outbox ? "Your last judgement is being sent." : reason;
  $("send").disabled = Boolean(reason) || Boolean(outbox) || Boolean(task.posted);
  for (const medium of players()) {
    const figure = medium.closest("figure");
    const missing = task.timed.includes(medium.dataset.place) && (sheet.played[medium.dataset.place] || 0) < task.play;
    figure.classList.toggle("unplayed", missing);
    const caption = figure.querySelector("figcaption");
    if (!caption.textContent.includes("cannot")) caption.textContent = missing ? "not played yet" : "";
  }
}

function together() {
  const first = [...document.querySelectorAll(".answer")].map((side) => side.querySelector("video"));
  first.forEach((clip, i) => { clip.dataset.together = "yes"; clip.muted = i > 0; clip.currentTime = 0; });
  first.forEach((clip) => clip.play());
  const apart = () => first.forEach((clip) => {
    delete clip.dataset.together;
    clip.muted = false;
  });
  first.forEach((clip) => ["pause", "ended"].forEach((event) => clip.addEventListener(event, apart, {once: true})));
}

// ---- Keeping and sending ----

function change(how) {
  how();
  remember();
  update();
  $("saved").textContent = "…";
  clearTimeout(saving);
  saving = setTimeout(keep, SAVE_AFTER);
}

async function keep() {
  clearTimeout(saving);
  if (!task || task.sent || task.posted) return;
  const [kept, sent] = [task, JSON.parse(JSON.stringify(sheet))];
  const changed = said(sent) !== said(kept.sheet);  // otherwise it is a sign of life alone: another window may have something newer
  if (changed) {
    kept.bases.push(said(sent));
    remember();
  }
  try {
    await call(`tasks/${kept.id}/draft`, changed ? {sheet: sent} : {});
  } catch (error) {
    if (task !== kept) return;
    if (error instanceof Refused) return problem(error.message);
    $("saved").textContent = "";
    offline("No connection. What you fill in is kept in this browser and goes to the server as soon as there is one.");
    saving = setTimeout(keep, RETRY_AFTER);
    return;
  }
  if (changed) [kept.sheet, kept.bases] = [sent, [said(sent)]];
  if (task !== kept) return changed ? forget(kept.id) : undefined;
  offline("");
  if (said(sheet) === said(kept.sheet)) {
    forget(kept.id);
    $("saved").textContent = changed || $("saved").textContent ? "Saved" : "";
  } else remember();
}

// What this browser has and the server may not have yet, with what the server had before it or was sent: if the server has something else by now,
// from another browser, that is the newer one.
function said(one) {
  const played = Object.entries(one.played || {}).map(([place, share]) => [place, Math.round(share * 10)]);
  return JSON.stringify([Object.entries(one.answers || {}).sort(), [...(one.flags || [])].sort(), one.comment || "", played.sort()]);
}

function stored(key, value) {
  try {
    if (value === undefined) return JSON.parse(localStorage.getItem(key) || "null");
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, JSON.stringify(value));
  } catch { /* without storage the server keeps it alone */ }
  return null;
}

function remember() {
  stored(key_of(task.id), {bases: task.bases, sheet});
}

function remembered() {
  const local = stored(key_of(task.id));
  if (local && local.bases.includes(said(task.sheet))) return local.sheet;
  forget(task.id);
  return {};
}

function forget(id) {
  stored(key_of(id), null);
}

function send() {
  if (!waits()) post("send", {sheet});
}

function ask_skip() {
  if (outbox) return;
  $("skip-reasons").replaceChildren(...Object.entries(about.skips).map(([key, words]) =>
    element("button", {onclick: () => { $("skip").close(); post("skip", {sheet, reason: key}); }}, words)));
  $("skip").showModal();
}

function post(verb, body) {
  if (outbox || task.posted || !$("questions")) return;
  clearTimeout(saving);
  task.posted = true;
  outbox = {id: task.id, path: `tasks/${task.id}/${verb}`, body: JSON.parse(JSON.stringify(body))};
  stored(outbox_of(outbox.id), outbox);
  update();
  deliver();
}

// Sends what waits, one call at a time, whatever the page shows meanwhile.
async function deliver() {
  if (!outbox || delivering) return;
  clearTimeout(retrying);
  delivering = true;
  const sent = outbox;
  let [refusal, gone] = ["", false];
  try {
    await call(sent.path, sent.body);
  } catch (error) {
    failed += error instanceof Unwell;
    if (!(error instanceof Refused) && failed < MOST_TRIES) {
      offline("No connection. Your judgement is kept in this browser and is sent as soon as there is one.");
      retrying = setTimeout(deliver, RETRY_AFTER);
      return;
    }
    if (!(error instanceof Refused)) {
      stored(key_of(`aside-${sent.id}`), sent);
      [refusal, gone] = ["The server could not take one of your judgements. It is kept in this browser; tell whoever runs this site.", true];
    } else [refusal, gone] = [error.message, error.status === 410];  // its owner took it back: there is nothing to judge any more
  } finally {
    delivering = false;
  }
  stored(outbox_of(sent.id), null);
  [outbox, failed] = [null, 0];
  offline("");
  const shown_still = task && task.id === sent.id;
  if (!refusal || gone) forget(sent.id);
  if (refusal && shown_still && !gone) {
    task.posted = false;
    update();
  } else if (shown_still) await next();
  if (refusal) problem(refusal);
  waiting();
}

// The judgements that this annotator left in this browser are sent, one after the other.
function waiting() {
  let left = [];
  try { left = Object.keys(localStorage).filter((key) => key.startsWith(outbox_of(""))); } catch { /* there are none */ }
  if (outbox || !left.length) return;
  outbox = stored(left[0]);
  deliver();
}

function known(who) {
  if (me === who) return;
  me = who;
  waiting();
}

function later(what) {
  offline("No connection. Trying again …");
  setTimeout(what, RETRY_AFTER);
}

function guidelines() {
  $("guidelines-text").textContent = about.guidelines;
  $("guidelines").showModal();
}

// ---- Time, keys ----

setInterval(() => {
  if (sheet && !document.hidden && Date.now() - stirred < IDLE_AFTER) sheet.seconds = Math.min(86400, sheet.seconds + 1);
  const seconds = sheet ? Math.floor(sheet.seconds) : 0;
  $("time").textContent = sheet ? `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}` : "";
}, 1000);
setInterval(() => { if (task && !document.hidden) keep(); }, BEAT_EVERY);
for (const event of ["pointermove", "pointerdown", "keydown", "scroll"]) addEventListener(event, () => { stirred = Date.now(); }, {passive: true});
addEventListener("online", () => {
  deliver();
  keep();
});
addEventListener("pagehide", () => { if (task && !task.sent && said(sheet) !== said(task.sheet)) remember(); });

function space() {
  const all = players().filter((one) => one.closest(".answer"));
  const playing = players().filter((one) => !one.paused);
  if (playing.length) return playing.forEach((one) => one.pause());
  const following = all.find((one) => (sheet.played[one.dataset.place] || 0) < task.play) || all[0];
  if (following) following.play();
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const target = event.target;
  if (target.id === "comment") {
    if (event.key === "Escape") $("main").focus({preventScroll: true});
    return;
  }
  if (event.key === "?") return $("help").showModal();
  if (!task || task.posted || !$("questions")) return;
  const letter = event.key.toLowerCase();
  const choice = CHOICES.find((one) => one[1].toLowerCase() === letter);
  const onControl = target.closest("button, a, summary, audio, video") !== null;
  let did = true;
  if (about.mode === "pairwise" && choice) answer(current, choice[0]);
  else if (about.mode !== "pairwise" && "12345".includes(letter) && letter.length === 1) answer(current, Number(letter));
  else if (letter === "j") mark(current + 1, true);
  else if (letter === "k") mark(current - 1, true);
  else if (event.key === " " && !onControl && target.type !== "checkbox" && (target.type !== "radio" || target.checked)) space();
  else if (event.key === "Enter" && !onControl) send();
  else if (letter === "s") ask_skip();
  else if (letter === "g") guidelines();
  else if (letter === "z") back();
  else if (letter === "f") { $("report").open = true; $("report").querySelector("input").focus(); }
  else if (letter === "c") { $("report").open = true; $("comment").focus(); }
  else did = false;
  if (did) event.preventDefault();
}

addEventListener("keydown", press);
document.querySelectorAll("dialog").forEach((dialog) => dialog.addEventListener("close", () => $("main").focus({preventScroll: true})));
$("help-button").addEventListener("click", () => $("help").showModal());
$("leave").addEventListener("click", leave);
if (/^#[0-9a-f]{32}$/.test(location.hash)) enter(location.hash.slice(1));
else list();
