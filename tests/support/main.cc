// SPDX-License-Identifier: Apache-2.0
//
// main() of the end-to-end tests: see environment.h.
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

// What tests may have as data, from the root of this project.
constexpr const char* kData[] = {"docs/inputs.md",
                                 "docs/violations.md",
                                 "tests/support/attempt",
                                 "tests/support/probe",
                                 "tests/support/racer",
                                 "tests/tool/composed",
                                 "tests/tool/fragile",
                                 "tests/tool/fragile_suite",
                                 "tests/tool/report_formats.py",
                                 "tests/tool/report_schema.py",
                                 "tool/encapsulate",
                                 "tool/encapsulate_static"};

std::filesystem::path InRunfiles(const std::string& name) {
  const char* directory = getenv("TEST_SRCDIR");
  const char* workspace = getenv("TEST_WORKSPACE");
  if (directory != nullptr && workspace != nullptr) {
    return std::filesystem::path(directory) / workspace / name;
  }
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() /
         "../.." / name;
}

// Copies a file to where everybody can read and execute it.
void Publish(const std::filesystem::path& file,
             const std::filesystem::path& copy) {
  std::filesystem::create_directories(copy.parent_path());
  std::filesystem::copy_file(file, copy);
  chmod(copy.c_str(), 0755);
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
    if (mkdir(scratch.c_str(), 0755) != 0) _exit(2);
    setenv(kScratch, scratch.c_str(), 1);
    setenv("HOME", scratch.c_str(), 1);
    // What Bazel says of this test is not about those that it runs.
    for (const char* name : {"TEST_TARGET", "TEST_SRCDIR"}) unsetenv(name);
    if (user != 0) {
      // The user may be unable to read the program where root's Bazel has it,
      // and then no function of it has a name.
      const std::filesystem::path program =
          std::filesystem::read_symlink("/proc/self/exe");
      const std::filesystem::path copy = base / program.filename();
      Publish(program, copy);
      // What Bazel wants written, the first run has written.
      for (const char* name :
           {"GTEST_OUTPUT", "GTEST_SHARD_STATUS_FILE",
            "TEST_PREMATURE_EXIT_FILE", "TEST_SHARD_STATUS_FILE",
            "TEST_WARNINGS_OUTPUT_FILE", "XML_OUTPUT_FILE"}) {
        unsetenv(name);
      }
      if (chown(scratch.c_str(), user, user) != 0 ||
          setgroups(0, nullptr) != 0 || setresgid(user, user, user) != 0 ||
          setresuid(user, user, user) != 0 || chdir(scratch.c_str()) != 0) {
        _exit(2);
      }
      execv(copy.c_str(), argv);
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
  if (child == 0) {
    _exit(setresuid(kOrdinaryUser, kOrdinaryUser, 0) == 0 ? 0 : 1);
  }
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
  umask(022);
  for (const char* name : kData) {
    const std::filesystem::path source = InRunfiles(name);
    if (!std::filesystem::exists(source)) continue;
    Publish(source, base + "/build/" + name);
  }
  setenv("ENCAPSULATE_TEST_BUILD", (base + "/build").c_str(), 1);
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
