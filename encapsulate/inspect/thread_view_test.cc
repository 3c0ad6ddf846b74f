// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/inspect/thread_view.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "encapsulate/base/unique_fd.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

using Location = PathTarget::Location;

constexpr size_t kPage = 4096;

uint64_t Address(const void* pointer) {
  return reinterpret_cast<uint64_t>(pointer);
}

// Two pages of memory with nothing behind.
class Pages {
 public:
  Pages()
      : begin_(
            static_cast<char*>(mmap(nullptr, 3 * kPage, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    munmap(begin_ + 2 * kPage, kPage);
  }
  ~Pages() { munmap(begin_, 2 * kPage); }
  char* begin() const { return begin_; }
  char* end() const { return begin_ + 2 * kPage; }

 private:
  char* const begin_;
};

class ThreadViewTest : public testing::Test {
 protected:
  const ThreadView self_{getpid()};
  const Pages pages_;
};

// --- Memory
// -------------------------------------------------------------------

TEST_F(ThreadViewTest, ReadsUpToWhatIsNotThere) {
  memset(pages_.begin(), 'x', 2 * kPage);
  std::string bytes(2 * kPage, '\0');
  EXPECT_EQ(
      self_.Read(Address(pages_.end()) - kPage - 10, &bytes[0], kPage + 10),
      kPage + 10);
  EXPECT_EQ(bytes[kPage + 9], 'x');
  EXPECT_EQ(self_.Read(Address(pages_.end()) - 10, &bytes[0], 20), 10U);
  EXPECT_EQ(self_.Read(Address(pages_.end()), &bytes[0], 20), 0U);
  EXPECT_EQ(self_.Read(~uint64_t{0} - 5, &bytes[0], 20), 0U);
  EXPECT_FALSE(self_.refused());
}

TEST_F(ThreadViewTest, ReadsStringsThatEnd) {
  memset(pages_.begin(), 'x', 2 * kPage);
  char* const end = pages_.end();
  end[-1] = '\0';
  EXPECT_EQ(self_.ReadString(Address(end) - 1), std::string());
  EXPECT_EQ(self_.ReadString(Address(end) - 300), std::string(299, 'x'));
  EXPECT_EQ(self_.ReadString(Address(end) - kPage + 1),
            std::string(kPage - 2, 'x'))
      << "as long as a path may be";
}

TEST_F(ThreadViewTest, ReadsStringsThatDoNotEndUpToPathMax) {
  memset(pages_.begin(), 'x', 2 * kPage);
  const absl::optional<std::string> text =
      self_.ReadString(Address(pages_.begin()));
  ASSERT_TRUE(text.has_value());
  EXPECT_GE(text->size(), size_t{PATH_MAX});
  EXPECT_LE(text->size(), PATH_MAX + kPage);
  EXPECT_EQ(self_.ReadString(Address(pages_.end()) - 10), absl::nullopt);
  EXPECT_EQ(self_.ReadString(0), absl::nullopt);
}

// --- Paths
// --------------------------------------------------------------------

class PathsTest : public ThreadViewTest {
 protected:
  PathsTest() {
    std::string name = testing::TempDir() + "/thread_view_XXXXXX";
    char resolved[PATH_MAX];
    directory_ = realpath(mkdtemp(&name[0]), resolved);
  }
  ~PathsTest() override {
    for (const char* name : {"file", "link", "dangling"}) {
      unlink((directory_ + "/" + name).c_str());
    }
    rmdir(directory_.c_str());
  }

  PathTarget LookUp(const std::string& path, bool follow = true) const {
    return self_.LookUp(AT_FDCWD, path, follow);
  }

  std::string directory_;
};

TEST_F(PathsTest, TellsWhatCanBeWritten) {
  const std::string file = directory_ + "/file";
  EXPECT_EQ(LookUp(file).location, Location::kWritable);
  EXPECT_FALSE(LookUp(file).exists);
  const UniqueFd made(open(file.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  EXPECT_EQ(LookUp(file).location, Location::kWritable);
  EXPECT_TRUE(LookUp(file).exists);
  EXPECT_TRUE(S_ISREG(LookUp(file).mode));
  EXPECT_EQ(self_.LookUp(made.get()).location, Location::kWritable);
  EXPECT_EQ(LookUp(absl::StrCat("/dev/fd/", made.get())).location,
            Location::kWritable);
}

TEST_F(PathsTest, FollowsLinksWhereAsked) {
  const std::string link = directory_ + "/link";
  ASSERT_EQ(symlink("/proc/sys/kernel/hostname", link.c_str()), 0);
  EXPECT_EQ(LookUp(link).location, Location::kReadOnly);
  EXPECT_EQ(LookUp(link).path, "/proc/sys/kernel/hostname");
  EXPECT_EQ(LookUp(link, /*follow=*/false).location, Location::kWritable);
}

TEST_F(PathsTest, ALinkIntoAMissingDirectoryLeadsNowhere) {
  const std::string link = directory_ + "/dangling";
  ASSERT_EQ(symlink("/nothing/at/all", link.c_str()), 0);
  EXPECT_EQ(LookUp(link).location, Location::kNowhere);
}

TEST_F(PathsTest, TellsTheMachinesSettingsFromProcesses) {
  EXPECT_EQ(LookUp("/proc/sys/kernel/hostname").location, Location::kReadOnly);
  EXPECT_TRUE(LookUp("/proc/sys/kernel/hostname").exists);
  EXPECT_EQ(LookUp("/proc/self/comm").location, Location::kWritable);
}

TEST_F(PathsTest, TellsWhereNothingCanBe) {
  EXPECT_EQ(LookUp(directory_ + "/missing/file").location, Location::kNowhere);
  EXPECT_EQ(LookUp(directory_ + "/" + std::string(300, 'x')).location,
            Location::kNowhere);
  EXPECT_EQ(self_.LookUp(-1, "file", true).location, Location::kNowhere);
}

// --- Threads
// ------------------------------------------------------------------

TEST_F(ThreadViewTest, ReadsTheStatus) {
  char before[16] = {};
  prctl(PR_GET_NAME, before);
  prctl(PR_SET_NAME, "x) S 1\ny");
  const ThreadView::Status status = self_.ReadStatus();
  prctl(PR_SET_NAME, before);
  EXPECT_EQ(status.pid, getpid());
  EXPECT_EQ(status.tid, getpid());
  EXPECT_EQ(status.name, "x) S 1\\ny") << "as the kernel escapes it";
}

TEST_F(ThreadViewTest, ReadsTheStateBehindAnyName) {
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_NAME, "x) R (y");
    raise(SIGSTOP);
    _exit(0);
  }
  ASSERT_EQ(waitpid(child, nullptr, WUNTRACED), child);
  const ThreadView thread(child);
  EXPECT_EQ(thread.State(), 'T');
  EXPECT_TRUE(thread.Sees(child));
  kill(child, SIGKILL);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_EQ(thread.State(), '\0');
  EXPECT_EQ(thread.Link("exe"), "");
  EXPECT_EQ(thread.ReadStatus().pid, 0);
  EXPECT_FALSE(self_.Sees(child));
}

}  // namespace
}  // namespace encapsulate
