// Comfort only: every page does all it does without this.
for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", (event) => {
    if (form.target) return;
    if (form.dataset.sent) event.preventDefault(); // a second click on a slow line; the server counts it once in any case
    form.dataset.sent = "yes";
  });
}
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// How many fields will leave, while somebody chooses.
const answer = document.querySelector("form[data-live]");
if (answer) {
  const said = document.getElementById("cuenta");
  const ways = [...answer.querySelectorAll("select[name^='s-']")];
  const count = () => {
    const leaving = ways.filter((way) => way.value).length;
    for (const way of ways) way.closest("td").classList.toggle("yes", Boolean(way.value));
    said.textContent = answer.dataset.live.replace("{n}", leaving).replace("{m}", ways.length);
  };
  answer.addEventListener("change", count);
  count();
}

// Two minutes before a session that nobody uses ends: say so, and let whoever is writing go on without leaving the page.
const session = document.getElementById("sesion");
if (session) {
  const warning = session.querySelector("strong");
  const seconds = Number(session.dataset.idle);
  let timer = 0;
  const wait = (left) => {
    clearTimeout(timer);
    warning.hidden = true;
    timer = setTimeout(() => {
      warning.hidden = false;
      session.classList.add("soon");
    }, Math.max(0, left - 120) * 1000);
  };
  wait(seconds);
  session.addEventListener("submit", async (event) => {
    event.preventDefault();
    const answer = await fetch(session.action, { method: "POST", body: new URLSearchParams(new FormData(session)) }).catch(() => null);
    if (!answer || !answer.ok) return session.submit(); // its own window says what is wrong
    const page = await answer.text();
    session.querySelector("time").textContent = /<time>([0-9:]+)<\/time>/.exec(page)?.[1] ?? "";
    session.classList.remove("soon");
    wait(Number(/data-idle="(\d+)"/.exec(page)?.[1] ?? seconds));
  });
}

// What somebody writes is saved on the server while they write; nothing is kept in the browser.
const EVERY = 20000;
for (const form of document.querySelectorAll("form[data-draft]")) {
  const version = form.elements.borrador;
  const status = document.getElementById("guardado");
  let unsaved = false;
  let stopped = false;
  let busy = false;
  let saving = Promise.resolve();
  const say = (text) => {
    status.textContent = text;
  };
  const save = () => {
    if (!unsaved || stopped || busy || form.dataset.sent) return;
    busy = true;
    saving = send();
  };
  const send = async () => {
    unsaved = false;
    try {
      const body = new URLSearchParams(new FormData(form));
      const keepalive = body.toString().length < 60000; // what a browser still sends while the page is being left
      const answer = await fetch(form.dataset.draft, {method: "POST", body, keepalive, redirect: "error"});
      const json = (answer.headers.get("Content-Type") || "").startsWith("application/json");
      if (json) {
        const told = await answer.json();
        if (answer.ok) version.value = told.version;
        else stopped = answer.status === 409;
        status.dataset.said = answer.ok ? told.said : status.dataset.said;
        say(told.said);
      } else {
        unsaved = true;
        stopped = answer.status < 500;
        say(`${form.dataset.ended} ${status.dataset.said}`);
      }
    } catch {
      unsaved = true;
      say(`${form.dataset.offline} ${status.dataset.said}`);
    }
    busy = false;
  };
  form.addEventListener("input", () => {
    unsaved = true;
  });
  form.addEventListener("focusout", (event) => {
    if (event.relatedTarget?.type !== "submit") save(); // what goes to a button is about to be sent whole
  });
  form.addEventListener("submit", (event) => {
    if (!busy || event.defaultPrevented) return;
    event.preventDefault(); // what is being saved is this very text: it would look like another window's
    delete form.dataset.sent;
    saving.then(() => form.requestSubmit(event.submitter));
  });
  addEventListener("pagehide", save);
  setInterval(save, EVERY);
}

// Passkeys: the browser asks the authenticator; its answer goes with the form.
const key = document.querySelector("form[data-llave]");
if (key) {
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const failed = key.querySelector("[data-fallo]");
  let busy = false;
  const ask = async () => {
    const asked = JSON.parse(key.dataset.opciones);
    asked.challenge = bytes(asked.challenge);
    if (asked.user) asked.user.id = bytes(asked.user.id);
    for (const one of [...(asked.excludeCredentials ?? []), ...(asked.allowCredentials ?? [])]) one.id = bytes(one.id);
    const found = await navigator.credentials[key.dataset.llave]({ publicKey: asked });
    const response = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (found.response[name]) response[name] = text(found.response[name]);
    }
    const answer = { id: found.id, rawId: text(found.rawId), type: found.type, response, clientExtensionResults: {} };
    key.elements.respuesta.value = JSON.stringify(answer);
    key.submit();
  };
  key.addEventListener("submit", (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    failed.hidden = true;
    ask().catch(() => {
      failed.hidden = busy = false;
      delete key.dataset.sent;
    });
  });
  if (key.dataset.llave === "get") key.requestSubmit();
}

// What another site's sign-in brought goes on from a page of ours.
document.querySelector("form[data-sigue]")?.requestSubmit();
