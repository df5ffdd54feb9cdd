// What the pages do beyond links and forms. Everything here is a refinement: each page works without it.
(() => {
  "use strict";
  const root = document.documentElement;
  root.dataset.script = "on";

  // Times: the server writes UTC text; show the viewer's zone, keep UTC in the title.
  const zone = root.dataset.timeZone || undefined;
  const format = (options) => {
    try {
      return new Intl.DateTimeFormat(undefined, { ...options, timeZone: zone });
    } catch {
      return new Intl.DateTimeFormat(undefined, options);
    }
  };
  const absolute = format({ year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short" });
  const second = format({ year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short" });
  const clock = format({ hour: "2-digit", minute: "2-digit", timeZoneName: "short" });
  const day = format({ year: "numeric", month: "numeric", day: "numeric" });
  const slot = format({ weekday: "short", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short" });
  const relative = (at) => {
    const seconds = Math.round((Date.now() - at) / 1000);
    if (seconds < 5) return "just now";
    if (seconds < 60) return `${seconds} s ago`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
    return `${Math.floor(seconds / 3600)} h ago`;
  };
  const localise = (scope) => {
    for (const el of scope.querySelectorAll("time[data-time]")) {
      const at = new Date(el.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      const age = Date.now() - at;
      let text;
      if (el.dataset.time === "clock" && day.format(at) === day.format(Date.now())) text = clock.format(at);
      else if (el.dataset.time === "second") text = second.format(at);
      else if (el.dataset.time === "slot") text = slot.format(at);
      else if (el.dataset.time === "relative" && age >= 0 && age < 86400000) text = relative(at);
      else text = absolute.format(at);
      if (el.textContent !== text) el.textContent = text;
    }
  };
  const ready = () => {
    localise(document);
    setInterval(() => document.hidden || localise(document), 15000);
    document.querySelector("[data-focus]")?.focus({ preventScroll: false });
    const keeps = document.querySelector("[data-keep-script]");
    if (keeps) load(keeps.dataset.keepScript);
    loadPicker();
    unlist();
    ownZone();
  };
  // Days of a form are days in the browser's zone where the profile names none.
  const ownZone = () => {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    for (const el of document.querySelectorAll("input[data-zone]")) if (zone) el.value = zone;
    const name = document.querySelector("input[data-zone]")?.form.querySelector("[data-zone-name]");
    if (name && zone) name.textContent = zone;
  };
  // A browser's own list of choices gives way to the suggestions.
  const unlist = () => document.querySelectorAll("input[list][data-suggest]").forEach((el) => el.removeAttribute("list"));
  const load = (src) => {
    const script = document.createElement("script");
    script.src = src;
    document.head.append(script);
  };
  // What makes the lists of fields searchable is fetched by pages that have one.
  const loadPicker = () => {
    const from = document.querySelector("[data-pick]");
    if (!from || root.dataset.picks) return;
    root.dataset.picks = "on";
    load(from.dataset.pick);
  };
  document.addEventListener("DOMContentLoaded", ready);
  document.addEventListener("htmx:after:swap", () => {
    localise(document);
    loadPicker();
    unlist();
  });
  document.addEventListener("settings:kept", () => localise(document));

  // Polling stops while the tab is hidden, and lost contact is said where it is seen.
  const contact = (lost) => {
    const el = document.getElementById("contact");
    if (el && el.hidden === lost) el.hidden = !lost;
  };
  document.addEventListener("htmx:config:request", (e) => {
    const { sourceElement: source, request } = e.detail?.ctx ?? {};
    if (!source?.matches?.("[data-live]")) return;
    if (document.hidden) e.preventDefault();
    else if (request) request.timeout = 10000; // an answer that does not come is lost contact too
  });
  window.addEventListener("offline", () => contact(true));
  document.addEventListener("htmx:after:request", (e) => contact((e.detail?.ctx?.response?.status ?? 0) >= 500));
  document.addEventListener("htmx:error", () => contact(true));

  // An answer that is no result is never swapped in; where a result was asked for, that is said in its place.
  const noResult = (e) => {
    const source = e.detail?.ctx?.sourceElement;
    if (!source || source.matches("[data-live]")) return;
    const place = document.querySelector(source.getAttribute("hx-target"));
    if (place) place.textContent = "The server did not answer as expected. Nothing was changed; try again.";
  };
  document.addEventListener("htmx:response:error", noResult);
  document.addEventListener("htmx:error", noResult);

  // What works inside a filter box beyond typing is fetched when one is first used.
  document.addEventListener("focusin", (e) => {
    const from = e.target.closest?.("[data-editor]");
    if (!from || root.dataset.editor) return;
    root.dataset.editor = "on";
    load(from.dataset.editor);
  });

  // A validation that is on its way ends when it is cancelled, and when its filter is edited.
  const cancel = (id) => document.getElementById(id)?.dispatchEvent(new CustomEvent("htmx:abort"));

  // Editing a filter greys the result of its last validation.
  document.addEventListener("input", (e) => {
    const id = e.target.dataset?.result;
    const result = id && document.getElementById(id)?.querySelector(".result");
    if (result) result.dataset.stale = "";
    if (e.target.dataset?.validate) cancel(e.target.dataset.validate);
    // What a refused save said of the text speaks of an earlier one.
    if (e.target.ariaInvalid === "true") {
      e.target.ariaInvalid = "false";
      const said = document.getElementById(e.target.id + "-error");
      if (said) said.hidden = true;
    }
  });
  document.addEventListener("change", (e) => {
    if (e.target.matches?.("select[data-submit]")) e.target.form.requestSubmit();
  });

  // Leaving asks only where a draft could not be kept on the server.
  let leaving = false;
  window.addEventListener("beforeunload", (e) => {
    if (!leaving && document.querySelector("form[data-guard][data-unkept]")) e.preventDefault();
  });

  // A form is sent once: its button is disabled with the form on its way. Back from the page cache undoes that.
  document.addEventListener("submit", (e) => {
    const form = e.target;
    if (e.defaultPrevented) return;
    if (form.dataset.sent) {
      e.preventDefault();
      return;
    }
    if ("download" in form.dataset) return; // the page stays, and may ask again
    leaving = true;
    form.dataset.sent = "1";
    const button = e.submitter;
    setTimeout(() => button?.setAttribute("aria-disabled", "true"));
    setTimeout(free, 10000); // a request that was stopped may be sent again
  });
  const free = () => {
    leaving = false;
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
    for (const button of document.querySelectorAll("form button[aria-disabled]")) button.removeAttribute("aria-disabled");
  };
  window.addEventListener("pageshow", free);

  // Shortcuts: Ctrl/Cmd+Enter validates the box in use, Ctrl/Cmd+S saves, / finds.
  document.addEventListener("keydown", (e) => {
    const field = e.target;
    const box = field.closest?.("[data-box]");
    if ((e.ctrlKey || e.metaKey) && e.key === "Enter" && box) {
      e.preventDefault();
      document.getElementById(`validate-${box.dataset.box}`)?.click();
    } else if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === "s") {
      const save = document.querySelector("[data-save]");
      if (save) {
        e.preventDefault();
        save.click();
      }
    } else if (e.key === "/" && !e.ctrlKey && !e.metaKey && !/^(INPUT|TEXTAREA|SELECT)$/.test(field.tagName)) {
      const find = document.querySelector("[data-quick-find]");
      if (find) {
        e.preventDefault();
        find.focus();
      }
    } else if (e.key === "Escape") {
      for (const menu of document.querySelectorAll("details.menu[open]")) menu.open = false;
    }
  });

  document.addEventListener("click", async (e) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(e.target)) menu.open = false;
    const copy = e.target.closest?.("[data-copy]");
    if (copy) {
      const label = copy.querySelector("[data-copy-label]") ?? copy;
      const before = label.textContent;
      try {
        await navigator.clipboard.writeText(copy.dataset.copy);
        label.textContent = "Copied";
      } catch {
        label.textContent = "Select and copy it by hand";
      }
      setTimeout(() => (label.textContent = before), 2000);
    }
    const stop = e.target.closest?.("[data-cancel]");
    if (stop) {
      cancel(stop.dataset.cancel);
      document.getElementById(stop.dataset.cancel)?.focus();
    }
    const dismiss = e.target.closest?.("[data-dismiss]");
    if (dismiss) dismiss.closest(".note")?.remove();
  });
})();
