# SPDX-License-Identifier: Apache-2.0

"""Checks a report against the table of its fields in docs/.

    report_schema.py docs/violations.md REPORT
    report_schema.py docs/inputs.md REPORT

Every field must be in the table, every field of the table in the report, with a
value of the kind that it says. Prints the number of objects of each type.
"""

import collections
import json
import re
import sys

KINDS = {
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int)
                            and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "frames": lambda value: isinstance(value, list),
    "paths": lambda value: isinstance(value, list)
                           and all(isinstance(path, str) for path in value)
                           and value == sorted(set(value)),
}


def fields_of(document):
    """Returns {type: {field: kind}}."""
    with open(document, encoding="utf-8") as file:
        text = file.read()
    fields = collections.defaultdict(dict)
    for kind, field, value in re.findall(
            r"^\| `(\w+)` \| `(\w+)` \| ([a-z ]+) \| .+ \|$", text, re.M):
        fields[kind][field] = value
    return fields


def check(kind, thing, fields):
    if set(thing) != set(fields[kind]):
        sys.exit(f"a {kind} has {sorted(thing)}, not {sorted(fields[kind])}")
    for field, value in thing.items():
        allowed = fields[kind][field].split(" or ")
        if not any(KINDS[name](value) for name in allowed):
            sys.exit(f"{kind}.{field} is {value!r}, not {allowed}")
        if "frames" in allowed:
            for frame in value:
                check("frame", frame, fields)


def main():
    fields = fields_of(sys.argv[1])
    counts = collections.Counter()
    with open(sys.argv[2], encoding="utf-8") as file:
        for line in file:
            thing = json.loads(line)
            kind = thing.pop("type")
            check(kind, thing, fields)
            counts[kind] += 1
    print(" ".join(f"{kind}={counts[kind]}" for kind in sorted(counts)),
          kind)


if __name__ == "__main__":
    main()
