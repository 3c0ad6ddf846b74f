# SPDX-License-Identifier: Apache-2.0

"""What targets are made of, for tests that read the project's own sources."""

_SourcesInfo = provider(
    doc = "What a target and all that it depends on are made of.",
    fields = {
        "files": "the project's source files",
        "linkopts": "lines like `//package:target OPTION`",
    },
)

def _is_ours(label):
    return label.workspace_name == ""

def _sources_aspect_impl(target, ctx):
    files = []
    for attribute in ["srcs", "hdrs", "textual_hdrs"]:
        for file in getattr(ctx.rule.files, attribute, []):
            if file.is_source and _is_ours(target.label):
                files.append(file)
    linkopts = []
    if _is_ours(target.label):
        linkopts = [
            "//%s:%s %s" % (target.label.package, target.label.name, option)
            for option in getattr(ctx.rule.attr, "linkopts", [])
        ]
    dependencies = getattr(ctx.rule.attr, "deps", []) + getattr(ctx.rule.attr, "srcs", [])
    return [_SourcesInfo(
        files = depset(
            files,
            transitive = [one[_SourcesInfo].files for one in dependencies if _SourcesInfo in one],
        ),
        linkopts = depset(
            linkopts,
            transitive = [one[_SourcesInfo].linkopts for one in dependencies if _SourcesInfo in one],
        ),
    )]

_sources_aspect = aspect(
    implementation = _sources_aspect_impl,
    attr_aspects = ["deps", "srcs"],
)

def _sources_impl(ctx):
    files = depset(transitive = [one[_SourcesInfo].files for one in ctx.attr.targets])
    linkopts = depset(transitive = [one[_SourcesInfo].linkopts for one in ctx.attr.targets])
    lists = []
    for suffix, lines in [
        ("files", sorted([file.short_path for file in files.to_list()])),
        ("linkopts", sorted(linkopts.to_list())),
    ]:
        list_file = ctx.actions.declare_file("%s.%s" % (ctx.label.name, suffix))
        ctx.actions.write(list_file, "".join([line + "\n" for line in lines]))
        lists.append(list_file)
    return [DefaultInfo(
        files = depset(lists),
        runfiles = ctx.runfiles(lists, transitive_files = files),
    )]

# The sources of `targets` and of all of the project that they depend on, as
# runfiles, and two lists of lines: NAME.files, their paths in there, and
# NAME.linkopts, `//package:target OPTION` for what targets ask of the linker.
# A file or target that is added later is there by itself.
sources = rule(
    implementation = _sources_impl,
    attrs = {
        "targets": attr.label_list(
            mandatory = True,
            aspects = [_sources_aspect],
        ),
    },
)
