// main() of the end-to-end tests: see support.h.
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
constexpr uid_t kOrdinaryUser = 64321;

std::filesystem::path InRunfiles(const std::string& name) {
  const char* directory = getenv("TEST_SRCDIR");
  const char* workspace = getenv("TEST_WORKSPACE");
  if (directory != nullptr && workspace != nullptr) {
    return std::filesystem::path(directory) / workspace / name;
  }
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / ".." /
         name;
}

// Copies a program, if the test has it, to where everybody can execute it.
void Publish(const std::string& name, const std::string& directory,
             const char* variable) {
  const std::filesystem::path source = InRunfiles(name);
  if (!std::filesystem::exists(source)) return;
  const std::filesystem::path copy = directory / source.filename();
  std::filesystem::copy_file(source, copy);
  chmod(copy.c_str(), 0755);
  setenv(variable, copy.c_str(), 1);
}

// Runs every test in a child that uses `base`, as `user` if that isn't 0.
int RunAll(int argc, char** argv, const std::string& base, uid_t user) {
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    const std::string scratch = base + (user == 0 ? "/caller" : "/ordinary");
    if (mkdir(scratch.c_str(), 0700) != 0) _exit(2);
    if (user != 0) {
      // What Bazel wants written, the first run has written.
      unsetenv("TEST_PREMATURE_EXIT_FILE");
      unsetenv("GTEST_SHARD_STATUS_FILE");
      unsetenv("TEST_SHARD_STATUS_FILE");
      GTEST_FLAG_SET(output, "");
      if (chown(scratch.c_str(), user, user) != 0 ||
          setgroups(0, nullptr) != 0 || setresgid(user, user, user) != 0 ||
          setresuid(user, user, user) != 0) {
        _exit(2);
      }
      // Giving an id away makes a process undumpable.
      prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    }
    setenv("ENCAPSULATE_TEST_SCRATCH", scratch.c_str(), 1);
    setenv("HOME", scratch.c_str(), 1);
    if (chdir(scratch.c_str()) != 0) _exit(2);
    testing::InitGoogleTest(&argc, argv);
    const int result = RUN_ALL_TESTS();
    fflush(stdout);
    // The usual end, for leak checkers and coverage.
    exit(result);
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
  std::string base = "/tmp/encapsulate-test-XXXXXX";
  if (mkdtemp(base.data()) == nullptr || chmod(base.c_str(), 0755) != 0) {
    perror("a directory in /tmp");
    return 2;
  }
  Publish("tests/probe", base, "ENCAPSULATE_TEST_PROBE");
  Publish("tool/encapsulate", base, "ENCAPSULATE_TEST_TOOL");
  umask(022);

  int result = RunAll(argc, argv, base, 0);
  if (OrdinaryUserExists()) {
    printf("\n=== Again, as an ordinary user\n");
    result |= RunAll(argc, argv, base, kOrdinaryUser);
  }
  std::error_code ignored;
  std::filesystem::remove_all(base, ignored);
  return result;
}
