// SPDX-License-Identifier: Apache-2.0

#include "tool/learning.h"

#include <cerrno>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace encapsulate::tool {
namespace {

using ::testing::ElementsAre;

Violation Write(const std::string& target) {
  Violation violation;
  violation.rule = Rule::kWrite;
  violation.call = "mkdir";
  violation.target = target;
  violation.error = EROFS;
  return violation;
}

// Of somebody who works in a directory below /opt, which nobody else has.
Lesson Plain() {
  Lesson lesson;
  lesson.directory = "/opt/project";
  lesson.homes = {"/home/me", "/root"};
  return lesson;
}

TEST(LearnedFlagsTest, PreferFreshDirectories) {
  const std::vector<Violation> violations = {Write("/tmp/x"),
                                             Write("/var/tmp/y")};
  EXPECT_THAT(LearnedFlags(violations, Plain()), ElementsAre("--tmp"));
  EXPECT_THAT(
      LearnedFlags({Write("/tmp/x"), Write("/home/me/.cache/y/z")}, Plain()),
      ElementsAre("--hermetic"));
}

// A file is removed from a directory that holds everything.
TEST(LearnedFlagsTest, GiveAwayNothingOfTheSystemsOrAPersons) {
  for (const char* target :
       {"/etc/x", "/etc/a/b", "/root/x", "/root/.ssh/y", "/home/me"}) {
    Lesson lesson = Plain();
    lesson.is_hermetic = true;
    lesson.has_tmp = true;
    const std::vector<std::string> flags =
        LearnedFlags({Write(target)}, lesson);
    ASSERT_EQ(flags.size(), 1u) << target;
    EXPECT_THAT(flags[0], testing::MatchesRegex("--allow='?write:.*"))
        << target;
  }
}

TEST(LearnedFlagsTest, IgnoreInFreshTmpWhatIsStillRefused) {
  Lesson lesson = Plain();
  lesson.has_tmp = true;
  EXPECT_THAT(LearnedFlags({Write("/tmp/x")}, lesson),
              ElementsAre("--allow='write:/tmp/*'"));
}

TEST(LearnedFlagsTest, PermitWhatIsAskedFor) {
  Lesson lesson = Plain();
  lesson.permit = true;
  EXPECT_THAT(LearnedFlags({Write("/tmp/x")}, lesson),
              ElementsAre("--writable=/tmp"));
}

TEST(LearnedFlagsTest, IgnoreAllElse) {
  Violation violation;
  violation.rule = Rule::kNetwork;
  violation.call = "connect";
  violation.target = "192.0.2.1:9";
  EXPECT_THAT(LearnedFlags({violation}, Plain()),
              ElementsAre("--allow=network:192.0.2.1:9"));
}

}  // namespace
}  // namespace encapsulate::tool
