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

  // What a base's row says of it, as names with a version or none: python 3.13.9, debian 13, trixie, linux/arm64, arm64.
  function readTraits(row, base) {
    const said = row.querySelector(".facts").textContent.toLowerCase().split(/\s*[·,]\s*/);
    const parts = base.tags.flatMap((tag) => tag.toLowerCase().split("-").slice(1));
    const systems = base.platforms.map((platform) => catalog.platforms[platform]);
    return [...said, ...parts, ...systems].map((words) => {
      const [, name, version] = /^(.*?)(?:\s+(\d\S*))?$/.exec(words);
      return [name, version || ""];
    });
  }

  const bases = catalog.bases.map((base, number) => {
    const row = document.getElementById(`b${number}`);
    const group = row.closest(".image");
    const image = group.querySelector("h2").textContent;
    const tags = base.tags.map((tag) => tag.toLowerCase());
    const [named, digest] = base.from.split("@");
    const place = named.slice(0, named.lastIndexOf(`/${base.name}`) + 1).toLowerCase();
    const own = { number, row, group, image, tags, digest, place, traits: readTraits(row, base) };
    return { ...base, ...own, chips: null, said: "[0,[],[]]", shownSize: base.sizes[0] || 0 };
  });
  const images = new Set(bases.map((base) => base.image));
  const traits = new Map();
  for (const [name, version] of bases.flatMap((base) => base.traits)) {
    traits.set(name, (traits.get(name) || new Set()).add(version));
  }
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
  // Lines of a Dockerfile and of requirements are read as they stand there, but for what no base has an answer to:
  // extras, markers, hashes, comments.
  function readTerms(text) {
    const joined = text
      .replace(/^\s*from\s+(?:--\S+\s+)*(\S*[:@/]\S*)(?:\s+as\s+\S+)?\s*$/i, "$1")
      .replace(/\s*(?:;|\s#|\s\\|\s--hash).*$/, "")
      .replace(/\s*\[[^\]]*\]?/g, "")
      .replace(/[()]/g, " ")
      .replace(/\s*(===|[~=!<>]=|[<>]|=)\s*/g, "$1")
      .replace(/\s*,\s*(?=[~=!<>])/g, ",")
      .trim();
    const terms = [];
    for (const token of joined.split(/\s+|,(?![~=!<>])/).filter(Boolean)) {
      const last = terms[terms.length - 1];
      const [, name, rest] = /^([^~=!<>,]*)(.*)$/.exec(token);
      const [, python, start] = /^(c?python(?=\d)|)v?(\d+(?:\.\d+)*)(?:\.\*?)?$/i.exec(rest ? "" : name) || [];
      if (start && !python && last && !last.clauses.length) {
        last.clauses.push(["==", `${start}.*`]);
        last.text = `${last.text} ${token}`;
        last.start = start;
      } else if (start && (python || start.includes("."))) {
        terms.push({ name: "python", text: token, clauses: [["==", `${start}.*`]], isPackage: true });
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

  // The names of traits that a word means, or begins; none if it means something else.
  function readTrait({ name }, isElse) {
    if (isElse) return [];
    if (traits.has(name)) return [name];
    return name.length > 2 ? [...traits.keys()].filter((each) => each.startsWith(name)) : [];
  }

  // The packages and images that a word means: the one of that name, or else those that begin so, or else alike ones.
  function resolve(term) {
    const exact = byName.get(canonical(term.name));
    const options = { combineWith: "AND", prefix: true };
    let found = index.search(term.name, options);
    const own = readTrait(term, exact || (found.length && !traits.has(term.name)));
    if (!found.length && !exact && !own.length) found = index.search(term.name, { ...options, fuzzy: 0.25 });
    if (own.length && term.clauses.length) found = [];
    const named = found.filter((each) => each.kind === "package").map((each) => byName.get(each.name));
    const images = new Set(found.filter((each) => each.kind === "image").map((each) => each.name));
    return { packages: exact ? [exact] : named, images, exact, traits: own };
  }

  const isRelease = (term, version) =>
    term.clauses.every(([operator, wanted]) => versions.matches(version, operator, wanted));

  // The image that a name is of, which may have any place before it: a mirror's, too.
  function imageOf(name, place) {
    let rest = name.startsWith(place) ? name.slice(place.length) : name;
    while (!images.has(rest) && rest.includes("/")) rest = rest.slice(rest.indexOf("/") + 1);
    return rest;
  }

  const isTag = (base, tag) => base.tags.some((own) => own.startsWith(tag));

  // Whether a name is one of a base's own: a tag, an image with a tag, a digest, a whole reference, as far as it is typed.
  function isNamed(base, { name }) {
    if (name.startsWith("sha256:")) return base.digest.startsWith(name);
    const [named, digest] = name.split("@");
    const [, image, tag] = /^(.*):([^:/]*)$/.exec(named) || [null, named, ""];
    if (image === named && digest === undefined && !named.includes("/")) return named.length > 2 && isTag(base, named);
    if (base.image !== imageOf(image, base.place)) return false;
    return digest ? base.digest.startsWith(digest) : isTag(base, tag);
  }

  // A bound of two parts is about versions by two parts: what is 3.13.9 is not beyond "<=3.13".
  const hasTrait = (base, term, meant) =>
    base.traits.some(
      ([name, version]) =>
        meant.includes(name) &&
        term.clauses.every(([operator, wanted]) => {
          const parts = Math.max(2, wanted.replace(/[.*]+$/, "").split(".").length);
          return versions.matches(version.split(".").slice(0, parts).join("."), operator, wanted);
        }),
    );

  // The bases that have a release on all platforms that are wanted, each with the platforms if it is not on all.
  const holders = (release, wantedPlatforms) =>
    wantedPlatforms.length
      ? new Map([...basesOf(release)].filter(([base, only]) => isOnAll(only || bases[base].platforms, wantedPlatforms)))
      : basesOf(release);
  const isOnAll = (there, wantedPlatforms) => wantedPlatforms.every((platform) => there.includes(platform));

  // Base number → what it has of a term: chips, as "pandas 2.2.3". A base may also be meant itself, by its names or by
  // what its row says of it.
  function search(term, wantedPlatforms) {
    const meaning = resolve(term);
    const found = new Map();
    let isElsewhere = false;
    for (const item of meaning.packages) {
      for (const release of item.releases) {
        if (!isRelease(term, release.version)) continue;
        const own = holders(release, wantedPlatforms);
        const whole = `${item.name} ${release.version}`;
        isElsewhere = isElsewhere || own.size < basesOf(release).size;
        for (const [base, only] of own) {
          const where = only ? ` (${only.map((each) => catalog.platforms[each]).join(", ")})` : "";
          const words = where ? `${whole}${where}` : whole;
          if (found.has(base)) found.get(base).push(words);
          else found.set(base, [words]);
        }
      }
    }
    for (const base of bases) {
      const isMeant = meaning.images.has(base.image) && (!term.start || base.python === term.start);
      const isSelf = (!term.isPackage && (isMeant || isNamed(base, term))) || hasTrait(base, term, meaning.traits);
      if (isSelf && !found.has(base.number)) found.set(base.number, []);
    }
    return { ...meaning, term, found, isElsewhere, wantedPlatforms };
  }

  function readFilters() {
    const pythons = boxes("python").filter((box) => box.checked).map((box) => box.value);
    const platforms = boxes("platform").filter((box) => box.checked).map((box) => box.value);
    const size = form.elements.size.value;
    return { pythons, platforms, most: size === "any" ? Infinity : Number(size) * 1e6, size, order: form.elements.order.value };
  }

  // A base's first platform stands for it; of those that are wanted, the one that is the largest.
  const sizeOf = (base, platforms) =>
    platforms.length && isOnAll(base.platforms, platforms)
      ? Math.max(...platforms.map((platform) => base.sizes[base.platforms.indexOf(platform)]))
      : base.sizes[0] || 0;

  const passes = (base, filters, platforms) =>
    (!filters.pythons.length || filters.pythons.includes(base.python)) &&
    isOnAll(base.platforms, platforms) &&
    sizeOf(base, platforms) <= filters.most;

  const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;
  const quoted = (terms) => terms.map((term) => term.text).join(", ");

  const releasesOf = (trait) => [...traits.get(trait)].map((version) => ({ version }));

  // What stands in the way of a term that no base has.
  function missing({ term, packages: named, exact, traits: own, isElsewhere, wantedPlatforms }) {
    const platforms = wantedPlatforms.map((each) => catalog.platforms[each]).join(" and ");
    if (isElsewhere) return `No base has ${term.text} for ${platforms}.`;
    const item = exact || named[0] || (own.length && { name: own[0], releases: releasesOf(own[0]) });
    if (!item) return `No base has anything like “${term.name}”.`;
    const there = item.releases.map((release) => release.version);
    const some = there.length > MOST_CHIPS ? `${there.slice(0, MOST_CHIPS).join(", ")} and older ones` : there.join(", ");
    return `No base has ${term.text}: there is ${item.name} ${some}.`;
  }

  function choose(searched, filters, platforms) {
    const admitted = bases.filter((base) => passes(base, filters, platforms));
    const scores = new Map(bases.map((base) => [base, searched.filter(({ found }) => found.has(base.number)).length]));
    const whole = admitted.filter((base) => scores.get(base) === searched.length);
    if (whole.length || searched.length < 2) {
      const others = bases.filter((base) => scores.get(base) === searched.length).length - whole.length;
      return { shown: whole, others, admitted };
    }
    const best = Math.max(0, ...admitted.map((base) => scores.get(base)));
    const near = best ? admitted.filter((base) => scores.get(base) === best) : [];
    return { shown: near.slice(0, MOST_NEAR), others: 0, admitted, isNear: true };
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
    const has = searched.flatMap(({ found }) => found.get(base.number) || []);
    const lacks = searched.filter(({ found }) => !found.has(base.number)).map(({ term }) => term.text);
    const said = JSON.stringify([has.length, has.slice(0, MOST_CHIPS), lacks]);
    if (said === base.said) return;
    base.said = said;
    if (base.chips) base.chips.remove();
    base.chips = null;
    if (!has.length && !lacks.length) return;
    base.chips = page.element("span", "found");
    for (const words of has.slice(0, MOST_CHIPS)) base.chips.append(page.element("span", "chip chip-hit", words), " ");
    if (has.length > MOST_CHIPS) base.chips.append(page.element("span", "chip", `and ${has.length - MOST_CHIPS} more`), " ");
    for (const words of lacks) base.chips.append(page.element("span", "chip chip-miss", `no ${words}`), " ");
    base.row.append(base.chips);
  }

  // Which versions of the package there are, to choose one of them: each with as many bases as would be shown for it.
  function showVersions(searched, admitted) {
    spread.replaceChildren();
    const last = searched[searched.length - 1];
    const item = last && (last.exact || (last.packages.length === 1 && last.packages[0]));
    const others = last && !item ? last.packages : [];
    const rest = searched.slice(0, -1);
    const left = new Set(admitted.map((base) => base.number).filter((base) => rest.every(({ found }) => found.has(base))));
    const countOf = (releases) => {
      const own = new Set();
      for (const release of releases) {
        for (const base of holders(release, last.wantedPlatforms).keys()) if (left.has(base)) own.add(base);
      }
      return own.size;
    };
    const choices = item
      ? item.releases.map((each) => [each.version, `${item.name}==${each.version}`, [each]])
      : others.map((each) => [each.name, each.name, each.releases]);
    const offered = [];
    for (const [words, query, releases] of choices) {
      const number = countOf(releases);
      if (number) offered.push([words, query, number]);
      if (offered.length === (item ? 2 * MOST_CHIPS : MOST_CHIPS)) break;
    }
    spread.hidden = offered.length < 2;
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
    for (const each of offered) add(...each);
  }

  const ORDERS = {
    name: (one, other) => one.number - other.number,
    size: (one, other) => one.shownSize - other.shownSize || one.number - other.number,
    time: (one, other) => (one.time === other.time ? one.number - other.number : one.time < other.time ? 1 : -1),
  };
  let ordered = "name";

  const UNITS = ["B", "kB", "MB"];

  // As the page writes sizes.
  function inBytes(size) {
    const unit = UNITS.findIndex((_, place) => size < 1000 ** (place + 1));
    if (unit < 0) return `${(size / 1e9).toFixed(2)} GB`;
    return `${(size / 1000 ** unit).toFixed(unit ? 1 : 0)} ${UNITS[unit]}`;
  }

  function showSizes(platforms) {
    for (const base of bases) {
      const size = sizeOf(base, platforms);
      if (size === base.shownSize) continue;
      base.shownSize = size;
      base.row.querySelector(".size").textContent = inBytes(size);
    }
  }

  // Images stand in the order of their first base.
  function reorder(order, platforms) {
    const wanted = order === "size" ? `${order} ${platforms}` : order;
    if (wanted === ordered) return;
    ordered = wanted;
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

  const isPlatform = (platform, name) => platform === name || platform === `linux/${name}`;

  // What stays as it is is not touched: with many bases a key would take as long as drawing the page anew.
  function hide(part, isHidden) {
    if (part.hidden !== isHidden) part.hidden = isHidden;
  }

  function update() {
    const text = field.value.trim();
    const filters = readFilters();
    const platforms = filters.platforms.map((name) => catalog.platforms.indexOf(name));
    const terms = readTerms(text);
    const meant = terms.map((term) => catalog.platforms.findIndex((name) => isPlatform(name, term.name)));
    const wanted = [...new Set([...platforms, ...meant.filter((platform) => platform >= 0)])];
    const searched = terms.map((term) => search(term, wanted));
    const chosen = choose(searched, filters, platforms);
    const shown = new Set(chosen.shown);
    showSizes(platforms);
    reorder(filters.order, platforms);
    for (const base of bases) {
      hide(base.row, !shown.has(base));
      if (shown.has(base)) showChips(base, searched);
    }
    const full = new Set(chosen.shown.map((base) => base.group));
    for (const group of groups) hide(group, !full.has(group));
    shownCount.textContent = say(searched, chosen);
    showVersions(searched, chosen.admitted);
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
