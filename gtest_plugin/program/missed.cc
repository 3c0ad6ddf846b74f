// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/program/missed.h"

#include <linux/kcmp.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace encapsulate {
namespace {

// More paths than this say nothing.
constexpr size_t kMostPaths = 16;

std::vector<int> NumbersIn(const std::string& directory) {
  std::vector<int> numbers;
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator(directory, error);
       !error && entry != std::filesystem::directory_iterator();
       entry.increment(error)) {
    numbers.push_back(atoi(entry->path().filename().c_str()));
  }
  return numbers;
}

std::string NameOf(const std::string& process) {
  std::ifstream file(absl::StrCat("/proc/", process, "/comm"));
  std::string name;
  std::getline(file, name);
  return name;
}

// How many PID namespaces a process is in, seen from this one's; 0 if that
// can't be read.
size_t PidNamespaces(const std::string& process) {
  std::ifstream status(absl::StrCat("/proc/", process, "/status"));
  for (std::string line; std::getline(status, line);) {
    if (!absl::StartsWith(line, "NSpid:")) continue;
    const std::vector<std::string> numbers =
        absl::StrSplit(line, absl::ByAnyChar("\t "), absl::SkipEmpty());
    return numbers.size();
  }
  return 0;
}

// Not one of this library's: these share this process's memory, or are in a
// sandbox. One that can't be looked at isn't of this program's making.
bool IsTheProgramsOwn(int pid) {
  return syscall(SYS_kcmp, getpid(), pid, KCMP_VM, 0, 0) > 0 &&
         PidNamespaces(absl::StrCat(pid)) == PidNamespaces("self");
}

}  // namespace

std::vector<std::string> StartedProcesses() {
  std::vector<std::string> names;
  const std::string own = NameOf("self");
  for (int thread : NumbersIn("/proc/self/task")) {
    std::ifstream children(
        absl::StrCat("/proc/self/task/", thread, "/children"));
    for (int child; children >> child;) {
      const std::string name = NameOf(absl::StrCat(child));
      // One of this name is a sandbox in the making, or may be.
      if (!name.empty() && name != own && IsTheProgramsOwn(child)) {
        names.push_back(name);
      }
    }
  }
  return names;
}

std::set<int> ListeningPorts() {
  std::set<uint64_t> own;
  for (int fd : NumbersIn("/proc/self/fd")) {
    struct stat info;
    if (fstat(fd, &info) == 0 && S_ISSOCK(info.st_mode)) {
      own.insert(info.st_ino);
    }
  }
  std::set<int> ports;
  if (own.empty()) return ports;
  // Of this process's network; its sockets in a sandbox's aren't there.
  for (const char* path : {"/proc/self/net/tcp", "/proc/self/net/tcp6"}) {
    std::ifstream table(path);
    for (std::string line; std::getline(table, line);) {
      unsigned port;
      unsigned state;
      unsigned long inode;  // NOLINT(google-runtime-int): as scanf has it
      if (sscanf(line.c_str(),
                 " %*d: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x %*x:%*x %*x:%*x %*x "
                 "%*u %*u %lu",
                 &port, &state, &inode) == 3 &&
          state == TCP_LISTEN && own.count(inode) != 0) {
        ports.insert(static_cast<int>(port));
      }
    }
  }
  return ports;
}

void NamedFiles::Add(absl::string_view message) {
  // testing::TempDir() ends with a slash, to which another one is often added.
  std::string text(message);
  while (absl::StrContains(text, "//")) {
    text = absl::StrReplaceAll(text, {{"//", "/"}});
  }
  constexpr absl::string_view kEnds("/ \t\n\"'`<>()[]{},;:\0", 19);
  for (const std::string& directory : directories_) {
    const std::string start = directory + "/";
    for (size_t at = text.find(start);
         at != std::string::npos && paths_.size() < kMostPaths;
         at = text.find(start, at + start.size())) {
      const absl::string_view name =
          absl::string_view(text).substr(at + start.size());
      paths_.insert(
          absl::StrCat(start, name.substr(0, name.find_first_of(kEnds))));
    }
  }
}

std::set<std::string> NamedFiles::There() const {
  std::set<std::string> there;
  if (paths_.empty()) return there;
  for (const std::string& directory : directories_) {
    std::error_code error;
    for (auto entry = std::filesystem::directory_iterator(directory, error);
         !error && entry != std::filesystem::directory_iterator();
         entry.increment(error)) {
      const std::string path = entry->path().string();
      // A message may end with a full stop.
      if (paths_.count(path) + paths_.count(path + ".") != 0) {
        there.insert(path);
      }
    }
  }
  return there;
}

std::vector<std::string> DescribeMissed(const Missed& missed) {
  std::vector<std::string> lines;
  for (const std::string& path : missed.paths) {
    lines.push_back(absl::StrCat(
        "'", path,
        "' is there for the test program, and a test's directory is "
        "its own; hint: make it in the test's SetUp(), or name it in "
        "TestOptions::writable"));
  }
  if (!missed.processes.empty()) {
    const bool is_one = missed.processes.size() == 1;
    lines.push_back(absl::StrCat(
        "the test program has started ", missed.processes.size(),
        is_one ? " process (" : " processes (",
        absl::StrJoin(missed.processes, ", "),
        "), and a test's processes and network are its own; hint: start ",
        is_one ? "it" : "them", " in the test's SetUp()"));
  }
  if (!missed.ports.empty()) {
    lines.push_back(absl::StrCat(
        "the test program listens at port ", absl::StrJoin(missed.ports, ", "),
        ", and a test's network is its own; hint: start the server in the "
        "test's SetUp()"));
  }
  return lines;
}

}  // namespace encapsulate
