# SPDX-License-Identifier: Apache-2.0

"""The fuzz targets' own rule."""

load("@rules_cc//cc:cc_binary.bzl", "cc_binary")
load("@rules_cc//cc:cc_test.bzl", "cc_test")

def fuzz_target(name, deps):
    """A fuzz target, built into a test and a fuzzer.

    NAME_corpus_test runs the files of corpus/NAME, under every compiler.
    NAME_fuzzer is libFuzzer's program: `bazel/fuzz` builds and runs it.

    Args:
      name: of NAME_fuzz.cc and of the corpus.
      deps: what is fuzzed.
    """
    corpus = native.glob(["corpus/" + name + "/*"])
    common = [name + "_fuzz.cc", "check.h"]
    cc_test(
        name = name + "_corpus_test",
        size = "small",
        srcs = common + ["corpus_main.cc"],
        args = ["$(rootpath %s)" % file for file in corpus],
        data = corpus,
        linkstatic = True,
        deps = deps,
    )
    cc_binary(
        name = name + "_fuzzer",
        testonly = True,
        srcs = common,
        linkopts = ["-fsanitize=fuzzer"],
        linkstatic = True,
        tags = ["manual"],
        deps = deps,
    )
