// SPDX-License-Identifier: Apache-2.0
//
// Bodies that would harm the machine. Each runs encapsulated, and what it did
// in there is gone when the next one looks.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <new>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "gtest_plugin/encapsulated_environment.h"

namespace encapsulate {
namespace {

// Of the program itself, which would suffer with the machine.
class Monitor : public testing::Environment {
  void SetUp() override {
    path_ = testing::TempDir() + "/monitor";
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
[[maybe_unused]] testing::Environment* const monitor =
    testing::AddGlobalTestEnvironment(new Monitor);

TEST(HarmTest, DeletesEveryFile) {
  const ExpectBlocked blocked(Rule::kWrite);
  std::error_code error;
  for (const char* tree : {"/etc", "/usr/share", ".", "/tmp"}) {
    for (const auto& entry : std::filesystem::directory_iterator(tree, error)) {
      std::filesystem::remove_all(entry.path(), error);
    }
  }
  EXPECT_EQ(access("/etc/passwd", R_OK), 0);
}

TEST(HarmTest, WritesToEtc) {
  const ExpectBlocked blocked(Rule::kWrite, "/etc/*");
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
  const ExpectBlocked blocked(Rule::kPrivilege, "CLOCK_REALTIME");
  const struct timespec past = {1000000, 0};
  EXPECT_LT(clock_settime(CLOCK_REALTIME, &past), 0);
  EXPECT_EQ(errno, EPERM);
}

TEST(HarmTest, MountsAndReboots) {
  const ExpectBlocked blocked(Rule::kPrivilege);
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

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
class MemoryTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    TestOptions options = ProgramOptions();
    options.limits.address_space = uint64_t{512} << 20;
    SetSuiteOptions(options);
  }
};
TEST_F(MemoryTest, ExhaustsIt) {
  constexpr size_t kBlock = size_t{8} << 20;
  std::vector<void*> blocks;
  blocks.reserve(64);
  while (void* const block = malloc(kBlock)) {
    memset(block, 1, kBlock);
    blocks.push_back(block);
    ASSERT_LT(blocks.size(), 64U);
  }
  EXPECT_EQ(errno, ENOMEM);
  for (void* block : blocks) free(block);
}
#endif

// Every process forks until there are as many as the limit says, and none
// ends by itself. A limit that binds root needs a cgroup, so for root the bomb
// counts itself.
class ForkBombTest : public testing::Test {
 protected:
  static constexpr int kProcesses = 100;
  static void SetUpTestSuite() {
    TestOptions options = ProgramOptions();
    options.leftovers = Leftovers::kNote;
    if (getuid() != 0) options.limits.processes = kProcesses;
    SetSuiteOptions(options);
  }
};
TEST_F(ForkBombTest, GoesOff) {
  void* const shared =
      mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE,
           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(shared, MAP_FAILED);
  auto* const processes = new (shared) std::atomic<int>(0);
  int over[2];
  ASSERT_EQ(pipe(over), 0);
  const pid_t test = getpid();
  while (++*processes <= kProcesses) {
    const pid_t pid = fork();
    if (pid < 0) break;
  }
  if (getpid() != test) {
    static_cast<void>(write(over[1], "x", 1) == 1);
    for (;;) pause();
  }
  char byte;
  EXPECT_EQ(read(over[0], &byte, 1), 1);
}

TEST(HarmTest, ExhaustsDescriptors) {
  std::vector<int> descriptors;
  int fd;
  while ((fd = open("/dev/null", O_RDONLY)) >= 0) descriptors.push_back(fd);
  EXPECT_EQ(errno, EMFILE);
  // LeakSanitizer opens files at the end of a test.
  for (int descriptor : descriptors) close(descriptor);
}

// Twice the same port, and nothing in its way.
class PortTest : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Each, PortTest, testing::Values(1, 2));
TEST_P(PortTest, IsBoundAndNeverClosed) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(8080);
  EXPECT_EQ(
      bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0)
      << strerror(errno);
  EXPECT_EQ(listen(listener, 1), 0);
}

// Of the process: pages of memory that it shares with others.
int SharedKilobytes() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word && word != "RssShmem:") {
  }
  int size = 0;
  status >> size;
  return size;
}

// The test ends while its result is on the way to the program.
TEST(HarmTest, EndsWhileAThreadTellsAResult) {
  constexpr int kMegabytes = 20;
  const int before = SharedKilobytes();
  static std::atomic<bool> told{false};
  std::thread([] {
    SUCCEED() << std::string(kMegabytes << 20, 'x');
    told = true;
  }).detach();
  while (!told && SharedKilobytes() - before < 1024) {
  }
}

TEST(HarmTest, LooksAfterwards) {
  EXPECT_EQ(access("/usr/share", R_OK), 0);
  EXPECT_TRUE(std::filesystem::exists("/etc/passwd"));
}

}  // namespace
}  // namespace encapsulate
