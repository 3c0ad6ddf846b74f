# SPDX-License-Identifier: Apache-2.0

"""What MODULE.bazel takes from this project's own rules (Bazel 7 and later)."""

load(":static_libc.bzl", "static_libc_repository")

def _static_libc_impl(_):
    static_libc_repository(name = "encapsulate_static_libc")

static_libc = module_extension(implementation = _static_libc_impl)
