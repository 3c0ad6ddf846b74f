// SPDX-License-Identifier: Apache-2.0
//
// main() of the end-to-end tests: see support.h.
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "gtest/gtest.h"

namespace {

// Belongs to nobody on any host that we know of.
constexpr uid_t kOrdinaryUser = 64321;

constexpr char kScratch[] = "ENCAPSULATE_TEST_SCRATCH";

std::filesystem::path InRunfiles(const std::string& name) {
  const char* directory = getenv("TEST_SRCDIR");
  const char* workspace = getenv("TEST_WORKSPACE");
  if (directory != nullptr && workspace != nullptr) {
    return std::filesystem::path(directory) / workspace / name;
  }
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / ".." /
         name;
}

// Copies a program to where everybody can read and execute it.
std::string Publish(const std::filesystem::path& program,
                    const std::string& directory) {
  const std::filesystem::path copy = directory / program.filename();
  std::filesystem::copy_file(program, copy);
  chmod(copy.c_str(), 0755);
  return copy;
}

// The same if the test has it, and `variable` says where.
void PublishData(const std::string& name, const std::string& directory,
                 const char* variable) {
  const std::filesystem::path source = InRunfiles(name);
  if (!std::filesystem::exists(source)) return;
  setenv(variable, Publish(source, directory).c_str(), 1);
}

int RunTests(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

// Runs every test in a child that uses `base`, as `user` if that isn't 0.
int RunAll(int argc, char** argv, const std::string& base, uid_t user) {
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    const std::string scratch = base + (user == 0 ? "/caller" : "/ordinary");
    if (mkdir(scratch.c_str(), 0700) != 0) _exit(2);
    setenv(kScratch, scratch.c_str(), 1);
    setenv("HOME", scratch.c_str(), 1);
    if (user != 0) {
      // The user may be unable to read the program where root's Bazel has it,
      // and then no function of it has a name.
      const std::string program =
          Publish(std::filesystem::read_symlink("/proc/self/exe"), base);
      // What Bazel wants written, the first run has written.
      unsetenv("TEST_PREMATURE_EXIT_FILE");
      unsetenv("GTEST_SHARD_STATUS_FILE");
      unsetenv("TEST_SHARD_STATUS_FILE");
      unsetenv("XML_OUTPUT_FILE");
      unsetenv("GTEST_OUTPUT");
      if (chown(scratch.c_str(), user, user) != 0 ||
          setgroups(0, nullptr) != 0 || setresgid(user, user, user) != 0 ||
          setresuid(user, user, user) != 0 || chdir(scratch.c_str()) != 0) {
        _exit(2);
      }
      execv(program.c_str(), argv);
      _exit(2);
    }
    if (chdir(scratch.c_str()) != 0) _exit(2);
    // The usual end, for leak checkers and coverage.
    exit(RunTests(argc, argv));
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status == 0 ? 0 : 1;
}

// Whether ids other than root's exist here; a user namespace may have only one.
bool OrdinaryUserExists() {
  if (geteuid() != 0) return false;
  const pid_t child = fork();
  if (child == 0)
    _exit(setresuid(kOrdinaryUser, kOrdinaryUser, 0) == 0 ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  return status == 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (getenv(kScratch) != nullptr) return RunTests(argc, argv);
  std::string base = "/tmp/encapsulate-test-XXXXXX";
  if (mkdtemp(base.data()) == nullptr || chmod(base.c_str(), 0755) != 0) {
    perror("a directory in /tmp");
    return 2;
  }
  PublishData("tests/probe", base, "ENCAPSULATE_TEST_PROBE");
  PublishData("tests/attempt", base, "ENCAPSULATE_TEST_ATTEMPT");
  PublishData("tests/composed", base, "ENCAPSULATE_TEST_COMPOSED");
  PublishData("tool/encapsulate", base, "ENCAPSULATE_TEST_TOOL");
  umask(022);
  // What programs say is compared.
  for (const char* name : {"LC_ALL", "LC_MESSAGES", "LANG", "LANGUAGE"}) {
    unsetenv(name);
  }

  int result = RunAll(argc, argv, base, 0);
  if (OrdinaryUserExists()) {
    printf("\n=== Again, as an ordinary user\n");
    result |= RunAll(argc, argv, base, kOrdinaryUser);
  }
  std::error_code ignored;
  std::filesystem::remove_all(base, ignored);
  return result;
}
