// Keeps what is typed into a settings form as a draft on the server, so that it is there in every section, tab and session. Fetched with such a form.
(() => {
  "use strict";
  const form = document.querySelector("form[data-keep]");
  if (!form) return;
  const pause = 600; // ms without a key or click before the draft is sent
  const longest = 3000; // ms that it waits for that at the most
  let timer = 0;
  let edited = 0; // when the first edit was made since the last draft was sent
  let sending; // what the draft on its way can be called back with
  let over = false; // the form itself is on its way

  // show puts the parts of an answer in place of those with the same id, unless somebody is using them.
  const show = (html) => {
    const holder = document.createElement("template");
    holder.innerHTML = html;
    for (const part of [...holder.content.children]) {
      const old = part.id && document.getElementById(part.id);
      if (!old || old.contains(document.activeElement)) continue;
      if (old.querySelector("details[open]")) part.querySelector("details")?.setAttribute("open", "");
      old.replaceWith(part);
    }
    document.dispatchEvent(new Event("settings:kept"));
  };

  const send = async (last) => {
    clearTimeout(timer);
    if (!edited || over || (sending && !last)) return;
    edited = 0;
    const own = (sending = new AbortController());
    try {
      const answer = await fetch(form.dataset.keep, { method: "POST", body: new URLSearchParams(new FormData(form)), keepalive: last, signal: own.signal });
      if (!answer.ok || answer.redirected) throw answer;
      delete form.dataset.unkept;
      if (!over) show(await answer.text());
    } catch (failure) {
      if (over) return; // the form holds it
      form.dataset.unkept = "1"; // leaving the page asks first
      if (!(failure.status < 500)) edited ||= Date.now(); // no contact, or a server in trouble: again in a while
    } finally {
      if (sending === own) sending = undefined;
      if (edited && !over) timer = setTimeout(send, form.dataset.unkept ? longest : pause);
    }
  };

  const later = () => {
    edited ||= Date.now();
    form.querySelector("[data-discard]").disabled = false;
    clearTimeout(timer);
    timer = setTimeout(send, Math.max(0, Math.min(pause, edited + longest - Date.now())));
  };
  const note = (e) => {
    if (!form.contains(e.target) || e.target.matches("[type=search]")) return;
    over = false; // what is typed while the form is on its way is not in it
    later();
  };
  document.addEventListener("input", note);
  document.addEventListener("change", note);
  // The server has drawn a box anew: with a row more or less, or the other way to edit it.
  document.addEventListener("htmx:after:swap", (e) => {
    if (e.detail?.ctx?.sourceElement?.getAttribute("hx-post")?.endsWith("/builder")) later();
  });
  form.addEventListener("submit", (e) => {
    if (e.defaultPrevented) return;
    over = true;
    edited = 0;
    sending?.abort();
  });
  window.addEventListener("pageshow", (e) => {
    if (e.persisted) over = false;
  });
  window.addEventListener("pagehide", () => send(true));
  if (form.dataset.restored) later(); // found in the tab
})();
