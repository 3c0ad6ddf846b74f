# SPDX-License-Identifier: Apache-2.0

"""The end-to-end tests' own rule."""

load("@rules_cc//cc:cc_library.bzl", "cc_library")
load("@rules_cc//cc:cc_test.bzl", "cc_test")

def sandbox_test(name, size = "medium", tags = [], local = True, **kwargs):
    """A test of the sandbox in two targets.

    NAME runs in Bazel's own sandbox, where root has no second user to become,
    and NAME_on_host without it.

    Args:
      name: of the target and of the .cc file.
      size: as for every test.
      tags: for both targets.
      local: whether to make NAME_on_host.
      **kwargs: for both targets.
    """
    common = dict(
        size = size,
        srcs = [name + ".cc"],
        data = ["//tests/support:probe"],
        linkstatic = True,
        deps = [
            "//encapsulate",
            "//tests/support:sandbox",
            "@com_google_absl//absl/status",
            "@com_google_absl//absl/status:statusor",
            "@com_google_absl//absl/strings",
            "@com_google_absl//absl/time",
            "@com_google_absl//absl/types:optional",
            "@com_google_googletest//:gtest",
        ],
    )
    common.update(kwargs)

    # Compiled once for both.
    source = name + "_source"
    cc_library(
        name = source,
        testonly = True,
        srcs = common.pop("srcs"),
        copts = common.pop("copts", []),
        features = common.get("features", []),
        linkstatic = True,
        deps = common.pop("deps"),
        alwayslink = True,
    )
    common.update(deps = [":" + source])
    cc_test(name = name, tags = tags, **common)
    if local:
        cc_test(
            name = name + "_on_host",
            tags = tags + ["no-sandbox"],
            **common
        )
