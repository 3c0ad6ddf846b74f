# SPDX-License-Identifier: Apache-2.0

"""Checks reports of violations by what their formats ask for.

    report_formats.py FORMAT:FILE...

Prints for each format how many violations it holds.
"""

import html.parser
import json
import re
import sys
import xml.etree.ElementTree


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def want(condition, text):
    if not condition:
        sys.exit(text)


def check_json(text):
    lines = [json.loads(line) for line in text.splitlines()]
    want(lines[-1]["type"] == "sum", "json: no sum at its end")
    return sum(line["type"] == "violation" for line in lines)


def check_junit(text):
    root = xml.etree.ElementTree.fromstring(text)
    want(root.tag == "testsuites", "junit: no testsuites")
    cases = root.findall("testsuite/testcase")
    failed = [case for case in cases if case.find("failure") is not None]
    for suites in [root, root.find("testsuite")]:
        want(int(suites.get("tests")) == len(cases), "junit: tests")
        want(int(suites.get("failures")) == len(failed), "junit: failures")
    for case in cases:
        want(case.get("name") and case.get("classname"), "junit: no name")
    return len(failed)


def check_sarif(text):
    """What section 3 of SARIF 2.1.0 says that there must be."""
    log = json.loads(text)
    want(log["version"] == "2.1.0", "sarif: version")
    [run] = log["runs"]
    driver = run["tool"]["driver"]
    want(driver["name"], "sarif: no name")
    rules = [rule["id"] for rule in driver["rules"]]
    want(len(rules) == len(set(rules)), "sarif: rules twice")
    for invocation in run["invocations"]:
        want(isinstance(invocation["executionSuccessful"], bool),
             "sarif: invocation")
        for note in invocation["toolExecutionNotifications"]:
            want(note["message"]["text"], "sarif: notification")
    for result in run["results"]:
        want(result["ruleId"] in rules, "sarif: unknown rule")
        want(result["level"] in ("none", "note", "warning", "error"),
             "sarif: level")
        want(result["message"]["text"], "sarif: no message")
        want(result["occurrenceCount"] >= 1, "sarif: count")
        want(all(isinstance(value, str)
                 for value in result["partialFingerprints"].values()),
             "sarif: fingerprints")
        frames = [frame for stack in result.get("stacks", [])
                  for frame in stack["frames"]]
        for place in (result.get("locations", []) +
                      [frame["location"] for frame in frames]):
            physical = place.get("physicalLocation")
            if physical:
                uri = physical["artifactLocation"]["uri"]
                want(re.fullmatch(r"(file://)?[A-Za-z0-9._~/+@%-]+", uri),
                     f"sarif: no URI: {uri}")
                want(physical.get("region", {}).get("startLine", 1) >= 1,
                     "sarif: line")
    return len(run["results"])


def check_github(text):
    lines = text.splitlines()
    for line in lines:
        want(re.fullmatch(r"::error (\w+=[^,:]*)(,\w+=[^,:]*)*::.+", line),
             f"github: {line}")
    return len(lines)


def check_gitlab(text):
    entries = json.loads(text)
    for entry in entries:
        for field in ["description", "check_name", "fingerprint"]:
            want(entry[field] and isinstance(entry[field], str),
                 f"gitlab: {field}")
        want(entry["severity"] in
             ("info", "minor", "major", "critical", "blocker"),
             "gitlab: severity")
        want(entry["location"]["path"] and
             isinstance(entry["location"]["lines"]["begin"], int),
             "gitlab: location")
    return len(entries)


class Page(html.parser.HTMLParser):
    VOID = {"meta", "input"}

    def __init__(self):
        super().__init__()
        self.open = []
        self.articles = 0

    def handle_starttag(self, tag, attrs):
        self.articles += tag == "article"
        for name, value in attrs:
            want(name not in ("src", "href"), f"html: loads {value}")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        want(self.open and self.open.pop() == tag, f"html: stray </{tag}>")


def check_html(text):
    page = Page()
    page.feed(text)
    page.close()
    want(not page.open, f"html: {page.open} stay open")
    return page.articles


def main():
    for argument in sys.argv[1:]:
        name, _, path = argument.partition(":")
        print(f"{name}={globals()['check_' + name](read(path))}")


if __name__ == "__main__":
    main()
