// Lists of fields and objects: a long select becomes a combobox that searches itself, and fields are added to a list without a page between.
(() => {
  "use strict";

  const say = document.createElement("div");
  say.className = "sr-only";
  say.setAttribute("role", "status");
  document.body.append(say);

  const make = (tag, attributes, text) => {
    const el = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) el.setAttribute(name, value);
    if (text !== undefined) el.textContent = text;
    return el;
  };

  // What a list could offer and cannot is fetched when a list is opened, once for all lists of a page that offer the same.
  const loaded = new Map();
  const load = (address) => {
    if (!loaded.has(address)) {
      const answer = fetch(address).then((r) => (r.ok && !r.redirected ? r.text() : Promise.reject(new Error(r.statusText))));
      answer.catch(() => loaded.delete(address)); // the next time it is asked for again
      loaded.set(address, answer);
    }
    return loaded.get(address);
  };

  // The select stays the source of truth: it is hidden, and hears of every choice.
  const enhance = (select) => {
    if (select.hidden || select.multiple) return;
    const id = select.id;
    const label = document.querySelector(`label[for="${CSS.escape(id)}"]`);
    const combo = make("div", { class: "combo" });
    const input = make("input", {
      type: "text", id, class: "input", role: "combobox", autocomplete: "off", spellcheck: "false", autocapitalize: "off", "aria-autocomplete": "list", "aria-expanded": "false",
      "aria-haspopup": "listbox", "aria-controls": `${id}-list`,
    });
    for (const name of ["aria-describedby", "aria-invalid", "aria-required"]) if (select.hasAttribute(name)) input.setAttribute(name, select.getAttribute(name));
    if (select.required) input.setAttribute("aria-required", "true");
    const list = make("div", { id: `${id}-list`, role: "listbox", class: "suggestions", tabindex: "-1", hidden: "" });
    list.setAttribute("aria-label", label?.firstChild?.textContent.trim() || "Choices");
    const chevron = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    for (const [name, value] of [["viewBox", "0 0 24 24"], ["fill", "none"], ["stroke", "currentColor"], ["stroke-width", "2"], ["aria-hidden", "true"]]) chevron.setAttribute(name, value);
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", "m6 9 6 6 6-6");
    chevron.append(path);
    combo.append(input, chevron, list);
    const focused = document.activeElement === select;
    select.id = `${id}-native`;
    select.hidden = true;
    select.after(combo);

    // What an option's text says: label (API name) · type · reason.
    const parts = (option) => {
      const [names, ...rest] = option.text.split(" · ");
      const why = option.disabled ? rest.pop() : "";
      const at = option.value === "" ? -1 : names.lastIndexOf(` (${option.value})`);
      return { label: at < 0 ? names : names.slice(0, at), name: at < 0 ? "" : option.value, type: rest.join(" · "), why };
    };
    const shown = () => {
      const option = select.selectedOptions[0];
      const { label, name } = option ? parts(option) : { label: "", name: "" };
      return name ? `${label} (${name})` : label;
    };
    const sync = () => (input.value = input.defaultValue = shown());

    let more = select.dataset.pickMore; // where the rest is, until it is here
    let failed = false;
    const complete = async () => {
      const address = more;
      more = "";
      failed = false;
      list.setAttribute("aria-busy", "true");
      try {
        const all = document.createElement("template");
        all.innerHTML = await load(address);
        const groups = [...all.content.children].filter((el) => el.tagName === "OPTGROUP");
        if (groups.length > 0) {
          const value = select.value;
          select.querySelectorAll("optgroup").forEach((el) => el.remove());
          select.append(...groups);
          const chosen = [...select.options].find((o) => o.value.toLowerCase() === value.toLowerCase());
          if (chosen) {
            chosen.disabled = false; // what is chosen stays, whatever became of it
            chosen.selected = true;
          } else select.selectedIndex = -1;
        }
      } catch {
        more = address;
        failed = true;
      }
      list.removeAttribute("aria-busy");
      if (!open()) return;
      const on = options[at]?.dataset.index && options[at].dataset.value;
      const top = list.scrollTop;
      show(asked);
      const back = options.findIndex((o) => o.dataset.value === on);
      if (on && back >= 0) mark(back);
      list.scrollTop = top;
    };

    let asked = ""; // the text that the list is narrowed by
    let options = []; // the drawn ones, in order
    let at = -1;
    const open = () => !list.hidden;
    const close = () => {
      list.hidden = true;
      list.replaceChildren();
      options = [];
      at = -1;
      input.setAttribute("aria-expanded", "false");
      input.removeAttribute("aria-activedescendant");
    };
    const mark = (to) => {
      options[at]?.removeAttribute("data-active");
      at = to;
      const on = options[at];
      if (!on) return input.removeAttribute("aria-activedescendant");
      on.setAttribute("data-active", "");
      input.setAttribute("aria-activedescendant", on.id);
      on.scrollIntoView({ block: "nearest" });
    };
    const draw = (option) => {
      const { label: name, name: api, type, why } = parts(option);
      const row = make("div", { role: "option", id: `${id}-option-${option.index}`, "aria-selected": String(option.selected), "data-index": option.index, "data-value": option.value });
      const names = make("span", { class: "flex min-w-0 flex-wrap items-baseline gap-x-2" });
      names.append(make("span", {}, name));
      if (api) names.append(" ", make("code", { class: "text-muted-foreground font-mono text-xs break-all" }, api));
      row.append(names, " ");
      if (type || why) row.append(make("span", { class: "text-muted-foreground text-xs" }, [type, why].filter(Boolean).join(" · ")));
      if (option.disabled) row.setAttribute("aria-disabled", "true");
      return row;
    };
    const show = (text) => {
      asked = text;
      const words = text.toLowerCase().split(/\s+/).filter(Boolean);
      const fits = (option) => words.every((w) => `${option.text} ${option.value}`.toLowerCase().includes(w));
      const drawn = [];
      let chosen = -1;
      options = [];
      const add = (to, option) => {
        if (!fits(option)) return;
        const row = draw(option);
        if (option.selected) chosen = options.length;
        options.push(row);
        to.push(row);
      };
      for (const child of select.children) {
        if (child.tagName !== "OPTGROUP") {
          add(drawn, child);
          continue;
        }
        const rows = [];
        for (const option of child.children) add(rows, option);
        if (rows.length === 0) continue;
        const group = make("div", { role: "group", "aria-label": child.label });
        group.append(make("div", { class: "combo-title", "aria-hidden": "true" }, child.label), ...rows);
        drawn.push(group);
      }
      if (options.length === 0) {
        const none = make("div", { role: "option", "aria-disabled": "true", "aria-selected": "false", id: `${id}-option-none` }, `Nothing has “${text}” in its label or API name.`);
        drawn.push(none);
      }
      if (failed) drawn.push(make("div", { role: "option", "aria-disabled": "true", "aria-selected": "false", id: `${id}-option-failed` }, "What cannot be chosen here could not be loaded. Open the list again to try once more."));
      list.replaceChildren(...drawn);
      list.hidden = false;
      input.setAttribute("aria-expanded", "true");
      const first = options.findIndex((o) => o.getAttribute("aria-disabled") !== "true");
      mark(words.length === 0 ? chosen : first);
      const usable = options.filter((o) => o.getAttribute("aria-disabled") !== "true").length;
      say.textContent = (usable === 1 ? "1 choice" : `${usable} choices`) + (usable < options.length ? `, ${options.length - usable} that cannot be chosen` : "");
    };
    const begin = () => {
      show("");
      if (more) complete();
    };
    const take = (row) => {
      if (!row?.dataset.index) return;
      const option = select.options[+row.dataset.index];
      if (option.disabled) {
        say.textContent = `${parts(option).label} cannot be chosen: ${parts(option).why}.`;
        return;
      }
      const changed = select.selectedIndex !== option.index;
      select.selectedIndex = option.index;
      close();
      sync();
      if (!changed) return;
      say.textContent = `${shown()} chosen.`;
      select.dispatchEvent(new Event("input", { bubbles: true }));
      select.dispatchEvent(new Event("change", { bubbles: true }));
    };

    input.addEventListener("focus", () => input.select());
    input.addEventListener("click", () => open() || begin());
    input.addEventListener("input", (e) => {
      e.stopPropagation();
      show(input.value);
      if (more) complete();
    });
    input.addEventListener("change", (e) => e.stopPropagation());
    input.addEventListener("keydown", (e) => {
      if (e.isComposing || e.ctrlKey || e.metaKey) return;
      const last = options.length - 1;
      if (e.key === "ArrowDown") open() ? mark(at >= last ? 0 : at + 1) : begin();
      else if (e.key === "ArrowUp") open() ? mark(at <= 0 ? last : at - 1) : begin();
      else if (e.key === "Home" && open()) mark(0);
      else if (e.key === "End" && open()) mark(last);
      else if (e.key === "Enter") open() ? take(options[at]) : begin();
      else if (e.key === "Escape" && open()) {
        close();
        sync();
        input.select();
      } else return;
      e.preventDefault();
      e.stopPropagation();
    });
    // Enter never sends the form from here, as it does not from a list without scripts.
    input.addEventListener("keypress", (e) => {
      if (e.key === "Enter") e.preventDefault();
    });
    // The pointer takes an option without taking the focus.
    list.addEventListener("pointerdown", (e) => {
      e.preventDefault();
      take(e.target.closest("[role=option]"));
    });
    input.addEventListener("blur", () => {
      close();
      sync();
    });
    select.addEventListener("change", sync);
    select.form?.addEventListener("reset", () => setTimeout(sync));
    sync();
    if (focused) input.focus();
  };

  // Lists: rows are made from the template, in the place where the server would put them.
  const picker = (el) => el.closest?.("[data-pick-many]");
  const names = (root) => [...root.querySelectorAll("[data-picked]")].map((row) => row.dataset.picked.toLowerCase());
  const refresh = (root) => {
    const chosen = names(root);
    root.querySelector("[data-pick-chosen]").hidden = chosen.length === 0;
    root.querySelector("[data-pick-empty]").hidden = chosen.length > 0;
    for (const row of root.querySelectorAll("[data-pick-found]")) {
      const add = row.querySelector("[data-pick-add]");
      if (!add) continue;
      add.hidden = chosen.includes(row.dataset.pickFound.toLowerCase());
      row.querySelector("[data-pick-added]").hidden = !add.hidden;
    }
  };
  const changed = (root, text) => {
    refresh(root);
    say.textContent = text;
    root.dispatchEvent(new Event("change", { bubbles: true }));
  };
  document.addEventListener("click", (e) => {
    const button = e.target.closest?.("[data-pick-add], [data-pick-remove]");
    const root = button && picker(button);
    if (!root) return;
    e.preventDefault();
    if (button.hasAttribute("data-pick-add")) {
      const found = button.closest("[data-pick-found]");
      const row = root.querySelector("[data-pick-row]").content.firstElementChild.cloneNode(true);
      const name = found.dataset.pickFound;
      const label = found.querySelector("[data-pick-label]").textContent;
      row.dataset.picked = name;
      row.querySelector("input").value = name;
      row.querySelector("[data-pick-item]").replaceWith(found.querySelector("[data-pick-item]").cloneNode(true));
      const remove = row.querySelector("[data-pick-remove]");
      remove.value += name;
      remove.setAttribute("aria-label", `Remove ${label}`);
      root.querySelector("[data-pick-chosen]").append(row);
      root.querySelector("[data-pick-search]").focus();
      changed(root, `${label} added.`);
    } else {
      const row = button.closest("[data-picked]");
      const label = row.querySelector("[data-pick-label]").textContent;
      const next = row.nextElementSibling ?? row.previousElementSibling;
      (next?.querySelector("[data-pick-remove]") ?? root.querySelector("[data-pick-search]")).focus();
      row.remove();
      changed(root, `${label} removed.`);
    }
  });
  // Enter in a search neither saves nor removes anything: it goes to the first field found.
  document.addEventListener("keydown", (e) => {
    if (e.key !== "Enter" || e.isComposing || !e.target.matches?.("[data-pick-search]")) return;
    e.preventDefault();
    picker(e.target).querySelector("[data-pick-add]:not([hidden])")?.focus();
  });

  const start = () => {
    for (const select of document.querySelectorAll("select[data-pick-one]")) enhance(select);
    document.querySelectorAll("[data-pick-many]").forEach(refresh);
  };
  document.addEventListener("htmx:after:swap", start);
  start();
})();
