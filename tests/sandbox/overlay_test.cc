// SPDX-License-Identifier: Apache-2.0
//
// Overlays, fresh trees and hidden trees, and one inside another.
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "encapsulate/sandbox.h"
#include "gtest/gtest.h"
#include "tests/support/sandbox.h"

namespace encapsulate {
namespace {

Options Overlay(const std::string& tree) {
  Options options;
  options.overlay = {tree};
  options.list_overlay_changes = true;
  return options;
}

// "written /a, deleted /b", sorted, with `tree` cut off.
std::string Changes(const Result& result, const std::string& tree) {
  std::vector<std::string> changes;
  for (const OverlayChange& change : result.overlay_changes) {
    const char* kind = "written";
    if (change.kind == OverlayChange::Kind::kDeleted) kind = "deleted";
    if (change.kind == OverlayChange::Kind::kMadeDirectory) kind = "made";
    if (change.kind == OverlayChange::Kind::kChangedDirectory) kind = "changed";
    changes.push_back(absl::StrCat(kind, " ", change.path.substr(tree.size())));
  }
  std::sort(changes.begin(), changes.end());
  return absl::StrJoin(changes, ", ");
}

Result Shell(const Options& options, const std::string& script) {
  const Ran ran = RunIn(options, {"/bin/sh", "-ec", script});
  EXPECT_TRUE(ran.status.ok()) << ran.status;
  EXPECT_TRUE(ran.result.ok()) << script;
  return ran.result;
}

class OverlayTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!HasOverlays()) GTEST_SKIP() << "this kernel has none for users";
  }
};

TEST_F(OverlayTest, ChangesAreThrownAwayAndListed) {
  const Scratch scratch;
  const std::string tree = scratch.Directory("tree");
  scratch.Directory("tree/directory");
  scratch.File("tree/changed", "old");
  scratch.File("tree/deleted", "old");
  scratch.File("tree/moved", "old");
  scratch.File("tree/directory/inner", "old");
  const Result result = Shell(
      Overlay(tree),
      absl::StrCat("cd ", tree,
                   "; echo new > changed; rm deleted; mv moved to; mkdir new; "
                   "echo x > new/file; echo x > directory/inner; "
                   "test $(cat changed) = new; test ! -e deleted"));
  EXPECT_EQ(Changes(result, tree),
            "deleted /deleted, deleted /moved, made /new, written /changed, "
            "written /directory/inner, written /new/file, written /to");
  EXPECT_EQ(ReadAll(scratch / "tree/changed"), "old");
  EXPECT_EQ(ReadAll(scratch / "tree/deleted"), "old");
  EXPECT_EQ(ReadAll(scratch / "tree/to"), "<none>");
  EXPECT_EQ(Changes(Shell(Overlay(tree), "true"), tree), "");
}

TEST_F(OverlayTest, DirectoriesAreListedForTheirOwnSakeOnly) {
  const Scratch scratch;
  const std::string tree = scratch.Directory("tree");
  for (const char* name :
       {"mode", "times", "same", "way", "replaced", "unreadable", "deep/er"}) {
    scratch.Directory(absl::StrCat("tree/", name));
  }
  scratch.File("tree/replaced/file", "old");
  scratch.File("tree/way/file", "old");
  const Result result =
      Shell(Overlay(tree),
            absl::StrCat("cd ", tree,
                         "; chmod 711 mode; touch times; chmod 700 same; "
                         "chmod 755 same; echo new > way/file; "
                         "chmod 700 deep/er; mkdir unreadable/new; "
                         "echo x > unreadable/new/file; "
                         "chmod 0 unreadable/new; chmod 311 unreadable"));
  EXPECT_EQ(Changes(result, tree),
            "changed /deep/er, changed /mode, changed /unreadable, "
            "made /unreadable/new, written /unreadable/new/file, "
            "written /way/file");
  if (!OverlaysLoseDirectories()) {
    Shell(Overlay(tree),
          absl::StrCat("cd ", tree, "; ! rm -r replaced; test -d replaced"));
    return;
  }
  EXPECT_EQ(Changes(Shell(Overlay(tree),
                          absl::StrCat("cd ", tree,
                                       "; rm -r replaced; mkdir replaced; "
                                       "echo x > replaced/other")),
                    tree),
            "made /replaced, written /replaced/other");
}

// As setfacl(1) does it: group and others have what the mode says, and the
// caller's group by name, too.
std::string Acl() {
  struct Entry {
    uint16_t tag;
    uint16_t permissions;
    uint32_t id;
  };
  const uint32_t version = 2;
  const Entry entries[] = {{0x01, 7, ~0U},
                           {0x04, 5, ~0U},
                           {0x08, 4, getegid()},
                           {0x10, 5, ~0U},
                           {0x20, 5, ~0U}};
  std::string acl(reinterpret_cast<const char*>(&version), sizeof(version));
  acl.append(reinterpret_cast<const char*>(entries), sizeof(entries));
  return acl;
}

TEST_F(OverlayTest, DirectoriesAreListedForTheirAttributes) {
  if (!OverlaysLoseDirectories()) GTEST_SKIP() << "a tmpfs has none here";
  const Scratch scratch;
  const std::string tree = scratch.Directory("tree");
  const auto set = [&](const char* directory, const char* name,
                       const std::string& value) {
    return setxattr(absl::StrCat(tree, "/", directory).c_str(), name,
                    value.data(), value.size(), 0) == 0;
  };
  for (const char* name : {"changed", "given", "same", "acl", "unchanged"}) {
    scratch.Directory(absl::StrCat("tree/", name));
  }
  bool can = set("unchanged", "user.test", "old") &&
             set("changed", "user.test", "old") &&
             set("same", "user.test", "old") &&
             set("same", "system.posix_acl_access", Acl());
  const Result result = RunEntered(Overlay(tree), [&] {
    return set("changed", "user.test", "new") &&
                   set("given", "user.test", "new") &&
                   set("same", "user.test", "old") &&
                   set("acl", "system.posix_acl_access", Acl())
               ? 0
               : 1;
  });
  // tmpfs has those of users since Linux 6.6.
  can = can && result.exit_code == 0;
  REQUIRE_HOST(can, "no extended attributes here");
  EXPECT_EQ(Changes(result, tree),
            "changed /acl, changed /changed, "
            "changed /given");
}

TEST_F(OverlayTest, ItsOwnDirectoryIsListedForItsMode) {
  const Scratch scratch;
  const std::string tree = scratch.Directory("tree");
  EXPECT_EQ(Changes(Shell(Overlay(tree), absl::StrCat("touch ", tree)), tree),
            "");
  EXPECT_EQ(
      Changes(Shell(Overlay(tree), absl::StrCat("chmod 700 ", tree)), tree),
      "changed ");
}

// Root without capabilities may write there, and read nothing.
TEST_F(OverlayTest, ChangesAreListedWhereTheCommandCannotRead) {
  ONLY_FOR_ROOT();
  constexpr uid_t kOther = 1;
  const Scratch scratch;
  const std::string tree = scratch.Directory("tree");
  for (const char* name : {"theirs", "theirs/way", "theirs/untouched"}) {
    const std::string path = scratch.Directory(absl::StrCat("tree/", name));
    ASSERT_EQ(chown(path.c_str(), kOther, kOther), 0);
    ASSERT_EQ(chmod(path.c_str(), 0733), 0);
  }
  scratch.File("tree/theirs/file", "old");
  const auto script = [&](const char* first) {
    return absl::StrCat("cd ", tree, "; ", first,
                        "rm theirs/file; echo > theirs/new; mkdir theirs/dir; "
                        "chmod 0 theirs/dir; echo > theirs/way/new");
  };
  const std::string changes =
      "deleted /theirs/file, made /theirs/dir, written /theirs/new, "
      "written /theirs/way/new";
  const Result result = Shell(Overlay(tree), script("! ls theirs; "));
  EXPECT_EQ(Changes(result, tree), changes);
  const Result entered =
      RunEntered(Overlay(tree), [&] { return system(script("").c_str()); });
  EXPECT_TRUE(entered.ok());
  EXPECT_EQ(Changes(entered, tree), changes);
}

TEST_F(OverlayTest, DirectoriesMayBeDeep) {
  const Scratch scratch;
  const std::string tree = scratch.Directory("tree");
  InFork([&] {
    struct rlimit limit;
    ASSERT_EQ(getrlimit(RLIMIT_STACK, &limit), 0);
    limit.rlim_cur = 256 << 10;
    ASSERT_EQ(setrlimit(RLIMIT_STACK, &limit), 0);
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 100;
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    const Result result =
        Shell(Overlay(tree), absl::StrCat("cd ", tree,
                                          "; deep=$(printf d/%.0s $(seq 500)); "
                                          "mkdir -p a $deep z $deep/x; "
                                          "echo > ${deep}file; echo > end"));
    EXPECT_EQ(result.overlay_changes.size(), 505U);
  });
}

TEST_F(OverlayTest, NamesMayHoldAnything) {
  const Scratch scratch;
  for (const char* name : {"comma,comma", "colon:colon", "back\\slash", "a b",
                           "line\nbreak", "upperdir=x", "\\,\\:", "quote'\""}) {
    const std::string tree = scratch.Directory(name);
    WriteAll(absl::StrCat(tree, "/file"), "old");
    Options options = Overlay(tree);
    options.directory = tree;
    const Result result =
        Shell(options, "test $(cat file) = old; echo new > file; echo > more");
    EXPECT_EQ(Changes(result, tree), "written /file, written /more") << name;
    EXPECT_EQ(ReadAll(absl::StrCat(tree, "/file")), "old");
  }
}

TEST_F(OverlayTest, SeveralOverlaysAreKeptApart) {
  const Scratch scratch;
  const std::string one = scratch.Directory("one");
  const std::string two = scratch.Directory("two");
  Options options;
  options.overlay = {two, one, two};
  options.list_overlay_changes = true;
  const Result result = Shell(
      options, absl::StrCat("echo 1 > ", one, "/a; echo 2 > ", two, "/b"));
  EXPECT_EQ(Changes(result, scratch.path()), "written /one/a, written /two/b");
}

TEST_F(OverlayTest, ATreeWithAMountInItIsRefused) {
  const Scratch scratch;
  const std::string tree = scratch.Directory("tree");
  const std::string inner = scratch.Directory("tree/mount");
  const std::string beside = scratch.Directory("tree/beside");
  OnHostWith([&] { Mount("tmpfs", inner); },
             [&] {
               const Ran ran = RunIn(Overlay(tree), {"/bin/true"});
               EXPECT_EQ(
                   std::string(ran.status.message()),
                   absl::StrCat("cannot overlay '", tree, "': '", inner,
                                "' is mounted in it, and the kernel overlays "
                                "no tree with other mounts in it (EINVAL); "
                                "hint: overlay the directories beside that "
                                "mount"));
               Shell(Overlay(beside), absl::StrCat("echo > ", beside, "/x"));
               Shell(Overlay(inner), absl::StrCat("echo > ", inner, "/x"));
             });
  EXPECT_EQ(ReadAll(absl::StrCat(beside, "/x")), "<none>");
}

TEST(TmpfsTest, IsEmptyWritableAndLimited) {
  const Scratch scratch;
  scratch.File("file", "host's");
  Options options;
  options.tmpfs = {{scratch.path(), 64 << 10}};
  EXPECT_EQ(Inside(options, {"list", scratch.path()}), "");
  EXPECT_EQ(Inside(options, {"write", scratch / "new"}), "ok");
  EXPECT_EQ(Inside(Options(), {"write", scratch / "new"}), "EROFS");
  EXPECT_EQ(ShellInside(options, absl::StrCat("cd ", scratch.path(),
                                              "; head -c 60000 /dev/zero > a "
                                              "&& ! head -c 60000 /dev/zero "
                                              "> b 2>/dev/null")),
            "");
  EXPECT_EQ(ReadAll(scratch / "file"), "host's");
  EXPECT_EQ(ReadAll(scratch / "new"), "<none>");
  // Rounded up to whole pages it would be 0, which is no limit.
  options.tmpfs = {{scratch.path(), UINT64_MAX}};
  EXPECT_NE(ShellInside(options, "stat -f -c %b " + scratch.path()), "0");
}

TEST(HiddenTest, DirectoriesAndFilesLookEmpty) {
  const Scratch scratch;
  const std::string tree = scratch.Directory("tree");
  const std::string file = scratch.File("tree/file", "secret");
  const std::string single = scratch.File("single", "secret");
  Options options;
  options.hidden = {tree, single};
  EXPECT_EQ(Inside(options, {"list", tree}), "");
  EXPECT_EQ(Inside(options, {"show", file}), "ENOENT");
  EXPECT_EQ(Inside(options, {"show", single}), "");
  EXPECT_EQ(Inside(options, {"write", file}), "EROFS");
  EXPECT_EQ(Inside(Options(), {"show", file}), "secret");
}

TEST(HiddenTest, TheCallersUmaskIsTheCommandsOnly) {
  const Scratch scratch;
  const std::string inner = scratch.Directory("hidden/inner");
  Options options;
  options.hidden = {scratch / "hidden"};
  options.tmpfs = {{inner, 0}};
  options.hostname = "own";  // takes an /etc/hosts of its own
  InFork([&] {
    umask(0777);
    EXPECT_EQ(ShellInside(options,
                          absl::StrCat("umask; ls ", scratch / "hidden",
                                       "; grep -c own /etc/hosts; echo x >",
                                       inner, "/x; stat -c %a ", inner, "/x")),
              "0777\ninner\n2\n0");
  });
}

TEST(NestingTest, EveryKindMayLieInsideAnother) {
  const Scratch scratch;
  const std::string outer = scratch.Directory("outer");
  const std::string inner = scratch.Directory("outer/inner");
  const std::string file = scratch.File("outer/inner/file", "host's");
  const std::string beside = scratch.File("outer/beside", "host's");

  struct Case {
    const char* name;
    Options options;
    const char* write_outer;
    const char* write_inner;
    const char* show_beside;
    const char* show_file;
  };
  const auto make = [&](const char* out, const char* in) {
    Options options;
    for (const auto& part : {std::make_pair(out, outer), {in, inner}}) {
      const std::string kind = part.first;
      if (kind == "writable") options.writable.push_back(part.second);
      if (kind == "tmpfs") options.tmpfs.push_back({part.second, 0});
      if (kind == "hidden") options.hidden.push_back(part.second);
      if (kind == "overlay") options.overlay.push_back(part.second);
    }
    return options;
  };
  const std::vector<Case> cases = {
      {"hidden in writable", make("writable", "hidden"), "ok", "EROFS",
       "host's", "ENOENT"},
      {"tmpfs in writable", make("writable", "tmpfs"), "ok", "ok", "host's",
       "ENOENT"},
      {"overlay in writable", make("writable", "overlay"), "ok", "ok", "host's",
       "host's"},
      {"writable in hidden", make("hidden", "writable"), "EROFS", "ok",
       "ENOENT", "host's"},
      {"tmpfs in hidden", make("hidden", "tmpfs"), "EROFS", "ok", "ENOENT",
       "ENOENT"},
      {"hidden in hidden", make("hidden", "hidden"), "EROFS", "EROFS", "ENOENT",
       "ENOENT"},
      {"writable in tmpfs", make("tmpfs", "writable"), "ok", "ok", "ENOENT",
       "host's"},
      {"hidden in tmpfs", make("tmpfs", "hidden"), "ok", "EROFS", "ENOENT",
       "ENOENT"},
      {"writable in overlay", make("overlay", "writable"), "ok", "ok", "host's",
       "host's"},
      {"hidden in overlay", make("overlay", "hidden"), "ok", "EROFS", "host's",
       "ENOENT"},
      {"overlay in overlay", make("overlay", "overlay"), "ok", "ok", "host's",
       "host's"},
      {"overlay in tmpfs", make("tmpfs", "overlay"), "ok", "ok", "ENOENT",
       "host's"},
      {"overlay in hidden", make("hidden", "overlay"), "EROFS", "ok", "ENOENT",
       "host's"},
      {"tmpfs in tmpfs", make("tmpfs", "tmpfs"), "ok", "ok", "ENOENT",
       "ENOENT"},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    if (!one.options.overlay.empty() && !HasOverlays()) {
      EXPECT_TRUE(
          absl::StrContains(Inside(one.options, {"show", file}),
                            "overlays in user namespaces need Linux 5.11"));
      continue;
    }
    EXPECT_EQ(Inside(one.options, {"show", beside}), one.show_beside);
    EXPECT_EQ(Inside(one.options, {"show", file}), one.show_file);
    EXPECT_EQ(Inside(one.options, {"write", absl::StrCat(outer, "/new")}),
              one.write_outer);
    EXPECT_EQ(Inside(one.options, {"write", absl::StrCat(inner, "/new")}),
              one.write_inner);
    // What was written reached the host only through writable trees.
    const bool outer_is_host =
        !one.options.writable.empty() && one.options.writable[0] == outer;
    const bool inner_is_host =
        !one.options.writable.empty() && one.options.writable[0] == inner;
    EXPECT_EQ(unlink(absl::StrCat(outer, "/new").c_str()) == 0, outer_is_host);
    EXPECT_EQ(unlink(absl::StrCat(inner, "/new").c_str()) == 0, inner_is_host);
    EXPECT_EQ(ReadAll(file), "host's");
  }
}

TEST(NestingTest, ContradictionsAreRefused) {
  const Scratch scratch;
  Options options;
  options.writable = {scratch.path()};
  options.hidden = {absl::StrCat(scratch.path(), "/.")};
  const Ran ran = RunIn(options, {"/bin/true"});
  EXPECT_EQ(FailureKindOf(ran.status), FailureKind::kInvalidOptions);
  EXPECT_EQ(std::string(ran.status.message()),
            absl::StrCat("cannot hide '", scratch.path(),
                         "/.': it is also asked to make writable '",
                         scratch.path(), "'"));
}

TEST(NestingTest, DirectoriesAreMadeInFreshTrees) {
  const Scratch scratch;
  Options options;
  options.tmpfs = {{scratch.path(), 0}, {scratch / "a/b", 0}};
  options.make_directories = {scratch / "home", scratch / "a/b/c/d"};
  options.umask = 077;
  EXPECT_EQ(Inside(options, {"write", scratch / "home/file"}), "ok");
  EXPECT_EQ(Inside(options, {"write", scratch / "a/b/c/d/file"}), "ok");
  options.make_directories = {"/usr/no"};
  EXPECT_EQ(FailureKindOf(RunIn(options, {"/bin/true"}).status),
            FailureKind::kInvalidOptions);
}

// What can't be looked at isn't taken for nothing.
TEST_F(OverlayTest, AListThatIsNotWholeIsAnError) {
  const Scratch scratch;
  const std::string tree = scratch.Directory("tree");
  const auto run = [&](rlim_t descriptors) {
    InFork([&] {
      const rlimit limit = {descriptors, descriptors};
      ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
      // Each level takes a descriptor.
      const Ran deep =
          RunIn(Overlay(tree), {"/bin/sh", "-ec",
                                "i=0; cd " + tree +
                                    "; while [ $i -lt 60 ]; do "
                                    "mkdir d; cd d; i=$((i+1)); done"});
      if (descriptors < 100) {
        EXPECT_EQ(deep.result.outcome, Outcome::kLost);
        EXPECT_EQ(deep.result.lost,
                  "cannot find what overlays caught: too many open files "
                  "(EMFILE); hint: raise ulimit -n");
      } else {
        EXPECT_TRUE(deep.status.ok()) << deep.status;
        EXPECT_EQ(deep.result.overlay_changes.size(), 60U);
      }
    });
  };
  run(200);
  run(50);
}

TEST_F(OverlayTest, AListWithoutEndIsGivenUp) {
  const Scratch scratch;
  const std::string tree = scratch.Directory("tree");
  // 20,000 names of 3.6 KB each.
  const Ran many =
      RunIn(Overlay(tree),
            {"/bin/sh", "-ec",
             "cd " + tree +
                 "; d=$(printf %0240d 0); i=0; while [ $i -lt 15 ]; do "
                 "mkdir $d; cd $d; i=$((i+1)); done; seq 20000 | xargs touch"});
  EXPECT_EQ(many.result.outcome, Outcome::kLost);
  EXPECT_EQ(many.result.lost,
            "cannot find what overlays caught: the names of what was written "
            "take more than 64 MiB: argument list too long (E2BIG); hint: list "
            "no changes, or overlay a smaller tree");
}

}  // namespace
}  // namespace encapsulate
