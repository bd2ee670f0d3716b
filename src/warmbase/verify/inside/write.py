"""Write a project's files and give them to its user.

    python write.py FOLDER UID GID

Standard input is a JSON object, path below FOLDER → text. The group may do what the owner may, as images for
arbitrary uids are made.
"""

import json
import os
import sys

folder, uid, gid = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.umask(0o002)
os.makedirs(folder, exist_ok=True)
for path, text in json.load(sys.stdin).items():
    target = os.path.join(folder, path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, "w", encoding="utf-8") as file:
        file.write(text)
for parent, _, files in os.walk(folder):
    for name in [".", *files]:
        os.chown(os.path.join(parent, name), uid, gid)
