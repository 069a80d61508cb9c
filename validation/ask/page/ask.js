// The page of the service. Text of documents and answers is only ever set as text: nothing of it is parsed as markup or followed as a link.
"use strict";

const $ = (id) => document.getElementById(id);
const NAMES = { embed: "embed", search: "search", rerank: "rerank", first_token: "first token", answer: "whole answer", originals: "originals" };
let key = sessionStorage.getItem("key") || "";
let passages = [];
let asking = null;
let opened = null; // what had the focus before the document was opened

function element(tag, text = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

async function call(path, body, signal) {
  const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
  const sent = body ? { method: "POST", body: JSON.stringify(body) } : {};
  const response = await fetch(path, { ...sent, headers, signal });
  if (response.ok) return response;
  const told = await response.json().catch(() => ({}));
  throw Object.assign(new Error(told.error?.message || `the service answered ${response.status}`), { status: response.status });
}

function explained(error) {
  return error instanceof TypeError ? "The service does not answer. Is the network there?" : error.message;
}

async function start() {
  $("sign-in").hidden = Boolean(key);
  $("asking").hidden = $("sign-out").hidden = true;
  if (!key) return $("key").focus();
  try {
    const models = (await (await call("v1/models")).json()).data;
    $("collection").replaceChildren(...models.map((model) => new Option(model.id, model.id)));
    const wanted = new URLSearchParams(location.hash.slice(1)).get("collection") || sessionStorage.getItem("collection");
    if (models.some((model) => model.id === wanted)) $("collection").value = wanted;
    $("asking").hidden = $("sign-out").hidden = false;
    if (!models.length) show("There is no collection yet: fill one with ingest.");
    $("question").focus();
  } catch (error) {
    if (error.status === 401) sessionStorage.removeItem("key");
    $("sign-in").hidden = false;
    $("key-error").textContent = error.status === 401 ? "This key opens nothing." : explained(error);
    $("key").focus();
  }
}

function show(problem) {
  $("result").hidden = false;
  $("error").textContent = problem;
}

function clear(question) {
  for (const id of ["answer", "passages", "stages", "error", "status"]) $(id).textContent = "";
  for (const id of ["unanswered", "uncited", "stages-title", "passages-title"]) $(id).hidden = true;
  passages = [];
  close();
  $("asked").textContent = question;
  $("result").hidden = false;
  $("answer").hidden = false;
}

function busy(is) {
  $("answer").setAttribute("aria-busy", is);
  $("send").hidden = is;
  $("stop").hidden = !is;
}

async function ask(event) {
  event.preventDefault();
  const question = $("question").value.trim();
  if (!question || asking) return;
  clear(question);
  busy(true);
  sessionStorage.setItem("collection", $("collection").value);
  asking = new AbortController();
  const filters = Object.fromEntries(["language", "path", "access"].map((name) => [name, $(name).value.trim()]));
  const body = { model: $("collection").value, messages: [{ role: "user", content: question }], stream: true, sources_in_text: false, ...filters };
  try {
    const response = await call("v1/chat/completions", body, asking.signal);
    await read(response.body.getReader());
  } catch (error) {
    if (error.name === "AbortError") $("status").textContent = "Stopped.";
    else show(explained(error));
  } finally {
    busy(false);
    asking = null;
    $("answer").hidden = !$("answer").textContent;
  }
}

async function read(reader) {
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line.startsWith("data: {")) take(JSON.parse(line.slice(6)));
  }
}

function take(event) {
  if (event.error) return show(event.error.message);
  if (event.passages) {
    passages = event.passages;
    list();
  }
  if (event.stages_ms) stages(event.stages_ms);
  const delta = event.choices[0].delta;
  if (delta.content) $("answer").append(delta.content);
  if (event.citations) finish(event);
}

function finish(event) {
  cite(event.citations.map((each) => each.number));
  $("unanswered").hidden = event.answered;
  $("uncited").hidden = !event.uncited.length;
  $("uncited").textContent = `${event.uncited.map((number) => `[${number}]`).join(", ")} is no source of this answer.`;
  for (const { number, problem } of event.citations) {
    const item = $("passages").children[number - 1].firstChild;
    item.prepend(element("span", problem ? "cited, original not available · " : "cited · ", "cited"));
  }
  $("status").textContent = `The answer is complete, with ${event.citations.length} citations.`;
}

function cite(numbers) {
  const parts = $("answer").textContent.split(/(\[\d{1,3}\])/);
  $("answer").replaceChildren(
    ...parts.map((part) => {
      const number = Number(part.slice(1, -1));
      if (!/^\[\d+\]$/.test(part) || !numbers.includes(number)) return part;
      const button = element("button", String(number), "cite");
      button.type = "button";
      button.setAttribute("aria-label", `Citation ${number}: ${passages[number - 1].place}`);
      button.addEventListener("click", () => open(number, button));
      return button;
    }),
  );
}

function list() {
  $("passages-title").hidden = !passages.length;
  $("passages").replaceChildren(
    ...passages.map((passage) => {
      const item = element("li");
      const button = element("button");
      button.type = "button";
      button.setAttribute("aria-pressed", "false");
      const text = element("span", passage.text, "text");
      if (/^[a-z]{2}$/.test(passage.language)) text.lang = passage.language;
      button.append(element("span", `${passage.language} · ${passage.score.toFixed(3)}`, "meta"), `[${passage.number}] ${passage.place}`, text);
      button.addEventListener("click", () => open(passage.number, button));
      item.append(button);
      return item;
    }),
  );
}

function stages(ms) {
  const most = Math.max(...Object.values(ms), 1);
  $("stages-title").hidden = false;
  $("stages").replaceChildren(
    ...Object.entries(ms).map(([name, value]) => {
      const item = element("li");
      const meter = element("meter");
      meter.max = most;
      meter.value = value;
      meter.setAttribute("aria-hidden", "true");
      item.append(element("span", NAMES[name] || name), meter, element("span", `${value.toFixed(1)} ms`, "ms"));
      return item;
    }),
  );
}

async function open(number, from) {
  const passage = passages[number - 1];
  [...$("passages").children].forEach((item, at) => item.firstChild.setAttribute("aria-pressed", String(at === number - 1)));
  try {
    const path = `v1/passages/${passage.id}?collection=${encodeURIComponent($("collection").value)}`;
    draw(await (await call(path)).json());
    opened = from;
    $("document").focus({ preventScroll: true });
    $("chunks").scrollTop = $("chunks").querySelector("mark").offsetTop - $("chunks").offsetTop - 64;
    if (!matchMedia("(min-width: 56rem)").matches) $("document").scrollIntoView();
  } catch (error) {
    show(explained(error));
  }
}

function draw(told) {
  $("document").hidden = false;
  $("document-title").textContent = told.title || told.source;
  $("document-source").textContent = told.source;
  $("document").lang = /^[a-z]{2}$/.test(told.language) ? told.language : "";
  $("original").hidden = !told.link;
  if (/^https?:\/\//.test(told.link)) $("original").href = told.link;
  $("document-problem").hidden = !told.problem;
  $("document-problem").textContent = `Original not available: ${told.problem}`;
  const nodes = [];
  let section = "";
  for (const chunk of told.chunks) {
    if (chunk.section !== section) nodes.push(element("h3", (section = chunk.section)));
    const where = [chunk.page && `page ${chunk.page}`, chunk.time_code].filter(Boolean).join(", ");
    if (where) nodes.push(element("span", where, "where"));
    nodes.push(element(chunk.position === told.position ? "mark" : "p", chunk.text));
  }
  $("chunks").replaceChildren(...nodes);
}

function close() {
  $("document").hidden = true;
  for (const item of $("passages").children) item.firstChild.setAttribute("aria-pressed", "false");
  if (opened?.isConnected) opened.focus();
  opened = null;
}

$("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  key = $("key").value.trim();
  sessionStorage.setItem("key", key);
  $("key").value = $("key-error").textContent = "";
  start();
});
$("sign-out").addEventListener("submit", (event) => {
  event.preventDefault();
  asking?.abort();
  sessionStorage.clear();
  location.reload();
});
$("ask").addEventListener("submit", ask);
$("question").addEventListener("keydown", (event) => {
  // while Chinese or Japanese is being composed, Enter chooses a word
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) ask(event);
});
$("stop").addEventListener("click", () => asking?.abort());
$("close").addEventListener("click", close);
document.addEventListener("keydown", (event) => event.key === "Escape" && !$("document").hidden && close());
start();
