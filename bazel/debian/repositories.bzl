# SPDX-License-Identifier: Apache-2.0

"""The dependencies of Encapsulate as Debian's packages bring them.

For Bazel 4 to 6, without any download. A project that depends on Encapsulate
calls debian_repositories() from its own WORKSPACE.
"""

load("//bazel:static_libc.bzl", "static_libc_repository")

# Package of Abseil -> target -> pkg-config module.
_ABSL_TARGETS = {
    "algorithm": {
        "algorithm": "absl_algorithm",
        "container": "absl_algorithm_container",
    },
    "base": {
        "base": "absl_base",
        "config": "absl_config",
        "core_headers": "absl_core_headers",
        "dynamic_annotations": "absl_dynamic_annotations",
        "endian": "absl_endian",
        "log_severity": "absl_log_severity",
    },
    "cleanup": {
        "cleanup": "absl_cleanup",
    },
    "container": {
        "btree": "absl_btree",
        "fixed_array": "absl_fixed_array",
        "flat_hash_map": "absl_flat_hash_map",
        "flat_hash_set": "absl_flat_hash_set",
        "inlined_vector": "absl_inlined_vector",
        "node_hash_map": "absl_node_hash_map",
        "node_hash_set": "absl_node_hash_set",
    },
    "debugging": {
        "failure_signal_handler": "absl_failure_signal_handler",
        "leak_check": "absl_leak_check",
        "stacktrace": "absl_stacktrace",
        "symbolize": "absl_symbolize",
    },
    "flags": {
        "commandlineflag": "absl_flags_commandlineflag",
        "config": "absl_flags_config",
        "flag": "absl_flags",
        "marshalling": "absl_flags_marshalling",
        "parse": "absl_flags_parse",
        "reflection": "absl_flags_reflection",
        "usage": "absl_flags_usage",
        "usage_internal": "absl_flags_usage_internal",
    },
    "functional": {
        "any_invocable": "absl_any_invocable",
        "bind_front": "absl_bind_front",
        "function_ref": "absl_function_ref",
    },
    "hash": {
        "hash": "absl_hash",
    },
    "memory": {
        "memory": "absl_memory",
    },
    "meta": {
        "type_traits": "absl_type_traits",
    },
    "numeric": {
        "bits": "absl_bits",
        "int128": "absl_int128",
    },
    "random": {
        "bit_gen_ref": "absl_random_bit_gen_ref",
        "distributions": "absl_random_distributions",
        "random": "absl_random_random",
        "seed_sequences": "absl_random_seed_sequences",
    },
    "status": {
        "status": "absl_status",
        "statusor": "absl_statusor",
    },
    "strings": {
        "cord": "absl_cord",
        "str_format": "absl_str_format",
        "strings": "absl_strings",
    },
    "synchronization": {
        "synchronization": "absl_synchronization",
    },
    "time": {
        "time": "absl_time",
    },
    "types": {
        "any": "absl_any",
        "compare": "absl_compare",
        "optional": "absl_optional",
        "span": "absl_span",
        "variant": "absl_variant",
    },
    "utility": {
        "utility": "absl_utility",
    },
}

# What of rules_cc the project, GoogleTest and Bazel itself load; all of it is
# built into these versions of Bazel.
_CC_RULES = [
    "cc_binary",
    "cc_import",
    "cc_library",
    "cc_test",
]

_CC_OTHER_RULES = [
    "cc_proto_library",
    "cc_toolchain",
    "cc_toolchain_suite",
    "fdo_prefetch_hints",
    "fdo_profile",
    "objc_library",
]

def _linkopts(repository_ctx, pkg_config, module):
    result = repository_ctx.execute([pkg_config, "--static", "--libs", module])
    if result.return_code != 0:
        fail("Debian's package libabsl-dev is needed (./bazelw installs it): " +
             result.stderr)
    return [option for option in result.stdout.strip().split(" ") if option]

def _debian_absl_impl(repository_ctx):
    pkg_config = repository_ctx.which("pkg-config")
    if not pkg_config:
        fail("Debian's package pkg-config is needed (./bazelw installs it)")
    for package, targets in _ABSL_TARGETS.items():
        lines = [
            'load("@rules_cc//cc:cc_library.bzl", "cc_library")',
            'package(default_visibility = ["//visibility:public"])',
        ]
        for target, module in targets.items():
            lines.append("cc_library(name = {}, linkopts = {})".format(
                repr(target),
                repr(_linkopts(repository_ctx, pkg_config, module)),
            ))
        repository_ctx.file("absl/%s/BUILD.bazel" % package, "\n".join(lines) + "\n")

# The headers are in /usr/include, where every compiler looks.
_debian_absl = repository_rule(
    doc = "Abseil of Debian's package libabsl-dev, under its usual labels.",
    implementation = _debian_absl_impl,
    local = True,
)

def _native_rules_cc_impl(repository_ctx):
    repository_ctx.file("BUILD.bazel")
    repository_ctx.file("cc/BUILD.bazel")
    for rule in _CC_RULES:
        repository_ctx.file(
            "cc/%s.bzl" % rule,
            "{0} = native.{0}\n".format(rule),
        )
    repository_ctx.file("cc/defs.bzl", "".join([
        "{0} = native.{0}\n".format(rule)
        for rule in _CC_RULES + _CC_OTHER_RULES
    ]))

_native_rules_cc = repository_rule(
    doc = "The part of rules_cc that Bazel has built in.",
    implementation = _native_rules_cc_impl,
)

def _coverage_tools_impl(repository_ctx):
    merger = str(repository_ctx.path(repository_ctx.attr._merger))
    repository_ctx.symlink(merger, "merger")
    repository_ctx.file("BUILD.bazel", "".join(["""
sh_binary(
    name = "%s",
    srcs = ["merger"],
    visibility = ["//visibility:public"],
)
""" % name for name in ["coverage_report_generator", "lcov_merger"]]))

# Bazel would download a Java program, even for tests without coverage.
_coverage_tools = repository_rule(
    doc = "The programs that `bazel coverage` merges its reports with.",
    implementation = _coverage_tools_impl,
    attrs = {
        "_merger": attr.label(
            allow_single_file = True,
            default = Label("//bazel/debian:lcov_merger"),
        ),
    },
)

def debian_repositories():
    """Declares the repositories that are not there yet."""
    existing = native.existing_rules()
    if "rules_cc" not in existing:
        _native_rules_cc(name = "rules_cc")
    if "rules_java" not in existing:
        native.local_repository(
            name = "rules_java",
            path = "/usr/share/bazel/rules/java",
        )
    if "remote_coverage_tools" not in existing:
        _coverage_tools(name = "remote_coverage_tools")
    if "encapsulate_static_libc" not in existing:
        static_libc_repository(name = "encapsulate_static_libc")
    if "com_google_absl" not in existing:
        _debian_absl(name = "com_google_absl")
    if "com_google_googletest" not in existing:
        native.new_local_repository(
            name = "com_google_googletest",
            build_file = str(Label("//bazel/debian:googletest.BUILD")),
            path = "/usr/src/googletest",
        )
