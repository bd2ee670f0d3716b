// Versions and specifiers of Python packages, as PEP 440 orders and matches them. Pre-releases count like any other:
// what a base has is there. A text that is no version is like no other.
"use strict";

const versions = (() => {
  const PATTERN =
    /^v?(?:(\d+)!)?(\d+(?:\.\d+)*)(?:[-_.]?(alpha|a|beta|b|preview|pre|c|rc)[-_.]?(\d*))?(?:-(\d+)|[-_.]?(post|rev|r)[-_.]?(\d*))?(?:[-_.]?(dev)[-_.]?(\d*))?(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?$/;
  const PHASES = { a: 0, alpha: 0, b: 1, beta: 1, c: 2, rc: 2, pre: 2, preview: 2 };

  function parse(text) {
    const found = PATTERN.exec(text.trim().toLowerCase());
    if (!found) return null;
    const [, epoch, release, phase, pre, implicit, post, postNumber, dev, devNumber, local] = found;
    const isPost = implicit !== undefined || post !== undefined;
    return {
      epoch: Number(epoch || 0),
      release: release.split(".").map(Number),
      pre: phase ? [PHASES[phase], Number(pre || 0)] : null,
      post: isPost ? Number(implicit || postNumber || 0) : null,
      dev: dev ? Number(devNumber || 0) : null,
      local: local ? local.split(/[-_.]/) : null,
    };
  }

  // What comes before all (-Infinity) and after all (Infinity) is as PEP 440's "Summary of permitted suffixes" has it.
  function rank(version) {
    const early = !version.pre && version.post === null && version.dev !== null;
    const pre = version.pre || [early ? -Infinity : Infinity, 0];
    return [...pre, version.post === null ? -Infinity : version.post, version.dev === null ? Infinity : version.dev];
  }

  function compareLists(one, other) {
    for (let place = 0; place < Math.max(one.length, other.length); place += 1) {
      const [left, right] = [one[place] || 0, other[place] || 0];
      if (left !== right) return left < right ? -1 : 1;
    }
    return 0;
  }

  function compareLocals(one, other) {
    if (!one || !other) return one ? 1 : other ? -1 : 0;
    for (let place = 0; place < Math.max(one.length, other.length); place += 1) {
      const [left, right] = [one[place], other[place]];
      if (left === right) continue;
      if (left === undefined || right === undefined) return left === undefined ? -1 : 1;
      const [isLeft, isRight] = [/^\d+$/.test(left), /^\d+$/.test(right)];
      if (isLeft !== isRight) return isLeft ? 1 : -1;
      if (isLeft && Number(left) !== Number(right)) return Number(left) < Number(right) ? -1 : 1;
      if (!isLeft) return left < right ? -1 : 1;
    }
    return 0;
  }

  function comparePublic(one, other) {
    return (
      compareLists([one.epoch], [other.epoch]) ||
      compareLists(one.release, other.release) ||
      compareLists(rank(one), rank(other))
    );
  }

  const compare = (one, other) => comparePublic(one, other) || compareLocals(one.local, other.local);
  const isSameRelease = (one, other) =>
    one.epoch === other.epoch && compareLists(one.release, other.release) === 0;

  function startsWith(version, prefix) {
    const padded = prefix.release.map((_, place) => version.release[place] || 0);
    return version.epoch === prefix.epoch && compareLists(padded, prefix.release) === 0;
  }

  const equals = (version, wanted) => (wanted.local ? compare(version, wanted) : comparePublic(version, wanted)) === 0;

  const OPERATORS = {
    ">=": (version, wanted) => comparePublic(version, wanted) >= 0,
    "<=": (version, wanted) => comparePublic(version, wanted) <= 0,
    "==": equals,
    "!=": (version, wanted) => !equals(version, wanted),
    "~=": (version, wanted) =>
      comparePublic(version, wanted) >= 0 &&
      (wanted.release.length < 2 || startsWith(version, { ...wanted, release: wanted.release.slice(0, -1) })),
    "<": (version, wanted) => {
      if (comparePublic(version, wanted) >= 0) return false;
      const isPre = version.pre !== null || version.dev !== null;
      const wantsPre = wanted.pre !== null || wanted.dev !== null;
      return !(isPre && !wantsPre && version.post === wanted.post && isSameRelease(version, wanted));
    },
    ">": (version, wanted) => {
      if (compare(version, wanted) <= 0) return false;
      if (version.post !== null && wanted.post === null && isSameRelease(version, wanted)) return false;
      return !(version.local && comparePublic(version, wanted) === 0);
    },
  };

  // Whether a version satisfies a clause; one that is being typed (">=", ">=2.", "~=2") says what it says so far.
  function matches(text, operator, wanted) {
    const bound = wanted.trim().replace(/[.*]+$/, "");
    if (!bound) return true;
    if (operator === "===") return text === wanted.trim();
    const [version, limit] = [parse(text), parse(bound)];
    if (!version || !limit) return false;
    if (/\.\*$/.test(wanted.trim()) && (operator === "==" || operator === "!=")) {
      return startsWith(version, limit) === (operator === "==");
    }
    return OPERATORS[operator](version, limit);
  }

  return { matches };
})();
