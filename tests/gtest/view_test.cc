// SPDX-License-Identifier: Apache-2.0
//
// What a test sees and may do, looked at from inside: every test here is
// encapsulated.
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "gtest_plugin/encapsulated_test.h"

namespace encapsulate {
namespace {

using testing::Contains;
using testing::IsEmpty;

int WriteFile(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) return errno;
  close(fd);
  return 0;
}

std::vector<std::string> List(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    names.push_back(entry.path().filename().string());
  }
  return names;
}

std::string Get(const char* name) {
  const char* const value = getenv(name);
  return value != nullptr ? value : "(unset)";
}

TEST(ViewTest, KnowsThatItIsEncapsulated) {
  EXPECT_TRUE(IsEncapsulated());
  EXPECT_THAT(WritableTrees(), Contains(ScratchDirectory()));
  EXPECT_EQ(OptionsInForce().working_directory, WorkingDirectory::kReadOnly);
}

class OutsideTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { encapsulated_ = IsEncapsulated(); }
  static bool encapsulated_;
};
bool OutsideTest::encapsulated_ = true;
TEST_F(OutsideTest, SetUpTestSuiteIsNotEncapsulated) {
  EXPECT_FALSE(encapsulated_);
}

// Two tests that would meet in a shared place; each finds it empty.
class PrivateTest : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Each, PrivateTest, testing::Values(1, 2));

TEST_P(PrivateTest, ScratchIsEmptyAndWritable) {
  EXPECT_EQ(Get("TEST_TMPDIR"), ScratchDirectory());
  EXPECT_EQ(Get("TMPDIR"), ScratchDirectory());
  EXPECT_THAT(List(ScratchDirectory()), IsEmpty());
  EXPECT_EQ(WriteFile(ScratchDirectory() + "/file"), 0);
}

TEST_P(PrivateTest, TmpIsItsOwn) {
  EXPECT_NE(access("/tmp/encapsulate_view_test", F_OK), 0);
  EXPECT_EQ(WriteFile("/tmp/encapsulate_view_test"), 0);
  EXPECT_NE(access("/var/tmp/encapsulate_view_test", F_OK), 0);
  EXPECT_EQ(WriteFile("/var/tmp/encapsulate_view_test"), 0);
}

TEST_P(PrivateTest, HomeIsItsOwn) {
  EXPECT_THAT(List(Get("HOME")), IsEmpty());
  EXPECT_EQ(WriteFile(Get("HOME") + "/file"), 0);
}

TEST_P(PrivateTest, SharedMemoryIsItsOwn) {
  const int fd =
      shm_open("/encapsulate_view_test", O_CREAT | O_EXCL | O_RDWR, 0600);
  EXPECT_GE(fd, 0) << strerror(errno);
}

TEST_P(PrivateTest, PortIsItsOwn) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(8080);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(
      bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0)
      << strerror(errno);
  ASSERT_EQ(listen(listener, 1), 0);
  const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(
      connect(client, reinterpret_cast<sockaddr*>(&address), sizeof(address)),
      0);
}

TEST_P(PrivateTest, ProcessesAreItsOwn) {
  std::vector<std::string> processes;
  for (const std::string& name : List("/proc")) {
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    // Init isn't shown in a sandbox that may be used again.
    if (name != "1") processes.push_back(name);
  }
  EXPECT_THAT(processes, testing::ElementsAre(std::to_string(getpid())));
}

TEST(ViewTest, HasOnlyLoopback) {
  EXPECT_EQ(if_nametoindex("lo"), 1U);
  EXPECT_THAT(List("/sys/class/net"), testing::ElementsAre("lo"));
}

TEST(ViewTest, HostIsReadOnly) {
  const ExpectBlocked blocked(Rule::kWrite, "*/encapsulate_view_test");
  EXPECT_EQ(WriteFile("/encapsulate_view_test"), EROFS);
  EXPECT_EQ(WriteFile("encapsulate_view_test"), EROFS);
  EXPECT_EQ(access("/etc/passwd", R_OK), 0);
}

TEST(ViewTest, EnvironmentIsScrubbed) {
  EXPECT_EQ(Get("TZ"), "UTC");
  EXPECT_EQ(Get("LC_ALL"), "C.UTF-8");
  EXPECT_EQ(Get("AWS_SECRET_ACCESS_KEY"), "(unset)");
  EXPECT_EQ(Get("DISPLAY"), "(unset)");
  EXPECT_EQ(Get("TEST_SRCDIR"), Get("TEST_SRCDIR"));
  EXPECT_NE(Get("TEST_SRCDIR"), "(unset)");
  EXPECT_EQ(umask(0), 022U);
}

TEST(ViewTest, UndeclaredOutputsGetOut) {
  const std::string outputs = Get("TEST_UNDECLARED_OUTPUTS_DIR");
  EXPECT_EQ(WriteFile(outputs + "/view_test"), 0);
  EXPECT_THAT(WritableTrees(),
              Contains(std::filesystem::canonical(outputs).string()));
}

// --- Descriptors ------------------------------------------------------------

class DescriptorsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = open(testing::TempDir().c_str(), O_RDONLY | O_DIRECTORY);
    program_ = open("/proc/self/exe", O_RDONLY);
    lseek(program_, 1, SEEK_SET);
    memory_ = open("/proc/self/mem", O_RDWR);
    const std::string fifo = testing::TempDir() + "/view_test_fifo";
    ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
    fifo_ = open(fifo.c_str(), O_RDONLY | O_NONBLOCK);
    fifo_path_ = open(fifo.c_str(), O_PATH);
    device_ = open("/dev/zero", O_RDONLY);
    ASSERT_EQ(pipe(pipe_), 0);
    ASSERT_EQ(write(pipe_[1], "p", 1), 1);
  }
  static void TearDownTestSuite() {
    EXPECT_EQ(written_, 0);
    unlink((testing::TempDir() + "/view_test_fifo").c_str());
  }
  static int directory_;
  static int program_;
  static int memory_;  // of the program
  static volatile int written_;
  static int fifo_;
  static int fifo_path_;
  static int device_;
  static int pipe_[2];
};
int DescriptorsTest::directory_;
int DescriptorsTest::program_;
int DescriptorsTest::memory_;
volatile int DescriptorsTest::written_;
int DescriptorsTest::fifo_;
int DescriptorsTest::fifo_path_;
int DescriptorsTest::device_;
int DescriptorsTest::pipe_[2];

TEST_F(DescriptorsTest, OfTheProgramAreNoWayAroundTheView) {
  // TEST_TMPDIR is the test's own, so the program's is gone.
  EXPECT_LT(openat(directory_, "x", O_WRONLY | O_CREAT, 0666), 0);
  const std::string path = absl::StrCat("/proc/self/fd/", program_);
  const ExpectBlocked blocked(Rule::kWrite);
  EXPECT_LT(open(path.c_str(), O_RDWR), 0);
  char magic[3];
  EXPECT_EQ(read(program_, magic, 3), 3);
  EXPECT_EQ(std::string(magic, 3), "ELF");
}

TEST_F(DescriptorsTest, OfFifosAndDevicesAreNoWayAroundTheView) {
  // TEST_TMPDIR doesn't have them any more.
  EXPECT_EQ(fcntl(fifo_, F_GETFD), -1);
  EXPECT_EQ(fcntl(fifo_path_, F_GETFD), -1);
  // What the view has stays, with its number.
  char byte = 'x';
  EXPECT_EQ(read(device_, &byte, 1), 1);
  EXPECT_EQ(byte, '\0');
  EXPECT_EQ(fcntl(device_, F_GETFL) & O_NONBLOCK, 0);
  // So do pipes without a name.
  EXPECT_EQ(read(pipe_[0], &byte, 1), 1);
  EXPECT_EQ(byte, 'p');
}

TEST_F(DescriptorsTest, OfTheProgramsMemoryAreClosed) {
  const int value = 1;
  const auto address = reinterpret_cast<off_t>(&written_);
  EXPECT_LT(pwrite(memory_, &value, sizeof(value), address), 0);
}

TEST_F(DescriptorsTest, NewOnesHaveTheLowestNumber) {
  EXPECT_LT(open("/dev/null", O_RDONLY | O_CLOEXEC), 10);
}

// --- Options ----------------------------------------------------------------

class OverlayTest : public EncapsulatedTest {
 protected:
  static void SetUpTestSuite() {
    TestOptions options = ProgramOptions();
    options.working_directory = WorkingDirectory::kOverlay;
    options.environment = {"VIEW_TEST=set"};
    SetSuiteOptions(options);
  }
};
TEST_F(OverlayTest, WritesToItsDirectory) {
  EXPECT_EQ(OptionsInForce().working_directory, WorkingDirectory::kOverlay);
  EXPECT_NE(access("encapsulate_view_test", F_OK), 0);
  EXPECT_EQ(WriteFile("encapsulate_view_test"), 0);
}
TEST_F(OverlayTest, WhereNothingIsKept) {
  EXPECT_NE(access("encapsulate_view_test", F_OK), 0);
  EXPECT_EQ(WriteFile("encapsulate_view_test"), 0);
}
TEST_F(OverlayTest, SeesItsVariable) { EXPECT_EQ(Get("VIEW_TEST"), "set"); }

class CopyTest : public EncapsulatedTest {
 protected:
  static void SetUpTestSuite() {
    before_ = new std::string(std::filesystem::current_path().string());
    TestOptions options = ProgramOptions();
    options.working_directory = WorkingDirectory::kCopy;
    SetSuiteOptions(options);
  }
  static std::string* before_;
};
std::string* CopyTest::before_;
TEST_F(CopyTest, WorksInACopy) {
  EXPECT_NE(std::filesystem::current_path().string(), *before_);
  // Bazel shows this file by a symbolic link.
  struct stat info;
  ASSERT_EQ(lstat("tests/gtest/view_test_data", &info), 0);
  EXPECT_TRUE(S_ISREG(info.st_mode));
  EXPECT_EQ(WriteFile("tests/gtest/view_test_data"), 0);
  EXPECT_EQ(WriteFile("encapsulate_view_test"), 0);
}

class AfterOptionsTest : public EncapsulatedTest {};
TEST_F(AfterOptionsTest, OptionsOfASuiteEndWithIt) {
  const ExpectBlocked blocked(Rule::kWrite, "*/encapsulate_view_test");
  EXPECT_EQ(WriteFile("encapsulate_view_test"), EROFS);
  EXPECT_EQ(Get("VIEW_TEST"), "(unset)");
}

class LimitsTest : public EncapsulatedTest {
 protected:
  static void SetUpTestSuite() {
    TestOptions options = ProgramOptions();
    options.limits.open_files = 64;
    SetSuiteOptions(options);
  }
};
TEST_F(LimitsTest, Bind) {
  std::vector<int> opened;
  int last = 0;
  while (last >= 0 && last < 100) {
    last = open("/dev/null", O_RDONLY);
    opened.push_back(last);
  }
  const int error = errno;
  // UndefinedBehaviorSanitizer needs some itself.
  for (int fd : opened) close(fd);
  EXPECT_LT(last, 0);
  EXPECT_EQ(error, EMFILE);
}

// --- Fixtures of any shape --------------------------------------------------

struct alignas(256) AlignedTest : public EncapsulatedTest {
  int value = 5;
};
TEST_F(AlignedTest, IsAligned) {
  EXPECT_EQ(reinterpret_cast<uintptr_t>(this) % 256, 0U);
  EXPECT_EQ(value, 5);
  EXPECT_TRUE(IsEncapsulated());
}

class WithParamTest : public EncapsulatedTestWithParam<std::string> {};
TEST_P(WithParamTest, HasItsParameter) {
  EXPECT_EQ(GetParam(), "text");
  EXPECT_TRUE(IsEncapsulated());
}
INSTANTIATE_TEST_SUITE_P(A, WithParamTest, testing::Values("text"));

}  // namespace
}  // namespace encapsulate
