// Bodies that would harm the machine. Each runs encapsulated, and what it did
// in there is gone when the next one looks.
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include "gtest/gtest.h"
#include "gtest_plugin/encapsulated_environment.h"

namespace encapsulate {
namespace {

// Of the program itself, which would suffer with the machine.
class Witness : public testing::Environment {
  void SetUp() override {
    path_ = testing::TempDir() + "/witness";
    std::ofstream(path_) << "unharmed";
  }
  void TearDown() override {
    std::string text;
    std::ifstream(path_) >> text;
    EXPECT_EQ(text, "unharmed");
    EXPECT_EQ(access("/etc/passwd", R_OK), 0);
    EXPECT_NE(access("/etc/encapsulate_harm_test", F_OK), 0);
    EXPECT_LT(time(nullptr) - started_, 3600);
  }

  std::string path_;
  const time_t started_ = time(nullptr);
};
[[maybe_unused]] testing::Environment* const witness =
    testing::AddGlobalTestEnvironment(new Witness);

TEST(HarmTest, DeletesEveryFile) {
  std::error_code error;
  for (const char* tree : {"/etc", "/usr/share", ".", "/tmp"}) {
    for (const auto& entry : std::filesystem::directory_iterator(tree, error)) {
      std::filesystem::remove_all(entry.path(), error);
    }
  }
  EXPECT_EQ(access("/etc/passwd", R_OK), 0);
}

TEST(HarmTest, WritesToEtc) {
  EXPECT_LT(open("/etc/encapsulate_harm_test", O_WRONLY | O_CREAT, 0600), 0);
  EXPECT_EQ(errno, EROFS);
}

TEST(HarmTest, KillsEveryProcess) {
  signal(SIGTERM, SIG_IGN);
  kill(-1, SIGTERM);
  kill(0, SIGTERM);
  // Init is immune to what it contains.
  kill(1, SIGKILL);
}

TEST(HarmTest, ChangesTheClock) {
  const struct timespec past = {1000000, 0};
  EXPECT_LT(clock_settime(CLOCK_REALTIME, &past), 0);
  EXPECT_EQ(errno, EPERM);
}

TEST(HarmTest, MountsAndReboots) {
  EXPECT_LT(mount("none", "/etc", "tmpfs", 0, nullptr), 0);
  EXPECT_LT(mount(nullptr, "/", nullptr, MS_REMOUNT | MS_BIND, nullptr), 0);
  EXPECT_LT(reboot(RB_ENABLE_CAD), 0);
}

class DaemonTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    TestOptions options = ProgramOptions();
    options.leftovers = Leftovers::kNote;
    SetSuiteOptions(options);
  }
};
TEST_F(DaemonTest, LeavesADaemon) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    setsid();
    if (fork() != 0) _exit(0);
    if (write(ready[1], "x", 1) != 1) _exit(1);
    for (;;) pause();
  }
  ASSERT_EQ(waitpid(pid, nullptr, 0), pid);
  char byte;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
}

class ExhaustionTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    TestOptions options = ProgramOptions();
    options.limits.file_size = uint64_t{16} << 20;
    SetSuiteOptions(options);
  }
};
TEST_F(ExhaustionTest, FillsTheDisk) {
  signal(SIGXFSZ, SIG_IGN);
  const int file =
      open((ScratchDirectory() + "/large").c_str(), O_WRONLY | O_CREAT, 0600);
  ASSERT_GE(file, 0);
  const std::vector<char> block(1 << 20);
  int blocks = 0;
  while (write(file, block.data(), block.size()) ==
         static_cast<ssize_t>(block.size())) {
    ASSERT_LT(++blocks, 17);
  }
  EXPECT_EQ(errno, EFBIG);
}

TEST(HarmTest, ExhaustsDescriptors) {
  std::vector<int> descriptors;
  int fd;
  while ((fd = open("/dev/null", O_RDONLY)) >= 0) descriptors.push_back(fd);
  EXPECT_EQ(errno, EMFILE);
  // LeakSanitizer opens files at the end of a test.
  for (int descriptor : descriptors) close(descriptor);
}

TEST(HarmTest, LooksAfterwards) {
  EXPECT_EQ(access("/usr/share", R_OK), 0);
  EXPECT_TRUE(std::filesystem::exists("/etc/passwd"));
}

}  // namespace
}  // namespace encapsulate
