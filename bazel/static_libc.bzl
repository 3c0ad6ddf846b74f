# SPDX-License-Identifier: Apache-2.0

"""Whether programs can be linked without shared libraries here.

A tool that is started for every command should start fast, and loading fifty
shared libraries takes several times as long as making a sandbox. Some
distributions keep the static C library in a package that is rarely installed,
though, and there the tool is linked as usual.
"""

_PROGRAM = "#include <string>\nint main() { return std::string().size(); }\n"

def _static_libc_impl(repository_ctx):
    repository_ctx.file("program.cc", _PROGRAM)
    compiler = repository_ctx.which(repository_ctx.os.environ.get("CC") or "cc")
    works = compiler != None and repository_ctx.execute([
        compiler,
        "-static",
        "-o",
        "program",
        "program.cc",
        "-lstdc++",
        "-lm",
    ]).return_code == 0
    repository_ctx.file("BUILD.bazel")
    repository_ctx.file(
        "features.bzl",
        "FULLY_STATIC = %s\n" % (["fully_static_link"] if works else []),
    )

static_libc_repository = repository_rule(
    doc = "features.bzl with FULLY_STATIC, the features of a static program.",
    implementation = _static_libc_impl,
    environ = ["CC"],
)
