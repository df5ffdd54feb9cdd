// What is typed into a guarded form is kept in this tab until it is saved: a session that ends or a server that fails takes no text with it. Only
// that form is kept, no password and no secret, and signing out forgets it.
(() => {
  "use strict";
  const prefix = "draft:";
  const shownKey = "draft-shown";
  const longest = 24 * 3600 * 1000; // ms that a draft is kept in a tab that stays open

  // Storage may be switched off or full: then there are no drafts.
  const attempt = (f) => {
    try {
      return f();
    } catch {
      return undefined;
    }
  };
  const put = (key, draft) => attempt(() => sessionStorage.setItem(key, JSON.stringify(draft)));
  const drop = (key) => attempt(() => sessionStorage.removeItem(key));
  const drafts = () =>
    attempt(() =>
      Object.keys(sessionStorage)
        .filter((key) => key.startsWith(prefix))
        .map((key) => ({ key, ...JSON.parse(sessionStorage.getItem(key)) })),
    ) ?? [];

  const form = document.querySelector("form[data-guard]");
  const path = form && new URL(form.getAttribute("action"), location.href).pathname;
  const base = () => form.querySelector("[name=base]")?.value ?? "";
  const key = () => prefix + path + "@" + base();

  // entries lists the fields with their values, as they are or as they were loaded.
  const entries = (loaded) => {
    const out = [];
    for (const el of form.elements) {
      if (!el.name || el.name === "base" || /^(password|file|submit|button|reset|image)$/.test(el.type) || /pass|secret|token/i.test(el.name) || el.hasAttribute("data-pick-search")) continue;
      if (el.type === "radio" || el.type === "checkbox") {
        if (loaded ? el.defaultChecked : el.checked) out.push([el.name, el.value]);
      } else if (el.tagName === "SELECT") {
        const chosen = [...el.options].filter((o) => (loaded ? o.defaultSelected : o.selected));
        for (const o of chosen.length || el.multiple ? chosen : [...el.options].slice(0, 1)) out.push([el.name, o.value]);
      } else {
        out.push([el.name, loaded ? el.defaultValue : el.value]);
      }
    }
    return out;
  };
  // Blanks around a text are no difference: the server stores none.
  const same = (a, b) => JSON.stringify(a.map(([name, value]) => [name, value.trim()])) === JSON.stringify(b.map(([name, value]) => [name, value.trim()]));

  // Each form that is sent says which one it is, so that the server knows late ones, whichever way they took: this page's name and a number that rises, and
  // how far the page before this one in the tab had come.
  const turnKey = "turn:" + path;
  const before = form && attempt(() => sessionStorage.getItem(turnKey));
  const page = form && Array.from(crypto.getRandomValues(new Uint8Array(10)), (n) => (n % 36).toString(36)).join("");
  let turn = 0;
  let edited = 0; // the turn that the last edit followed; forms with a greater one hold it
  const nextTurn = () => {
    const own = `${page} ${++turn}`;
    attempt(() => sessionStorage.setItem(turnKey, own));
    return before ? `${own} ${before}` : own;
  };
  form?.addEventListener("formdata", (e) => e.formData.set("turn", nextTurn()));

  let sent = false; // the form is on its way to be saved
  let dropping = false; // Discard was pressed
  let drawing = false; // the server draws the draft; this page does not show it
  let unsaved = false; // what was loaded is neither saved nor drafted
  let loaded = [];
  const store = () => {
    if (drawing) return;
    const fields = entries(false);
    if (dropping || (!unsaved && same(fields, loaded))) drop(key());
    else put(key(), { path, base: base(), at: Date.now(), sent, fields, page, turn: edited });
  };

  // fill puts a draft into the form and reports whether its fields are there to hold it.
  const fill = (draft) => {
    const values = new Map();
    for (const [name, value] of draft.fields) values.set(name, [...(values.get(name) ?? []), value]);
    const names = new Set([...form.elements].map((el) => el.name));
    const hidden = [...form.elements].filter((el) => el.type === "hidden" && el.name !== "base");
    const fits = [...values.keys()].every((name) => names.has(name)) && hidden.every((el) => values.get(el.name)?.[0] === el.value);
    if (!fits) return false;
    for (const el of form.elements) {
      const found = values.get(el.name);
      if (el.type === "hidden" || (!found && el.type !== "checkbox")) continue;
      const before = el.type === "radio" || el.type === "checkbox" ? el.checked : el.value;
      if (el.type === "radio" || el.type === "checkbox") el.checked = (found ?? []).includes(el.value);
      else if (el.tagName === "SELECT" && el.multiple) for (const o of el.options) o.selected = found.includes(o.value);
      else if (/^(TEXTAREA|INPUT|SELECT)$/.test(el.tagName)) el.value = found.shift() ?? el.value;
      const now = el.type === "radio" || el.type === "checkbox" ? el.checked : el.value;
      if (now !== before) el.dispatchEvent(new Event(el.tagName === "TEXTAREA" || el.type === "text" ? "input" : "change", { bubbles: true }));
    }
    return true;
  };

  // draw has the server draw the form with a draft whose fields it lays out, such as the rows of a builder.
  const draw = (draft) => {
    drawing = true;
    attempt(() => sessionStorage.setItem(shownKey, String(draft.at)));
    const post = document.createElement("form");
    post.method = "post";
    post.action = path + "/builder";
    for (const [name, value] of [["base", draft.base], ["turn", nextTurn()], ...draft.fields]) {
      const input = document.createElement("input");
      input.type = "hidden";
      input.name = name;
      input.value = value;
      post.append(input);
    }
    document.body.append(post);
    post.submit();
  };

  const notice = (at, stale) => {
    const box = document.createElement("div");
    box.className = "note tone-warning items-center";
    box.id = "draft";
    box.setAttribute("role", "status");
    const text = document.createElement("p");
    text.className = "min-w-0 flex-1 font-medium";
    const when = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", timeZone: document.documentElement.dataset.timeZone || undefined }).format(at);
    text.textContent = `What you typed before (${when}) is back. It is not saved yet.` + (stale ? " Settings were saved in the meantime: Save shows you what has changed." : "");
    const discard = document.createElement("button");
    discard.type = "button";
    discard.className = "btn";
    discard.dataset.variant = "outline";
    discard.dataset.size = "sm";
    discard.textContent = "Discard";
    discard.addEventListener("click", () => form.querySelector("[data-discard]")?.click());
    const own = form.querySelector("[data-discard]");
    if (own) own.disabled = false;
    box.append(text, discard);
    form.before(box);
  };

  // arrived reports whether the server has had a draft: whatever it shows now has come after that.
  const arrived = (draft) => {
    const turns = (form.dataset.turns ?? "").split(" ");
    const at = turns.indexOf(draft.page);
    return at >= 0 && Number(turns[at + 1]) > draft.turn;
  };

  const restore = () => {
    const shown = Number(attempt(() => sessionStorage.getItem(shownKey)));
    drop(shownKey);
    const [draft, ...older] = drafts().filter((d) => d.path === path).sort((a, b) => b.at - a.at);
    const current = base();
    for (const d of draft ? [draft, ...older] : []) drop(d.key);
    if (form.hasAttribute("data-given")) {
      unsaved = true; // the server gave back what was typed and holds none of it
      store();
    }
    if (draft && draft.at === shown) return notice(draft.at, false); // this page shows it
    if (!draft || unsaved || arrived(draft) || (draft.sent && draft.base !== current) || same(draft.fields, loaded)) return;
    // It goes on from the version that it was typed on, so that a newer one is not overwritten unseen.
    const field = form.querySelector("[name=base]");
    if (field) field.value = draft.base;
    if (fill(draft)) notice(draft.at, draft.base !== current);
    else {
      put(draft.key, draft);
      return draw(draft);
    }
    form.dataset.restored = "1"; // it is to be drafted
    store();
  };

  for (const d of drafts()) {
    if (Date.now() - d.at > longest) drop(d.key);
    else if (d.sent && d.path !== path) put(d.key, { ...d, sent: false }); // another page answered: it was not saved
  }
  document.addEventListener("submit", (e) => {
    if (e.defaultPrevented) return;
    const to = new URL(e.submitter?.getAttribute("formaction") ?? e.target.getAttribute("action") ?? "", location.href).pathname;
    if (to === "/sign-out") {
      dropping = true;
      attempt(() => sessionStorage.clear());
    }
    if (to === path) sent = true;
    for (const d of drafts()) if (d.path === to) put(d.key, { ...d, sent: true });
  });
  if (!form) return;

  loaded = entries(true);
  if (location.pathname === "/sign-in") history.replaceState(null, "", path); // the answer to signing in is not to be sent again by a reload
  restore();

  let timer;
  const note = (e) => {
    if (!form.contains(e.target)) return;
    edited = turn;
    sent = dropping = false;
    clearTimeout(timer);
    timer = setTimeout(store, 250);
  };
  // Before anything sends the form for the same event.
  document.addEventListener("input", note, true);
  document.addEventListener("change", note, true);
  document.addEventListener("click", (e) => {
    if (!e.target.closest?.("[data-discard]")) return;
    dropping = true;
    form.removeAttribute("data-guard"); // it was asked for
  });
  // Being sent to the sign-in page is no leaving that could be declined.
  document.addEventListener("htmx:after:request", (e) => {
    if (!e.detail?.ctx?.hx?.redirect) return;
    store();
    drawing = true; // the answer holds nothing, and may take a part of the form away before the page is left
    form.removeAttribute("data-guard");
  });
  window.addEventListener("pagehide", store);
  window.addEventListener("pageshow", (e) => {
    if (e.persisted) sent = dropping = false;
  });
})();
