"""Reads `go test -json` on standard input, prints what failed with its output and nothing of what passed.

Exits 1 when something failed. Counts top-level test functions, and writes `passed failed skipped` to --counts; names
of skipped tests, with the reason each gave, go to --skips. --progress is a terminal to keep informed.
"""

import argparse
import collections
import json
import sys


def main() -> int:
    args = arguments()
    output = collections.defaultdict(list)  # (package, test) -> lines; test is "" for the package's own
    running = {}  # (package, top-level test) -> True, in the order they started
    result = {}  # (package, top-level test) -> pass, fail or skip
    packages = {}  # package -> pass, fail or skip
    stray = []  # what is not JSON: the go command's own words
    builds = collections.defaultdict(list)  # import path -> compiler's words
    failed_builds = set()

    for line in sys.stdin:
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict) or "Action" not in event:
            stray.append(line)
            continue
        action, package, test = event["Action"], event.get("Package", ""), event.get("Test", "")
        top = (package, test.split("/")[0])
        if action == "build-output":
            builds[event["ImportPath"]].append(event["Output"])
        elif action == "build-fail":
            failed_builds.add(event["ImportPath"])
        elif action == "output":
            output[top if test else (package, "")].append(event["Output"])
        elif action == "run" and "/" not in test:
            running[top] = True
        elif action in ("pass", "fail", "skip"):
            if not test:
                packages[package] = action
            elif "/" not in test:
                result[top] = action
                running.pop(top, None)
                if action == "pass":
                    output.pop(top, None)
                if args.progress:
                    show_progress(args.progress, result)

    # A test that never ended: its package ran out of time, panicked or was killed.
    for top in running:
        result[top] = "fail"

    for path in sorted(failed_builds):
        print(f"=== does not build: {path}")
        print("".join(builds[path]), end="")
    broken = {package for package, action in packages.items() if action == "fail"}
    broken |= {package for (package, _), action in result.items() if action == "fail"}
    for package in sorted(broken):
        print(f"=== failed: {package}")
        for (owner, test), action in result.items():
            if owner == package and action == "fail":
                print("".join(output[owner, test]), end="")
        print("".join(output[package, ""]), end="")
    failures = sorted(name for name, action in result.items() if action == "fail")
    if failures:
        print("=== failed tests")
        for package, test in failures:
            print(f"{package} {test}")

    bad = bool(broken or failed_builds)
    if not packages and not bad:
        bad = True
        print("no package was tested")
    counts = collections.Counter(result.values())
    if bad and not counts["fail"]:
        counts["fail"] = 1  # something failed outside of all tests: a build, TestMain
    with open(args.counts, "w", encoding="utf-8") as file:
        print(counts["pass"], counts["fail"], counts["skip"], file=file)
    with open(args.skips, "w", encoding="utf-8") as file:
        for (package, test), action in result.items():
            if action == "skip":
                print(f"{package} {test}: {reason(output[package, test])}", file=file)

    if bad:
        print("".join(stray), end="")
    return 1 if bad else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", required=True)
    parser.add_argument("--skips", required=True)
    parser.add_argument("--progress", help="a terminal")
    return parser.parse_args()


def show_progress(terminal: str, result: dict) -> None:
    counts = collections.Counter(result.values())
    text = f"{counts['pass']} passed"
    if counts["fail"]:
        text += f", {counts['fail']} failed"
    try:
        with open(terminal, "w", encoding="utf-8") as file:
            # Saved and restored, so that the line's beginning stays.
            file.write(f"\0337{text}\0338")
    except OSError:
        pass


def reason(lines: list) -> str:
    """What t.Skip was told: the line that names its place in a file, or nothing."""
    said = [line.strip() for line in lines if not line.lstrip().startswith(("===", "---"))]
    return " ".join(said) or "no reason given"


if __name__ == "__main__":
    sys.exit(main())
