"""Say whom an image's `User` means (OCI image specification, config.md, "User"), as a JSON object: id and home.

    python who.py USER

USER is a user, by name or number, with or without a group after a colon. A group that is not given is the user's own,
or 0 for a number that no line of passwd has.
"""

import grp
import json
import pwd
import sys

name, _, group = sys.argv[1].partition(":")
try:
    try:
        user = pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
        uid, gid, home = user.pw_uid, user.pw_gid, user.pw_dir
    except KeyError:
        uid, gid, home = int(name), 0, "/"
    if group:
        gid = int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
except (KeyError, ValueError):
    sys.exit("the image has no such user or group")
json.dump({"id": "%d:%d" % (uid, gid), "home": home}, sys.stdout)
