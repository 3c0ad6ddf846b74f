// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/plan/plan.h"

#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "encapsulate/options.h"
#include "encapsulate/plan/reuse_rules.h"
#include "encapsulate/result.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

class PlanTest : public ::testing::Test {
 protected:
  PlanTest() {
    std::string path = absl::StrCat(::testing::TempDir(), "/plan-XXXXXX");
    EXPECT_NE(mkdtemp(path.data()), nullptr);
    // As the plan will see it.
    root_ = std::filesystem::canonical(path).string();
    for (const char* name : {"tree", "tree/inner", "other"}) {
      EXPECT_EQ(mkdir(Path(name).c_str(), 0755), 0);
    }
    EXPECT_EQ(symlink("tree", Path("link").c_str()), 0);
  }
  ~PlanTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }

  std::string Path(const std::string& name) const {
    return absl::StrCat(root_, "/", name);
  }

  // The targets of the caller's own places, in order, without the root.
  std::vector<std::string> Targets(const Options& options) const {
    Plan plan;
    const absl::Status status = MakePlan(options, &kCommand, &plan);
    EXPECT_TRUE(status.ok()) << status;
    std::vector<std::string> targets;
    for (const Place& place : plan.places) {
      if (place.target.compare(0, root_.size() + 1, root_ + "/") == 0) {
        targets.push_back(place.target.substr(root_.size() + 1));
      }
    }
    return targets;
  }

  static std::string Message(const Options& options,
                             const std::vector<std::string>& command) {
    Plan plan;
    const absl::Status status = MakePlan(options, &command, &plan);
    EXPECT_FALSE(status.ok());
    return std::string(status.message());
  }

  using Strings = std::vector<std::string>;
  inline static const Strings kCommand = {"true"};
  std::string root_;
};

TEST_F(PlanTest, TreesAreResolvedAndRedundantOnesDropped) {
  Options options;
  options.writable = {Path("tree/inner"), Path("link"), Path("tree"),
                      Path("tree/../tree/.")};
  EXPECT_EQ(Targets(options), Strings{"tree"});
  options.writable = {Path("other"), Path("tree/inner")};
  EXPECT_EQ(Targets(options), (Strings{"other", "tree/inner"}));
}

TEST_F(PlanTest, OuterPlacesComeFirst) {
  Options options;
  options.writable = {Path("tree/inner")};
  options.tmpfs = {{Path("tree"), 0}, {Path("tree/inner/fresh"), 0}};
  options.tmpfs.pop_back();
  EXPECT_EQ(Targets(options), (Strings{"tree", "tree/inner"}));
}

TEST_F(PlanTest, ShownTreesAreDroppedWhereTheyAreSeenAnyway) {
  Options options;
  options.shown = {Path("tree"), Path("tree/inner"), Path("other")};
  EXPECT_EQ(Targets(options), Strings{});
  options.tmpfs = {{Path("tree"), 0}};
  options.shown = {Path("tree/inner"), Path("other")};
  EXPECT_EQ(Targets(options), (Strings{"tree", "tree/inner"}));
  options.tmpfs.clear();
  options.writable = {Path("tree")};
  EXPECT_EQ(Targets(options), (Strings{"tree", "tree/inner"}));
}

TEST_F(PlanTest, TheIdsMayBeChosen) {
  Options options;
  options.uid = 1234;
  Plan plan;
  ASSERT_TRUE(MakePlan(options, &kCommand, &plan).ok());
  EXPECT_EQ(plan.uid_map, absl::StrCat("1234 ", geteuid(), " 1\n"));
  EXPECT_EQ(plan.gid_map, absl::StrCat(getegid(), " ", getegid(), " 1\n"));
  EXPECT_FALSE(plan.map_from_outside);
}

TEST_F(PlanTest, PlacesInFreshTreesAreMade) {
  Options options;
  options.tmpfs = {{Path("tree"), 0}, {Path("tree/new/deep"), 0}};
  Plan plan;
  ASSERT_TRUE(MakePlan(options, &kCommand, &plan).ok());
  for (const Place& place : plan.places) {
    if (place.target == Path("tree/new/deep")) {
      EXPECT_TRUE(place.make_point);
    }
    if (place.target == Path("tree")) {
      EXPECT_FALSE(place.make_point);
    }
  }
  options.tmpfs = {{Path("missing"), 0}};
  EXPECT_EQ(Message(options, kCommand),
            absl::StrCat("cannot mount a tmpfs at '", Path("missing"),
                         "': no such file or directory (ENOENT); hint: make it "
                         "on the host first"));
}

TEST_F(PlanTest, EveryMistakeIsNamed) {
  const std::string nul("a\0b", 3);
  std::vector<std::pair<Options, std::string>> cases;
  const auto add = [&cases](auto set, const std::string& message) {
    Options options;
    set(options);
    cases.emplace_back(std::move(options), message);
  };
  add([](Options& o) { o.writable = {""}; }, "a path is empty");
  add([](Options& o) { o.shown = {"/no/such"}; },
      "cannot show '/no/such': no such file or directory (ENOENT)");
  add([](Options& o) { o.shown = {"/dev/null"}; },
      "cannot show '/dev/null': it is neither a directory nor a regular file");
  add([](Options& o) { o.shown = {"/"}; },
      "cannot show '/': it is the root; hint: name the directories below it");
  add([](Options& o) { o.uid = 4294967295; },
      "cannot show the id 4294967295: it is no id");
  add([&](Options& o) { o.hidden = {nul}; }, "'a\\000b' holds NUL");
  add(
      [](Options& o) {
        o.tmpfs = {{"/", 0}};
      },
      "cannot mount a tmpfs at '/': it is the root; hint: name the directories "
      "below it");
  add([](Options& o) { o.overlay = {"/proc/self"}; },
      "cannot overlay '/proc/self': /proc is always the sandbox's own");
  add([](Options& o) { o.overlay = {"/dev/null"}; },
      "cannot overlay '/dev/null': not a directory (ENOTDIR)");
  add([](Options& o) { o.hidden = {"/no/such"}; },
      "cannot hide '/no/such': no such file or directory (ENOENT)");
  add([](Options& o) { o.hostname = std::string(65, 'h'); },
      absl::StrCat("cannot set host name '", std::string(65, 'h'),
                   "': more than 64 bytes"));
  add([](Options& o) { o.keep_descriptors = {987654}; },
      "cannot keep descriptor 987654: bad file descriptor (EBADF)");
  add([](Options& o) { o.environment = {{"NOEQUALS"}}; },
      "cannot set environment variable 'NOEQUALS': not NAME=VALUE");
  add([](Options& o) { o.environment = {{"=x"}}; },
      "cannot set environment variable '=x': not NAME=VALUE");
  add([](Options& o) { o.limits.timeout = absl::ZeroDuration(); },
      "cannot limit wall time to 0 or less; hint: leave the limit out");
  add([](Options& o) { o.limits.grace = -absl::Seconds(1); },
      "cannot give a negative grace time");
  add([](Options& o) { o.limits.memory = 0; },
      "cannot limit memory to 0 or less; hint: leave the limit out");
  add([](Options& o) { o.make_directories = {"/usr/x"}; },
      "cannot make directory '/usr/x': it isn't in a fresh tmpfs");
  for (const auto& one : cases) {
    EXPECT_EQ(Message(one.first, kCommand), one.second);
  }
}

TEST_F(PlanTest, WrongCommandsAreNamed) {
  EXPECT_EQ(Message(Options(), {}), "there is no command to run");
  EXPECT_EQ(Message(Options(), {""}), "cannot run '': the name is empty");
  EXPECT_EQ(Message(Options(), {"a", std::string("b\0", 2)}),
            "argument 'b\\000' holds NUL");
}

TEST_F(PlanTest, CommandsAreLookedForInThePathThatTheyWillSee) {
  Options options;
  options.environment = {{"PATH=/one::/two", "PATH_X=/no"}};
  Plan plan;
  ASSERT_TRUE(MakePlan(options, &kCommand, &plan).ok());
  EXPECT_EQ(plan.executables, (Strings{"/one/true", "./true", "/two/true"}));
  const Strings slash = {"bin/true"};
  Plan direct;
  ASSERT_TRUE(MakePlan(options, &slash, &direct).ok());
  EXPECT_EQ(direct.executables, Strings{"bin/true"});
}

TEST_F(PlanTest, OptionsAreComparedByEveryField) {
  using Change = void (*)(Options&);
  for (Change change : std::initializer_list<Change>{
           [](Options& o) { o.isolation = Isolation::kBest; },
           [](Options& o) { o.writable = {"/a"}; },
           [](Options& o) {
             o.tmpfs = {{"/a", 0}, {"/b", 1}};
           },
           [](Options& o) {
             o.tmpfs = {{"/b", 0}};
           },
           [](Options& o) {
             o.tmpfs = {{"/a", 1}};
           },
           [](Options& o) { o.overlay = {"/a"}; },
           [](Options& o) { o.hidden = {"/a"}; },
           [](Options& o) { o.shown = {"/a"}; },
           [](Options& o) { o.network = Network::kNone; },
           [](Options& o) { o.identity = Identity::kRoot; },
           [](Options& o) { o.uid = 0; },
           [](Options& o) { o.gid = 0; },
           [](Options& o) { o.attachment = Attachment::kForeground; },
           [](Options& o) { o.hostname = "a"; },
           [](Options& o) { o.directory = "/a"; },
           [](Options& o) { o.environment.emplace(); },
           [](Options& o) { o.umask = 0; },
           [](Options& o) { o.keep_descriptors = {3}; },
           [](Options& o) { o.make_directories = {"/a"}; },
           [](Options& o) { o.limits.timeout = absl::Seconds(1); },
           [](Options& o) { o.limits.grace = absl::Seconds(1); },
           [](Options& o) { o.limits.cpu_time = absl::Seconds(1); },
           [](Options& o) { o.limits.address_space = 1; },
           [](Options& o) { o.limits.memory = 1; },
           [](Options& o) { o.limits.processes = 1; },
           [](Options& o) { o.limits.file_size = 1; },
           [](Options& o) { o.limits.open_files = 1; },
           [](Options& o) { o.limits.core_size = 1; },
           [](Options& o) { o.violations = Violations::kReport; },
           [](Options& o) { o.allowed.clear(); },
           [](Options& o) {
             o.allowed = {{Rule::kSignal, "a", "b"}};
           },
           [](Options& o) {
             o.allowed = {{Rule::kWrite, "b", "b"}};
           },
           [](Options& o) {
             o.allowed = {{Rule::kWrite, "a", "a"}};
           },
           [](Options& o) { o.exposed_executable = ExposedExecutable::kAllow; },
           [](Options& o) { o.shared_mappings = SharedMappings::kKeep; },
           [](Options& o) { o.list_overlay_changes = true; },
           [](Options& o) { o.inputs = true; },
       }) {
    Options options;
    options.tmpfs = {{"/a", 0}};
    options.allowed = {{Rule::kWrite, "a", "b"}};
    Options changed = options;
    EXPECT_TRUE(AreEqual(options, changed));
    change(changed);
    EXPECT_FALSE(AreEqual(options, changed));
  }
}

TEST_F(PlanTest, NoCoreFileIsADefault) {
  Plan plan;
  ASSERT_TRUE(MakePlan(Options(), &kCommand, &plan).ok());
  EXPECT_EQ(plan.core_limit, kNoCore);
}

}  // namespace
}  // namespace encapsulate
