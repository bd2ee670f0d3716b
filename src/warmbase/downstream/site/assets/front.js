// The search of the first page: which bases have what is typed, in the versions that are typed, as it is typed.
"use strict";

(() => {
  const catalog = warmbaseCatalog;
  const form = document.getElementById("search");
  const field = document.getElementById("query");
  const shownCount = document.getElementById("count");
  const results = document.getElementById("results");
  const spread = document.getElementById("versions");
  const boxes = (name) => [...form.querySelectorAll(`input[name="${name}"]`)];
  const MOST_CHIPS = 6;
  const MOST_NEAR = 8;

  // Which bases have a release: from its text, "0-7 12 9@1", base by base the platforms (null for all of the base's).
  function readBases(text) {
    const found = new Map();
    for (const part of text.split(" ")) {
      const [range, platform] = part.split("@");
      const [first, last] = range.split("-").map(Number);
      for (let base = first; base <= (last === undefined ? first : last); base += 1) {
        if (platform === undefined) found.set(base, null);
        else found.set(base, [...(found.get(base) || []), Number(platform)]);
      }
    }
    return found;
  }

  const packages = catalog.packages.map(([name, ...rest]) => {
    const releases = [];
    for (let place = 0; place < rest.length; place += 2) {
      releases.push({ version: rest[place], text: rest[place + 1], bases: null });
    }
    return { name, releases };
  });
  const byName = new Map(packages.map((item) => [item.name, item]));
  const basesOf = (release) => (release.bases = release.bases || readBases(release.text));

  const bases = catalog.bases.map((base, number) => {
    const row = document.getElementById(`b${number}`);
    const group = row.closest(".image");
    const image = group.querySelector("h2").textContent;
    return { ...base, number, row, group, image, chips: null, tags: base.tags.map((tag) => tag.toLowerCase()) };
  });
  const groups = [...results.querySelectorAll(".image")];

  // Packages and images by the parts of their names, and images by the words that describe them.
  const index = new MiniSearch({ fields: ["text", "words"], storeFields: ["kind", "name"] });
  index.addAll(packages.map((item) => ({ id: `p ${item.name}`, kind: "package", name: item.name, text: item.name })));
  index.addAll(
    groups.map((group) => {
      const image = group.querySelector("h2").textContent;
      const words = group.querySelector("p");
      return { id: `i ${image}`, kind: "image", name: image, text: image, words: words ? words.textContent : "" };
    }),
  );

  const canonical = (name) => name.toLowerCase().replace(/[-_.]+/g, "-");

  // "pandas>=2.2,<3 numpy 2.5" → terms, each with a name and clauses. A number behind a name is where its version begins.
  function readTerms(text) {
    const joined = text
      .replace(/\s*(===|[~=!<>]=|[<>]|=)\s*/g, "$1")
      .replace(/\s*,\s*(?=[~=!<>])/g, ",")
      .trim();
    const terms = [];
    for (const token of joined.split(/\s+|,(?![~=!<>])/).filter(Boolean)) {
      const last = terms[terms.length - 1];
      const [, name, rest] = /^([^~=!<>,;[\]]*)(?:\[[^\]]*\]?)?(.*)$/.exec(token);
      if (!rest && last && !last.clauses.length && /^v?\d+(\.\d+)*(\.\*?)?$/.test(name)) {
        last.clauses.push(["==", `${name.replace(/^v|[.*]+$/g, "")}.*`]);
        last.text = `${last.text} ${token}`;
        last.start = name.replace(/^v|[.*]+$/g, "");
      } else if (name) {
        const clauses = [...rest.matchAll(/(===|[~=!<>]=|[<>]|=)([^,~=!<>]*)/g)];
        terms.push({
          name: name.toLowerCase(),
          text: token,
          clauses: clauses.map(([, operator, version]) => [operator === "=" ? "==" : operator, version]),
          isPackage: clauses.length > 0,
        });
      }
    }
    return terms;
  }

  // The packages and images that a word means: the one of that name, or else those that begin so, or else alike ones.
  function resolve(term) {
    const exact = byName.get(canonical(term.name));
    const options = { combineWith: "AND", prefix: true };
    let found = index.search(term.name, options);
    if (!found.length && !exact) found = index.search(term.name, { ...options, fuzzy: 0.25 });
    const named = found.filter((each) => each.kind === "package").map((each) => byName.get(each.name));
    const images = new Set(found.filter((each) => each.kind === "image").map((each) => each.name));
    return { packages: exact ? [exact] : named, images, exact };
  }

  const isRelease = (term, version) =>
    term.clauses.every(([operator, wanted]) => versions.matches(version, operator, wanted));

  const isTag = (base, term) => {
    const [image, tag] = term.name.includes(":") ? term.name.split(":") : ["", term.name];
    if (image && base.image !== image.slice(image.lastIndexOf("/") + 1)) return false;
    return (image && !tag) || (tag.length > 2 && base.tags.some((own) => own.startsWith(tag)));
  };

  // Base number → what it has of a term: chips, as "pandas 2.2.3". A base may also be meant itself, by image or tag.
  function search(term, wantedPlatforms) {
    const meaning = resolve(term);
    const found = new Map();
    let isElsewhere = false;
    for (const item of meaning.packages) {
      for (const release of item.releases) {
        if (!isRelease(term, release.version)) continue;
        for (const [base, only] of basesOf(release)) {
          const there = only || bases[base].platforms;
          if (!wantedPlatforms.every((platform) => there.includes(platform))) {
            isElsewhere = true;
            continue;
          }
          const where = only ? ` (${only.map((each) => catalog.platforms[each]).join(", ")})` : "";
          const words = `${item.name} ${release.version}${where}`;
          if (found.has(base)) found.get(base).push(words);
          else found.set(base, [words]);
        }
      }
    }
    if (!term.isPackage) {
      for (const base of bases) {
        const isMeant = meaning.images.has(base.image) && (!term.start || base.python === term.start);
        if ((isMeant || isTag(base, term)) && !found.has(base.number)) found.set(base.number, []);
      }
    }
    return { ...meaning, term, found, isElsewhere };
  }

  function readFilters() {
    const pythons = boxes("python").filter((box) => box.checked).map((box) => box.value);
    const platforms = boxes("platform").filter((box) => box.checked).map((box) => box.value);
    const size = form.elements.size.value;
    return { pythons, platforms, most: size === "any" ? Infinity : Number(size) * 1e6, size, order: form.elements.order.value };
  }

  const passes = (base, filters, platforms) =>
    (!filters.pythons.length || filters.pythons.includes(base.python)) &&
    platforms.every((platform) => base.platforms.includes(platform)) &&
    base.size <= filters.most;

  const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;
  const quoted = (terms) => terms.map((term) => term.text).join(", ");

  // What stands in the way of a term that no base has.
  function missing({ term, packages: named, exact, isElsewhere }) {
    if (isElsewhere) return `No base has ${term.text} for ${readFilters().platforms.join(" and ")}.`;
    if (!named.length) return `No base has anything like “${term.name}”.`;
    const item = exact || named[0];
    const there = item.releases.map((release) => release.version);
    const some = there.length > MOST_CHIPS ? `${there.slice(0, MOST_CHIPS).join(", ")} and older ones` : there.join(", ");
    return `No base has ${term.text}: there is ${item.name} ${some}.`;
  }

  function choose(searched, filters, platforms) {
    const admitted = bases.filter((base) => passes(base, filters, platforms));
    const scores = new Map(bases.map((base) => [base, searched.filter(({ found }) => found.has(base.number)).length]));
    const whole = admitted.filter((base) => scores.get(base) === searched.length);
    if (whole.length || searched.length < 2) {
      return { shown: whole, others: bases.filter((base) => scores.get(base) === searched.length).length - whole.length };
    }
    const best = Math.max(0, ...admitted.map((base) => scores.get(base)));
    const near = best ? admitted.filter((base) => scores.get(base) === best) : [];
    return { shown: near.slice(0, MOST_NEAR), others: 0, isNear: true };
  }

  function say(searched, chosen) {
    const terms = searched.map(({ term }) => term);
    const number = chosen.shown.length;
    if (!terms.length) return `${count(number, "base")}${chosen.others ? ` of ${bases.length}` : ""}.`;
    const none = searched.filter(({ found }) => !found.size).map(missing);
    if (chosen.isNear) {
      const said = none.length ? none.join(" ") : `No base has all of ${quoted(terms)}.`;
      return number ? `${said} Nearest: ${count(number, "base")}.` : said;
    }
    const filtered = chosen.others ? ` ${chosen.others} more without the filters.` : "";
    if (!number) return none.length ? none.join(" ") : `No base that the filters admit has ${quoted(terms)}.${filtered}`;
    const isOfPackages = searched.every(({ found }) => [...found.values()].some((words) => words.length));
    const verbs = isOfPackages ? ["has", "have"] : ["matches", "match"];
    return `${count(number, "base")} ${verbs[number === 1 ? 0 : 1]} ${quoted(terms)}.${filtered}`;
  }

  function showChips(base, searched) {
    if (base.chips) base.chips.remove();
    base.chips = null;
    if (!searched.length) return;
    const has = searched.flatMap(({ found }) => found.get(base.number) || []);
    const lacks = searched.filter(({ found }) => !found.has(base.number)).map(({ term }) => term.text);
    if (!has.length && !lacks.length) return;
    base.chips = page.element("span", "found");
    for (const words of has.slice(0, MOST_CHIPS)) base.chips.append(page.element("span", "chip chip-hit", words), " ");
    if (has.length > MOST_CHIPS) base.chips.append(page.element("span", "chip", `and ${has.length - MOST_CHIPS} more`), " ");
    for (const words of lacks) base.chips.append(page.element("span", "chip chip-miss", `no ${words}`), " ");
    base.row.append(base.chips);
  }

  // Which versions of the package there are, to choose one of them.
  function showVersions(searched) {
    spread.replaceChildren();
    const last = searched[searched.length - 1];
    const item = last && (last.exact || (last.packages.length === 1 && last.packages[0]));
    const others = last && !item ? last.packages.slice(0, MOST_CHIPS) : [];
    spread.hidden = !((item && item.releases.length > 1) || others.length > 1);
    if (spread.hidden) return;
    const before = searched.slice(0, -1).map(({ term }) => term.text);
    const add = (words, query, number) => {
      const button = page.element("button", "try", words);
      button.type = "button";
      button.dataset.query = [...before, query].join(" ");
      button.append(page.element("small", "", ` ${count(number, "base")}`));
      spread.append(button, " ");
    };
    spread.append(page.element("span", "quiet", item ? `${item.name}: ` : "Packages: "));
    const releases = item ? item.releases.slice(0, 2 * MOST_CHIPS) : [];
    for (const release of releases) add(release.version, `${item.name}==${release.version}`, basesOf(release).size);
    for (const other of others) {
      add(other.name, other.name, new Set(other.releases.flatMap((release) => [...basesOf(release).keys()])).size);
    }
  }

  const ORDERS = {
    name: (one, other) => one.number - other.number,
    size: (one, other) => one.size - other.size || one.number - other.number,
    time: (one, other) => (one.time === other.time ? one.number - other.number : one.time < other.time ? 1 : -1),
  };
  let ordered = "name";

  // Images stand in the order of their first base.
  function reorder(order) {
    if (order === ordered) return;
    ordered = order;
    for (const base of [...bases].sort(ORDERS[order])) {
      base.row.parentElement.append(base.row);
    }
    const first = new Map();
    for (const base of [...bases].sort(ORDERS[order])) if (!first.has(base.group)) first.set(base.group, base);
    results.append(...first.keys());
  }

  // The search can be kept and sent as an address.
  function keep(text, filters) {
    const kept = new URLSearchParams();
    if (text) kept.set("query", text);
    for (const python of filters.pythons) kept.append("python", python);
    for (const platform of filters.platforms) kept.append("platform", platform);
    if (filters.size !== "any") kept.set("size", filters.size);
    if (filters.order !== "name") kept.set("order", filters.order);
    const hash = kept.toString();
    if (hash !== location.hash.slice(1)) history.replaceState(null, "", hash ? `#${hash}` : location.pathname);
  }

  function update() {
    const text = field.value.trim();
    const filters = readFilters();
    const platforms = filters.platforms.map((name) => catalog.platforms.indexOf(name));
    const searched = readTerms(text).map((term) => search(term, platforms));
    const chosen = choose(searched, filters, platforms);
    const shown = new Set(chosen.shown);
    reorder(filters.order);
    for (const base of bases) {
      base.row.hidden = !shown.has(base);
      if (shown.has(base)) showChips(base, searched);
    }
    const full = new Set(chosen.shown.map((base) => base.group));
    for (const group of groups) group.hidden = !full.has(group);
    shownCount.textContent = say(searched, chosen);
    showVersions(searched);
    keep(text, filters);
  }

  function restore() {
    const kept = new URLSearchParams(location.hash.slice(1));
    field.value = kept.get("query") || "";
    for (const name of ["python", "platform"]) {
      for (const box of boxes(name)) box.checked = kept.getAll(name).includes(box.value);
    }
    for (const [name, none] of [["size", "any"], ["order", "name"]]) {
      form.elements[name].value = kept.get(name) || none;
      if (!form.elements[name].value) form.elements[name].value = none;
    }
    update();
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", update);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.try");
    if (!button) return;
    field.value = button.dataset.query;
    update();
    field.focus();
  });
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input, select, textarea");
    if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      field.focus();
      field.select();
    }
  });
  window.addEventListener("hashchange", restore);
  for (const base of bases) base.row.append(page.copyButton("Copy FROM", `FROM line of ${base.name}`, () => `FROM ${base.from}`));
  form.hidden = false;
  restore();
})();
