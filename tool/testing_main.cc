// SPDX-License-Identifier: Apache-2.0
//
// main() of the tests that run the tool: see testing.h.
#include <grp.h>
#include <sys/prctl.h>
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
constexpr uid_t kOrdinaryUser = 64322;

// Runs every test in a child with a directory of its own below `base`, as
// `user` unless that is 0.
int RunAll(const std::string& base, uid_t user) {
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    const std::string scratch = base + (user == 0 ? "/caller" : "/ordinary");
    bool ready = mkdir(scratch.c_str(), 0755) == 0;
    if (user != 0) {
      // The first run has written what Bazel reads.
      for (const char* name :
           {"XML_OUTPUT_FILE", "TEST_PREMATURE_EXIT_FILE",
            "TEST_SHARD_STATUS_FILE", "TEST_WARNINGS_OUTPUT_FILE"}) {
        unsetenv(name);
      }
      testing::TestEventListeners& listeners =
          testing::UnitTest::GetInstance()->listeners();
      delete listeners.Release(listeners.default_xml_generator());
      ready = ready && chown(scratch.c_str(), user, user) == 0 &&
              setgroups(0, nullptr) == 0 && setresgid(user, user, user) == 0 &&
              setresuid(user, user, user) == 0 &&
              // Giving an id away makes a process undumpable.
              prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0;
    }
    if (!ready || chdir(scratch.c_str()) != 0) _exit(2);
    setenv("ENCAPSULATE_TEST_SCRATCH", scratch.c_str(), 1);
    setenv("HOME", scratch.c_str(), 1);
    // What Bazel says of this test is not about the tool's.
    for (const char* name : {"TEST_TARGET", "TEST_SRCDIR"}) unsetenv(name);
    const int result = RUN_ALL_TESTS();
    fflush(stdout);
    exit(result);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status == 0 ? 0 : 1;
}

// Whether there are ids besides root's here: a user namespace may have one.
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

void Install(const std::string& name, const std::string& to,
             const char* variable) {
  std::filesystem::copy_file("tool/" + name, to);
  chmod(to.c_str(), 0755);
  setenv(variable, to.c_str(), 1);
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  std::string base = "/tmp/encapsulate-tool-XXXXXX";
  if (mkdtemp(base.data()) == nullptr || chmod(base.c_str(), 0755) != 0) {
    perror("a directory in /tmp");
    return 2;
  }
  umask(022);
  // What programs say is compared.
  for (const char* name : {"LC_ALL", "LC_MESSAGES", "LANG", "LANGUAGE"}) {
    unsetenv(name);
  }
  Install("encapsulate", base + "/encapsulate", "ENCAPSULATE_TEST_TOOL");
  Install("encapsulate_static", base + "/encapsulate_static",
          "ENCAPSULATE_TEST_STATIC");
  // Ordinary users may not be able to search the way to the build.
  std::filesystem::create_directories(base + "/build/tool");
  std::filesystem::create_directories(base + "/build/docs");
  for (const char* file : {"tool/report_formats.py", "tool/report_schema.py",
                           "docs/violations.md"}) {
    std::filesystem::copy_file(file, base + "/build/" + file);
  }
  setenv("ENCAPSULATE_TEST_BUILD", (base + "/build").c_str(), 1);
  int result = RunAll(base, 0);
  if (OrdinaryUserExists() && !testing::GTEST_FLAG(list_tests)) {
    printf("\n=== Again, as an ordinary user\n");
    result |= RunAll(base, kOrdinaryUser);
  }
  std::error_code ignored;
  std::filesystem::remove_all(base, ignored);
  return result;
}
