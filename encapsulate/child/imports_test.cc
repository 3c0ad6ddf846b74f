// SPDX-License-Identifier: Apache-2.0
//
// What the child room takes from elsewhere. It runs in the copy of one thread
// of a program with many, where a lock may be held for ever and the heap be
// half changed, so what it may call is listed here: an object that imports
// anything else fails this test.
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

const std::set<std::string>& Allowed() {
  static const auto* const kAllowed = new std::set<std::string>{
      // System calls, which the C library only passes on.
      "_exit", "access", "bind", "chdir", "chmod", "clock_gettime", "__clone",
      "close", "dup3", "execve", "faccessat", "fcntl", "fgetxattr",
      "flistxattr", "fstat", "fstatat", "getegid", "geteuid", "getpid",
      "getrlimit", "getrusage", "ioctl", "kill", "listen", "lseek", "lstat",
      "mkdir", "mknod", "mmap", "mount", "mprotect", "munmap", "open", "openat",
      "poll", "ppoll", "prctl", "read", "recv", "recvmsg", "send", "sendmsg",
      "sethostname", "setpgid", "setrlimit", "setsid", "sigaction", "signalfd",
      "sigprocmask", "socket", "stat", "statfs", "statvfs", "statx", "symlink",
      "syscall", "umask", "umount2", "unshare", "waitid", "waitpid", "write",
      // ioctl(2) under other names.
      "isatty", "tcsetpgrp",
      // Functions of their arguments alone, or of what the kernel has put
      // beside the stack (getauxval).
      "getauxval", "gnu_dev_makedev", "htonl", "htons", "memchr", "memcmp",
      "memcpy", "memmove", "memset", "sigaddset", "sigemptyset", "strchr",
      "strcmp", "strlen", "strncmp", "strncpy", "strrchr", "strstr",
      // Of plan/: the address of a variable.
      "encapsulate::HandoverHeader()",
      // The compiler's. The last four are of Abseil's headers: what runs before
      // main(), and what ends the process.
      "_GLOBAL_OFFSET_TABLE_", "__errno_location", "__stack_chk_fail",
      "__assert_fail", "__cxa_atexit", "__dso_handle",
      "std::ios_base::Init::Init()", "std::ios_base::Init::~Init()"};
  return *kAllowed;
}

// What sanitizers and coverage add to every object.
bool IsOfATool(const std::string& symbol) {
  for (const char* start : {"__asan_", "__ubsan_", "__tsan_", "__sanitizer_",
                            "__gcov_", "__llvm_"}) {
    if (absl::StartsWith(symbol, start)) return true;
  }
  return false;
}

// "open" of "__open_2", by which _FORTIFY_SOURCE checks what the compiler
// knows.
std::string Unfortified(const std::string& symbol) {
  absl::string_view plain = symbol;
  if (absl::ConsumePrefix(&plain, "__") &&
      (absl::ConsumeSuffix(&plain, "_chk") ||
       absl::ConsumeSuffix(&plain, "_2"))) {
    return std::string(plain);
  }
  return symbol;
}

// The symbols of a room's archive; empty if nm(1) isn't there.
std::set<std::string> Symbols(const std::string& room, const char* which) {
  const std::string command =
      absl::StrCat("nm --demangle ", which, " ", getenv("TEST_SRCDIR"),
                   "/encapsulate/encapsulate/", room, "/lib", room, ".a");
  FILE* const output = popen(command.c_str(), "r");
  std::string text;
  for (int c; (c = fgetc(output)) != EOF;) text.push_back(static_cast<char>(c));
  pclose(output);
  std::set<std::string> symbols;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    // An address of 16 digits or as many spaces, a letter, the name.
    constexpr size_t kName = 19;
    if (line.size() <= kName || line[kName - 1] != ' ') continue;
    std::string name(line.substr(kName));
    symbols.insert(std::move(name));
  }
  return symbols;
}

TEST(ImportsTest, ChildNeedsNothingThatMayLockOrAllocate) {
  if (system("nm --version >/dev/null 2>&1") != 0) {
    GTEST_SKIP() << "this host has no nm(1)";
  }
  std::set<std::string> own;
  std::set<std::string> wanted;
  for (const char* room : {"child", "kernel"}) {
    own.merge(Symbols(room, "--defined-only"));
    wanted.merge(Symbols(room, "--undefined-only"));
  }
  ASSERT_THAT(own, testing::Contains(testing::HasSubstr("RunInit")));
  ASSERT_THAT(wanted, testing::Contains("execve"));
  std::vector<std::string> others;
  for (const std::string& symbol : wanted) {
    if (own.count(symbol) == 0 && !IsOfATool(symbol) &&
        Allowed().count(Unfortified(symbol)) == 0) {
      others.push_back(symbol);
    }
  }
  EXPECT_THAT(others, testing::IsEmpty());
}

}  // namespace
}  // namespace encapsulate
