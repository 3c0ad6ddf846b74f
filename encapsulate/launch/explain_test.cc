// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/launch/explain.h"

#include <sys/resource.h>

#include <cerrno>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "encapsulate/result.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

std::string Say(const Plan& plan, const FailedStep& failed) {
  return std::string(Explain(plan, failed).message());
}

TEST(ExplainTest, EveryStepHasANameAndASentence) {
  Plan plan;
  plan.command = "command";
  plan.directory = "/directory";
  plan.make_directories = {"/fresh/home"};
  Place place;
  place.kind = PlaceKind::kWritable;
  place.given = place.target = "/tree";
  plan.places = {place};
  std::set<std::string> names;
  for (int i = 0; i <= static_cast<int>(Step::kFinished); ++i) {
    const auto step = static_cast<Step>(i);
    const std::string name(StepName(step));
    EXPECT_NE(name, "unknown") << i;
    EXPECT_TRUE(names.insert(name).second) << name << " is used twice";
    const std::string sentence = Say(plan, {step, 0, EIO, "text"});
    EXPECT_TRUE(absl::StartsWith(sentence, "cannot ")) << sentence;
    EXPECT_TRUE(absl::StrContains(sentence, "(EIO)")) << sentence;
    EXPECT_TRUE(!absl::EndsWith(sentence, ".") ||
                absl::EndsWith(sentence, " ..."))
        << sentence;
  }
}

TEST(ExplainTest, APlaceIsNamedAsItWasGiven) {
  Plan plan;
  Place place;
  place.kind = PlaceKind::kWritable;
  place.target = "/real/tree";
  place.given = "../tree";
  plan.places = {place};
  EXPECT_EQ(Say(plan, {Step::kCloneTree, 0, ENOENT, ""}),
            "cannot make writable '../tree': it vanished while the sandbox was "
            "being made: no such file or directory (ENOENT)");
  EXPECT_EQ(Say(plan, {Step::kCloneTree, 0, ELOOP, ""}),
            "cannot make writable '../tree': a symbolic link took its place "
            "while the sandbox was being made: too many levels of symbolic "
            "links (ELOOP)");
  EXPECT_EQ(Say(plan, {Step::kMountPlace, 0, ENOSPC, ""}),
            "cannot make writable '../tree': the limit on mounts is reached: "
            "no space left on device (ENOSPC); hint: as root, raise sysctl "
            "fs.mount-max");
}

TEST(ExplainTest, APlaceOfAnyKindMayVanish) {
  Plan plan;
  Place place;
  place.target = place.given = "/place";
  for (const auto& kind :
       {std::make_pair(PlaceKind::kWritable, "make writable"),
        std::make_pair(PlaceKind::kTmpfs, "mount a tmpfs at"),
        std::make_pair(PlaceKind::kOverlay, "overlay"),
        std::make_pair(PlaceKind::kHidden, "hide")}) {
    place.kind = kind.first;
    plan.places = {place};
    EXPECT_EQ(Say(plan, {Step::kMountPlace, 0, ENOENT, ""}),
              absl::StrCat("cannot ", kind.second,
                           " '/place': it vanished while the sandbox was being "
                           "made: no such file or directory (ENOENT)"));
  }
}

TEST(ExplainTest, AnotherDirectoryIsOffered) {
  Plan plan;
  plan.directory = "/closed";
  EXPECT_EQ(Say(plan, {Step::kEnterDirectory, -1, EACCES, ""}),
            "cannot keep working directory '/closed': permission denied "
            "(EACCES); hint: name one that this user may enter, such as "
            "--chdir=/");
  EXPECT_EQ(Say(plan, {Step::kEnterDirectory, -1, ENOENT, ""}),
            "cannot keep working directory '/closed': no such file or "
            "directory (ENOENT); hint: name another directory with --chdir, or "
            "show this one");
  plan.directory_given = "closed";
  EXPECT_EQ(Say(plan, {Step::kEnterDirectory, -1, EACCES, ""}),
            "cannot change to directory 'closed': permission denied (EACCES)");
}

TEST(ExplainTest, AMountThatStaysWritableIsNamed) {
  EXPECT_EQ(Say(Plan(), {Step::kVerifyMounts, -1, EROFS, "/a b"}),
            "cannot make '/a b' read-only: it stayed writable: read-only file "
            "system (EROFS)");
}

TEST(ExplainTest, CommandsThatCannotRunAreToldApart) {
  Plan plan;
  plan.command = "tool";
  const auto kind = [&plan](int error, const std::string& path) {
    return FailureKindOf(Explain(plan, {Step::kExecute, -1, error, path}));
  };
  EXPECT_EQ(kind(ENOENT, ""), FailureKind::kCommandNotFound);
  EXPECT_EQ(kind(ENOENT, "/bin/tool"), FailureKind::kCommandNotUsable);
  EXPECT_EQ(kind(EACCES, "/bin/tool"), FailureKind::kCommandNotUsable);
  EXPECT_EQ(kind(ENOEXEC, "/bin/tool"), FailureKind::kCommandNotUsable);
  EXPECT_EQ(Say(plan, {Step::kExecute, -1, ENOENT, ""}),
            "cannot run 'tool': no such command in PATH (ENOENT)");
  EXPECT_EQ(Say(plan, {Step::kExecute, -1, ENOENT, "/bin/tool"}),
            "cannot run 'tool': the interpreter or loader that '/bin/tool' "
            "names does not exist (ENOENT)");
}

}  // namespace
}  // namespace encapsulate
