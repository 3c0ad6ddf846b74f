// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/child/fresh_places.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "encapsulate/child/message.h"
#include "encapsulate/plan/plan.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

class FreshPlacesTest : public testing::Test {
 protected:
  // Two places, one in the other, in a directory that was made for this.
  void SetUp() override {
    const char* const directory = getenv("TEST_TMPDIR");
    outer_ = absl::StrCat(directory != nullptr ? directory : "/var/tmp",
                          "/fresh_XXXXXX");
    ASSERT_NE(mkdtemp(outer_.data()), nullptr);
    plan_.reusable = true;
    Place place;
    place.kind = PlaceKind::kTmpfs;
    place.target = outer_;
    place.size = size_t{1} << 20;
    plan_.places.push_back(place);
    place.target = outer_ + "/inner";
    place.make_point = true;
    plan_.places.push_back(place);
    plan_.make_directories = {outer_ + "/inner/made/twice"};
  }
  void TearDown() override { rmdir(outer_.c_str()); }

  // Runs `body` where nobody else mounts anything. It says what is wrong.
  static void Inside(const std::function<std::string()>& body) {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const pid_t pid = fork();
    if (pid == 0) {
      const std::string uid = absl::StrCat(geteuid(), " ", geteuid(), " 1");
      const std::string gid = absl::StrCat(getegid(), " ", getegid(), " 1");
      std::string wrong;
      if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0 ||
          !(std::ofstream("/proc/self/setgroups") << "deny").flush() ||
          !(std::ofstream("/proc/self/uid_map") << uid).flush() ||
          !(std::ofstream("/proc/self/gid_map") << gid).flush() ||
          mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
        wrong = absl::StrCat("no mount namespace: ", strerror(errno));
      } else {
        wrong = body();
      }
      const bool sent = write(ends[1], wrong.data(), wrong.size()) ==
                        static_cast<ssize_t>(wrong.size());
      _exit(sent ? 0 : 1);
    }
    close(ends[1]);
    std::string wrong;
    char buffer[4096];
    ssize_t size;
    while ((size = read(ends[0], buffer, sizeof(buffer))) > 0) {
      wrong.append(buffer, static_cast<size_t>(size));
    }
    close(ends[0]);
    int status = -1;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(wrong, "");
  }

  std::string MountThem(FreshPlaces* places, int table) const {
    if (!places->can_renew()) return "they can't be renewed";
    StepFailure failure;
    if (!places->Mount(&failure)) {
      return absl::StrCat("step ", static_cast<int>(failure.step), ": ",
                          strerror(errno));
    }
    const char* point = "";
    return places->Note(table, &point) ? "" : absl::StrCat("wrong: ", point);
  }

  static int OpenTable() {
    return open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
  }

  std::string outer_;
  Plan plan_;
};

std::vector<dev_t> Devices(const FreshPlaces& places) {
  Message message;
  places.WriteDevices(&message);
  std::vector<dev_t> devices(message.text_size / sizeof(dev_t));
  memcpy(devices.data(), message.text, message.text_size);
  return devices;
}

TEST_F(FreshPlacesTest, AreNewAndAlike) {
  Inside([this]() -> std::string {
    PlanForChild plan(plan_);
    FreshPlaces places(plan.plan());
    const int table = OpenTable();
    std::string wrong = MountThem(&places, table);
    if (!wrong.empty()) return wrong;
    const std::string made = outer_ + "/inner/made/twice";
    struct stat before = {};
    if (stat(made.c_str(), &before) != 0) return "a directory is missing";
    if (Devices(places).size() != 2 || Devices(places)[1] != before.st_dev) {
      return "other devices";
    }
    for (int i = 0; i < 3; ++i) {
      if (!(std::ofstream(made + "/x") << "x").flush()) return "not writable";
      if (chdir(made.c_str()) != 0 || !places.Renew(table)) return "not new";
      struct stat now = {};
      if (stat(made.c_str(), &now) != 0) return "a new directory is missing";
      if (now.st_ino != before.st_ino || now.st_mode != before.st_mode ||
          now.st_dev != Devices(places)[1]) {
        return "another directory";
      }
      if (access((made + "/x").c_str(), F_OK) == 0) return "an old file";
      // It knows of these changes.
      struct pollfd changes = {table, POLLPRI, 0};
      if (poll(&changes, 1, 0) != 0) return "a change is left";
    }
    return "";
  });
}

TEST_F(FreshPlacesTest, AreNotRenewedWhereMountsHaveChanged) {
  const std::function<int(const std::string&)> changes[] = {
      // Another mount, one that is gone, and one that has other options.
      [](const std::string&) { return mount("", "/tmp", "tmpfs", 0, nullptr); },
      [](const std::string&) { return umount2("/mnt", MNT_DETACH); },
      [](const std::string&) {
        return mount("", "/mnt", nullptr,
                     MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID, nullptr);
      },
      // What is over one is taken away in its place.
      [](const std::string& outer) {
        return mount("", outer.c_str(), "tmpfs", 0, nullptr);
      }};
  for (const auto& change : changes) {
    Inside([this, &change]() -> std::string {
      PlanForChild plan(plan_);
      FreshPlaces places(plan.plan());
      const int table = OpenTable();
      if (mount("", "/mnt", "tmpfs", MS_NOSUID, nullptr) != 0) return "/mnt";
      std::string wrong = MountThem(&places, table);
      if (!wrong.empty()) return wrong;
      if (!places.Renew(table)) return "without a change";
      if (change(outer_) != 0) return strerror(errno);
      return places.Renew(table) ? "renewed" : "";
    });
  }
}

TEST_F(FreshPlacesTest, AreTheLast) {
  Inside([this]() -> std::string {
    PlanForChild plan(plan_);
    FreshPlaces places(plan.plan());
    const int table = OpenTable();
    std::string wrong = MountThem(&places, table);
    if (!wrong.empty()) return wrong;
    if (mount("", "/tmp", "tmpfs", 0, nullptr) != 0) return strerror(errno);
    const char* point = "";
    if (places.Note(table, &point) || errno != EROFS) return "not noticed";
    return point == outer_ + "/inner" ? "" : point;
  });
}

TEST_F(FreshPlacesTest, HaveNoDevicesAndNoSetUserIds) {
  Inside([this]() -> std::string {
    PlanForChild plan(plan_);
    FreshPlaces places(plan.plan());
    const int table = OpenTable();
    std::string wrong = MountThem(&places, table);
    if (!wrong.empty()) return wrong;
    if (mount("", outer_.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_NOSUID,
              nullptr) != 0) {
      return strerror(errno);
    }
    const char* point = "";
    if (places.Note(table, &point)) return "not noticed";
    return point == outer_ ? "" : point;
  });
}

TEST_F(FreshPlacesTest, HoldNothingElse) {
  const auto can_renew = [this] {
    PlanForChild plan(plan_);
    return FreshPlaces(plan.plan()).can_renew();
  };
  EXPECT_TRUE(can_renew());
  {
    PlanForChild plan(plan_);
    EXPECT_TRUE(IsInFreshPlace(plan.plan(), outer_.c_str()));
    EXPECT_TRUE(IsInFreshPlace(plan.plan(), (outer_ + "/x/y").c_str()));
    EXPECT_FALSE(IsInFreshPlace(plan.plan(), (outer_ + "x").c_str()));
    EXPECT_FALSE(IsInFreshPlace(plan.plan(), "/"));
  }
  Place place;
  place.kind = PlaceKind::kWritable;
  place.target = outer_ + "x";
  plan_.places.push_back(place);
  EXPECT_TRUE(can_renew());
  place.target = outer_ + "/inner/tree";
  plan_.places.push_back(place);
  EXPECT_FALSE(can_renew());
  plan_.places.pop_back();
  plan_.reusable = false;
  EXPECT_FALSE(can_renew());
  plan_.reusable = true;
  place.kind = PlaceKind::kTmpfs;
  for (size_t i = 2; i < FreshPlaces::kMost; ++i) {
    EXPECT_TRUE(can_renew()) << i;
    place.target = absl::StrCat("/many/", i);
    plan_.places.push_back(place);
  }
  EXPECT_TRUE(can_renew());
  plan_.places.push_back(place);
  EXPECT_FALSE(can_renew());
  plan_.places.clear();
  EXPECT_FALSE(can_renew());
}

}  // namespace
}  // namespace encapsulate
