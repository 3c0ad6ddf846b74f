# SPDX-License-Identifier: Apache-2.0

"""A cc_test whose every test runs in a process and a sandbox of its own."""

load("@rules_cc//cc:cc_test.bzl", "cc_test")

def encapsulated_cc_test(
        name,
        deps = [],
        args = [],
        per_test_timeout = None,
        isolation = None,
        working_directory = None,
        network = None,
        leftovers = None,
        violations = None,
        jobs = None,
        alone = [],
        keep_scratch = None,
        reuse = None,
        writable = [],
        **kwargs):
    """Defines a cc_test that //gtest_plugin:main is linked into.

    The sources have no main(); use it in place of a cc_test that depends on
    gtest_main.

    Args:
      name: as of cc_test.
      deps: as of cc_test, without a library that has a main().
      args: as of cc_test.
      per_test_timeout: wall time of one test, like "30s".
      isolation: "namespaces" (the default), "landlock", "process" or "best".
      working_directory: "read-only" (the default), "overlay" or "copy".
      network: "loopback" (the default), "none" or "host".
      leftovers: "fail" (the default) or "note".
      violations: "off", "report" or "enforce" (the default).
      jobs: how many tests of the program may run at a time; 0 is one for each
        processor. Give Bazel the same number by `tags = ["cpu:N"]`.
      alone: patterns of tests that run while no other one of the program does.
      keep_scratch: "never" (the default) or "failed".
      reuse: "on" or "off" (the default): whether a sandbox is used again if it is
        proven that nothing of the test before is left in it.
      writable: trees of the host that the tests may change.
      **kwargs: as of cc_test.
    """
    flags = {
        "isolation": isolation,
        "keep_scratch": keep_scratch,
        "leftovers": leftovers,
        "network": network,
        "reuse": reuse,
        "timeout": per_test_timeout,
        "violations": violations,
        "working_directory": working_directory,
    }
    own_args = [
        "--encapsulate_%s=%s" % (flag, value)
        for flag, value in flags.items()
        if value
    ]
    if jobs != None:
        own_args.append("--encapsulate_jobs=%d" % jobs)
    if alone:
        own_args.append("'--encapsulate_alone=%s'" % ":".join(alone))
    if writable:
        own_args.append("'--encapsulate_writable=%s'" % "|".join(writable))
    cc_test(
        name = name,
        args = own_args + args,
        deps = deps + [str(Label("//gtest_plugin:main"))],
        **kwargs
    )
