// What all pages do: copy, and say how long ago something was.
"use strict";

const page = (() => {
  const said = document.createElement("p");
  said.className = "unseen";
  said.setAttribute("role", "status");
  document.body.append(said);

  function element(name, className, text) {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  // Where the clipboard is not offered (a page that was not loaded over https), the old command still copies.
  function copyByCommand(text) {
    const area = element("textarea", "unseen");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done ? Promise.resolve() : Promise.reject(new Error("refused"));
  }

  function copy(text) {
    if (!navigator.clipboard) return copyByCommand(text);
    return navigator.clipboard.writeText(text).catch(() => copyByCommand(text));
  }

  function copyButton(words, what, read) {
    const button = element("button", "copy", words);
    button.type = "button";
    button.setAttribute("aria-label", `${words}: the ${what}`);
    button.addEventListener("click", () => {
      copy(read()).then(
        () => show(button, words, "Copied", `Copied the ${what}.`),
        () => show(button, words, "Select it", "It cannot be copied here: select the text."),
      );
    });
    return button;
  }

  function show(button, words, now, announced) {
    button.textContent = now;
    button.classList.add("done");
    said.textContent = announced;
    setTimeout(() => {
      button.textContent = words;
      button.classList.remove("done");
      said.textContent = "";
    }, 2000);
    button.focus();
  }

  const ago = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  for (const time of document.querySelectorAll("time")) {
    const days = Math.round((Date.parse(time.dateTime) - Date.now()) / 86400000);
    const words = days > -60 ? ago.format(days, "day") : ago.format(Math.round(days / 30), "month");
    time.title = `${words}, ${time.dateTime}`;
  }
  for (const box of document.querySelectorAll(".copied")) {
    box.append(copyButton("Copy", box.dataset.what, () => box.querySelector("code").textContent));
  }
  return { copyButton, element };
})();
