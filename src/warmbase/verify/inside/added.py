"""Say how many bytes a child's layer gets below FOLDERS, and fail if there are too many.

    python added.py SINCE MOST FOLDER…

What an overlay has written or copied up since the file SINCE was made shows by its change time.
"""

import os
import sys

since, most = os.lstat(sys.argv[1]).st_ctime_ns, int(sys.argv[2])
sizes = {}
for top in sys.argv[3:]:
    for parent, _, files in os.walk(top):
        for name in files:
            path = os.path.join(parent, name)
            status = os.lstat(path)
            if status.st_ctime_ns > since:
                sizes[status.st_ino] = (status.st_size, path)
total = sum(size for size, _ in sizes.values())
print("adds %d kB in %d files" % ((total + 999) // 1000, len(sizes)))
if total > most:
    for size, path in sorted(sizes.values(), reverse=True)[:5]:
        print("%9d %s" % (size, path))
    sys.exit("a child's layer would get %d bytes, expected are at most %d" % (total, most))
