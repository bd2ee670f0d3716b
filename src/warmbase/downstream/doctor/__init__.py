"""Why a project's build on a base is not instant: facts in, findings out.

- `options` collects what tells uv what to do, from the project's files, a Dockerfile, or a running container's
  variables, each with where it stands; later ones overrule earlier ones, as uv has it.
- `holdings` is what there is to hit: what a published base has by its offer, or what a container's venv and cache are
  found to hold by the probe (`downstream.inside.probe`).
- `packages` takes every package that the project needs through the very questions that uv asks when it plans an
  installation, in uv's order: is it installed as it should be; must the cache be asked anew; is this file, from this
  index, with this hash, in the cache that is used; and can it be linked from there.
- `rules` makes findings of what cost something, and of what would once something is not installed yet; `standing` says
  what there is to say of the base itself.

Nothing that uv prints is read: the lock, the cache's entries, variables, mounts and modes decide.
"""
