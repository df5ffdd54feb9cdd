// What a filter box does beyond a plain text area: one-click repairs, completion, and fields from the picker. Fetched when a box is first used.
(() => {
  "use strict";

  // Text goes in as if typed, so that the browser's undo takes it back and everything that listens hears of it.
  const replace = (field, from, to, text) => {
    field.focus();
    field.setSelectionRange(from, to);
    const done = text === "" ? document.execCommand("delete") : document.execCommand("insertText", false, text);
    if (done && field.value.slice(from, from + text.length) === text) return;
    field.setRangeText(text, from, to, "end");
    field.dispatchEvent(new InputEvent("input", { bubbles: true }));
  };

  document.addEventListener(
    "click",
    (e) => {
      const edit = e.target.closest?.("[data-edit]");
      const field = edit && document.getElementById(edit.dataset.edit);
      if (!field || field.tagName !== "TEXTAREA") return;
      const { from, to, was, text } = edit.dataset;
      if (field.value.slice(+from, +to) !== was) {
        // Edited since: what the button would do is out of date, and new findings are on their way.
        e.preventDefault();
        field.focus();
        return;
      }
      e.preventDefault();
      e.stopPropagation();
      replace(field, +from, +to, text);
    },
    true,
  );

  // Completion: a list box at the caret, or under a single line; the field keeps the focus.
  let box = null; // { field, list, at, options }
  let asked = null; // the request on its way
  let timer = 0;
  let quiet = false; // an accepted option or Escape keeps the list closed until the next key
  let taken = false; // Enter has taken an option and is still down
  const say = document.createElement("div");
  say.className = "sr-only";
  say.setAttribute("role", "status");
  document.body.append(say);

  const combo = (field) => field.getAttribute("role") === "combobox";
  const close = () => {
    asked?.abort();
    asked = null;
    clearTimeout(timer);
    if (!box) return;
    box.list.remove();
    box.field.removeAttribute("aria-activedescendant");
    box.field.removeAttribute("aria-controls");
    if (combo(box.field)) box.field.setAttribute("aria-expanded", "false");
    box = null;
  };
  const mark = (at) => {
    const { field, options } = box;
    box.at = at;
    options.forEach((o, i) => o.setAttribute("aria-selected", i === at ? "true" : "false"));
    if (at < 0) field.removeAttribute("aria-activedescendant");
    else {
      field.setAttribute("aria-activedescendant", options[at].id);
      options[at].scrollIntoView({ block: "nearest" });
    }
  };
  // caretPlace is where the line of a text area's character ends below and where the character begins, in pixels from the area's corner. A hidden copy of
  // the area is measured, since the area itself tells nobody.
  const caretPlace = (field, at) => {
    const copy = document.createElement("div");
    const look = getComputedStyle(field);
    for (const name of ["fontFamily", "fontSize", "fontWeight", "fontStyle", "letterSpacing", "lineHeight", "tabSize", "textIndent", "wordSpacing", "padding", "borderWidth"])
      copy.style[name] = look[name];
    Object.assign(copy.style, {
      position: "absolute", visibility: "hidden", top: "0", left: "0", boxSizing: "border-box", width: `${field.offsetWidth}px`,
      borderStyle: "solid", whiteSpace: "pre-wrap", overflowWrap: "break-word",
    });
    const mark = document.createElement("span");
    mark.textContent = "\u200b";
    copy.setAttribute("aria-hidden", "true");
    copy.append(field.value.slice(0, at), mark, field.value.slice(at));
    field.parentElement.append(copy);
    const place = { left: mark.offsetLeft, top: mark.offsetTop - field.scrollTop, height: mark.offsetHeight };
    copy.remove();
    return place;
  };
  // place puts the list beside the word that is typed: below its line, or above it where the window ends too soon. It stays within the area's width.
  const place = (field, list) => {
    if (combo(field)) return;
    const width = Math.min(field.offsetWidth, 448);
    const length = +(list.querySelector("[data-replace]")?.dataset.replace ?? 0);
    const at = caretPlace(field, Math.max(0, field.selectionStart - length));
    const top = Math.min(Math.max(at.top, 0), field.offsetHeight - at.height);
    list.style.width = `${width}px`;
    list.style.right = "auto";
    list.style.left = `${field.offsetLeft + Math.max(0, Math.min(at.left, field.offsetWidth - width))}px`;
    list.style.marginTop = "0";
    const line = field.getBoundingClientRect().top + top;
    const bar = document.getElementById("save-bar");
    const end = bar && getComputedStyle(bar).position === "sticky" ? bar.getBoundingClientRect().top : innerHeight;
    const below = Math.min(innerHeight, end) - line - at.height - 8;
    if (list.offsetHeight > below && line - 8 > below) {
      list.style.maxHeight = `${Math.min(288, line - 8)}px`;
      list.style.top = `${field.offsetTop + top - 4 - list.offsetHeight}px`;
    } else list.style.top = `${field.offsetTop + top + at.height + 4}px`;
  };
  const show = (field, list, marked) => {
    const reopened = box?.field === field;
    if (box) box.list.remove();
    field.parentElement.classList.add("completes");
    field.after(list);
    place(field, list);
    box = { field, list, at: -1, options: [...list.querySelectorAll("[role=option]")] };
    field.setAttribute("aria-controls", list.id);
    if (combo(field)) field.setAttribute("aria-expanded", "true");
    mark(marked && box.options[0]?.getAttribute("aria-disabled") !== "true" ? 0 : -1);
    if (!reopened) say.textContent = `${box.options.length} suggestions. Down to choose, Enter to take one, Escape to close.`;
  };
  const accept = (option) => {
    if (option.getAttribute("aria-disabled") === "true") return;
    const { field } = box;
    const caret = field.selectionStart;
    const length = +option.dataset.replace;
    close();
    quiet = !option.dataset.more;
    if (combo(field)) {
      replace(field, 0, field.value.length, option.dataset.insert);
      field.dispatchEvent(new Event("change", { bubbles: true }));
    } else replace(field, caret - length, caret, option.dataset.insert);
    say.textContent = `${option.dataset.insert} inserted.`;
    if (option.dataset.more) ask(field, true);
  };
  const ask = (field, force) => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      asked?.abort();
      const mine = (asked = new AbortController());
      const caret = field.selectionStart;
      const body = new URLSearchParams({ box: field.name, before: combo(field) ? field.value : field.value.slice(0, caret), field: combo(field) ? "1" : "" });
      try {
        const answer = await fetch(field.dataset.suggest, { method: "POST", body, signal: mine.signal });
        if (!answer.ok || answer.status === 204) return close();
        const holder = document.createElement("template");
        holder.innerHTML = await answer.text();
        const list = holder.content.querySelector("[role=listbox]");
        if (mine.signal.aborted || document.activeElement !== field || field.selectionStart !== caret) return;
        if (!list) return close();
        list.id = `suggestions-${field.id}`;
        list.querySelectorAll("[role=option]").forEach((o, i) => (o.id = `${list.id}-${i}`));
        show(field, list, list.hasAttribute("data-marked"));
      } catch {
        // Aborted, or no contact: typing goes on without suggestions.
      }
    }, force ? 0 : 120);
  };

  document.addEventListener("input", (e) => {
    if (!e.target.dataset?.suggest) return;
    if (quiet) {
      quiet = false;
      return close();
    }
    ask(e.target, false);
  });
  document.addEventListener(
    "keydown",
    (e) => {
      const field = e.target;
      if (!field.dataset?.suggest || e.isComposing) return;
      if (e.ctrlKey && e.key === " ") {
        e.preventDefault();
        return ask(field, true);
      }
      if (!box || box.field !== field) {
        if (e.key === "Escape") close(); // also what is still being asked for
        if (combo(field) && e.key === "ArrowDown") {
          e.preventDefault();
          ask(field, true);
        }
        return;
      }
      const last = box.options.length - 1;
      const takes = (e.key === "Enter" || e.key === "Tab") && box.at >= 0 && !e.ctrlKey && !e.metaKey && !e.shiftKey;
      if (takes && e.key === "Enter") taken = true; // the line break that the key also stands for is not wanted
      if (e.key === "ArrowDown") mark(box.at >= last ? 0 : box.at + 1);
      else if (e.key === "ArrowUp") mark(box.at <= 0 ? last : box.at - 1);
      else if (e.key === "Escape") close();
      else if (takes) accept(box.options[box.at]);
      else {
        if (/^(Enter|Tab|ArrowLeft|ArrowRight|Home|End)$/.test(e.key)) close();
        return;
      }
      e.preventDefault();
      e.stopPropagation();
    },
    true,
  );
  document.addEventListener("beforeinput", (e) => {
    if (taken && e.inputType === "insertLineBreak") e.preventDefault();
  });
  document.addEventListener("keyup", () => (taken = false));
  // The pointer takes an option without taking the focus.
  document.addEventListener("pointerdown", (e) => {
    const option = box && e.target.closest?.("[role=option]");
    if (option && box.list.contains(option)) {
      e.preventDefault();
      accept(option);
    } else if (box && e.target !== box.field && !box.list.contains(e.target)) close();
  });
  document.addEventListener("focusout", (e) => {
    if (box && e.target === box.field) close();
  });

  // The picker: the page of fields in a dialogue, from which one goes into the box at the caret.
  document.addEventListener("click", async (e) => {
    const opener = e.target.closest?.("[data-picker]");
    if (opener && !e.ctrlKey && !e.metaKey && !e.shiftKey) {
      e.preventDefault();
      pick(opener);
    }
  });
  let dialog = null;
  const pick = async (opener) => {
    const field = document.getElementById(opener.dataset.picker);
    if (!dialog) {
      dialog = document.createElement("dialog");
      dialog.className = "picker";
      dialog.setAttribute("aria-label", "Insert a field");
      document.body.append(dialog);
      dialog.addEventListener("click", (e) => {
        if (e.target === dialog || e.target.closest("[data-close]")) dialog.close();
        const go = e.target.closest("a[data-fields]");
        if (go) {
          e.preventDefault();
          load(go.href);
        }
        const insert = e.target.closest("[data-insert-field]");
        if (insert) {
          dialog.close();
          const { selectionStart: from, selectionEnd: to, value } = dialog.field;
          const before = from > 0 && !/[\s(]/.test(value[from - 1]) ? " " : "";
          quiet = true;
          replace(dialog.field, from, to, before + insert.dataset.insertField + " ");
        }
      });
      dialog.addEventListener("input", (e) => {
        if (e.target.type === "search") narrow(e.target.value);
      });
      dialog.addEventListener("submit", (e) => e.preventDefault());
      dialog.addEventListener("close", () => dialog.field.focus());
    }
    dialog.field = field;
    await load(opener.href);
  };
  const load = async (address) => {
    const answer = await fetch(address).catch(() => null);
    const holder = document.createElement("template");
    holder.innerHTML = answer?.ok ? await answer.text() : "";
    const list = holder.content.querySelector("#fields");
    if (!list) {
      location.href = address;
      return;
    }
    dialog.replaceChildren(list);
    if (!dialog.open) dialog.showModal();
    dialog.querySelector("[type=search]")?.focus();
  };
  const narrow = (text) => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of dialog.querySelectorAll("[data-find]")) {
      row.hidden = !words.every((w) => row.dataset.find.includes(w));
      if (!row.hidden) shown++;
    }
    for (const group of dialog.querySelectorAll("[data-group]")) group.hidden = !group.querySelector("[data-find]:not([hidden])");
    dialog.querySelector("[data-found]").textContent = shown === 1 ? "1 field" : `${shown} fields`;
  };

  const first = document.activeElement;
  if (first?.dataset?.suggest && first.value && first.tagName === "TEXTAREA") ask(first, false);
})();
